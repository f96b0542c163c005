"""Clips as tensors and back: each picture's grey levels tell which one it is."""

import io
import itertools
import json
import struct
import sys
import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unspool import arrays
from unspool.errors import FieldError
from unspool.fields.clips import moments, nearest
from unspool.fields.video import VideoField

CLIPS = Path(__file__).parents[4] / "shared" / "data" / "describe" / "grid_s1"
TICK = Fraction(1, 100)
RNG = np.random.default_rng(0)


def pictures(count: int, height: int = 48, width: int = 64) -> Any:
    """Of each picture the left half is grey by its number's tens and the right half by its ones, ten levels that lie
    far enough apart to survive compression."""
    halves = np.repeat([0, 1], [width // 2, width - width // 2])
    digits = np.array([divmod(i, 10) for i in range(count)])
    return (10 + 25 * digits[:, None, halves] * np.ones((1, height, 1))).astype(np.uint8)


def write(path: Path, frames: Any, times: Any = None, codec: str = "mpeg4", **more: Any) -> Path:
    """A video of grey pictures; times are in hundredths of a second."""
    with av.open(str(path), "w", format=more.get("format"), options=more.get("options", {})) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.bit_rate = 2_000_000
        stream.codec_context.gop_size = more.get("keys", 12)
        stream.codec_context.max_b_frames = more.get("both_ways", 0)
        if times is not None:
            stream.codec_context.time_base = TICK
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="gray").reformat(format=stream.pix_fmt)
            frame.pts = number if times is None else times[number]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def taken(encoded: torch.Tensor, count: int) -> list[int]:
    """Which of so many pictures each step shows."""
    grey = encoded[:, 0].float().mean(1)
    tens, ones = (((side.mean(1) - 10) / 25).round() for side in (grey[:, :2], grey[:, -2:]))
    found = (10 * tens + ones).long().tolist()
    assert all(0 <= number < count for number in found)
    return found


def nearest_by_hand(times: list[int], wanted: list[Fraction]) -> list[int]:
    return [min(range(len(times)), key=lambda i: (abs(times[i] - moment), i)) for moment in wanted]


KINDS: dict[str, dict[str, Any]] = {
    "mp4": {},
    "avi": {},
    "mpg": {"codec": "mpeg1video"},
    "ts": {"codec": "mpeg2video", "both_ways": 2},
    "mkv": {"both_ways": 2},
    "mov": {"both_ways": 2},
    "m1v": {"codec": "mpeg1video", "format": "mpeg1video", "both_ways": 2},
    "mjpeg": {"codec": "mjpeg", "format": "mjpeg"},
    "txt": {"format": "mp4"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_pictures_that_an_array_of_them_gives(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"a.{kind}", pictures(25), **KINDS[kind])
    for frames in (None, 1, 2, 5, 13, 25, 60):
        field = VideoField(frames=frames, height=6, width=8)
        expected = [round(24 * k / (frames - 1) - 1e-9) for k in range(frames)] if frames not in (None, 1) else None
        for value in (str(path), pictures(25)):
            encoded = field.encode(value)
            assert (encoded.shape, encoded.dtype) == ((frames or 25, 1, 6, 8), torch.uint8)
            assert taken(encoded, 25) == (expected or (list(range(25)) if frames is None else [12]))
        assert (field.encode(path).float() - field.encode(pictures(25)).float()).abs().max() <= 2


TIMES = [0, 1, 2, 3, 10, 11, 12, 30, 31, 60, 90, 91, 92, 93, 100]


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_pictures_are_chosen_by_the_times_at_which_they_are_shown(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"a.{kind}", pictures(15), TIMES)
    for frames in (1, 2, 4, 7, 15, 40):
        wanted = [Fraction(100 * k, frames - 1) for k in range(frames)] if frames > 1 else [Fraction(50)]
        encoded = VideoField(frames=frames, height=6, width=8).encode(path)
        assert taken(encoded, 15) == nearest_by_hand(TIMES, wanted)
    for rate in (1, 4, 10, 12.5, 40):
        wanted = [k * 100 / Fraction(rate) for k in range(int(rate) + 1)]
        encoded = VideoField(rate=rate, height=6, width=8).encode(path)
        assert taken(encoded, 15) == nearest_by_hand(TIMES, wanted)
    assert taken(VideoField(height=6, width=8).encode(path), 15) == list(range(15))


@pytest.mark.parametrize(("rate", "expected"), [(25, range(75)), (12.5, range(0, 75, 2)), (1, [0, 25, 50]), (0.1, [0])])
def test_a_rate_takes_so_many_of_a_second(tmp_path: Path, rate: float, expected: Any) -> None:
    path = write(tmp_path / "a.mpg", pictures(75), codec="mpeg1video")
    assert taken(VideoField(rate=rate, height=6, width=8).encode(path), 75) == list(expected)


@pytest.mark.parametrize("shown", [30, Fraction(30_000, 1001), 24, 60])
def test_rounded_times_lose_no_picture(shown: Fraction) -> None:
    times = [round(1000 * k / shown) for k in range(300)]  # milliseconds, as in Matroska
    for count in range(1, 300):
        wanted = moments(times[0], times[count - 1], count, None, Fraction(float(shown)) / 1000)
        assert list(nearest(zip(times[:count], range(count), strict=True), wanted)) == list(range(count))


@given(st.lists(st.integers(0, 60), min_size=1, max_size=12), st.integers(1, 20))
def test_the_nearest_is_found_in_one_pass(gaps: list[int], frames: int) -> None:
    times = list(itertools.accumulate(gaps))
    wanted = list(moments(times[0], times[-1], len(times), frames, None) or ())
    assert len(wanted) == frames
    found = list(nearest(((time, time) for time in times), iter(wanted)))
    assert found == [times[i] for i in nearest_by_hand(times, wanted)]


def test_no_more_than_two_pictures_are_held() -> None:
    live, most = 0, 0

    class Held:
        def __init__(self) -> None:
            nonlocal live, most
            live += 1
            most = max(most, live)

        def __del__(self) -> None:
            nonlocal live
            live -= 1

    for each in nearest(((i, Held()) for i in range(1000)), moments(0, 999, 1000, 10, None)):
        del each
    assert most <= 3  # the one before, this one, and the next that is being made


def test_a_part_is_cut_out_before_it_is_brought_to_size(tmp_path: Path) -> None:
    frames = RNG.integers(0, 256, (3, 48, 64), dtype=np.uint8)
    crop = (10, 5, 20, 30)
    field = VideoField(height=9, width=11, crop=crop)
    small = [Image.fromarray(f[10:30, 5:35]).resize((11, 9), Image.Resampling.BILINEAR) for f in frames]
    assert field.encode(frames)[:, 0].tolist() == np.stack(small).tolist()
    assert torch.equal(field.encode(frames), VideoField(height=9, width=11).encode(frames[:, 10:30, 5:35]))
    halves = np.zeros((4, 48, 64), np.uint8)
    halves[:, 24:, 32:] = 200
    path = write(tmp_path / "a.mp4", halves)
    found = VideoField(height=16, width=16, crop=(16, 20, 16, 16)).encode(path)[0, 0]
    assert ((found > 100) == torch.from_numpy(halves[0, 16:32, 20:36] > 100)).all()


def test_grey_becomes_colour_and_colour_grey(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", pictures(5))
    colour, grey = VideoField(height=6, width=8, channels=3).encode(path), VideoField(height=6, width=8).encode(path)
    assert colour.shape == (5, 3, 6, 8)
    assert (colour.float() - grey.float()).abs().max() <= 2
    red = np.full((2, 6, 8, 3), (200, 0, 0), np.uint8)
    assert VideoField(height=6, width=8, channels=3).encode(red)[1, :, 0, 0].tolist() == [200, 0, 0]
    assert VideoField(height=6, width=8).encode(red).unique().tolist() == [60]


def test_arrays_and_folders_are_clips(tmp_path: Path) -> None:
    frames, field = pictures(12), VideoField(frames=5, height=6, width=8)
    expected = field.encode(frames)
    np.save(tmp_path / "a.npy", frames)
    np.savez(tmp_path / "a.npz", clips=[frames[::-1], frames])
    (tmp_path / "folder").mkdir()
    for number, pixels in enumerate(frames):
        Image.fromarray(pixels).save(tmp_path / "folder" / f"{number}.png")
    (tmp_path / "folder" / ".hidden").write_text("no picture")
    reference = arrays.reference(tmp_path / "a.npz", "clips", 1)
    for value in (frames[..., None], tmp_path / "a.npy", str(tmp_path / "folder"), tmp_path / "folder", reference):
        assert torch.equal(field.encode(value), expected)
    for value in (frames, tmp_path / "folder"):
        with pytest.raises(
            FieldError, match=r"`rate` needs to know when a picture is shown, which .* does not tell; use"
        ):
            VideoField(rate=5).encode(value)


def test_a_clip_that_was_filmed_sideways_is_turned(tmp_path: Path) -> None:
    halves = np.zeros((4, 48, 64), np.uint8)
    halves[:, :, 32:] = 200  # white on the right
    path = write(tmp_path / "a.mp4", halves)
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 44  # after its name, version, times and volume: a matrix of nine numbers
    one = 1 << 16
    assert struct.unpack_from(">9i", data, place) == (one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    # A quarter turn clockwise, as telephones write it: what was on the right is shown below.
    struct.pack_into(">9i", data, place, 0, one, 0, -one, 0, 0, 48 * one, 0, 1 << 30)
    path.write_bytes(data)
    found = VideoField(height=4, width=4).encode(path)[0, 0].float()
    assert found[0].max() < 10
    assert found[3].min() > 190
    assert VideoField(height=64, width=48, crop=(0, 0, 64, 48)).encode(path).shape == (4, 1, 64, 48)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_clip_comes_back(channels: int) -> None:
    field = VideoField(height=48, width=64, channels=channels)
    decoded = field.decode(field.encode(pictures(5)))
    assert (decoded.shape, decoded.dtype) == ((5, 48, 64, channels), np.uint8)
    assert torch.equal(field.encode(decoded), field.encode(pictures(5)))


def test_a_saved_field_is_the_same() -> None:
    for field in (VideoField(3, None, 5, 6, 3, (1, 2, 30, 40)), VideoField(rate=12.5)):
        again = VideoField.from_json(json.loads(json.dumps(field.to_json())))
        assert (again.to_json(), repr(again), again.step_shape) == (field.to_json(), repr(field), field.step_shape)
    crop = VideoField(crop=[1, 2, 30, 40])
    again = VideoField.from_json(json.loads(json.dumps(crop.to_json())))
    assert torch.equal(again.encode(pictures(3)), crop.encode(pictures(3)))


def test_only_the_first_clip_is_looked_at() -> None:
    VideoField().fit([pictures(2), "none.mpg"])
    with pytest.raises(FieldError, match=r"`none\.mpg` can't be read: No such file or directory"):
        VideoField().fit(["none.mpg", pictures(2)])
    with pytest.raises(FieldError, match="`values` must hold at least one clip, but are empty"):
        VideoField().fit([])


def noise(path: Path, **more: Any) -> bytes:
    """A clip all of whose pictures take up as much room."""
    return write(path, RNG.integers(0, 256, (80, 48, 64), dtype=np.uint8), **more).read_bytes()


@pytest.mark.parametrize(
    ("kind", "more", "unit"),
    [
        ("mp4", {"options": {"movflags": "faststart"}}, "80 pictures"),
        ("avi", {}, "80 pictures"),
        ("mkv", {}, "3.2 sec"),
    ],
)
def test_what_is_cut_short_is_refused_and_what_lacks_little_is_not(
    tmp_path: Path, kind: str, more: Any, unit: str
) -> None:
    path = tmp_path / f"a.{kind}"
    data = noise(path, **more)
    for part, whole in ((1.0, True), (0.95, True), (0.6, False), (0.2, False)):
        path.write_bytes(data[: int(part * len(data))])
        if whole:
            assert len(VideoField(frames=7).encode(path)) == 7
            continue
        with pytest.raises(FieldError) as error:
            VideoField(frames=7).encode(path)
        assert str(error.value).startswith(f"`{path}` is cut short or damaged: it promises {unit}")
        assert str(error.value).endswith("can be read; copy it again")


def test_what_is_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    data = bytearray(noise(path, keys=1))
    media = data.index(b"mdat") + 4
    data[media : media + len(data) // 2] = bytes(len(data) // 2)
    path.write_bytes(data)
    with pytest.raises(
        FieldError, match=r"a\.mp4` is cut short or damaged: it promises 80 pictures, but only \d+ can be"
    ):
        VideoField().encode(path)


def sound() -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    return stream.getvalue()


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "PNG")
    return stream.getvalue()


UNREADABLE = "must be a video that FFmpeg can read, but it says: "
BROKEN: dict[str, tuple[bytes, str]] = {
    "a sound": (sound(), "must have pictures over time, but has none; is it a sound, or cut short?"),
    "a picture": (png(), "must have pictures over time, but is a single picture; use a field of kind `image`"),
    "empty": (b"", f"{UNREADABLE}Invalid data found when processing input; is it another kind of file, or cut short?"),
    "text": (b"hello world\n" * 200, f"{UNREADABLE}Invalid data found when processing input; is it another kind of"),
    "a playlist": (b"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:1,\nfile:a.ts\n#EXT-X-ENDLIST\n", UNREADABLE),
    "a list of files": (b"ffconcat version 1.0\nfile a.ts\n", UNREADABLE),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_video_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    data, message = BROKEN[case]
    monkeypatch.chdir(tmp_path)  # where a list of files would find them
    write(tmp_path / "a.ts", pictures(25), codec="mpeg2video", both_ways=2)
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(FieldError) as error:
        VideoField().encode(path)
    assert str(error.value).startswith(f"`{path}` {message}")


def test_a_video_without_an_index_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    data = noise(path)
    index = data.index(b"moov")
    for end, message in (
        (
            index // 2,
            f"{UNREADABLE}Invalid data found when processing input; is it another kind of file, or cut short?",
        ),
        (index + 200, "must have pictures over time, but has none; is it a sound, or cut short?"),
    ):
        path.write_bytes(data[:end])
        with pytest.raises(FieldError) as error:
            VideoField().encode(path)
        assert str(error.value) == f"`{path}` {message}"


def test_a_video_without_a_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        container.start_encoding()
    with pytest.raises(FieldError, match=r"a\.avi` must hold at least one picture, but holds none; copy it again"):
        VideoField().encode(path)


def test_a_folder_that_is_no_clip_is_named(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match=r"the folder `.*` must hold at least one picture, but holds none"):
        VideoField().encode(tmp_path)
    (tmp_path / "notes.doc").write_text("no picture")
    with pytest.raises(FieldError, match=r"notes\.doc` must be a picture that Pillow can read, but it knows no such"):
        VideoField().encode(tmp_path)


PIXELS = (
    "`value` must be pixels of at least one picture, (pictures, height, width) or (pictures, height, width, channels) "
    "uint8 from 0 to 255, but is"
)
MISTAKES: dict[str, tuple[Any, str]] = {
    "missing": ("none.mpg", "`none.mpg` can't be read: No such file or directory"),
    "missing array": ("none.npy", "`none.npy` can't be read: No such file or directory"),
    "no row": ("none.npz::a::0", "`none.npz` can't be read: No such file or directory"),
    "no picture": (np.zeros((0, 4, 5), np.uint8), f"{PIXELS} uint8 of (0, 4, 5)"),
    "one picture": (np.zeros((4, 5), np.uint8), f"{PIXELS} uint8 of (4, 5)"),
    "floats": (np.zeros((2, 4, 5)), f"{PIXELS} float64 of (2, 4, 5)"),
    "colours first": (
        np.zeros((2, 9, 4, 5), np.uint8),
        "picture 0 of `value` must be pixels of a picture, (height, wi",
    ),
    "none": (
        None,
        "`value` must be the path of a video file or of a folder of pictures, or an array, (pictures, height, width) "
        "or (pictures, height, width, channels) uint8, but is a NoneType",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_with_what_came(case: str) -> None:
    value, message = MISTAKES[case]
    with pytest.raises(FieldError) as error:
        VideoField().encode(value)
    assert str(error.value).startswith(message)


def test_a_part_outside_of_the_pictures_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", pictures(3))
    with pytest.raises(FieldError) as error:
        VideoField(crop=(40, 0, 9, 9)).encode(path)
    assert str(error.value) == (
        f"`crop` must lie within the pictures of `{path}`, 48 high and 64 wide, but is (40, 0, 9, 9): "
        "top, left, height, width"
    )


def test_without_pyav_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(FieldError, match=r"`a\.mpg` needs the package `av`; pip install 'unspool\[video\]'"):
        VideoField().encode("a.mpg")


PART = "`crop` must be four whole numbers, top and left, height and width, but is"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frames": 0}, "`frames` must be a whole number of at least 1, but is 0"),
        ({"rate": 0}, "`rate` must be a number above 0, pictures a second, but is 0"),
        ({"rate": float("inf")}, "`rate` must be a number above 0, pictures a second, but is inf"),
        ({"frames": 3, "rate": 2}, "`frames` and `rate` can't both be given, but are 3 and 2; leave one out"),
        ({"height": 1.5}, "`height` must be a whole number of at least 1, but is 1.5"),
        ({"channels": 4}, "`channels` must be 1, grey, or 3, red, green and blue, but is 4"),
        ({"crop": [0, 0, 0, 9]}, f"{PART} [0, 0, 0, 9]"),
        ({"crop": [0, 0, 9]}, f"{PART} [0, 0, 9]"),
        ({"crop": [-1, 0, 9, 9]}, f"{PART} [-1, 0, 9, 9]"),
        ({"crop": "all"}, f"{PART} 'all'"),
        (
            {"speed": 1},
            "`saved` must have the keys ['channels', 'crop', 'frames', 'height', 'kind', 'rate', 'width'], bu",
        ),
    ],
)
def test_what_it_is_made_with_is_checked(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as error:
        VideoField.from_json(VideoField().to_json() | arguments)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("bad", [torch.zeros(2, 1, 64, 64), torch.zeros(1, 64, 64, dtype=torch.uint8), [1]])
def test_a_tensor_of_another_shape_or_type_is_refused(bad: Any) -> None:
    with pytest.raises(FieldError, match=r"`encoded` must be a tensor of \(steps, 1, 64, 64\) torch.uint8, but is"):
        VideoField().decode(bad)


@pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the clips are not in {CLIPS}")
def test_real_clips_are_near_what_another_hand_took_from_them() -> None:
    """Mouths, every second picture, cut out and made smaller by others."""
    with np.load(CLIPS / "grid_s1_mouth_38x24x70.npz", allow_pickle=True) as file:
        mouths = dict(zip(map(str, file["ids"]), file["frames"], strict=True))
    field = VideoField(rate=12.5, height=24, width=70, crop=(189, 80, 48, 140))
    for path in sorted((CLIPS / "mpg").glob("*.mpg"))[:3]:
        found = field.encode(path)[:, 0].float()
        assert found.shape == (38, 24, 70)
        assert (found - torch.from_numpy(mouths[path.stem]).float()).abs().mean() < 6
