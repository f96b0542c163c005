"""`Order`: which examples make up which batch, for every epoch, from the lengths alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unspool.errors import DataError

Rows = NDArray[np.int64]

_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: steps of a Weyl sequence
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # the multipliers of SplitMix64 (Steele et al., 2014)
_CHUNK = 1 << 20  # rows of a memory-mapped array that are looked at together


class Cursor(NamedTuple):
    """A place in an `Order`: the batch that comes next. A pair of whole numbers, which can be saved as JSON.

    Fields:
        epoch: how many epochs are complete.
        batch: how many batches of the next one are.
    """

    epoch: int = 0
    batch: int = 0


START = Cursor()


class Order:
    """One global, seeded order of batches: every example once an epoch, batches of similar lengths within a budget.

    An epoch is a permutation of the examples, cut into pools of about `pool` batches; each pool is sorted by length
    (that of the first column, equal ones by the next), cut by the budget, and its batches are shuffled. So lengths
    are similar within a batch and mixed between batches. All of it is a function of (seed, epoch) and the lengths, on
    any machine; nothing that ran before counts.

    Args:
        lengths: (examples,) lengths, or several such arrays (source and target) whose sum an example costs.
            An array or a memory map; the examples themselves are not needed.
        tokens: the most that the examples of a batch cost together; an example beyond it is a batch of its own.
            One of length zero is counted as one token, so that a batch of them ends.
        examples: the most examples in a batch. One of the two budgets must be given; with both, both hold.
        seed: of the permutations.
        pool: about how many batches are sorted together. 1 is random batches, more are closer in length.
        drop: (examples,) bool, True for those to leave out.

    Raises:
        DataError: no budget, no examples, lengths that do not fit together.

    Example:
        >>> order = Order([5, 1, 4, 2, 3], tokens=6, seed=0)
        >>> batches = order.from_cursor(Cursor())
        >>> cursor, rows = next(batches)
        >>> again, _ = next(batches), next(order.from_cursor(cursor))
        >>> sorted(np.concatenate(list(order.epoch(0))).tolist())
        [0, 1, 2, 3, 4]
    """

    def __init__(
        self,
        lengths: ArrayLike | Sequence[ArrayLike],
        *,
        tokens: int | None = None,
        examples: int | None = None,
        seed: int = 0,
        pool: int = 100,
        drop: ArrayLike | None = None,
    ) -> None:
        _check_budget(tokens, examples)
        if pool < 1:
            raise DataError(f"`pool` must be at least 1 batch, but is {pool}")
        self._lengths = _as_columns(lengths)
        self.tokens, self.examples, self.seed, self.pool = tokens, examples, seed, pool
        self._rows = _kept(len(self._lengths[0]), drop)
        if not len(self._rows):
            raise DataError("`lengths` must hold at least one example that is not dropped, but holds none")
        self._pool_size = self._examples_in_a_pool()

    def __len__(self) -> int:
        """The number of examples in an epoch."""
        return len(self._rows)

    def from_cursor(self, cursor: Cursor | Sequence[int] = START) -> Iterator[tuple[Cursor, Rows]]:
        """The batches from a cursor on, epoch after epoch without end, each with the cursor to save once it is done.

        Args:
            cursor: where to begin, as this method gave it, also if it went through JSON since.

        Raises:
            DataError: a cursor that this order has no place for.
        """
        epoch, done = as_cursor(cursor)
        while True:
            permutation = self._permutation(epoch)
            number = 0
            for pool in range(self._pools):
                rows, cost = self._sorted(permutation, pool)
                ends = self._cut(cost)
                if number + len(ends) > done:
                    batches = self._shuffled(np.split(rows, ends[:-1]), epoch, pool)
                    last = pool + 1 == self._pools
                    for place, batch in enumerate(batches, number + 1):
                        if place > done:
                            is_last = last and place == number + len(ends)
                            yield Cursor(epoch + 1) if is_last else Cursor(epoch, place), batch
                number += len(ends)
            if done and done >= number:
                raise misplaced(cursor)
            epoch, done = epoch + 1, 0

    def epoch(self, epoch: int) -> Iterator[Rows]:
        """The batches of one epoch."""
        for cursor, rows in self.from_cursor(Cursor(epoch)):
            yield rows
            if cursor.epoch != epoch:
                return

    def batches_in(self, epoch: int) -> int:
        """The number of batches in one epoch; it may differ a little from one to another."""
        permutation = self._permutation(epoch)
        return sum(len(self._cut(self._sorted(permutation, pool)[1])) for pool in range(self._pools))

    def cost(self, rows: Rows) -> Rows:
        """What each of these examples counts in the budget of tokens."""
        return np.maximum(sum(lengths[rows].astype(np.int64) for lengths in self._lengths), 1)

    @property
    def _pools(self) -> int:
        return math.ceil(len(self._rows) / self._pool_size)

    def _examples_in_a_pool(self) -> int:
        total = sum(int(self.cost(self._rows[i : i + _CHUNK]).sum()) for i in range(0, len(self._rows), _CHUNK))
        in_a_batch = self.tokens / (total / len(self._rows)) if self.tokens else math.inf
        return max(1, math.ceil(self.pool * max(1.0, min(in_a_batch, self.examples or math.inf))))

    def _permutation(self, epoch: int) -> Rows:
        # By sorting hashes: NumPy promises no generator's permutation to stay the same from version to version.
        return self._rows[np.argsort(_hashes(self._rows, self.seed, epoch), kind="stable")]

    def _sorted(self, permutation: Rows, pool: int) -> tuple[Rows, Rows]:
        """The rows of a pool from the shortest to the longest, ties as permuted, and what each costs."""
        rows = permutation[pool * self._pool_size : (pool + 1) * self._pool_size]
        rows = rows[_by_length([lengths[rows] for lengths in self._lengths])]
        return rows, self.cost(rows)

    def _cut(self, cost: Rows) -> list[int]:
        return _cut(cost, self.tokens, self.examples)

    def _shuffled(self, batches: list[Rows], epoch: int, pool: int) -> list[Rows]:
        hashes = _hashes(np.arange(len(batches)), self.seed, epoch, pool + 1)
        return [batches[i] for i in np.argsort(hashes, kind="stable")]


def _by_length(columns: Sequence[NDArray[Any]]) -> Rows:
    """The order from the shortest to the longest by the first column, equal ones by the next.

    Not by their sum, where neither column is even within a batch: of Multi30k, rectangles of both columns are filled
    to 79 % then (batches of 8,000 tokens), to 89 % so.
    """
    return np.lexsort(columns[::-1])


def in_order(
    lengths: ArrayLike | Sequence[ArrayLike], *, tokens: int | None = None, examples: int | None = None
) -> list[Rows]:
    """Every example once, for evaluation: sorted by length, the longest first, cut by the budget.

    The longest come first so that memory that does not suffice shows at once. `back_in_order` puts what was computed
    into the order of the examples again.

    Args:
        lengths, tokens, examples: as of `Order`.

    Returns:
        The rows of each batch; no batch where there are no examples.

    Example:
        >>> batches = in_order([1, 3, 2], tokens=3)
        >>> [batch.tolist() for batch in batches]
        [[1], [2, 0]]
        >>> back_in_order(batches, [["three"], ["two", "one"]])
        ['one', 'three', 'two']
    """
    _check_budget(tokens, examples)
    columns = [column.astype(np.int64) for column in _as_columns(lengths)]
    cost = np.maximum(sum(columns), 1)
    rows = _by_length([-column for column in columns])
    return np.split(rows, _cut(cost[rows], tokens, examples)[:-1]) if len(rows) else []


def back_in_order(batches: Sequence[Rows], results: Iterable[Sequence[Any]]) -> list[Any]:
    """What was computed for each row of each batch of `in_order`, as one list in the order of the examples."""
    found: list[Any] = [None] * sum(len(batch) for batch in batches)
    for rows, result in zip(batches, results, strict=True):
        for row, value in zip(rows.tolist(), result, strict=True):
            found[row] = value
    return found


def _cut(cost: Rows, tokens: int | None, examples: int | None) -> list[int]:
    """Where each batch ends, if each takes as many examples as the budget allows, at least one."""
    until = np.cumsum(cost)
    ends: list[int] = []
    end = 0
    while end < len(cost):
        start, end = end, len(cost)
        if tokens is not None:
            spent = until[start - 1] if start else 0
            end = max(int(np.searchsorted(until, spent + tokens, side="right")), start + 1)
        if examples is not None:
            end = min(end, start + examples)
        ends.append(end)
    return ends


def _hashes(numbers: Rows, *key: int) -> NDArray[np.uint64]:
    """A hash of each number, different for every key: SplitMix64, so that different numbers never share one."""
    state = np.uint64(0)
    for part in key:
        state = _mixed(np.array([part % 2**64], dtype=np.uint64) ^ state)[0]
    return _mixed(numbers.astype(np.uint64) ^ state)


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = state + np.array(_GOLDEN, dtype=np.uint64)
    state = (state ^ (state >> np.uint64(30))) * np.array(_MIX[0], dtype=np.uint64)
    state = (state ^ (state >> np.uint64(27))) * np.array(_MIX[1], dtype=np.uint64)
    return state ^ (state >> np.uint64(31))


def _as_columns(lengths: ArrayLike | Sequence[ArrayLike]) -> list[NDArray[Any]]:
    several = isinstance(lengths, (list, tuple)) and any(np.ndim(each) for each in lengths)
    columns = [np.asanyarray(each) for each in (lengths if several else [lengths])]  # type: ignore[union-attr]
    columns = [each if each.size else each.astype(np.int64) for each in columns]
    for each in columns:
        if each.ndim != 1 or each.dtype.kind not in "iu":
            raise DataError(
                f"`lengths` must be whole numbers, one an example, but has shape {each.shape} of {each.dtype}"
            )
        if len(each) != len(columns[0]):
            raise DataError(f"`lengths` must be equally many in each column, but are {len(columns[0])} and {len(each)}")
    return columns


def _kept(examples: int, drop: ArrayLike | None) -> Rows:
    if drop is None:
        return np.arange(examples)
    dropped = np.asarray(drop)
    if dropped.shape != (examples,) or dropped.dtype != np.bool_:
        raise DataError(
            f"`drop` must be {examples} bools, one an example, but has shape {dropped.shape} of {dropped.dtype}"
        )
    return np.flatnonzero(~dropped)


def _check_budget(tokens: int | None, examples: int | None) -> None:
    if tokens is None and examples is None:
        raise DataError("`tokens` or `examples` must say how large a batch may be, but neither is given")
    for name, budget in (("tokens", tokens), ("examples", examples)):
        if budget is not None and budget < 1:
            raise DataError(f"`{name}` must be at least 1, but is {budget}")


def as_cursor(cursor: Cursor | Sequence[int]) -> Cursor:
    if len(cursor) != 2 or not all(type(part) is int and part >= 0 for part in cursor):
        raise misplaced(cursor)
    return Cursor(*cursor)


def misplaced(cursor: Sequence[int]) -> DataError:
    return DataError(
        f"`cursor` must be a place in this order, but is {tuple(cursor)}; "
        "a cursor fits the data, budget, seed and pool that it was saved with"
    )
