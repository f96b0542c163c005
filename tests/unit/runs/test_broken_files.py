"""Files that are broken: all named and counted in one message, or left out as far as the recipe allows it."""

import errno
import logging
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from unit.runs import media

from unspool import runs
from unspool.data import Table
from unspool.data.broken import broken, without
from unspool.errors import DataError, FieldError, MissingPackageError
from unspool.fields import KINDS, AudioField, ImageField, VideoField
from unspool.fields.midi import write_midi
from unspool.recipes import DataSpec
from unspool.runs.kept import reading_encoded
from unspool.runs.preparing import prepared

LEAVE = (
    "mend these files or take their rows out, or leave these rows out by `data.skip_broken={}`, the largest share of a "
    "part"
)


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # they are drawn, and tested, elsewhere


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    return media.write_sounds(tmp_path / "data")


def cut_short(path: Path) -> str:
    path.write_bytes(path.read_bytes()[:-100])
    size = path.stat().st_size - 44
    return (
        f"`{path}` is cut short: its header promises {size + 100:,} bytes of sound, but {size:,} are there; "
        "copy it again"
    )


def no_sound(path: Path) -> str:
    path.write_text("a text\n")
    return (
        f"`{path}` must be a sound that libsndfile can read, but it says: Format not recognised; is it another kind of "
        "file, or cut short?"
    )


def parts_of(folder: Path) -> dict[str, list[Path]]:
    made = prepared(media.spoken(folder))
    return {part: [Path(path) for path in table.column("sound")] for part, table in made.tables.items()}


def test_all_broken_files_of_all_parts_are_named_and_counted_in_one_message(sounds: Path, tmp_path: Path) -> None:
    parts = parts_of(sounds)
    sizes = {part: len(paths) for part, paths in parts.items()}
    reasons = [cut_short(parts["train"][1]), no_sound(parts["train"][2]), cut_short(parts["valid"][0])]
    no_sound(parts["test"][3])
    with pytest.raises(FieldError) as error:
        runs.train(media.spoken(sounds), tmp_path / "run")
    share = max(2 / sizes["train"], 1 / sizes["valid"], 1 / sizes["test"])
    assert str(error.value).split("\n") == [
        "`sound` must name files that can be read, but 4 of 16 rows name others (2 of train, 1 of valid, 1 of test):",
        *(f"  {reason}" for reason in reasons),
        "  and 1 more",
        LEAVE.format(f"{np.ceil(share * 1000) / 1000:g}"),
    ]
    assert not (tmp_path / "run").exists()


def test_one_in_a_part_that_is_only_evaluated_is_told_there(sounds: Path, tmp_path: Path) -> None:
    run = runs.train(media.spoken(sounds), tmp_path / "run")
    reason = cut_short(next((sounds / "recordings").glob("low_0.wav")))
    with pytest.raises(FieldError) as error:
        run.evaluate()
    assert str(error.value).startswith(
        "`sound` must name files that can be read, but 1 of 16 rows name others (1 of test)"
    )
    assert reason in str(error.value)


