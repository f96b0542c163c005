"""`Ragged`: a batch of sequences of different lengths, one after another. No padding exists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unspool import conversion
from unspool.errors import BatchError
from unspool.layout import Layout
from unspool.lengths import as_ids, as_lengths, as_rows, check_start, readable, total
from unspool.padded import Padded


@dataclass(frozen=True, eq=False)
class Ragged:
    """A batch of sequences of different lengths, stored one after another: no padding exists.

    Args:
        values: (total, *features), sequence after sequence.
        lengths: (batch,) whole numbers on the CPU; zero is a length.
        ids: (batch,) which example each sequence is; 0, 1, 2, … if left out. It travels through `select`, `concat`
            and `reversed`, and random masks are drawn from it, never from a place in the batch.

    Raises:
        BatchError: lengths that do not describe the values.

    Example:
        >>> batch = Ragged(torch.arange(5.0), lengths=[3, 0, 2])
        >>> batch.split()
        (tensor([0., 1., 2.]), tensor([]), tensor([3., 4.]))
        >>> batch.reversed().values
        tensor([2., 1., 0., 4., 3.])
        >>> batch.to_padded().values
        tensor([[0., 1., 2.],
                [0., 0., 0.],
                [3., 4., 0.]])
    """

    values: Tensor
    lengths: Tensor
    ids: Tensor = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if not isinstance(self.values, Tensor):
            return  # a pytree of something else than tensors, on its way through torch.export or torch.func
        if self.values.dim() < 1:
            raise BatchError("`values` must be (total, *features), but is a single number")
        lengths = as_lengths(self.lengths, rows=None, kind="Ragged")
        if lengths.device.type != "cpu":
            raise BatchError(
                f"`lengths` must be on the CPU, but is on {lengths.device}; "
                "use `lengths.cpu()` (the values stay where they are)"
            )
        if readable(lengths) and total(lengths) != self.values.shape[0]:
            raise BatchError(
                f"`lengths` must sum to `len(values)` ({len(self.values)}), but sums to {total(lengths)}; "
                "use `Ragged.from_padded` if rows hold padding"
            )
        object.__setattr__(self, "lengths", lengths.clone())  # the index tables must not change with someone's tensor
        object.__setattr__(self, "ids", as_ids(self.ids, lengths))

    @cached_property
    def layout(self) -> Layout:
        """The index tables of these lengths, shared with every batch made by `map`."""
        made = Layout(self.lengths)
        if readable(self.lengths) and type(self.values) is Tensor:
            made.total = self.values.shape[0]  # as was checked: to sum them up again takes as long as a step
        return made

    @property
    def batch_size(self) -> int:
        return len(self.lengths)

    @property
    def max_length(self) -> int:
        return self.layout.max_length

    @property
    def offsets(self) -> Tensor:
        """(batch + 1,) on the device of the values: sequence `i` is `values[offsets[i]:offsets[i + 1]]`."""
        return self.layout.on(self.device, "offsets")

    @property
    def device(self) -> torch.device:
        return self.values.device

    @property
    def fill(self) -> float:
        """The share of real steps in the rectangle that would hold this batch: 1 where all lengths are equal."""
        rectangle = self.batch_size * self.max_length
        return self.layout.total / rectangle if rectangle else 1.0

    def with_values(self, values: Tensor) -> Ragged:
        """These sequences with other values, step for step. (total, *features) -> Ragged"""
        if len(values) != self.layout.total:
            raise BatchError(f"`values` must keep its {self.layout.total} steps, but has {len(values)}")
        batch = object.__new__(Ragged)
        batch.__dict__.update(values=values, lengths=self.lengths, ids=self.ids, layout=self.layout)
        return batch

    def map(self, function: Callable[..., Tensor], *others: Ragged) -> Ragged:
        """A function of a step applied to all steps at once: `Ragged(function(values, *others' values), lengths)`."""
        for other in others:
            if other.layout is not self.layout and not torch.equal(other.lengths, self.lengths):
                raise BatchError(
                    f"`others` must have the lengths {self.lengths.tolist()}, but has {other.lengths.tolist()}"
                )
        return self.with_values(function(self.values, *(other.values for other in others)))

    def reversed(self) -> Ragged:
        """Each sequence turned round; twice is the batch itself."""
        return self.map(lambda values: values.index_select(0, self.layout.on(self.device, "reversal")))

    def split(self) -> tuple[Tensor, ...]:
        """The sequences one by one: tensors of shape (length, *features), views of the values."""
        return tuple(self.values.split(self.lengths.tolist()))

    def last(self) -> Tensor:
        """The last step of each sequence, zero for an empty one. (batch, *features)"""
        ends = self.offsets[1:] - 1
        if self.layout.total == 0:
            return self.values.new_zeros(self.batch_size, *self.values.shape[1:])
        return self._without_empty(self.values.index_select(0, ends.clamp(min=0)))

    def sum(self) -> Tensor:
        """The sum over each sequence, zero for an empty one. (batch, *features)"""
        return self._summed().to(self.values.dtype)

    def _summed(self) -> Tensor:
        """The same as it was added up: half precision in single, where a sum of many steps would stop growing."""
        rows, values = self.layout.on(self.device, "rows"), self.values
        if values.dtype in (torch.float16, torch.bfloat16):
            values = values.float()
        return values.new_zeros(self.batch_size, *values.shape[1:]).index_add(0, rows, values)

    def mean(self) -> Tensor:
        """The mean over each sequence, zero for an empty one. (batch, *features)"""
        lengths = self.layout.on(self.device, "lengths").clamp(min=1)
        mean = self._summed() / lengths.reshape(-1, *[1] * (self.values.dim() - 1))
        return mean.to(self.values.dtype) if self.values.is_floating_point() else mean

    def max(self) -> Tensor:
        """The largest value of each feature over each sequence, zero for an empty one. (batch, *features)"""
        if not len(self.values):
            return self.sum()
        shape = (self.batch_size, *self.values.shape[1:])
        like = (-1, *[1] * (self.values.dim() - 1))
        rows = self.layout.on(self.device, "rows").reshape(like).expand_as(self.values)
        with torch.no_grad():
            largest = self.values.new_zeros(shape).scatter_reduce(0, rows, self.values, "amax", include_self=False)
            wins = (self.values == largest.gather(0, rows)) | self.values.isnan()
            steps = torch.arange(len(self.values), device=self.device).reshape(like)
            first = steps.new_zeros(shape)
            first = first.scatter_reduce(
                0, rows, torch.where(wins, steps, len(self.values)), "amin", include_self=False
            )
        # Reading the winners out, rather than the gradient of a reduction, keeps a NaN's gradient in its own sequence.
        return self._without_empty(self.values.gather(0, first))

    def _without_empty(self, summary: Tensor) -> Tensor:
        empty = (self.layout.on(self.device, "lengths") == 0).reshape(-1, *[1] * (summary.dim() - 1))
        return torch.where(empty, torch.zeros_like(summary), summary)

    def steps(self, start: int, stop: int) -> Ragged:
        """Time `start` (included) to `stop` (excluded) of every sequence; one that has ended keeps length zero.

        Every sequence stays in the batch, so that a state fits all pieces; `Ragged.join` puts pieces together again.
        """
        check_start(start)
        piece, index = self.layout.between(start, stop)
        return Ragged(self.values.index_select(0, index.to(self.device)), piece.lengths, self.ids)

    def select(self, rows: Tensor | Sequence[int]) -> Ragged:
        """Some of the sequences, in the order named. rows: (n,) indices, or (batch,) bool."""
        rows = as_rows(rows, self.batch_size)
        chosen = Layout(self.lengths[rows])
        index = self.layout.offsets[:-1][rows][chosen.rows] + chosen.steps
        return Ragged(self.values.index_select(0, index.to(self.device)), chosen.lengths, self.ids[rows])

    @staticmethod
    def concat(batches: Sequence[Ragged]) -> Ragged:
        """The sequences of several batches as one batch."""
        return Ragged(
            torch.cat([batch.values for batch in batches]),
            torch.cat([batch.lengths for batch in batches]),
            torch.cat([batch.ids for batch in batches]),
        )

    @staticmethod
    def join(pieces: Sequence[Ragged]) -> Ragged:
        """Pieces of the same sequences, each sequence's pieces one after another: undoes cutting by `steps`."""
        first = pieces[0]
        for piece in pieces:
            if not torch.equal(piece.ids, first.ids):
                raise BatchError(
                    f"`pieces` must hold the same examples {first.ids.tolist()}, but one holds {piece.ids.tolist()}"
                )
        lengths = torch.stack([piece.lengths for piece in pieces])
        starts = lengths.flatten().cumsum(0) - lengths.flatten()
        parts = Layout(lengths.t().flatten())
        index = starts.reshape(lengths.shape).t().flatten()[parts.rows] + parts.steps
        values = torch.cat([piece.values for piece in pieces])
        return Ragged(values.index_select(0, index.to(values.device)), lengths.sum(0), first.ids)

    @staticmethod
    def from_list(sequences: Sequence[Tensor], ids: Tensor | None = None) -> Ragged:
        """A batch of tensors of shape (length, *features); at least one, so that the features are known."""
        if not len(sequences):
            raise BatchError(
                "`sequences` must hold at least one tensor, but is empty; for a batch of none write "
                "`Ragged(torch.empty(0, features), [])`"
            )
        return Ragged(torch.cat(list(sequences)), torch.tensor([len(s) for s in sequences], device="cpu"), ids)  # type: ignore[arg-type]

    @staticmethod
    def from_padded(
        values: Tensor | Padded,
        lengths: Tensor | Sequence[int] | None = None,
        *,
        mask: Tensor | None = None,
        ids: Tensor | None = None,
    ) -> Ragged:
        """The real steps of a rectangle.

        Args:
            values: a `Padded`, or (batch, time, *features) with either `lengths` or `mask`.
            lengths: (batch,) at most `time`.
            mask: (batch, time) bool, True for a real step, real steps first.
            ids: (batch,) which example each row is.

        Raises:
            BatchError: neither or both of `lengths` and `mask`; lengths past `time`; a mask with holes.
        """
        return Ragged(*conversion.from_padded(values, lengths, mask, ids))

    @staticmethod
    def from_packed(packed: PackedSequence, ids: Tensor | None = None) -> Ragged:
        """The sequences of a `torch.nn.utils.rnn.PackedSequence`, in the order they had before sorting."""
        return Ragged(*conversion.from_packed(packed), ids)  # type: ignore[arg-type]

    @staticmethod
    def from_nested(nested: Tensor, ids: Tensor | None = None) -> Ragged:
        """The sequences of a nested tensor of layout `torch.jagged` (shares memory) or `torch.strided`."""
        return Ragged(*conversion.from_nested(nested), ids)  # type: ignore[arg-type]

    def to_padded(self, value: float = 0, *, max_length: int | None = None) -> Padded:
        """A rectangle as wide as the longest sequence, or as `max_length`, with `value` past the lengths."""
        return conversion.to_padded(self.values, self.layout, self.ids, value, max_length)

    def to_packed(self) -> PackedSequence:
        """The same sequences as a `PackedSequence`, which can hold no empty sequence.

        Raises:
            BatchError: a length of zero, or no sequence at all.
        """
        return conversion.to_packed(self.values, self.layout)

    def to_nested(self) -> Tensor:
        """The same sequences as a nested tensor of layout `torch.jagged`, sharing memory."""
        return conversion.to_nested(self.values, self.layout)

    def to(self, *args: Any, **kwargs: Any) -> Ragged:
        """The values on another device or of another dtype, as `Tensor.to`; lengths and ids stay on the CPU."""
        return self.map(lambda values: values.to(*args, **kwargs))

    def __getstate__(self) -> dict[str, Tensor]:
        """What is pickled and copied: the index tables are made again where they are needed."""
        return {"values": self.values, "lengths": self.lengths, "ids": self.ids}

    def __repr__(self) -> str:
        return f"Ragged(values={tuple(self.values.shape)}, lengths={self.lengths.tolist()})"


torch.export.register_dataclass(Ragged, serialized_type_name="unspool.Ragged")
torch.serialization.add_safe_globals([Ragged])
