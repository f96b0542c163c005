"""`Streams`: one long text read at several places at once, piece by piece, the state carried on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unspool.data.batch import Batch
from unspool.data.order import START, Cursor, as_cursor, misplaced
from unspool.errors import DataError
from unspool.ragged import Ragged


class Streams:
    """A long text cut into streams side by side, read in pieces of so many steps: for truncated back-propagation.

    Each stream goes through its own stretch of the text, and the next piece goes on where the last one ended, so
    that a state can be carried from one to the other. A piece is a `Batch` of one row a stream:

        inputs   what is read
        targets  what comes next in the text, step for step
        begins   (streams,) bool, whether the row starts anew, with no state from before

    Every step of the text but its first is a target once an epoch. Streams differ by one step at most, so the last
    pieces may hold rows of no step; there is no padding.

    Args:
        text: (total,) or (total, *features): a tensor, an array or a memory map, at least two steps. Whole numbers
            come as int64.
        streams: how many; fewer where the text has fewer targets.
        steps: of a piece.

    Raises:
        DataError: too short a text; fewer streams or steps than one.

    Example:
        >>> streams = Streams(torch.arange(10), streams=2, steps=3)
        >>> (cursor, piece), (after, rest) = [next(pieces) for pieces in [streams.from_cursor()] for _ in range(2)]
        >>> [part.tolist() for part in piece["inputs"].split()], [part.tolist() for part in piece["targets"].split()]
        ([[0, 1, 2], [4, 5, 6]], [[1, 2, 3], [5, 6, 7]])
        >>> [part.tolist() for part in rest["inputs"].split()], piece["begins"].tolist(), rest["begins"].tolist()
        ([[3], [7, 8]], [True, True], [False, False])
        >>> cursor, after
        (Cursor(epoch=0, batch=1), Cursor(epoch=1, batch=0))

    Reference:
        Mikolov et al. (2010) carry the state so; several streams at once, Zaremba et al. (2014), section 4.1.
    """

    def __init__(self, text: Tensor | NDArray[Any], *, streams: int, steps: int) -> None:
        for name, number in (("streams", streams), ("steps", steps)):
            if number < 1:
                raise DataError(f"`{name}` must be at least 1, but is {number}")
        if len(text) < 2:
            raise DataError(f"`text` must have at least 2 steps, one to read and one to tell, but has {len(text)}")
        self._text, self.steps = text, steps
        targets = len(text) - 1
        self.streams = min(streams, targets)
        bounds = np.arange(self.streams + 1) * targets // self.streams
        self._starts, self._lengths = bounds[:-1], np.diff(bounds)

    def __len__(self) -> int:
        """The number of pieces in an epoch."""
        return int(-(-self._lengths.max() // self.steps))

    @property
    def targets(self) -> int:
        """The number of targets in an epoch."""
        return len(self._text) - 1

    def batches_in(self, epoch: int) -> int:
        """The number of pieces in one epoch: as of `Order`."""
        return len(self)

    def from_cursor(self, cursor: Cursor | Sequence[int] = START) -> Iterator[tuple[Cursor, Batch]]:
        """The pieces from a cursor on, epoch after epoch without end, each with the cursor to save once it is done.

        Args:
            cursor: where to begin, as this method gave it, also if it went through JSON since.

        Raises:
            DataError: a cursor that these streams have no place for.
        """
        epoch, done = as_cursor(cursor)
        if done >= len(self):
            raise misplaced(cursor)
        while True:
            for number in range(done, len(self)):
                is_last = number + 1 == len(self)
                yield Cursor(epoch + 1) if is_last else Cursor(epoch, number + 1), self.piece(number)
            epoch, done = epoch + 1, 0

    def epoch(self) -> Iterator[Batch]:
        """All pieces, once."""
        for number in range(len(self)):
            yield self.piece(number)

    def piece(self, number: int) -> Batch:
        """The steps of one piece."""
        first = number * self.steps
        lengths = np.clip(self._lengths - first, 0, self.steps)
        ids = torch.arange(self.streams)
        # Memory maps are read stretch by stretch: a piece touches as many places as there are streams.
        inputs, targets = (
            Ragged(self._read(self._starts + first + ahead, lengths), torch.from_numpy(lengths), ids)
            for ahead in (0, 1)
        )
        begins = torch.full((self.streams,), number == 0)
        return Batch({"inputs": inputs, "targets": targets, "begins": begins}, ids)

    def _read(self, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Tensor:
        parts: list[Any] = [self._text[a : a + n] for a, n in zip(starts.tolist(), lengths.tolist(), strict=True)]
        text = torch.cat(parts) if isinstance(self._text, Tensor) else torch.from_numpy(np.concatenate(parts))
        return text if text.is_floating_point() else text.long()
