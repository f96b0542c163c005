"""Outputs reduced piece by piece, so that they need not all exist at once."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from unspool.cells.base import Cell
from unspool.errors import BatchError
from unspool.padded import Padded
from unspool.ragged import Ragged
from unspool.state import State

STEPS = 256  # a piece: long enough that the cost of cutting is lost in that of the steps

Each = Callable[[Any, slice], Any]
Whole = Callable[[Cell, Any, State], tuple[Any, State]]


def unroll_pieces(whole: Whole, cell: Cell, inputs: Ragged | Padded, state: State, each: Each) -> tuple[Any, State]:
    """Unroll over one stretch of time after another, carrying the state; reduce each stretch's outputs at once."""
    results = []
    for stretch in stretches(inputs, STEPS):
        outputs, state = whole(cell, inputs.steps(stretch.start, stretch.stop), state)
        results.append(each(outputs, stretch))
    return gathered(results), state


def stretches(inputs: Ragged | Padded, steps: int) -> Iterator[slice]:
    """Stretches of so many steps, up to the end of the longest sequence; one of no step, where there is none."""
    for start in range(0, max(inputs.max_length, 1), steps):
        yield slice(start, min(start + steps, inputs.max_length))


def gathered(results: list[Any]) -> Any:
    """Sequences joined in time, numbers added up, in the structure that every stretch's result has."""
    first = results[0]
    if any(_keys(result) != _keys(first) for result in results):
        raise _unlike(results)
    if isinstance(first, Ragged):
        return Ragged.join(results)
    if isinstance(first, Padded):
        lengths = torch.stack([result.lengths for result in results]).sum(0)
        return Padded(torch.cat([result.values for result in results], 1), lengths, first.ids)
    if isinstance(first, (Tensor, int, float)):
        return sum(results[1:], start=first)
    if first is None:
        return None
    if not isinstance(first, (tuple, list, dict)):
        raise _unlike(results)
    if isinstance(first, dict):
        return {key: gathered([result[key] for result in results]) for key in first}
    parts = [gathered(list(part)) for part in zip(*results, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)


def _keys(result: Any) -> Any:
    """What tells one structure from another: its type, and its keys or how many parts it has."""
    if isinstance(result, dict):
        return type(result), result.keys()
    return type(result), len(result) if isinstance(result, (tuple, list)) else None


def _unlike(results: list[Any]) -> BatchError:
    return BatchError(
        "`each` must return tensors, numbers or sequences, or a tuple, list or dict of them, the same for every "
        f"stretch of time, but returned {' and '.join(sorted({type(result).__name__ for result in results}))}"
    )
