"""The folder of a run shows what its model does, whatever is read and written."""

import json
import logging
import sys
import wave
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unspool import Run, recipes, runs
from unspool.fields import read_midi
from unspool.runs.showing import spans
from unspool.tasks import seq2seq

figures = pytest.importorskip("matplotlib.figure")

SMALL = {"cell": "GRU", "hidden_size": 12, "dropout": 0.0}
QUIET = {"embedding_dropout": 0.0, "output_dropout": 0.0}
TEXT, LABEL = {"kind": "text", "unit": "characters"}, {"kind": "label"}
WRITER = QUIET | {"kind": "decoder", "embedding_size": 8, "decoder": SMALL}
LISTENER = QUIET | {
    "embedding_size": 8,
    "encoder": SMALL,
    "decoder": SMALL,
    "attention": {"heads": 2},
}
SCALE = [[60, 64], [62], [], [64, 67], [65], [67], [69], [71], [72], [60]]


@pytest.fixture(autouse=True)
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The figures that are saved, by the names of their files; they are saved all the same."""
    found: dict[str, Any] = {}
    save = figures.Figure.savefig

    def kept(figure: Any, path: Any, **options: Any) -> None:
        found[Path(path).name] = figure
        save(figure, path, **options)

    monkeypatch.setattr(figures.Figure, "savefig", kept)
    return found


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., Run]:
    """A small training on rows, the last of which are for validation."""

    def trained(
        rows: Sequence[Mapping[str, Any]],
        inputs: Mapping[str, Any],
        outputs: Mapping[str, Any],
        model: Mapping[str, Any],
        *overrides: str,
    ) -> Run:
        for part, taken in {"train": rows[:-3], "valid": rows[-3:]}.items():
            (tmp_path / f"{part}.jsonl").write_text("\n".join(map(json.dumps, taken)) + "\n")
        given = {
            "name": "toy",
            "data": {"path": str(tmp_path), "parts": {"train": "train.jsonl", "valid": "valid.jsonl"}},
            "inputs": inputs,
            "outputs": outputs,
            "model": model,
            "train": {"epochs": 1, "examples": 8, "learning_rate": 0.02, "threads": 1},
        }
        return runs.train(recipes.load(given, list(overrides)), tmp_path / "run")

    return trained


def held(run: Run) -> list[str]:
    """What is to be seen and heard in a folder, the curves aside."""
    found = [path.relative_to(run.folder.path).as_posix() for path in run.folder.path.glob("p*/*")]
    assert (run.folder.path / "README.md").exists()
    return sorted(path for path in found if path != "plots/curves.png")


def pixels(panel: Any) -> np.ndarray:
    return np.asarray(panel.images[0].get_array())


def letters(folder: Path, count: int) -> list[dict[str, Any]]:
    """Words, and for each of their letters three steps of one feature of two, in a file."""
    chance = np.random.default_rng(0)
    words = ["".join(chance.choice(["a", "b"], 3)) for _ in range(count)]
    for number, word in enumerate(words):
        np.save(folder / f"{number}.npy", np.eye(2)[["ab".index(letter) for letter in word for _ in range(3)]])
    return [{"heard": str(folder / f"{number}.npy"), "text": word} for number, word in enumerate(words)]


@pytest.mark.parametrize("risk", ["null", "chrf"])
def test_what_ctc_hears_stands_above_its_frames(
    risk: str, tmp_path: Path, drawn: dict[str, Any], train: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    if risk != "null":  # the longest of what is found, which is never the one with the best score
        monkeypatch.setattr(
            seq2seq, "by_risk", lambda texts, *_: sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        )
    rows = letters(tmp_path, 60)
    front = {"channels": [12], "time": [3], "time_stride": [2]}
    model = QUIET | {"kind": "ctc", "front": front, "encoder": SMALL}
    how = "decode.beam=4", f"decode.risk={risk}"
    run = train(rows, {"heard": {"kind": "series"}}, {"text": TEXT}, model, "train.epochs=12", *how)
    assert held(run) == ["plots/spectrogram.png"]
    (panel,) = drawn["spectrogram.png"].axes
    asked = rows[-3]
    assert np.array_equal(pixels(panel), run.fields["heard"].encode(asked["heard"]).numpy().T)
    told = run.predict([asked["heard"]])[0].text
    assert told  # otherwise there is nothing to see
    assert "".join(text.get_text() for text in panel.texts) == told
    places = [text.get_position()[0] for text in panel.texts]
    assert places == sorted(places)
    assert drawn["spectrogram.png"].get_suptitle() == f"told: {told}, right: {asked['text']}"


def test_a_token_lasts_as_long_as_its_steps() -> None:
    found = spans([0, 0, 1, -1, 2, -1, 2], ["a", "b", "c"], 4, 26)
    assert found == [("a", 0, 8), ("b", 8, 12), ("c", 16, 20), ("c", 24, 26)]
    assert spans([-1, -1], [], 1, 2) == spans([], [], 1, 0) == []


def write_tones(folder: Path) -> list[dict[str, Any]]:
    """A tone for each of a few letters."""
    rows = []
    for number in range(11):
        path = folder / f"{number}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            tone = np.sin(2 * np.pi * (300 + 200 * (number % 2)) * np.arange(800 + 80 * number) / 8000)
            file.writeframes((tone * 9000).astype("<i2").tobytes())
        rows.append({"heard": str(path), "text": "ab"[number % 2]})
    return rows


@pytest.mark.parametrize("kind", ["series", "audio"])
def test_attention_over_frames_is_drawn_without_labels_of_frames(
    kind: str, drawn: dict[str, Any], train: Callable[..., Run], tmp_path: Path
) -> None:
    if kind == "audio":
        pytest.importorskip("soundfile")
    rows = letters(tmp_path, 11) if kind == "series" else write_tones(tmp_path)
    run = train(rows, {"heard": {"kind": kind}}, {"text": TEXT}, LISTENER)
    assert held(run) == ["plots/attention.png"]
    (panel,) = drawn["attention.png"].axes
    answer = run.predict([rows[-3]["heard"]], attention=True)[0]
    assert np.array_equal(pixels(panel), answer.attention.numpy())
    assert [tick.get_text() for tick in panel.get_yticklabels()] == [*answer.text, "end"][: len(answer.attention)]
    assert not {tick.get_text() for tick in panel.get_xticklabels()} & {"a", "b", "end"}


def test_attention_over_a_text_names_its_tokens_as_ever(
    tmp_path: Path, drawn: dict[str, Any], train: Callable[..., Run]
) -> None:
    rows = [{"word": row["text"], "text": row["text"][::-1]} for row in letters(tmp_path, 11)]
    run = train(rows, {"word": TEXT}, {"text": TEXT}, LISTENER)
    assert held(run) == ["plots/attention.png"]
    (panel,) = drawn["attention.png"].axes
    assert [tick.get_text() for tick in panel.get_xticklabels()] == [*rows[-3]["word"], "end"]


def test_attention_is_of_the_column_that_has_steps(
    tmp_path: Path, drawn: dict[str, Any], train: Callable[..., Run]
) -> None:
    rows = [{"size": len(row["text"]), "word": row["text"], "first": row["text"][0]} for row in letters(tmp_path, 30)]
    model = QUIET | {"kind": "encoder", "embedding_size": 8, "encoder": SMALL, "pooling": ["attention"]}
    run = train(rows, {"size": {"kind": "number"}, "word": TEXT}, {"first": LABEL}, model)
    assert held(run) == ["plots/attention.png"]
    assert [tick.get_text() for tick in drawn["attention.png"].axes[0].get_xticklabels()] == [*rows[-3]["word"], "end"]


def test_a_number_that_is_a_price_is_drawn_as_it_is(drawn: dict[str, Any], train: Callable[..., Run]) -> None:
    rows = [{"size": number % 7, "price": 100.0 + number} for number in range(40)]
    run = train(rows, {"size": {"kind": "number"}}, {"price": {"kind": "quantiles"}}, QUIET | {"kind": "encoder"})
    assert held(run) == ["plots/fan.png"]
    heights = np.concatenate([line.get_ydata() for line in drawn["fan.png"].axes[0].lines])
    assert {137.0, 138.0, 139.0} <= set(heights.tolist())
    assert heights.max() < 200


@pytest.fixture
def clips(tmp_path: Path) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Pictures of noise over time, dark or light, and rows that refer to them."""
    found = np.random.default_rng(0).integers(0, 100, (12, 6, 8, 8), dtype=np.uint8)
    found[::2] += 100
    np.savez(tmp_path / "clips.npz", clip=found)
    file = (tmp_path / "clips.npz").absolute()
    names = ["light", "dark"]
    return found, [
        {"clip": f"{file}::clip::{i}", "text": names[i % 2], "image": f"{file}::clip::{i}"} for i in range(12)
    ]


