"""The processes that work together, one a device, and what they tell one another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import torch

from unspool.errors import ParallelError, UnspoolError

T = TypeVar("T")
Item = TypeVar("Item")


class Group:
    """A process alone: what is summed is its own, and it is told what it says. `joined` gives one of several.

    Every method is called by all ranks, in the same order.

    Args:
        rank: which of them this process is, from 0.
        size: how many there are.
        device: what it computes on.

    Example:
        >>> from unspool import parallel
        >>> parallel.current().each(str.upper, ["a", "b"])
        ['A', 'B']
    """

    def __init__(self, rank: int = 0, size: int = 1, device: torch.device | None = None) -> None:
        self.rank, self.size = rank, size
        self.device = torch.device("cpu") if device is None else device

    @property
    def first(self) -> bool:
        """Whether this is the one that reads, writes and speaks for all."""
        return self.rank == 0

    def sum(self, numbers: Sequence[float]) -> list[float]:
        """Numbers added over all ranks, in float64 and always in the same order; equally many on each."""
        return list(numbers)

    def gathered(self, value: T) -> list[T]:
        """Each rank's value, rank by rank."""
        return [value]

    def told(self, value: T) -> T:
        """The value of rank 0."""
        return value

    def once(self, function: Callable[[], T]) -> T:
        """What a function gives on rank 0, which alone calls it.

        Raises:
            UnspoolError: what it raised there, on all ranks.
        """
        found, error = None, None
        if self.first:
            try:
                found = function()
            except UnspoolError as raised:
                if self.size == 1:
                    raise
                error = raised
        found, error = self.told((found, error))
        if error is not None:
            raise error
        return found  # type: ignore[return-value]

    def after_first(self, function: Callable[[], T]) -> T:
        """What a function gives on each rank, called on rank 0 first: what it puts in the cache, the others find."""
        own: list[T] = []
        self.once(lambda: own.append(function()))
        return own[0] if own else function()

    def each(self, function: Callable[[Item], T], items: Iterable[Item]) -> list[T]:
        """What a function gives for each item, in their order and on all ranks; each is computed on one of them."""
        own = [function(item) for number, item in enumerate(items) if number % self.size == self.rank]
        if self.size == 1:
            return own
        all_of = self.gathered(own)
        return [all_of[number % self.size][number // self.size] for number in range(sum(map(len, all_of)))]

    def check_same(self, facts: Mapping[str, Any]) -> None:
        """Facts by name, which must be alike on all ranks.

        Raises:
            ParallelError: one is not, on all ranks.
        """
        ours, *others = self.gathered(dict(facts))
        for rank, theirs in enumerate(others, start=1):
            for name in dict.fromkeys((*ours, *theirs)):
                if ours.get(name) != theirs.get(name):
                    raise ParallelError(
                        f"`{name}` must be the same on all {self.size} ranks, but is {ours.get(name)!r} on rank 0 and "
                        f"{theirs.get(name)!r} on rank {rank}; start all with the same command and the same code"
                    )

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within, a network that fails is told as a `ParallelError`."""
        yield


_current: ContextVar[Group | None] = ContextVar("unspool ranks", default=None)
_ALONE = Group()


def current() -> Group:
    """The processes that this one works with: those of `joined`, else itself alone."""
    return _current.get() or _ALONE


@contextmanager
def using(group: Group) -> Iterator[Group]:
    """Within, this is the group that works together."""
    token = _current.set(group)
    try:
        yield group
    finally:
        _current.reset(token)


@contextmanager
def alone() -> Iterator[Group]:
    """Within, this process works for itself, on its device: for what rank 0 alone does."""
    with using(Group(device=current().device)) as group:
        yield group
