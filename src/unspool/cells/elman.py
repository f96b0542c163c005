"""The simple recurrent network."""

import torch
from torch import Tensor

from unspool.cells.gated import GatedCell, Gates, HiddenState
from unspool.errors import CellError


class Elman(GatedCell):
    """The simple recurrent network (Elman, 1990), as `torch.nn.RNN`.

        h' = tanh(W x + b + U h + c)

    Args:
        input_size: features of an input step.
        hidden_size: features of the output and of the hidden state.
        nonlinearity: "tanh" or "relu" (Le et al., 2015).
        bias: whether there are `b` and `c`.

    Example:
        >>> output, state = (cell := Elman(3, 5))(torch.ones(2, 3), cell.initial_state(2))
        >>> output.shape
        torch.Size([2, 5])
    """

    gates = ("hidden",)
    State = HiddenState

    def __init__(self, input_size: int, hidden_size: int, *, nonlinearity: str = "tanh", bias: bool = True) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise CellError(f'`nonlinearity` must be "tanh" or "relu", but is "{nonlinearity}"')
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, bias=bias)

    def update(self, from_input: Gates, from_hidden: Gates, state: HiddenState) -> HiddenState:
        total: Tensor = from_input.hidden + from_hidden.hidden
        return HiddenState(torch.tanh(total) if self.nonlinearity == "tanh" else torch.relu(total))
