"""Pictures as tensors and back."""

import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from unspool import arrays
from unspool.errors import FieldError
from unspool.fields.image import ImageField

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (30, 40, 3), dtype=np.uint8)
GREYS = RNG.integers(0, 256, (30, 40), dtype=np.uint8)
PICTURES = Path(__file__).parents[4] / "shared" / "data" / "caption"


def same(encoded: torch.Tensor, image: Image.Image) -> bool:
    """Whether a tensor is what Pillow has as pixels."""
    expected = np.asarray(image)
    expected = expected[None] if expected.ndim == 2 else expected.transpose(2, 0, 1)
    return encoded.dtype == torch.uint8 and np.array_equal(encoded.numpy(), expected)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "gif", "doc"])
def test_a_file_is_what_it_holds_whatever_its_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    kind = {"doc": "PNG", "tif": "TIFF"}.get(suffix, suffix.upper())
    colours = COLOURS // 200 * 200 if suffix == "gif" else COLOURS  # a palette has 256 colours
    Image.fromarray(colours).save(path, kind, **({"lossless": True} if suffix == "webp" else {}))
    for value in (path, str(path), colours):
        assert same(ImageField(30, 40).encode(value), Image.fromarray(colours))


def test_pixels_in_memory_may_have_a_last_dimension_for_colours(tmp_path: Path) -> None:
    grey, colour = ImageField(30, 40, channels=1), ImageField(30, 40)
    assert same(grey.encode(GREYS), Image.fromarray(GREYS))
    assert torch.equal(grey.encode(GREYS[:, :, None]), grey.encode(GREYS))
    assert torch.equal(grey.encode(GREYS[::-1]), grey.encode(GREYS).flip(1))
    assert torch.equal(colour.encode(GREYS), grey.encode(GREYS).expand(3, 30, 40))
    assert same(grey.encode(COLOURS), Image.fromarray(COLOURS).convert("L"))
    np.savez(tmp_path / "x.npz", pictures=[COLOURS // 2, COLOURS])
    assert torch.equal(colour.encode(arrays.reference(tmp_path / "x.npz", "pictures", 1)), colour.encode(COLOURS))


@pytest.mark.parametrize("shape", [(30, 40), (10, 10), (7, 31), (64, 9), (90, 120)])
@pytest.mark.parametrize("channels", [1, 3])
def test_sizes_change_as_pillow_changes_them(shape: tuple[int, int], channels: int) -> None:
    image = Image.fromarray(COLOURS).convert("L" if channels == 1 else "RGB")
    bilinear = Image.Resampling.BILINEAR
    height, width = shape

    assert same(ImageField(*shape, channels, "stretch").encode(COLOURS), image.resize((width, height), bilinear))

    scale = min(width / 40, height / 30)
    inside = round(40 * scale), round(30 * scale)
    padded = Image.new(image.mode, (width, height))
    padded.paste(image.resize(inside, bilinear), ((width - inside[0]) // 2, (height - inside[1]) // 2))
    assert same(ImageField(*shape, channels, "pad").encode(COLOURS), padded)


@pytest.mark.parametrize("shape", [(30, 40), (10, 10), (15, 40), (7, 31), (60, 20), (90, 1)])
def test_what_does_not_fit_is_cut_off_evenly(shape: tuple[int, int]) -> None:
    height, width = shape
    expected = ImageOps.fit(Image.fromarray(COLOURS), (width, height), Image.Resampling.BILINEAR)
    found = ImageField(*shape).encode(COLOURS).permute(1, 2, 0).numpy()
    assert np.abs(found.astype(int) - np.asarray(expected)).max() <= 1  # where the edge lies is rounded otherwise
    steps = np.repeat(np.arange(30, dtype=np.uint8)[:, None], 40, 1)
    # 15 of 30 rows about the middle, from half of row 7 to half of row 22: each the mean of two halves.
    assert ImageField(15, 40, 1).encode(steps)[0, :, 0].tolist() == list(range(8, 23))


def test_making_a_picture_smaller_averages_what_it_covers() -> None:
    board = np.indices((64, 64)).sum(0).astype(np.uint8) % 2 * 255
    small = ImageField(8, 8, channels=1).encode(board)
    assert (small.min(), small.max()) >= (torch.tensor(126), torch.tensor(126))
    assert small.max() <= 129


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_as_its_camera_says(tmp_path: Path, orientation: int) -> None:
    upright = Image.fromarray(COLOURS)
    turns = Image.Transpose
    # What the camera wrote: the upright picture undone, as the standard defines each number.
    undo = {
        2: [turns.FLIP_LEFT_RIGHT],
        3: [turns.ROTATE_180],
        4: [turns.FLIP_TOP_BOTTOM],
        5: [turns.TRANSPOSE],
        6: [turns.ROTATE_90],
        7: [turns.TRANSVERSE],
        8: [turns.ROTATE_270],
    }
    written = upright
    for turn in undo.get(orientation, []):
        written = written.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    written.save(tmp_path / "a.png", exif=exif)
    assert same(ImageField(30, 40).encode(tmp_path / "a.png"), upright)


RED_HALF = np.full((4, 4, 4), (255, 0, 0, 127), np.uint8)


def palette_with_a_hole() -> Image.Image:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putpixel((0, 0), 0)
    return image


MODES: dict[str, tuple[Callable[[Path], Any], list[int], list[int]]] = {
    "ink": (lambda path: Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(path, "TIFF"), [255, 0, 0], [76]),
    "luminance": (lambda path: Image.new("YCbCr", (4, 4), (100, 128, 128)).save(path, "TIFF"), [100] * 3, [100]),
    "black and white": (lambda path: Image.new("1", (4, 4), 1).save(path, "PNG"), [255] * 3, [255]),
    "palette": (lambda path: palette_with_a_hole().save(path, "PNG"), [10, 20, 30], [18]),
    "grey": (lambda path: Image.new("L", (4, 4), 77).save(path, "PNG"), [77] * 3, [77]),
    "clear grey": (lambda path: Image.new("LA", (4, 4), (0, 0)).save(path, "PNG"), [255] * 3, [255]),
    "clear colour": (lambda path: Image.new("RGBA", (4, 4), (9, 9, 9, 0)).save(path, "PNG"), [255] * 3, [255]),
    "half clear": (lambda path: Image.fromarray(RED_HALF).save(path, "PNG"), [255, 128, 128], [166]),
    "16 bits": (lambda path: Image.fromarray(np.full((4, 4), 32768, np.uint16)).save(path, "PNG"), [128] * 3, [128]),
    "16 bits, other order": (
        lambda path: Image.fromarray(np.full((4, 4), 257 * 9, np.uint16)).save(path, "TIFF"),
        [9] * 3,
        [9],
    ),
    "16 bits in 32": (
        lambda path: Image.fromarray(np.full((4, 4), 65535, np.int32)).save(path, "TIFF"),
        [255] * 3,
        [255],
    ),
    "floats": (lambda path: Image.fromarray(np.full((4, 4), 0.2, np.float32)).save(path, "TIFF"), [51] * 3, [51]),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_pixel_becomes_colour_or_grey(tmp_path: Path, mode: str) -> None:
    save, colour, grey = MODES[mode]
    save(tmp_path / "a")
    for channels, expected in ((3, colour), (1, grey)):
        assert ImageField(4, 4, channels).encode(tmp_path / "a")[:, 2, 2].tolist() == expected


def test_a_transparent_colour_of_a_palette_is_white(tmp_path: Path) -> None:
    palette_with_a_hole().save(tmp_path / "a.png", transparency=0)
    encoded = ImageField(4, 4).encode(tmp_path / "a.png")
    assert encoded[:, 0, 0].tolist() == [255] * 3
    assert encoded[:, 3, 3].tolist() == [10, 20, 30]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_comes_back(channels: int) -> None:
    field = ImageField(30, 40, channels)
    decoded = field.decode(field.encode(COLOURS))
    assert (decoded.shape, decoded.dtype) == ((30, 40, channels), np.uint8)
    assert torch.equal(field.encode(decoded), field.encode(COLOURS))


def test_a_saved_field_is_the_same() -> None:
    field = ImageField(5, 6, 1, "pad")
    again = ImageField.from_json(json.loads(json.dumps(field.to_json())))
    assert torch.equal(again.encode(COLOURS), field.encode(COLOURS))
    assert (again.to_json(), repr(again), again.step_shape) == (field.to_json(), repr(field), (1, 5, 6))
    assert field.to_json() == {"kind": "image", "height": 5, "width": 6, "channels": 1, "fit": "pad"}


def test_only_the_first_picture_is_looked_at() -> None:
    ImageField().fit([COLOURS, "none.png"])
    ImageField().fit(iter([COLOURS]))
    for values, message in (
        ([], "`values` must hold at least one picture, but are empty"),
        (["none.png", COLOURS], "`none.png` can't be read: No such file or directory"),
        ("a.png", "`values` must be many pictures, but is one: `a.png`; use `field.fit([path])`"),
    ):
        with pytest.raises(FieldError) as error:
            ImageField().fit(values)
        assert str(error.value) == message


def png(size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(COLOURS).resize(size).save(stream, kind)
    return stream.getvalue()


def huge() -> bytes:
    header = b"IHDR" + (50_000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big") + png()[33:]


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "must be a picture, but is empty; copy it again"),
    "text": (b"no picture\n" * 9, "must be a picture that Pillow can read, but it knows no such kind of file"),
    "cut short": (png()[:2000], "can't be read as a picture; is it cut short? Pillow says: "),
    "a photograph cut short": (png(kind="JPEG")[:900], "can't be read as a picture; is it cut short? Pillow says: "),
    "a header alone": (png()[:20], "can't be read as a picture; is it cut short? Pillow says: "),
    "damaged": (png()[:60] + bytes(500) + png()[560:], "can't be read as a picture; is it cut short? Pillow says: "),
    "too large": (huge(), "is too large a picture: "),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named(tmp_path: Path, case: str) -> None:
    data, message = BROKEN[case]
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(FieldError) as error:
        ImageField().encode(path)
    assert str(error.value).startswith(f"`{path}` {message}")


PIXELS = "must be pixels of a picture, (height, width) or (height, width, 1, 3 or 4) uint8 from 0 to 255, but is"
MISTAKES: dict[str, tuple[Any, str]] = {
    "missing": ("none.png", "`none.png` can't be read: No such file or directory"),
    "a folder": (".", "`.` can't be read: Is a directory"),
    "no row": ("none.npz::a::0", "`none.npz` can't be read: No such file or directory"),
    "floats": (np.zeros((4, 4)), f"`value` {PIXELS} float64 of (4, 4)"),
    "colours first": (np.zeros((3, 4, 5), np.uint8), f"`value` {PIXELS} uint8 of (3, 4, 5)"),
    "a row": (np.zeros(4, np.uint8), f"`value` {PIXELS} uint8 of (4,)"),
    "no pixel": (np.zeros((0, 4), np.uint8), f"`value` {PIXELS} uint8 of (0, 4)"),
    "none": (
        None,
        "`value` must be the path of a picture, or an array of one, (height, width) or (height, width, channels) "
        "uint8, but is None (NoneType)",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_with_what_came(case: str) -> None:
    value, message = MISTAKES[case]
    with pytest.raises(FieldError) as error:
        ImageField().encode(value)
    assert str(error.value) == message


def test_numbers_that_are_no_grey_levels_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.5, 7]], np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(
        FieldError, match=r"a\.tif` must hold grey levels from 0 to 1 .*float32.* from 0\.5 to 7\.0; save"
    ):
        ImageField().encode(tmp_path / "a.tif")


def test_without_pillow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL.Image", None)
    with pytest.raises(FieldError, match=r"`a.png` needs the package `pillow`; pip install 'unspool\[images\]'"):
        ImageField().encode("a.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"height": 0}, "`height` must be a whole number of at least 1, but is 0"),
        ({"width": 2.0}, "`width` must be a whole number of at least 1, but is 2.0"),
        ({"channels": 2}, "`channels` must be 1, grey, or 3, red, green and blue, but is 2"),
        ({"channels": True}, "`channels` must be 1, grey, or 3, red, green and blue, but is True"),
        ({"fit": "cover"}, "`fit` must be one of crop, pad, stretch, but is 'cover'"),
        (
            {"size": 1},
            "`saved` must have the keys ['channels', 'fit', 'height', 'kind', 'width'], but has ['channels', ",
        ),
    ],
)
def test_what_it_is_made_with_is_checked(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as error:
        ImageField.from_json(ImageField().to_json() | arguments)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("bad", [torch.zeros(3, 64, 64), torch.zeros(1, 64, 64, dtype=torch.uint8), [1]])
def test_a_tensor_of_another_shape_or_type_is_refused(bad: Any) -> None:
    with pytest.raises(FieldError, match=r"`encoded` must be a tensor of \(3, 64, 64\) torch.uint8, but is"):
        ImageField().decode(bad)


@pytest.mark.skipif(not PICTURES.is_dir(), reason=f"the pictures are not in {PICTURES}")
def test_real_pictures_are_as_pillow_sees_them() -> None:
    files = sorted(PICTURES.glob("noto_emoji_64/images/**/*.png"))[:50]
    assert files
    for file in files:
        image = Image.open(file).convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        expected = Image.alpha_composite(white, image).convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
        assert same(ImageField(32, 32, fit="stretch").encode(file), expected)
