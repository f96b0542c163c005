"""Clips of digits that move, which a generator of our own makes: synthetic, the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unspool import cache
from unspool.arrays import reference
from unspool.data.parts import Split
from unspool.data.sources import rows_stream
from unspool.data.stories.telling import Draw
from unspool.data.tables import Stream

COLUMNS = ("frames", "text", "action", "subject", "ids")
CLIPS = {"train": 2000, "valid": 250, "test": 500}
"""How many there are in each part."""
SHA256 = "76f92c8a7478c18c90a0aa0c21c6cf7f86224ccec06444b113bd617723b2df66"
"""Of all clips. It names them in the cache, so a change of the generator has to change it: a test compares."""

_SEED = "motions 1"
_SIDE, _DIGIT = 32, 16  # pixels of a picture, and of the digit in it
_OUTSIDE = 4  # pixels of a digit that may be beyond an edge
_FEWEST, _MOST = 10, 16  # pictures of a clip
_STRAIGHT = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}  # down and right
_TURNS = {"clockwise": 1, "anticlockwise": -1}
_STAYS = "stays"
ACTIONS = (*_STRAIGHT, *_TURNS, _STAYS)
_PACES = {"slowly": 1, "quickly": 3}  # half pixels a picture; of turns, 32nds of a circle
_RADIUS = 6
_QUARTER = ((6, 0), (6, 1), (6, 2), (5, 3), (4, 4), (3, 5), (2, 6), (1, 6))  # right and down, from the right on
_CIRCLE = [
    *_QUARTER,
    *((-y, x) for x, y in _QUARTER),
    *((-x, -y) for x, y in _QUARTER),
    *((y, -x) for x, y in _QUARTER),
]
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DARKEST, _BRIGHTEST = 50, 100  # per cent of a digit's own light
_PARTS = Split(by="subject", valid=0.1, test=0.2)


class Clip(NamedTuple):
    """A digit that moves.

    Fields:
        frames: (pictures, height, width) uint8.
        text: what happens, as a sentence.
        action: one of `ACTIONS`.
        subject: which of scikit-learn's digits it is.
    """

    frames: NDArray[np.uint8]
    text: str
    action: str
    subject: int


def motions() -> dict[str, Stream]:
    """Synthetic clips of 10 to 16 grey pictures of 32 by 32; the parts train, valid and test, which share no digit.

    A digit by hand, one of scikit-learn's, moves left, right, up or down or turns in a circle, slowly or quickly, or
    stays, where there is room for it. Columns are frames, a reference; text, as "a three
    moves left quickly"; action; subject, which digit it is; and ids.

    Figures reached here are not those of any recorded clips.
    """
    file = cache.entry("arrays", cache.key("motions", SHA256), _write) / "motions.npz"
    return {
        part: rows_stream(
            ["motions", SHA256, part, str(file)], partial(_rows, file, part), COLUMNS, f"`motions` ({part}, synthetic)"
        )
        for part in CLIPS
    }


def clips(part: str) -> Iterator[Clip]:
    """The clips of a part, of digits that a hash of their numbers puts there; all actions in turn."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]  # half a second

    known = load_digits()
    own = [number for number in range(len(known.target)) if _PARTS.part(number) == part]
    draw = Draw(f"{_SEED} {part}")
    for number in range(CLIPS[part]):
        action, subject = ACTIONS[number % len(ACTIONS)], draw.one(own)
        pace = draw.one(list(_PACES))
        places = _path(draw, action, _PACES[pace], _FEWEST + draw.below(_MOST - _FEWEST + 1))
        light = _DARKEST + draw.below(_BRIGHTEST - _DARKEST + 1)
        digit = known.images[subject].astype(np.int64) * 255 * light // (16 * 100)
        frames = np.stack([_picture(digit.repeat(2, 0).repeat(2, 1), *place) for place in places])
        yield Clip(frames, _sentence(int(known.target[subject]), action, pace), action, subject)


def _path(draw: Draw, action: str, pace: int, pictures: int) -> list[tuple[int, int]]:
    """Where the digit's upper left corner is, down and right, in each picture."""
    lowest, highest = -_OUTSIDE, _SIDE - _DIGIT + _OUTSIDE
    if action in _TURNS:
        middle = [lowest + _RADIUS + draw.below(highest - lowest - 2 * _RADIUS + 1) for _ in range(2)]
        start = draw.below(len(_CIRCLE))
        around = [_CIRCLE[(start + _TURNS[action] * pace * k) % len(_CIRCLE)] for k in range(pictures)]
        return [(middle[0] + down, middle[1] + right) for right, down in around]
    along = _STRAIGHT.get(action, (0, 0))
    far = pace * (pictures - 1) // 2
    begin = []
    for way in along:
        room = draw.below(highest - lowest - far * abs(way) + 1)
        begin.append(highest - room if way < 0 else lowest + room)
    return [(begin[0] + along[0] * (pace * k // 2), begin[1] + along[1] * (pace * k // 2)) for k in range(pictures)]


def _picture(digit: NDArray[np.int64], down: int, right: int) -> NDArray[np.uint8]:
    wide = np.zeros((_SIDE + 2 * _OUTSIDE,) * 2, np.uint8)
    top, left = down + _OUTSIDE, right + _OUTSIDE
    wide[top : top + _DIGIT, left : left + _DIGIT] = digit
    return wide[_OUTSIDE:-_OUTSIDE, _OUTSIDE:-_OUTSIDE]


def _sentence(digit: int, action: str, pace: str) -> str:
    who = f"{'an' if _WORDS[digit] == 'eight' else 'a'} {_WORDS[digit]}"
    if action == _STAYS:
        return f"{who} stays"
    return f"{who} {'turns' if action in _TURNS else 'moves'} {action} {pace}"


def _write(folder: Path) -> None:
    """All clips, one after another, and what is said of each."""
    made = [(part, clip) for part in CLIPS for clip in clips(part)]
    begins = [0, *accumulate(len(clip.frames) for _, clip in made)]
    columns: dict[str, Any] = {
        "frames": np.concatenate([clip.frames for _, clip in made]),
        "begins": np.array(begins),
        "part": np.array([part for part, _ in made]),
        "text": np.array([clip.text for _, clip in made]),
        "action": np.array([clip.action for _, clip in made]),
        "subject": np.array([clip.subject for _, clip in made]),
    }
    np.savez_compressed(folder / "motions.npz", **columns)


def _rows(file: Path, part: str) -> Iterator[tuple[str, ...]]:
    with np.load(file) as found:
        told = [found[name].tolist() for name in ("part", "text", "action", "subject")]
        spans = list(pairwise(found["begins"].tolist()))
    for number, (own, text, action, subject, span) in enumerate(zip(*told, spans, strict=True)):
        if own == part:
            yield reference(file, "frames", slice(*span)), text, action, str(subject), str(number)
