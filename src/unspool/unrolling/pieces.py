"""Outputs reduced piece by piece, so that they need not all exist at once."""

from collections.abc import Callable
from typing import Any

from unspool.cells.base import Cell
from unspool.padded import Padded
from unspool.ragged import Ragged
from unspool.state import State, map_leaves

STEPS = 256  # a piece: long enough that the cost of cutting is lost in that of the steps

Each = Callable[[Any, slice], Any]
Whole = Callable[[Cell, Any, State], tuple[Any, State]]


def unroll_pieces(whole: Whole, cell: Cell, inputs: Ragged | Padded, state: State, each: Each) -> tuple[Any, State]:
    """Unroll over one stretch of time after another, carrying the state; reduce each stretch's outputs at once."""
    results = []
    for start in range(0, max(inputs.max_length, 1), STEPS):
        stretch = slice(start, min(start + STEPS, inputs.max_length))
        outputs, state = whole(cell, inputs.steps(stretch.start, stretch.stop), state)
        results.append(each(outputs, stretch))
    return _gathered(results), state


def _gathered(results: list[Any]) -> Any:
    """Sequences joined in time; anything else added up, leaf by leaf."""
    if isinstance(results[0], Ragged):
        return Ragged.join(results)
    return map_leaves(lambda *parts: sum(parts[1:], start=parts[0]), results[0], *results[1:])
