"""Pictures of single examples: a recording, a piece of music, drawings, a clip, a photograph and its caption."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unspool.errors import RunError
from unspool.training.plots import empty_figure, plain, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OCTAVE = 12
_LEAST_RANGE = (60, 71)  # what a roll shows of silence
_ACROSS = 5  # pictures or words side by side


class Spoken(NamedTuple):
    """A token and when it was said.

    Fields:
        text: the token.
        begin, end: its frames, from `begin` to before `end`.
    """

    text: str
    begin: int
    end: int


def spectrogram(frames: Tensor, spoken: Sequence[Spoken], path: str | PathLike[str], title: str = "") -> None:
    """Draw the bands of a recording over time, and above them what was said when.

    Args:
        frames: (frames, bands), the lowest band first.
        spoken: the tokens, in their order.
        path: the picture, its kind told by the suffix.
        title: what stands above all.

    Raises:
        RunError: matplotlib is not installed, frames of another shape, or a token outside of them.
    """
    if frames.dim() != 2:
        raise RunError(f"`frames` must be (frames, bands), but is {tuple(frames.shape)}")
    for each in spoken:
        if not 0 <= each.begin < each.end <= len(frames):
            raise RunError(f"`spoken` must be within the {len(frames)} frames, but has {each}")
    figure = empty_figure(min(4 + 0.05 * len(frames), 16), 4)
    panel = figure.subplots()
    _image(panel, _array(frames).T, origin="lower", aspect="auto", cmap="magma")
    above = panel.get_xaxis_transform()  # frames from left to right, a share of the panel upwards
    for each in spoken:
        for edge in (each.begin, each.end):
            panel.axvline(edge - 0.5, color="w", linewidth=0.5, alpha=0.7)
        panel.text((each.begin + each.end - 1) / 2, 1.01, plain(each.text), transform=above, ha="center", va="bottom")
    panel.locator_params(integer=True)  # there is no half a band
    panel.set_xlabel("frame")
    panel.set_ylabel("band")
    if title:
        figure.suptitle(plain(title))
    write(figure, path)


def piano_roll(
    pieces: Sequence[Sequence[Sequence[int]]],
    path: str | PathLike[str],
    *,
    opening: int = 0,
    titles: Sequence[str] | None = None,
) -> None:
    """Draw music as black bars, a row for each pitch, one piece below the other.

    Args:
        pieces: the pitches of each step.
        path: the picture, its kind told by the suffix.
        opening: how many steps were given; they are coloured.
        titles: what stands above each piece.

    Raises:
        RunError: matplotlib is not installed, no piece, or another number of titles.
    """
    titles = _titles(titles, len(pieces), "pieces")
    found = [pitch for piece in pieces for step in piece for pitch in step] or list(_LEAST_RANGE)
    lowest, highest = min(found) - 1, max(found) + 1
    longest = max(1, *(len(piece) for piece in pieces))
    figure = empty_figure(min(4 + 0.08 * longest, 16), 2.5 * len(pieces))
    for panel, piece, title in zip(figure.subplots(len(pieces), 1, squeeze=False)[:, 0], pieces, titles, strict=True):
        roll = np.zeros((highest - lowest + 1, max(len(piece), 1)))
        for number, step in enumerate(piece):
            roll[[pitch - lowest for pitch in step], number] = 1
        extent = (-0.5, roll.shape[1] - 0.5, lowest - 0.5, highest + 0.5)
        _image(panel, roll, origin="lower", aspect="auto", cmap="Greys", vmin=0, vmax=1, extent=extent)
        if opening:
            panel.axvspan(-0.5, min(opening, roll.shape[1]) - 0.5, color="tab:orange", alpha=0.2, label="given")
        panel.set_xlim(-0.5, longest - 0.5)
        panel.locator_params(axis="x", integer=True)
        octaves = [pitch for pitch in range(lowest, highest + 1) if pitch % _OCTAVE == 0]
        panel.set_yticks(octaves, [f"C{pitch // _OCTAVE - 1}" for pitch in octaves])
        panel.set_title(plain(title), fontsize="medium")
    panel.set_xlabel("step")
    write(figure, path)


def picture_grid(
    pictures: Sequence[NDArray[Any]], path: str | PathLike[str], titles: Sequence[str] | None = None
) -> None:
    """Draw pictures side by side, row after row.

    Args:
        pictures: (height, width) grey or (height, width, channels), from 0 to 255.
        path: the picture of all, its kind told by the suffix.
        titles: what stands above each.

    Raises:
        RunError: matplotlib is not installed, no picture, or another number of titles.
    """
    titles = _titles(titles, len(pictures), "pictures")
    figure, panels = _grid(len(pictures))
    for panel, picture, title in zip(panels, pictures, titles, strict=True):
        _photograph(panel, picture)
        panel.set_title(plain(title), fontsize="small")
    write(figure, path)


def stroke_grid(
    drawings: Sequence[Sequence[Sequence[float]]], path: str | PathLike[str], titles: Sequence[str] | None = None
) -> None:
    """Draw the lines of pens side by side, row after row; y downwards.

    Args:
        drawings: points of (dx, dy, lift), as `StrokesField.decode` gives them; one without points stays empty.
        path: the picture of all, its kind told by the suffix.
        titles: what stands above each.

    Raises:
        RunError: matplotlib is not installed, no drawing, or another number of titles.
    """
    titles = _titles(titles, len(drawings), "drawings")
    figure, panels = _grid(len(drawings))
    for panel, drawing, title in zip(panels, drawings, titles, strict=True):
        points = np.asarray(drawing, dtype=np.float64).reshape(-1, 3)
        places, lifts = points[:, :2].cumsum(0), np.flatnonzero(points[:-1, 2]) + 1
        for line in np.split(places, lifts) if len(points) else []:
            marker = "." if len(line) == 1 else ""  # a line of no length is a dot
            panel.plot(line[:, 0], line[:, 1], color="k", linewidth=1, marker=marker)
        panel.set_aspect("equal", adjustable="datalim")
        panel.invert_yaxis()
        panel.set_title(plain(title), fontsize="small")
    write(figure, path)


def film_strip(clip: NDArray[Any], path: str | PathLike[str], title: str = "", most: int = 10) -> None:
    """Draw frames of a clip from left to right, each with its number.

    Args:
        clip: (frames, height, width) or (frames, height, width, channels), from 0 to 255.
        path: the picture, its kind told by the suffix.
        title: what stands above all.
        most: how many frames are drawn of a longer clip, at equal distances from the first to the last.

    Raises:
        RunError: matplotlib is not installed, or a clip of another shape or without frames.
    """
    if clip.ndim not in (3, 4) or not len(clip):
        raise RunError(f"`clip` must be (frames, height, width) of at least one frame, but is {clip.shape}")
    chosen = np.unique(np.linspace(0, len(clip) - 1, min(most, len(clip))).round().astype(int)).tolist()
    figure = empty_figure(1.3 * max(len(chosen), 3), 2)
    for panel, number in zip(figure.subplots(1, len(chosen), squeeze=False)[0], chosen, strict=True):
        _photograph(panel, clip[number])
        panel.set_title(f"{number}", fontsize="small")
    if title:
        figure.suptitle(plain(title))
    write(figure, path)


def caption(
    picture: NDArray[Any], words: Sequence[str], weights: Tensor, grid: tuple[int, int], path: str | PathLike[str]
) -> None:
    """Draw a picture, and in grey once more for each word of its caption: the lighter, the more the word looked there.

    Args:
        picture: (height, width) grey or (height, width, channels), from 0 to 255.
        words: of the caption.
        weights: (words, regions), from 0 to 1, regions row after row.
        grid: rows and columns of regions.
        path: the picture of all, its kind told by the suffix.

    Raises:
        RunError: matplotlib is not installed, or other numbers of words or regions.
    """
    wanted = (len(words), grid[0] * grid[1])
    if tuple(weights.shape) != wanted or not len(words):
        raise RunError(
            f"`weights` must be (words, regions), {wanted} for {len(words)} words over a grid of {grid}, "
            f"but is {tuple(weights.shape)}"
        )
    size = picture.shape[:2]
    looked = F.interpolate(weights.detach().float().cpu().reshape(-1, 1, *grid), size, mode="bilinear")
    grey = picture.mean(-1) if picture.ndim == 3 else picture
    figure, panels = _grid(1 + len(words))
    _photograph(panels[0], picture)
    for panel, word, seen in zip(panels[1:], words, looked[:, 0], strict=True):
        _photograph(panel, grey)
        _image(panel, seen.numpy(), cmap="inferno", alpha=0.65)
        panel.set_title(plain(word), fontsize="medium")
    write(figure, path)


def _titles(titles: Sequence[str] | None, count: int, noun: str) -> Sequence[str]:
    if not count:
        raise RunError(f"`{noun}` must hold at least one to draw, but are empty")
    if titles is not None and len(titles) != count:
        raise RunError(f"`titles` must be one for each of the {count} {noun}, but are {len(titles)}")
    return [""] * count if titles is None else titles


def _grid(count: int) -> tuple[Figure, list[Axes]]:
    """A picture with so many panels, frames without numbers."""
    across = min(count, _ACROSS)
    down = -(-count // across)
    figure = empty_figure(1.6 * across, 1.8 * down)
    panels = figure.subplots(down, across, squeeze=False).flatten().tolist()
    for place, panel in enumerate(panels):
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_color("0.7")  # or black would run into black
        panel.set_visible(place < count)
    return figure, panels[:count]


def _photograph(panel: Axes, pixels: NDArray[Any]) -> None:
    grey = pixels.squeeze(-1) if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    _image(panel, grey, cmap="gray", vmin=0, vmax=255)
    panel.set(xticks=[], yticks=[])


def _image(panel: Axes, values: NDArray[Any], **how: Any) -> None:
    panel.imshow(values, interpolation="nearest", **how)


def _array(values: Tensor) -> NDArray[Any]:
    return values.detach().float().cpu().numpy()
