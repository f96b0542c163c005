"""How much memory back-propagation through time may take: said in words, and for all that runs within a block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import nn

from unspool.cells.base import Cell
from unspool.errors import BatchError

Memory = int | str
"""Bytes, a number with its unit (KB, MB, GB; powers of 1024), or "sqrt"."""

_UNITS = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}
_WORDS = re.compile(r"(\d+(?:\.\d+)?) ?([KMG]?B)", re.IGNORECASE)

_budget: ContextVar[Memory | None] = ContextVar("unspool memory of a recurrence", default=None)


def as_bytes(memory: Memory) -> int | None:
    """A budget as a number of bytes; None for "sqrt".

    Raises:
        BatchError: no budget.

    Example:
        >>> as_bytes("200MB"), as_bytes("1.5 GB"), as_bytes(4096)
        (209715200, 1610612736, 4096)
    """
    found = _WORDS.fullmatch(memory) if isinstance(memory, str) else None
    if found:
        memory = int(float(found[1]) * _UNITS[found[2].upper()])
    if memory == "sqrt":
        return None
    if not isinstance(memory, int) or isinstance(memory, bool) or memory < 1:
        raise BatchError(
            f'`memory` must be a number of bytes, such as 200000000 or "200MB", or "sqrt", but is {memory!r}'
        )
    return memory


@contextmanager
def within(memory: Memory | None) -> Iterator[None]:
    """Within, every recurrence over a `Ragged` that will have a gradient takes so much memory: see `unspool.unroll`.

    It is the budget of each `unroll`; one inside of another, such as a layer of a `Stack`, shares that of the outer.

    Args:
        memory: as of `unspool.unroll`; None: any.

    Example:
        >>> with unspool.unrolling.within("1MB"):
        ...     outputs = unspool.unroll(LSTM(3, 4), Ragged(torch.randn(900, 3), lengths=[900])).outputs
    """
    if memory is not None:
        as_bytes(memory)
    token = _budget.set(memory)
    try:
        yield
    finally:
        _budget.reset(token)


def current() -> Memory | None:
    """The budget of `within`, or None."""
    return _budget.get()


def recurrences(model: nn.Module) -> int:
    """How many cells with weights a model unrolls: those that are not part of another.

    Example:
        >>> both = unspool.Bidirectional(LSTM(3, 4), LSTM(3, 4))
        >>> recurrences(torch.nn.ModuleList([both, unspool.Stack(GRU(8, 4), GRU(4, 4)), unspool.Dropout(0.5)]))
        3
    """
    if isinstance(model, Cell):
        return int(any(True for _ in model.parameters()))
    return sum(recurrences(part) for part in model.children())


def shared(memory: Memory | None, model: nn.Module) -> Memory | None:
    """What each recurrence of a model may take so that all together take `memory`."""
    size = None if memory is None else as_bytes(memory)
    return memory if size is None else max(size // max(recurrences(model), 1), 1)
