"""`Padded`: a batch in a rectangle, for programs of fixed shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unspool.errors import BatchError
from unspool.lengths import as_ids, as_lengths, as_rows, check_start, readable


@dataclass(frozen=True, eq=False)
class Padded:
    """A batch of sequences in a rectangle; what lies past a length is ignored on input and zero on output.

    Args:
        values: (batch, time, *features).
        lengths: (batch,) whole numbers from 0 to `time`, on any device.
        ids: (batch,) which example each row is; 0, 1, 2, … if left out. Random masks are drawn from it.

    Raises:
        BatchError: lengths that do not fit the rectangle.

    Example:
        >>> batch = Padded(torch.ones(2, 3), lengths=[3, 1])
        >>> batch.mask
        tensor([[ True,  True,  True],
                [ True, False, False]])
    """

    values: Tensor
    lengths: Tensor
    ids: Tensor = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if not isinstance(self.values, Tensor):
            return  # a pytree of something else than tensors, on its way through torch.export or torch.func
        if self.values.dim() < 2:
            raise BatchError(f"`values` must be (batch, time, *features), but has shape {tuple(self.values.shape)}")
        lengths = as_lengths(self.lengths, rows=self.values.shape[0], kind="Padded")
        if readable(lengths) and len(lengths) and int(lengths.max()) > self.values.shape[1]:
            row = int(lengths.argmax())
            raise BatchError(
                f"`lengths` must be at most the {self.values.shape[1]} steps of `values`, "
                f"but row {row} has {int(lengths[row])}; cut the lengths, or pad the values further"
            )
        object.__setattr__(self, "lengths", lengths)
        object.__setattr__(self, "ids", as_ids(self.ids, lengths))

    @property
    def batch_size(self) -> int:
        return self.values.shape[0]

    @property
    def max_length(self) -> int:
        """The width of the rectangle: no sequence is longer."""
        return self.values.shape[1]

    @property
    def device(self) -> torch.device:
        return self.values.device

    @property
    def mask(self) -> Tensor:
        """(batch, time) bool, True where a step is real, on the device of the values."""
        times = torch.arange(self.values.shape[1], device=self.device)
        return times < self.lengths.to(self.device).unsqueeze(1)

    def masked(self, value: float = 0) -> Padded:
        """The same batch with `value` in the padding, whatever was there: not a NaN comes through, nor its gradient."""
        mask = self.mask.reshape(*self.values.shape[:2], *[1] * (self.values.dim() - 2))
        return self.with_values(torch.where(mask, self.values, torch.full_like(self.values, value)))

    def with_values(self, values: Tensor) -> Padded:
        """These sequences with other values. (batch, time, *features) -> Padded"""
        return Padded(values, self.lengths, self.ids)

    def reversed(self) -> Padded:
        """Each sequence turned round within its own length; the padding stays at the end, and becomes zero."""
        times = torch.arange(self.values.shape[1], device=self.device)
        index = self.lengths.to(self.device).unsqueeze(1) - 1 - times
        index = index.clamp(min=0).reshape(*self.values.shape[:2], *[1] * (self.values.dim() - 2))
        return self.with_values(self.values.gather(1, index.expand_as(self.values))).masked()

    def steps(self, start: int, stop: int) -> Padded:
        """Time `start` (included) to `stop` (excluded) of every sequence; one that has ended keeps length zero."""
        check_start(start)
        stop = max(start, min(stop, self.values.shape[1]))
        lengths = (self.lengths - start).clamp(0, stop - start)
        return Padded(self.values[:, start:stop], lengths, self.ids)

    def select(self, rows: Tensor | Sequence[int]) -> Padded:
        """Some of the sequences, in the order named. rows: (n,) indices, or (batch,) bool."""
        index = as_rows(rows, self.batch_size)
        return Padded(
            self.values[index.to(self.device)],
            self.lengths[index.to(self.lengths.device)],
            self.ids[index.to(self.ids.device)],
        )

    def to(self, *args: Any, **kwargs: Any) -> Padded:
        """The values on another device or of another dtype, as `Tensor.to`; lengths and ids stay where they are."""
        return self.with_values(self.values.to(*args, **kwargs))

    def __repr__(self) -> str:
        return f"Padded(values={tuple(self.values.shape)}, lengths={self.lengths.tolist()})"


torch.export.register_dataclass(Padded, serialized_type_name="unspool.Padded")
torch.serialization.add_safe_globals([Padded])  # a program's example inputs are saved with it