def test_frames_stand_under_what_was_told(clips: Any, drawn: dict[str, Any], train: Callable[..., Run]) -> None:
    pytest.importorskip("PIL")
    model = QUIET | {"kind": "encoder", "front": {"channels": [4]}, "encoder": SMALL, "pooling": ["max"]}
    video = {"kind": "video", "height": 8, "width": 8}
    run = train(clips[1], {"clip": video}, {"text": LABEL}, model)
    assert held(run) == ["plots/frames.png"]
    panels = drawn["frames.png"].axes
    assert all(np.array_equal(pixels(panel), frame) for panel, frame in zip(panels, clips[0][9], strict=True))
    told = run.predict([clips[1][9]["clip"]])[0].text
    assert drawn["frames.png"].get_suptitle() == f"told: {told}, right: dark"


def test_each_word_of_a_caption_has_a_map(tmp_path: Path, drawn: dict[str, Any], train: Callable[..., Run]) -> None:
    pytest.importorskip("PIL")
    photographs = np.random.default_rng(0).integers(0, 256, (11, 8, 12, 3), dtype=np.uint8)
    np.savez(tmp_path / "photographs.npz", image=photographs)
    file = (tmp_path / "photographs.npz").absolute()
    rows = [{"image": f"{file}::image::{i}", "text": "a b"} for i in range(11)]
    model = LISTENER | {"bridge": "mean", "front": {"channels": [4], "space_stride": [4]}}
    words = {"kind": "text", "unit": "words"}
    run = train(rows, {"image": {"kind": "image", "height": 8, "width": 12}}, {"text": words}, model)
    assert held(run) == ["plots/caption.png"]
    alone, *panels = [panel for panel in drawn["caption.png"].axes if panel.images]
    assert np.array_equal(pixels(alone), photographs[8])
    answer = run.predict([rows[8]["image"]], attention=True)[0]
    assert [panel.get_title() for panel in panels] == [*answer.text.split(), "end"][: len(answer.attention)]
    for panel, weights in zip(panels, answer.attention, strict=True):
        looked = np.asarray(panel.images[1].get_array())
        assert looked.shape == (8, 12)
        corners = looked[[0, 0, -1, -1], [0, -1, 0, -1]]  # of a grid of 2 by 3 regions
        assert corners == pytest.approx(weights.reshape(2, 3)[[0, 0, 1, 1], [0, 2, 0, 2]].numpy())


