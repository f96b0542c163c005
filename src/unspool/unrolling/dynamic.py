"""Dynamic unrolling: as many steps as each sequence has."""

from typing import Any

from unspool.cells.base import Cell
from unspool.engine import choice
from unspool.ragged import Ragged
from unspool.state import State


def unroll_dynamic(cell: Cell, inputs: Ragged, state: State) -> tuple[Ragged, State]:
    """Run a cell over a ragged batch: at once where the cell knows how, else on the engine of choice."""
    known = cell.over_time(inputs, state)
    return choice.run(cell, inputs, state) if known is None else known  # type: ignore[return-value]


def unroll_both(ahead: Cell, back: Cell, inputs: Ragged, states: tuple[State, State]) -> tuple[Ragged, Any] | None:
    """Run one cell from the beginning and one from the end of a ragged batch, where that can be done at once.

    Returns:
        Their outputs side by side and both final states; None where one must run after the other.
    """
    if any(type(cell).over_time is not Cell.over_time for cell in (ahead, back)):
        return None
    return choice.run_both(ahead, back, inputs, states)
