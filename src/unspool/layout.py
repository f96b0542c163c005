"""Where each step of each sequence of a ragged batch lies: index arithmetic, done once a batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch._C._functorch import peek_interpreter_stack
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack


def _inside() -> bool:
    """Whether a tensor made now could not be used later: in inference mode or a transform."""
    return not torch.compiler.is_compiling() and (
        torch.is_inference_mode_enabled() or peek_interpreter_stack() is not None
    )


@contextmanager
def _outside() -> Iterator[None]:
    with torch.inference_mode(False), temporarily_clear_interpreter_stack():
        yield


if TYPE_CHECKING:  # to a type checker it is the property it extends
    table = cached_property
else:

    class table(cached_property):  # noqa: N801, lower case as a decorator
        """A cached property made outside of inference mode and of transforms such as `torch.func.grad`.

        The tables of a batch outlive the block in which it is first used, and a tensor made inside could not be used
        after it.
        """

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None or not _inside() or self.attrname in vars(instance):
                return super().__get__(instance, owner)
            with _outside():
                return super().__get__(instance, owner)


class Layout:
    """The index tables of a ragged batch, made when first asked for and shared by all batches of the same lengths.

    A stack of layers maps the values of one batch many times and never its lengths, so a table is computed once
    for all layers, and copied to a device once.

    Args:
        lengths: (batch,) int64 on the CPU, none negative.
    """

    def __init__(self, lengths: Tensor) -> None:
        self.lengths = lengths
        self._made: dict[Any, Any] = {}

    @table
    def batch_size(self) -> int:
        return len(self.lengths)

    @table
    def total(self) -> int:
        """The number of steps of all sequences together."""
        return int(self.lengths.sum())

    @table
    def max_length(self) -> int:
        return int(self.lengths.max()) if self.batch_size else 0

    @table
    def offsets(self) -> Tensor:
        """(batch + 1,): sequence `i` holds the rows `offsets[i]` to `offsets[i + 1]` of the values."""
        return torch.cat([self.lengths.new_zeros(1), self.lengths.cumsum(0)])

    @table
    def rows(self) -> Tensor:
        """(total,): the sequence that each step belongs to."""
        return torch.repeat_interleave(torch.arange(self.batch_size, device="cpu"), self.lengths)

    @table
    def steps(self) -> Tensor:
        """(total,): the time of each step within its sequence, from 0."""
        return torch.arange(self.total, device="cpu") - self.offsets[self.rows]

    @table
    def reversal(self) -> Tensor:
        """(total,): an index that turns each sequence round; its own inverse."""
        return (self.offsets[:-1] + self.offsets[1:] - 1)[self.rows] - torch.arange(self.total, device="cpu")

    @table
    def order(self) -> Tensor:
        """(batch,): the sequences from the longest to the shortest, ties in their order."""
        return self.lengths.sort(descending=True, stable=True).indices

    @table
    def rank(self) -> Tensor:
        """(batch,): the place of each sequence in `order`."""
        return inverse(self.order)

    @table
    def running(self) -> list[int]:
        """How many sequences have a step at time 0, 1, …: `PackedSequence` calls these `batch_sizes`."""
        ending = torch.bincount(self.lengths, minlength=self.max_length + 1)
        counts: list[int] = (self.batch_size - ending.cumsum(0))[: self.max_length].tolist()
        return counts

    @table
    def time_major(self) -> Tensor:
        """(total,): an index into the values that reads them time by time, the sequences of a time in `order`."""
        running = torch.tensor(self.running, dtype=torch.int64, device="cpu")
        times = torch.repeat_interleave(torch.arange(self.max_length, device="cpu"), running)
        places = torch.arange(self.total, device="cpu") - (running.cumsum(0) - running)[times]
        return self.offsets[self.order[places]] + times

    @table
    def sequence_major(self) -> Tensor:
        """(total,): the inverse of `time_major`."""
        return inverse(self.time_major)

    def between(self, start: int, stop: int) -> tuple["Layout", Tensor]:
        """The layout of time `start` (included) to `stop` (excluded), and (its total,) where each of its steps lies."""
        piece = Layout((self.lengths.clamp(max=stop) - start).clamp(min=0))
        if self.batch_size == 1:  # as of a long sequence that is read piece by piece
            return piece, torch.arange(start, start + piece.total, device="cpu")
        return piece, (self.offsets[:-1] + start)[piece.rows] + piece.steps

    def on(self, device: torch.device, table: str) -> Tensor:
        """The table of that name on a device, copied there once."""
        if device.type == "cpu":
            return getattr(self, table)  # type: ignore[no-any-return]
        return self.once((table, device), lambda: getattr(self, table).to(device, non_blocking=True))  # type: ignore[no-any-return]

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` returns, kept under `key`: for tables that only one engine needs. Made as a `table` is."""
        if key not in self._made:
            with _outside() if _inside() else nullcontext():
                self._made[key] = make()
        return self._made[key]


def inverse(permutation: Tensor) -> Tensor:
    """The permutation that undoes this one. (n,) -> (n,)."""
    undone = torch.empty_like(permutation)
    undone[permutation] = torch.arange(len(permutation), device=permutation.device)
    return undone
