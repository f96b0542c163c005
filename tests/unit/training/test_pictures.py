"""Pictures of examples hold what was given to be drawn."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unspool.errors import RunError
from unspool.training import pictures, plots
from unspool.training.pictures import Spoken

figures = pytest.importorskip("matplotlib.figure")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are saved, in their order; they are saved all the same."""
    found, save = [], figures.Figure.savefig

    def kept(figure: Any, *arguments: Any, **options: Any) -> None:
        found.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(figures.Figure, "savefig", kept)
    return found


def shown(panel: Any) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in panel.images]


def texts(panel: Any) -> list[str]:
    return [text.get_text() for text in panel.texts]


def test_a_spectrogram_has_bands_upwards_and_tokens_above_their_frames(drawn: list[Any], tmp_path: Path) -> None:
    frames = torch.randn(12, 3)
    pictures.spectrogram(frames, [Spoken("o", 2, 5), Spoken("$", 7, 8)], tmp_path / "new" / "s.png", "told: o$")
    (panel,) = drawn[0].axes
    assert np.array_equal(shown(panel)[0], frames.numpy().T)
    assert panel.images[0].origin == "lower"
    assert [(text.get_text(), text.get_position()[0]) for text in panel.texts] == [("o", 3.0), (r"\$", 7.0)]
    assert sorted(line.get_xdata()[0] for line in panel.lines) == [1.5, 4.5, 6.5, 7.5]
    assert drawn[0].get_suptitle() == r"told: o\$"
    assert (tmp_path / "new" / "s.png").read_bytes().startswith(b"\x89PNG")


def test_a_roll_has_a_bar_for_each_pitch_and_marks_what_was_given(drawn: list[Any], tmp_path: Path) -> None:
    pieces = [[[60, 64], [], [62]], [[67]]]
    pictures.piano_roll(pieces, tmp_path / "roll.png", opening=2, titles=["one", "other"])
    for panel, piece in zip(drawn[0].axes, pieces, strict=True):
        (roll,), (left, right, low, high) = shown(panel), panel.images[0].get_extent()
        assert (left, right, low, high) == (-0.5, len(piece) - 0.5, 58.5, 68.5)
        sounding = [[int(low + 0.5) + int(row) for row in np.flatnonzero(column)] for column in roll.T]
        assert sounding == piece
    spans = [panel.patches[0] for panel in drawn[0].axes]
    assert [(span.get_x(), span.get_width()) for span in spans] == [(-0.5, 2.0), (-0.5, 1.0)]
    assert [tick.get_text() for tick in drawn[0].axes[0].get_yticklabels()] == ["C4"]
    assert [panel.get_title() for panel in drawn[0].axes] == ["one", "other"]


def test_silence_and_nothing_are_music_to_draw(drawn: list[Any], tmp_path: Path) -> None:
    pictures.piano_roll([[[], []], []], tmp_path / "roll.png")
    assert [int(shown(panel)[0].sum()) for panel in drawn[0].axes] == [0, 0]
    assert not drawn[0].axes[0].patches


def test_a_grid_holds_pictures_in_their_order(drawn: list[Any], tmp_path: Path) -> None:
    given = [np.full((4, 3), 10 * number, np.uint8) for number in range(7)]
    pictures.picture_grid(given, tmp_path / "grid.png", [str(number) for number in range(7)])
    panels = [panel for panel in drawn[0].axes if panel.images]
    assert [panel.get_title() for panel in panels] == list("0123456")
    assert all(np.array_equal(shown(panel)[0], picture) for panel, picture in zip(panels, given, strict=True))
    assert all(panel.images[0].get_clim() == (0, 255) for panel in panels)


