"""Cells of cells: one over another, and one beside its input."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool.cells.base import Cell, Step, check_cells
from unspool.errors import CellError, StateError
from unspool.padded import Padded
from unspool.ragged import Ragged
from unspool.randomness import number_layers
from unspool.state import State, described
from unspool.unrolling import unroll


class Stack(Cell):
    """Cells one over another, each reading the output of the one below. Its state is a tuple of theirs.

    Unrolled, it runs layer by layer; stepped, all layers at each step: the same numbers, by law.

    Args:
        cells: from the bottom up; at least one.

    Example:
        >>> stack = Stack(LSTM(3, 8), Dropout(0.2), Residual(LSTM(8, 8)))
        >>> unspool.unroll(stack.eval(), Ragged(torch.randn(5, 3), lengths=[2, 3])).outputs
        Ragged(values=(5, 8), lengths=[2, 3])
    """

    def __init__(self, *cells: Cell) -> None:
        super().__init__()
        if not cells:
            raise CellError("`Stack` must hold at least one cell, but got none")
        check_cells("`Stack` must hold cells, but got", *cells)
        self.cells = nn.ModuleList(cells)
        self.input_size, self.output_size = cells[0].input_size, getattr(cells[-1], "output_size", None)
        number_layers(self)

    def _pairs(self, state: State) -> list[tuple[Cell, State]]:
        return list(zip(self.cells, state, strict=True))  # type: ignore[arg-type]

    def initial_state(
        self, batch_size: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> State:
        if device is None:  # a layer without weights follows those that have some
            device = next((parameter.device for parameter in self.parameters()), None)
        return tuple(cell.initial_state(batch_size, device=device, dtype=dtype) for cell in self.cells)  # type: ignore[operator]

    def initial_state_for(self, inputs: Ragged | Padded) -> State:
        return tuple(cell.initial_state_for(inputs) for cell in self.cells)  # type: ignore[operator]

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        after = []
        for cell, part in self._pairs(state):
            x, part = cell(x, part)
            after.append(part)
        return x, tuple(after)

    def over_time(self, inputs: Ragged | Padded, state: State) -> tuple[Ragged | Padded, State]:
        after = []
        for cell, part in self._pairs(state):
            inputs, part = unroll(cell, inputs, part)
            after.append(part)
        return inputs, tuple(after)

    def stepper(self, batch_size: int) -> Step:
        steppers = [cell.stepper(batch_size) for cell in self.cells]  # type: ignore[operator]

        def step(x: Tensor, state: State) -> tuple[Tensor, State]:
            after = []
            for one, part in zip(steppers, state, strict=True):
                x, part = one(x, part)
                after.append(part)
            return x, tuple(after)

        return step

    def check_state(self, state: State) -> None:
        if type(state) is not tuple or len(state) != len(self.cells):
            raise StateError(
                f"`state` of a `Stack` of {len(self.cells)} must be a tuple of {len(self.cells)} states, "
                f"but is {described(state)}"
            )
        for cell, part in self._pairs(state):
            cell.check_state(part)


class Residual(Cell):
    """A cell whose input is added to its output. Its state is the cell's.

        output = x + cell(x)

    Args:
        cell: its outputs are as wide as its inputs.

    Reference:
        He et al. (2016); between recurrent layers, Wu et al. (2016), section 3.1.
    """

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell
        self.input_size = cell.input_size
        self.output_size = cell.input_size
        width = getattr(cell, "output_size", None)
        if None not in (width, cell.input_size) and width != cell.input_size:
            raise CellError(
                f"`Residual` must hold a cell of equal input and output, but `{cell}` makes {width} of "
                f"{cell.input_size} features"
            )

    def initial_state(
        self, batch_size: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> State:
        return self.cell.initial_state(batch_size, device=device, dtype=dtype)

    def initial_state_for(self, inputs: Ragged | Padded) -> State:
        return self.cell.initial_state_for(inputs)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        output, state = self.cell(x, state)
        return x + output, state

    def over_time(self, inputs: Ragged | Padded, state: State) -> tuple[Ragged | Padded, State]:
        inputs = inputs if isinstance(inputs, Ragged) else inputs.masked()
        outputs, state = unroll(self.cell, inputs, state)
        return inputs.with_values(inputs.values + outputs.values), state

    def stepper(self, batch_size: int) -> Step:
        inner = self.cell.stepper(batch_size)

        def step(x: Tensor, state: State) -> tuple[Tensor, State]:
            output, state = inner(x, state)
            return x + output, state

        return step

    def check_state(self, state: State) -> None:
        self.cell.check_state(state)
