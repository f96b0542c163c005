"""Music as the pitches that sound at each step, all at once."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike, fspath
from typing import Any, ClassVar, Literal, Self, TypeAlias

import torch
from torch import Tensor

from unspool.errors import FieldError
from unspool.fields.base import Field
from unspool.fields.midi import HIGHEST, LOWEST, check_steps_per_beat, read_midi, whole_pitches
from unspool.fields.pictures import package

Music: TypeAlias = str | PathLike[str] | Sequence[Sequence[int | float | None]]
"""Steps, each a list of MIDI pitches; or JSON text of that; or the path of a `.mid` file."""

_SAVED = ("kind", "lowest", "highest", "steps_per_beat")
_ENDINGS = (".mid", ".midi")


class MusicField(Field):
    """Music over a range of pitches. There is nothing to learn: it encodes before `fit`, too.

    A value is `Music`. In a step -1, NaN and None are silence, as of a voice that rests.

    Args:
        lowest, highest: the range, as MIDI numbers pitches; the keys of a piano if left out.
        steps_per_beat: of values that are paths: how many steps a beat is. See `unspool.fields.midi.read_midi`.

    Raises:
        FieldError: a range that is none, or a number of steps that is not from 1 to 480.
    """

    shape: ClassVar[Literal["sequence", "vector"]] = "sequence"
    reads_files: ClassVar[bool] = True

    def __init__(self, lowest: int = 21, highest: int = 108, *, steps_per_beat: int = 1) -> None:
        whole = all(isinstance(each, int) and not isinstance(each, bool) for each in (lowest, highest))
        if not whole or not LOWEST <= lowest <= highest <= HIGHEST:
            raise FieldError(
                f"`lowest` and `highest` must be pitches from {LOWEST} to {HIGHEST}, the lower first, "
                f"but are {lowest!r} and {highest!r}"
            )
        check_steps_per_beat(steps_per_beat)
        self.lowest, self.highest, self.steps_per_beat = lowest, highest, steps_per_beat

    def fit(self, values: Iterable[Music]) -> None:
        """Look at the music of the training part, once; nothing is kept of it.

        Raises:
            FieldError: not one step in any value, or a value that is no music.
        """
        if not sum(len(self.steps_of(value)) for value in values):
            raise FieldError("`values` must hold at least one step of music, but hold none")

    def steps_of(self, value: Music) -> list[list[int]]:
        """The pitches of each step, from low to high, whatever form the value has.

        Raises:
            FieldError: what is no music, or a pitch outside of the range, with its step.
        """
        return whole_pitches(self._read(value), self.lowest, self.highest)

    @abstractmethod
    def decode(self, encoded: Tensor) -> list[list[int]]:
        """The pitches of each step, from low to high."""

    def to_json(self) -> dict[str, Any]:
        return dict(zip(_SAVED, (self.kind, self.lowest, self.highest, self.steps_per_beat), strict=True))

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        if set(saved) != set(_SAVED):
            raise FieldError(f"`saved` must have the keys {sorted(_SAVED)}, but has {sorted(map(str, saved))}")
        return cls(saved["lowest"], saved["highest"], steps_per_beat=saved["steps_per_beat"])

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.lowest}, {self.highest}, steps_per_beat={self.steps_per_beat})"

    def _read(self, value: Music) -> object:
        if not isinstance(value, str | PathLike):
            return value
        text = fspath(value).strip()
        if text.lower().endswith(_ENDINGS):
            package("mido", f"`{text}`", "mido", "music")
            return read_midi(text, self.steps_per_beat)
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise FieldError(
                f"music must be a path that ends in {' or '.join(_ENDINGS)}, or JSON such as [[60, 64, 67], []], "
                f"but is {text[:60]!r}: {error}"
            ) from error


class NotesField(MusicField):
    """Music as a 1 for each pitch that sounds at a step and a 0 for each that does not: a piano roll.

    Args:
        lowest, highest, steps_per_beat: as of `MusicField`, which says what a value is, too.

    Example:
        >>> field = NotesField(60, 64)
        >>> field.encode([[60, 64], [], [62, -1]])
        tensor([[1., 0., 0., 0., 1.],
                [0., 0., 0., 0., 0.],
                [0., 0., 1., 0., 0.]])
        >>> field.decode(field.encode("[[64, 60], [], [62, null]]"))
        [[60, 64], [], [62]]
    """

    kind: ClassVar[str] = "notes"

    def encode(self, value: Music) -> Tensor:
        """-> (steps, pitches) float32 of 0 and 1

        Raises:
            FieldError: what is no music, or a pitch outside of the range, with its step.
        """
        steps = self.steps_of(value)
        roll = torch.zeros(len(steps), len(self))
        for number, pitches in enumerate(steps):
            roll[number, [pitch - self.lowest for pitch in pitches]] = 1.0
        return roll

    def decode(self, encoded: Tensor) -> list[list[int]]:
        """The pitches of each step whose number is above a half, from low to high. (steps, pitches) -> list

        Raises:
            FieldError: a tensor of another shape.
        """
        if not isinstance(encoded, Tensor) or encoded.dim() != 2 or encoded.shape[1] != len(self):
            came = tuple(encoded.shape) if isinstance(encoded, Tensor) else repr(encoded)
            raise FieldError(f"`encoded` must be a tensor of shape (steps, {len(self)}), but is {came}")
        return [[self.lowest + place for place, there in enumerate(row) if there] for row in (encoded > 0.5).tolist()]

    @property
    def step_shape(self) -> tuple[int]:
        """(features,)"""
        return (len(self),)

    def __len__(self) -> int:
        """The number of pitches."""
        return self.highest - self.lowest + 1
