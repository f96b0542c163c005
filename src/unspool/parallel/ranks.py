"""`Ranks`: a group that speaks through `torch.distributed`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import distributed

from unspool.errors import ParallelError, UnspoolError
from unspool.parallel.group import Group

T = TypeVar("T")

_OF_THE_NETWORK = ("gloo", "nccl", "timed out", "timeout", "connection", "socket", "process group", "store")


class Ranks(Group):
    """The processes of PyTorch's default process group.

    Args:
        device: what this one computes on.
        seconds: how long it waits for the others.
    """

    def __init__(self, device: torch.device, seconds: float) -> None:
        super().__init__(distributed.get_rank(), distributed.get_world_size(), device)
        self.seconds = seconds

    def sum(self, numbers: Sequence[float]) -> list[float]:
        found = torch.tensor(numbers, dtype=torch.float64)
        with self.listening():
            distributed.all_reduce(found)
        return found.tolist()

    def gathered(self, value: T) -> list[T]:
        found: list[T] = [value] * self.size
        with self.listening():
            distributed.all_gather_object(found, value)
        return found

    def told(self, value: T) -> T:
        found = [value]
        with self.listening():
            distributed.broadcast_object_list(found, src=0)
        return found[0]

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within, a network that fails is told as a `ParallelError`."""
        try:
            yield
        except RuntimeError as error:
            text = str(error)
            if isinstance(error, UnspoolError) or not any(word in text.lower() for word in _OF_THE_NETWORK):
                raise
            raise self._unheard(_brief(text)) from error

    def _unheard(self, said: str) -> ParallelError:
        after = "what was saved is whole: go on with `--resume`"
        if "timed out" in said.lower() or "timeout" in said.lower():
            return ParallelError(
                f"`rank {self.rank}` must hear from all {self.size} ranks within {self.seconds:g} s, but has not "
                f"({said}); see whether one of them stands still or the network is blocked, or set UNSPOOL_TIMEOUT to "
                f"more seconds; {after}"
            )
        return ParallelError(
            f"`rank {self.rank}` must hear from all {self.size} ranks, but one of them is gone ({said}); see what it "
            f"said last; {after}"
        )


def _brief(text: str) -> str:
    """What an error of the network says first, without the place in its source."""
    return re.sub(r"^\[\S*\] *", "", text.splitlines()[0]).split(". ")[0]