def test_a_grid_of_strokes_has_a_line_for_each_stroke_downwards(drawn: list[Any], tmp_path: Path) -> None:
    drawing = [[1, 1, 0], [3, 0, 1], [0, 2, 0], [-3, 0, 0], [0, 1, 1], [5, 5, 1]]
    pictures.stroke_grid([drawing, []], tmp_path / "grid.svg")
    lines = [line.get_xydata().tolist() for line in drawn[0].axes[0].lines]
    assert lines == [[[1, 1], [4, 1]], [[4, 3], [1, 3], [1, 4]], [[6, 9]]]
    assert [line.get_marker() for line in drawn[0].axes[0].lines] == ["", "", "."]
    assert drawn[0].axes[0].yaxis_inverted()
    assert not drawn[0].axes[1].lines
    assert (tmp_path / "grid.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_a_strip_shows_frames_from_the_first_to_the_last(
    channels: tuple[int, ...], drawn: list[Any], tmp_path: Path
) -> None:
    clip = np.random.default_rng(0).integers(0, 256, (21, 5, 4, *channels), dtype=np.uint8)
    pictures.film_strip(clip, tmp_path / "strip.png", "told: a, right: b", most=5)
    assert [panel.get_title() for panel in drawn[0].axes] == ["0", "5", "10", "15", "20"]
    for panel, number in zip(drawn[0].axes, range(0, 21, 5), strict=True):
        assert np.array_equal(shown(panel)[0], clip[number].squeeze())
    assert drawn[0].get_suptitle() == "told: a, right: b"
    pictures.film_strip(clip[:1], tmp_path / "one.png")
    assert [panel.get_title() for panel in drawn[1].axes] == ["0"]


def test_a_caption_has_the_picture_and_a_map_over_it_for_each_word(drawn: list[Any], tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    weights = torch.eye(6)[[0, 5]]
    pictures.caption(picture, ["a", "end"], weights, (2, 3), tmp_path / "caption.png")
    alone, *words = [panel for panel in drawn[0].axes if panel.images]
    assert np.array_equal(shown(alone)[0], picture)
    assert [panel.get_title() for panel in words] == ["a", "end"]
    for panel, corner in zip(words, [(0, 0), (-1, -1)], strict=True):
        below, looked = shown(panel)
        assert np.allclose(below, picture.mean(2))
        assert looked.shape == (8, 12)
        assert looked[corner] == looked.max() == 1
        assert looked[-1 - corner[0], -1 - corner[1]] == 0
    across = np.interp((np.arange(12) + 0.5) / 4 - 0.5, range(3), [1, 0, 0])  # from middle to middle of regions
    assert shown(words[0])[1][0] == pytest.approx(across)


def test_attention_over_frames_has_no_labels(drawn: list[Any], tmp_path: Path) -> None:
    weights = torch.softmax(torch.randn(2, 300), 1)
    plots.attention_map(weights, None, ["_", "end"], tmp_path / "map.png")
    (panel,) = drawn[0].axes
    assert np.array_equal(shown(panel)[0], weights.numpy())
    assert len(panel.get_xticks()) < 30
    assert [tick.get_text() for tick in panel.get_yticklabels()] == ["_", "end"]
    assert panel.images[0].get_clim() == (0, float(weights.max()))
    assert drawn[0].get_figwidth() == 14


PICTURE = np.zeros((4, 4), np.uint8)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda path: pictures.spectrogram(torch.zeros(4), [], path),
            "`frames` must be (frames, bands), but is (4,)",
        ),
        (
            lambda path: pictures.spectrogram(torch.zeros(4, 2), [Spoken("a", 3, 5)], path),
            "`spoken` must be within the 4 frames, but has Spoken(text='a', begin=3, end=5)",
        ),
        (
            lambda path: pictures.piano_roll([], path),
            "`pieces` must hold at least one to draw, but are empty",
        ),
        (
            lambda path: pictures.picture_grid([PICTURE], path, ["a", "b"]),
            "`titles` must be one for each of the 1 pictures, but are 2",
        ),
        (
            lambda path: pictures.stroke_grid([], path),
            "`drawings` must hold at least one to draw, but are empty",
        ),
        (
            lambda path: pictures.film_strip(PICTURE, path),
            "`clip` must be (frames, height, width) of at least one frame, but is (4, 4)",
        ),
        (
            lambda path: pictures.caption(PICTURE, ["a"], torch.zeros(1, 5), (2, 2), path),
            "`weights` must be (words, regions), (1, 4) for 1 words over a grid of (2, 2), but is (1, 5)",
        ),
    ],
)
def test_what_can_not_be_drawn_is_named(draw: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    with pytest.raises(RunError) as error:
        draw(tmp_path / "picture.png")
    assert str(error.value) == message
    assert not (tmp_path / "picture.png").exists()


def test_without_matplotlib_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(RunError, match="`matplotlib` must be installed to draw, but is not"):
        pictures.piano_roll([[[60]]], tmp_path / "roll.png")
