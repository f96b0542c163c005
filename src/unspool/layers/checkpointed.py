"""A cell that is unrolled in a budget of memory."""

from __future__ import annotations

import torch
from torch import Tensor

from unspool.cells.base import Cell, Step, check_cells
from unspool.padded import Padded
from unspool.ragged import Ragged
from unspool.state import State
from unspool.unrolling import unroll
from unspool.unrolling.budget import Memory, as_bytes


class Checkpointed(Cell):
    """A cell whose steps are run again for their gradient where they would not fit into memory.

        unroll(Checkpointed(cell, "16MB"), inputs)      stands for      unroll(cell, inputs, memory="16MB")

    Its state is the cell's, and so are results and gradients. Around a `Stack` all layers share the budget, and their
    outputs between layers are not kept either; each layer in one of its own has a budget of its own.

    Args:
        cell: any.
        memory: as of `unspool.unroll`. A `Padded` is unrolled without.

    Raises:
        BatchError: `memory` that is no size.

    Example:
        >>> both = unspool.Bidirectional(Checkpointed(LSTM(3, 4), "1MB"), Checkpointed(LSTM(3, 4), "1MB"))
        >>> both(Ragged(torch.randn(5000, 3), lengths=[2000, 3000])).outputs
        Ragged(values=(5000, 8), lengths=[2000, 3000])

    Reference:
        Gruslys et al. (2016), section 3.1.
    """

    def __init__(self, cell: Cell, memory: Memory) -> None:
        super().__init__()
        check_cells("`Checkpointed` must hold a cell, but got", cell)
        as_bytes(memory)
        self.cell, self.memory = cell, memory
        self.input_size, self.output_size = cell.input_size, getattr(cell, "output_size", None)

    def initial_state(
        self, batch_size: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> State:
        return self.cell.initial_state(batch_size, device=device, dtype=dtype)

    def initial_state_for(self, inputs: Ragged | Padded) -> State:
        return self.cell.initial_state_for(inputs)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return self.cell(x, state)  # type: ignore[no-any-return]

    def over_time(self, inputs: Ragged | Padded, state: State) -> tuple[Ragged | Padded, State]:
        memory = self.memory if isinstance(inputs, Ragged) else None
        outputs, final = unroll(self.cell, inputs, state, memory=memory)
        return outputs, final

    def stepper(self, batch_size: int) -> Step:
        return self.cell.stepper(batch_size)

    def check_state(self, state: State) -> None:
        self.cell.check_state(state)

    def extra_repr(self) -> str:
        return f"memory={self.memory!r}"
