"""Dynamic unrolling: as many steps as each sequence has."""

from unspool.cells.base import Cell
from unspool.engine import choice
from unspool.ragged import Ragged
from unspool.state import State


def unroll_dynamic(cell: Cell, inputs: Ragged, state: State) -> tuple[Ragged, State]:
    """Run a cell over a ragged batch: at once where the cell knows how, else on the engine of choice."""
    known = cell.over_time(inputs, state)
    return choice.run(cell, inputs, state) if known is None else known  # type: ignore[return-value]
