"""Gated recurrent units."""

import torch

from unspool.cells.gated import GatedCell, Gates, HiddenState
from unspool.cells.projection import RecurrentMap


class GRU(GatedCell):
    """Gated recurrent unit, the reset gate after the product: the form of cuDNN and `torch.nn.GRU`.

        r = σ(W_r x + b_r + U_r h + c_r)
        z = σ(W_z x + b_z + U_z h + c_z)
        n = tanh(W_n x + b_n + r (U_n h + c_n))
        h' = (1 - z) n + z h

    Args:
        input_size: features of an input step.
        hidden_size: features of the output and of the hidden state.
        bias: whether there are `b` and `c`.

    Reference:
        Cho et al. (2014), with the reset after the product as in Appleyard et al. (2016); the update gate keeps the
        old state, as in PyTorch, where the paper's takes the new.
    """

    gates = ("reset", "update", "candidate")
    State = HiddenState

    def update(self, from_input: Gates, from_hidden: Gates, state: HiddenState) -> HiddenState:
        reset = torch.sigmoid(from_input.reset + from_hidden.reset)
        update = torch.sigmoid(from_input.update + from_hidden.update)
        candidate = torch.tanh(from_input.candidate + reset * from_hidden.candidate)
        return HiddenState(candidate + update * (state.hidden - candidate))


class ResetBeforeGRU(GatedCell):
    """Gated recurrent unit, the reset gate before the product: the form of the paper.

        r = σ(W_r x + b_r + U_r h + c_r)
        z = σ(W_z x + b_z + U_z h + c_z)
        n = tanh(W_n x + b_n + U_n (r h))
        h' = (1 - z) n + z h

    `U_n` is `candidate_hidden.weight`: a linear map of its own, since it waits for the reset gate.

    Reference:
        Cho et al. (2014), equations 5 to 8; the update gate keeps the old state, as in `GRU`.
    """

    gates = ("reset", "update", "candidate")
    hidden_gates = ("reset", "update")
    State = HiddenState

    def _build(self) -> None:
        super()._build()
        self.candidate_hidden = RecurrentMap(self.hidden_size, self.hidden_size)

    def update(self, from_input: Gates, from_hidden: Gates, state: HiddenState) -> HiddenState:
        reset = torch.sigmoid(from_input.reset + from_hidden.reset)
        update = torch.sigmoid(from_input.update + from_hidden.update)
        candidate = torch.tanh(from_input.candidate + self.candidate_hidden(reset * state.hidden))
        return HiddenState(candidate + update * (state.hidden - candidate))