def test_where_the_recipe_allows_it_rows_are_left_out_of_all_columns_and_it_is_said(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    parts = parts_of(sounds)
    told = cut_short(parts["train"][0]), no_sound(parts["valid"][1]), cut_short(parts["test"][0])
    recipe = media.spoken(sounds, "data.skip_broken=0.4")
    made = prepared(recipe)
    left = {part: [Path(path) for path in table.column("sound")] for part, table in made.tables.items()}
    assert left == {
        "train": parts["train"][1:],
        "valid": [parts["valid"][0], *parts["valid"][2:]],
        "test": parts["test"][1:],
    }
    for part in ("train", "valid"):
        batch = made.encoded[part].batch(range(len(left[part])))
        names = [made.task.fields["text"].decode(each) for each in batch["text"].split()]
        assert names == [path.name.partition("_")[0] for path in left[part]]
    run = runs.train(recipe, tmp_path / "run")
    lines = [
        f"`sound`, {part}: 1 of {len(parts[part])} rows are left out, since their files can't be read: {reason}"
        for part, reason in zip(("train", "valid", "test"), told, strict=True)
    ]
    said, card = capsys.readouterr().err, (tmp_path / "run" / "README.md").read_text()
    assert all(line in said and f"{line}." in card for line in lines)
    with caplog.at_level(logging.WARNING):
        scores = run.evaluate()
    assert lines[2] in caplog.text
    assert len((tmp_path / "run" / "predictions" / "test.jsonl").read_text().splitlines()) == len(parts["test"]) - 1
    assert runs.train(recipe, tmp_path / "run", resume=True).evaluate() == scores


def test_more_than_the_recipe_allows_is_refused(sounds: Path) -> None:
    parts = parts_of(sounds)
    reason = cut_short(parts["valid"][0])
    with pytest.raises(DataError) as error:
        prepared(media.spoken(sounds, "data.skip_broken=0.1"))
    assert str(error.value).split("\n") == [
        "`sound` must name files that can be read, but 1 of 16 rows name others (1 of valid), more of a part than the "
        "0.1 that `data.skip_broken` allows:",
        f"  {reason}",
        LEAVE.format(f"{np.ceil(1000 / len(parts['valid'])) / 1000:g}"),
    ]


def test_a_part_of_nothing_but_broken_files_can_not_be_left_out(sounds: Path) -> None:
    for path in parts_of(sounds)["valid"]:
        no_sound(path)
    with pytest.raises(DataError, match=r"\nmend these files or take their rows out$"):
        prepared(media.spoken(sounds, "data.skip_broken=0.99"))


def test_files_that_are_mended_are_taken_again(sounds: Path) -> None:
    recipe = media.spoken(sounds, "data.skip_broken=0.4")
    path = parts_of(sounds)["train"][0]
    whole = path.read_bytes()
    cut_short(path)
    assert len(prepared(recipe).left_out) == 1
    path.write_bytes(whole)
    assert prepared(recipe).left_out == []


def test_another_mistake_stays_what_it_is(sounds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_short(parts_of(sounds)["train"][0])
    with pytest.raises(FieldError, match="`mels` must be few enough"):
        prepared(media.spoken(sounds, "inputs.sound.mels=200"))

    def missing(*_: Any) -> Any:
        raise MissingPackageError("`x.wav` needs the package `soundfile`")

    monkeypatch.setattr("unspool.fields.sounds._package", missing)
    for allowed in ("0", "0.4"):
        with pytest.raises(MissingPackageError, match=r"needs the package `soundfile`$"):
            prepared(media.spoken(sounds, f"data.skip_broken={allowed}"))


def test_a_validation_reads_no_file_again(sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = prepared(media.spoken(sounds))
    asked = list(made.tables["valid"].column("sound"))
    decode, model = made.recipe.decode, made.model.eval()
    expected = made.task.predict(model, asked, decode)
    kept = reading_encoded(made, "valid")
    new = str(next((sounds / "recordings").glob("low_0.wav")))
    known = kept.fields["sound"].encode_many([*asked, new])
    assert all(map(torch.equal, known, made.task.fields["sound"].encode_many([*asked, new])))
    monkeypatch.setattr("unspool.fields.sounds._from_file", None)
    assert [each.score for each in kept.predict(model, asked, decode)] == [each.score for each in expected]
    with pytest.raises(TypeError):
        made.task.predict(model, asked, decode)


def test_a_file_that_several_rows_name_is_looked_at_once(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{name}.wav") for name in "ab"]
    soundfile.write(paths[0], np.zeros(99), 8000)
    table = Table.from_rows([{"n": n, "sound": paths[n % 2]} for n in range(7)])
    looked: list[str] = []

    class Looking(AudioField):
        def check(self, value: Any) -> None:
            looked.append(value)
            super().check(value)

    found = broken(table, "sound", Looking(), ["looking"])
    assert found == dict.fromkeys((1, 3, 5), f"`{paths[1]}` can't be read: No such file or directory")
    assert broken(table, "sound", Looking(), ["looking"]) == found
    assert looked == paths
    kept = without(table, found)
    assert [row["n"] for row in kept] == [0, 2, 4, 6]
    assert kept.key != table.key
    assert without(table, []) is table


def test_what_the_system_refuses_is_asked_for_again(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{name}.wav") for name in ("a", "b", "c")]
    soundfile.write(paths[0], np.zeros(99), 8000)
    (tmp_path / "b.wav").write_text("no sound")
    table = Table.from_rows([{"sound": path} for path in paths])
    looked: list[str] = []
    refused: list[str] = [paths[0]]

    class Refused(AudioField):
        def check(self, value: Any) -> None:
            looked.append(value)
            if value in refused:
                error = PermissionError(errno.EACCES, "Permission denied")
                raise FieldError(f"`{value}` can't be read: {error.strerror}") from error
            super().check(value)

    def found() -> dict[int, str]:
        looked.clear()
        return broken(table, "sound", Refused(), ["refused"])

    reasons = found()
    assert list(reasons) == [0, 1, 2]
    assert reasons[0] == f"`{paths[0]}` can't be read: Permission denied"
    assert found() == reasons
    assert looked == [paths[0]]
    refused.clear()
    assert found() == {row: reason for row, reason in reasons.items() if row != 0}
    refused.append(paths[0])
    assert found() == reasons


@pytest.mark.parametrize("kind", ["notes", "chords"])
def test_broken_music_is_named_or_left_out_and_what_is_no_file_is_music(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mido")
    for number in range(10):
        write_midi(tmp_path / f"{number}.mid", [[60 + number], [], [64]])
    (tmp_path / "3.mid").write_text("no music")
    data = {"path": str(tmp_path), "format": "files", "columns": {"notes": "file"}, "parts": {"train": "{number}.mid"}}

    def composed(allowed: float) -> Any:
        asked = media.composed(tmp_path / "music.json", kind)
        split = {"by": "notes", "valid": 0.3, "test": 0}
        return asked.model_copy(update={"data": DataSpec(**data, split=split, skip_broken=allowed)})

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "mido", None)
        with pytest.raises(MissingPackageError, match=r"needs the package `mido`; pip install"):
            prepared(composed(0.5))
    with pytest.raises(FieldError) as error:
        prepared(composed(0))
    assert str(error.value).startswith("`notes` must name files that can be read, but 1 of 10 rows name others (1 of ")
    made = prepared(composed(0.5))
    assert len(made.left_out) == 1
    assert sum(map(len, made.tables.values())) == 9
    table = Table.from_rows([{"notes": "[[60, 64], []]"}, {"notes": str(tmp_path / "0.mid")}, {"notes": "no music"}])
    assert list(broken(table, "notes", KINDS[kind](), [])) == [2]


def wav(path: Path, samples: Any) -> Path:
    soundfile.write(path, samples, 8000, format="WAV")
    return path


def video(path: Path, times: list[int]) -> Path:
    """A clip whose pictures are shown at these hundredths of a second, each as light as its time says."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height = stream.width = 32
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 100)
        for time in times:
            frame = av.VideoFrame.from_ndarray(np.full((32, 32), 2 * time, np.uint8), format="gray")
            frame = frame.reformat(format="yuv420p")
            frame.pts = time
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def picture(path: Path, mode: str, colour: Any, kind: str) -> Path:
    Image.new(mode, (8, 8), colour).save(path, kind)
    return path


def sixteen(path: Path) -> Path:
    Image.fromarray(np.full((8, 8), 51 * 257, np.uint16)).save(path, "PNG")
    return path


READ: dict[str, tuple[Callable[[Path], Path], Any, Any]] = {
    "a picture in inks": (
        lambda at: picture(at / "a.jpg", "CMYK", (0, 255, 255, 0), "JPEG"), ImageField(2, 2), [255, 0, 0],
    ),
    "a picture of 16 bits": (lambda at: sixteen(at / "a.png"), ImageField(2, 2), [51, 51, 51]),
    "a photograph called .png": (
        lambda at: picture(at / "a.png", "RGB", (9, 99, 199), "JPEG"), ImageField(2, 2), [9, 99, 199],
    ),
    "a sound called .mp3": (lambda at: wav(at / "a.mp3", np.zeros(800)), AudioField(mels=4), None),
    "silence": (lambda at: wav(at / "a.wav", np.zeros(800)), AudioField(mels=4), None),
    "a variable rate": (
        lambda at: video(at / "a.mp4", [0, 4, 8, 50, 100]), VideoField(frames=3, height=2, width=2), [0, 100, 200],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_what_is_only_unusual_is_read(case: str, tmp_path: Path) -> None:
    write, field, expected = READ[case]
    path = str(write(tmp_path))
    field.check(path)
    field.fit([path])
    found = field.encode(path).double()
    assert found.isfinite().all()
    if expected is not None:
        assert (found.mean((-1, -2)).flatten() - torch.tensor(expected)).abs().max() <= 3
    assert broken(Table.from_rows([{"x": path}]), "x", field, [case]) == {}


def without_pictures(path: Path) -> Path:
    """A video whose file begins as one should, without any picture."""
    whole = video(path.with_suffix(".avi"), [0, 4]).read_bytes()
    path.write_bytes(whole[: whole.index(b"movi") + 4])
    return path


def text(path: Path) -> Path:
    path.write_text("a text\n" * 9)
    return path


NAMED: dict[str, tuple[Callable[[Path], Path], Any, str]] = {
    "a video without pictures": (
        lambda at: without_pictures(at / "a.avi"), VideoField(), "must hold at least one picture",
    ),
    "a sound for a video": (
        lambda at: wav(at / "a.mp4", np.zeros(800)), VideoField(), "must have pictures over time, but has none",
    ),
    "a text called .jpg": (lambda at: text(at / "a.jpg"), ImageField(), "must be a picture that Pillow can read"),
    "a text called .wav": (lambda at: text(at / "a.wav"), AudioField(), "must be a sound that libsndfile can read"),
    "no file": (lambda at: at / "a.wav", AudioField(), "can't be read: No such file or directory"),
}  # fmt: skip


@pytest.mark.parametrize("case", NAMED)
def test_what_can_not_be_read_is_named(case: str, tmp_path: Path) -> None:
    write, field, message = NAMED[case]
    path = str(write(tmp_path))
    (reason,) = broken(Table.from_rows([{"x": path}]), "x", field, [case]).values()
    assert reason.startswith(f"`{path}` ")
    assert message in reason
