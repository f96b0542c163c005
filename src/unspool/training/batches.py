"""What the loop asks of batches and of their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, Self

from torch import Tensor

from unspool.errors import TrainingError
from unspool.training.limits import Cursor


class Batch(Protocol):
    """What the loop asks of a batch: which examples it holds, and to be cut into micro-batches of about equal cost."""

    @property
    def ids(self) -> Tensor: ...

    def split(self, count: int, /) -> Sequence[Self]: ...


def next_of(batches: Iterator[tuple[Cursor, Any]]) -> tuple[Cursor, Any]:
    """The next batch of an order that has no end, its cursor a plain tuple."""
    for (epoch, batch), content in batches:
        return (epoch, batch), content
    raise TrainingError("`batches` must go on for ever, epoch after epoch, but ended; limits say when to stop")
