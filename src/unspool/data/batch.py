"""`Batch`: the columns of some examples, encoded, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from unspool.errors import BatchError
from unspool.lengths import as_rows
from unspool.ragged import Ragged


@dataclass(frozen=True, eq=False)
class Batch:
    """Some examples: a `Ragged` for every column of sequences, a tensor for every column of vectors.

    Args:
        columns: by name; each holds the same examples in the same order.
        ids: (batch,) the number of each example's row in its part. A `Ragged` here carries the same ids, so that random
            masks belong to the example.

    Raises:
        BatchError: columns of different numbers of examples, or with other ids.

    Example:
        >>> words = Ragged(torch.tensor([5, 6, 7]), lengths=[2, 1], ids=[40, 41])
        >>> batch = Batch({"word": words, "class": torch.tensor([1, 0])}, torch.tensor([40, 41]))
        >>> batch.batch_size, batch.tokens, batch["word"].lengths
        (2, 3, tensor([2, 1]))
        >>> [part.ids.tolist() for part in batch.split(2)]
        [[40], [41]]
    """

    columns: Mapping[str, Ragged | Tensor]
    ids: Tensor

    def __post_init__(self) -> None:
        for name, column in self.columns.items():
            if isinstance(column, Ragged):
                if not torch.equal(column.ids, self.ids):
                    raise BatchError(
                        f"`{name}` must hold the examples {self.ids.tolist()}, but holds {column.ids.tolist()}; "
                        "make it with `ids=` those of the batch"
                    )
            elif len(column) != len(self.ids):
                raise BatchError(f"`{name}` must hold {len(self.ids)} examples, but holds {len(column)}")

    def __getitem__(self, name: str) -> Ragged | Tensor:
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    @property
    def batch_size(self) -> int:
        return len(self.ids)

    @property
    def tokens(self) -> int:
        """The steps of all sequences of all columns."""
        return sum(len(column.values) for column in self.columns.values() if isinstance(column, Ragged))

    def select(self, rows: Tensor | Sequence[int]) -> Batch:
        """Some of the examples, in the order named. rows: (n,) indices, or (batch,) bool."""
        rows = as_rows(rows, self.batch_size)
        columns = {
            name: column.select(rows) if isinstance(column, Ragged) else column[rows.to(column.device)]
            for name, column in self.columns.items()
        }
        return Batch(columns, self.ids[rows])

    def split(self, parts: int) -> list[Batch]:
        """Micro-batches of about equal numbers of tokens: at most `parts`, none of them empty.

        The examples keep their order, so that those of similar length stay together.
        """
        if parts < 1:
            raise BatchError(f"`parts` must be at least 1, but is {parts}")
        parts = min(parts, self.batch_size)
        if parts <= 1:
            return [self]
        until = self._cost().cumsum(0)
        ends = [0]
        for part in range(1, parts):
            target = int(until[-1]) * part / parts
            nearest = int((until - target).abs().argmin()) + 1
            ends.append(min(max(nearest, ends[-1] + 1), self.batch_size - (parts - part)))
        ends.append(self.batch_size)
        return [self.select(torch.arange(start, end)) for start, end in pairwise(ends)]

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Batch:
        """The values on another device; lengths and ids stay on the CPU."""
        return self._map(lambda values: values.to(device, non_blocking=non_blocking))

    def pin(self) -> Batch:
        """The values in page-locked memory, from where a GPU fetches them while it computes; itself without a GPU."""
        return self._map(Tensor.pin_memory) if torch.cuda.is_available() else self

    def _map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        columns = {
            name: column.map(function) if isinstance(column, Ragged) else function(column)
            for name, column in self.columns.items()
        }
        return Batch(columns, self.ids)

    def _cost(self) -> Tensor:
        """(batch,): the tokens of each example, at least 1."""
        lengths = [column.lengths for column in self.columns.values() if isinstance(column, Ragged)]
        return sum(lengths, torch.zeros_like(self.ids)).clamp(min=1)

    def __repr__(self) -> str:
        return f"Batch({', '.join(self.columns)}: {self.batch_size} examples, {self.tokens} tokens)"
