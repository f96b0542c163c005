"""The plain loop: any cell, any device, one step after another over the sequences that are still running."""

import torch

from unspool.cells.base import Cell
from unspool.ragged import Ragged
from unspool.state import State, concat, select


def refusal(cell: Cell, inputs: Ragged) -> str | None:
    """The plain loop refuses nothing."""
    return None


def run(cell: Cell, inputs: Ragged, state: State) -> tuple[Ragged, State]:
    """Sort the sequences from the longest to the shortest; then each time step is a slice of rows with no gap.

    The loop it stands for:

        for sequence, row in zip(inputs.split(), rows of state):
            for x in sequence:
                output, row = cell(x, row)
    """
    layout, device = inputs.layout, inputs.device
    from_input = cell.project_input(inputs.values)
    sorted_input = from_input.index_select(0, layout.on(device, "time_major"))
    state = select(state, layout.order)
    outputs, ended = [], []
    size = layout.batch_size
    for running, x in zip(layout.running, sorted_input.split(layout.running), strict=True):
        if running < size:
            ended.append(select(state, slice(running, size)))
            state, size = select(state, slice(0, running)), running
        output, state = cell.advance(x, state)
        outputs.append(output)
    final = select(concat([state, *reversed(ended)]), layout.rank)
    return inputs.with_values(torch.cat(outputs).index_select(0, layout.on(device, "sequence_major"))), final
