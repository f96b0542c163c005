"""PyTorch's kernels over a packed batch: cuDNN on a GPU, a step-by-step loop in C++ on the CPU."""

import torch

from unspool.cells.base import Cell
from unspool.cells.gated import GatedCell
from unspool.engine import torch_kernels
from unspool.ragged import Ragged
from unspool.state import State, concat, select


def refusal(cell: Cell, inputs: Ragged) -> str | None:
    """Why this engine can't run the cell, or None."""
    return torch_kernels.refusal(cell)


def run(cell: Cell, inputs: Ragged, state: State) -> tuple[Ragged, State]:
    """Time by time over the sequences that run; those of length zero, which packing can't hold, step aside."""
    assert isinstance(cell, GatedCell)
    layout, device = inputs.layout, inputs.device
    begun = layout.running[0]
    state = select(state, layout.order)
    outputs, final = torch_kernels.call(
        cell,
        inputs.values.index_select(0, layout.on(device, "time_major")),
        torch.tensor(layout.running, device="cpu"),
        select(state, slice(0, begun)),
        torch_kernels.weights(cell),
    )
    final = select(concat([final, select(state, slice(begun, layout.batch_size))]), layout.rank)
    return inputs.with_values(outputs.index_select(0, layout.on(device, "sequence_major"))), final
