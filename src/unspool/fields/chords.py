"""Music as notes one after another."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from unspool.errors import FieldError
from unspool.fields.notes import Music, MusicField
from unspool.tokens import END, START, UNKNOWN

NEXT = 3
"""The id that ends a step."""

_FIRST_PITCH = NEXT + 1


class ChordsField(MusicField):
    """Music as ids: 0 unknown, 1 start and 2 end as of a text, 3 "next step", then one for each pitch from low to high.

    The notes of a step come one after another from high to low, then "next step"; a silent step is that alone. So a
    model of texts reads and writes music, and what it writes may end at any step. `encode` gives neither start nor end.

    Args:
        lowest, highest, steps_per_beat: as of `MusicField`, which says what a value is, too.

    Example:
        >>> field = ChordsField(60, 64)
        >>> field.encode([[60, 64], [], [62]])
        tensor([8, 4, 3, 3, 6, 3])
        >>> field.decode(torch.tensor([1, 8, 4, 3, 3, 6, 3, 2]))
        [[60, 64], [], [62]]
        >>> field.steps(torch.tensor([8, 4, 3, 3, 6, 3])), len(field)
        (3, 9)

    Reference:
        Liang et al. (2017), whose notes of a step come in this order, too.
    """

    kind: ClassVar[str] = "chords"

    def encode(self, value: Music) -> Tensor:
        """The ids of a piece, without start and end. -> (length,) int64

        Raises:
            FieldError: what is no music, or a pitch outside of the range, with its step.
        """
        ids: list[int] = []
        for pitches in self.steps_of(value):
            ids += [_FIRST_PITCH + pitch - self.lowest for pitch in reversed(pitches)]
            ids.append(NEXT)
        return torch.tensor(ids, dtype=torch.int64)

    def decode(self, encoded: Tensor) -> list[list[int]]:
        """The pitches of each step, from low to high, each once. (length,) -> list

        Start, end and unknown are left out. Notes at the end without "next step" are a step as well.

        Raises:
            FieldError: what is not one row of ids of this field.
        """
        steps: list[set[int]] = [set()]
        for i in self._ids(encoded):
            if i == NEXT:
                steps.append(set())
            elif i not in (UNKNOWN, START, END):
                steps[-1].add(self.lowest + i - _FIRST_PITCH)
        return [sorted(step) for step in (steps if steps[-1] else steps[:-1])]

    def steps(self, encoded: Tensor) -> int:
        """How many steps ids stand for: as many as `decode` gives. (length,) -> number

        Raises:
            FieldError: what is not one row of ids of this field.
        """
        return len(self.decode(encoded))

    def __len__(self) -> int:
        """The number of ids, the three reserved ones and "next step" included."""
        return _FIRST_PITCH + self.highest - self.lowest + 1

    def _ids(self, encoded: Tensor) -> list[int]:
        if not isinstance(encoded, Tensor) or encoded.dim() != 1 or encoded.dtype not in (torch.int64, torch.int32):
            came = f"{tuple(encoded.shape)} of {encoded.dtype}" if isinstance(encoded, Tensor) else repr(encoded)
            raise FieldError(f"`encoded` must be one row of ids, (length,) of whole numbers, but is {came}")
        ids: list[int] = encoded.tolist()
        if strangers := [i for i in ids if not 0 <= i < len(self)]:
            raise FieldError(
                f"`encoded` must hold ids from 0 to {len(self) - 1}, but holds {strangers[0]}; is it another field's?"
            )
        return ids