@pytest.mark.parametrize("kind", ["notes", "chords"])
def test_a_piece_goes_on_from_its_opening_and_can_be_heard(
    kind: str, drawn: dict[str, Any], train: Callable[..., Run]
) -> None:
    pytest.importorskip("mido")
    rows = [{"notes": SCALE[shift:] + SCALE} for shift in (0, 1, 2, 0, 1, 2)]
    music = {"kind": kind, "lowest": 55, "highest": 75}
    run = train(rows, {}, {"notes": music}, WRITER, "decode.sample=true", "decode.max_length=60")
    assert held(run) == ["plots/roll.png", "predictions/sample.mid"]
    written, right = drawn["roll.png"].axes
    assert music_of(right) == SCALE + SCALE
    assert music_of(written)[:8] == SCALE[:8]
    assert len(music_of(written)) > 8
    assert [panel.patches[0].get_width() for panel in (written, right)] == [8, 8]
    heard, silent = read_midi(run.folder.predictions / "sample.mid"), music_of(written)
    assert heard == silent[: len(heard)]
    assert not any(silent[len(heard) :])


def music_of(panel: Any) -> list[list[int]]:
    lowest = int(panel.images[0].get_extent()[2] + 0.5)
    return [[lowest + int(row) for row in np.flatnonzero(step)] for step in pixels(panel).T]


def test_music_can_be_written_from_a_class_too(drawn: dict[str, Any], train: Callable[..., Run]) -> None:
    pytest.importorskip("mido")
    rows = [{"mood": "ab"[i % 2], "notes": SCALE[i % 3 :]} for i in range(8)]
    run = train(rows, {"mood": LABEL}, {"notes": {"kind": "notes"}}, WRITER)
    assert held(run) == ["plots/roll.png", "predictions/sample.mid"]
    assert not drawn["roll.png"].axes[0].patches


def test_rows_of_two_drawings_a_class_stand_in_a_grid(
    tmp_path: Path, drawn: dict[str, Any], train: Callable[..., Run]
) -> None:
    pytest.importorskip("PIL")
    digits = np.random.default_rng(0).integers(0, 256, (11, 6, 6), dtype=np.uint8)
    np.savez(tmp_path / "digits.npz", image=digits)
    file = (tmp_path / "digits.npz").absolute()
    rows = [{"digit": i % 2, "image": f"{file}::image::{i}"} for i in range(11)]
    image = {"kind": "rows", "height": 6, "width": 6}
    run = train(rows, {"digit": LABEL}, {"image": image}, WRITER, "decode.sample=true")
    assert held(run) == ["plots/drawings.png"]
    panels = drawn["drawings.png"].axes
    assert [panel.get_title() for panel in panels] == ["0", "0", "1", "1"]
    answers = run.predict(["0", "0", "1", "1"])
    assert all(np.array_equal(pixels(panel), each.text) for panel, each in zip(panels, answers, strict=True))
    assert not np.array_equal(pixels(panels[0]), pixels(panels[1]))


@pytest.mark.parametrize("read", ["a class", "a number"])
def test_strokes_are_drawn_as_lines(read: str, drawn: dict[str, Any], train: Callable[..., Run]) -> None:
    drawing = [[0, 0, 0], [3, 0, 0], [0, 3, 1], [-3, 0, 0], [0, -3, 1]]
    rows = [{"size": 1 + i % 2, "strokes": [[x * (1 + i % 2), y, pen] for x, y, pen in drawing]} for i in range(9)]
    size = LABEL if read == "a class" else {"kind": "number"}
    run = train(rows, {"size": size}, {"strokes": {"kind": "strokes"}}, WRITER, "decode.sample=true")
    assert held(run) == ["plots/drawings.png", "plots/drawings.svg"]
    asked = ["1", "1", "2", "2"] if read == "a class" else [1, 2, 1]
    for name in ("drawings.png", "drawings.svg"):
        panels = drawn[name].axes
        for panel, answer in zip(panels, run.predict(asked), strict=True):
            points = np.array(answer.text)
            lines = [line.get_xydata() for line in panel.lines]
            assert np.array_equal(np.concatenate(lines), points[:, :2].cumsum(0))
            assert len(lines) == 1 + points[:-1, 2].sum()
    assert [panel.get_title() for panel in panels] == (asked if read == "a class" else [""] * 3)


def test_what_is_drawn_from_nothing_is_shown_as_often_as_there_is_room(
    drawn: dict[str, Any], train: Callable[..., Run]
) -> None:
    rows = [{"strokes": [[0, 0, 0], [3 + i, 0, 0], [0, 3, 1]]} for i in range(9)]
    run = train(rows, {}, {"strokes": {"kind": "strokes"}}, WRITER, "decode.sample=true")
    assert held(run) == ["plots/drawings.png", "plots/drawings.svg"]
    found = [[line.get_xydata().tolist() for line in panel.lines] for panel in drawn["drawings.png"].axes]
    assert len(found) == 20
    assert all(found)
    assert found[0] not in found[1:]


def test_a_text_from_nothing_is_shown_by_one(tmp_path: Path, train: Callable[..., Run]) -> None:
    rows = [{"text": row["text"]} for row in letters(tmp_path, 11)]
    assert held(train(rows, {}, {"text": TEXT}, WRITER)) == ["predictions/sample.txt"]


def test_without_matplotlib_music_can_still_be_heard(
    train: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mido")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    run = train([{"notes": SCALE}] * 6, {}, {"notes": {"kind": "notes"}}, WRITER)
    assert held(run) == ["predictions/sample.mid"]


def test_what_goes_wrong_with_a_picture_ends_no_training(
    train: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("unspool.runs.training.show", lambda run, made: [][0])
    with caplog.at_level(logging.WARNING, "unspool.runs"):
        run = train([{"notes": SCALE}] * 6, {}, {"notes": {"kind": "notes"}}, WRITER)
    assert (run.folder.path / "README.md").exists()
    assert caplog.messages == [
        f"not all that `{run.folder.path}` could show is in it: IndexError: list index out of range"
    ]


def test_a_package_that_is_missing_at_the_end_is_a_warning(
    train: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "mido", None)
    with caplog.at_level(logging.WARNING, "unspool.runs"):
        run = train([{"notes": SCALE}] * 6, {}, {"notes": {"kind": "notes"}}, WRITER)
    assert held(run) == ["plots/roll.png"]
    path = run.folder.predictions / "sample.mid"
    assert caplog.messages == [
        f"not all that `{run.folder.path}` could show is in it: `{path}` needs the package `mido`; "
        "pip install 'unspool[music]'"
    ]
