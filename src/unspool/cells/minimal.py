"""Linear recurrences: gates that see the input alone, so that all steps can be computed at once."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from unspool.cells.gated import GatedCell, Gates, HiddenState


class LinearCell(GatedCell):
    """A recurrence that is linear in its state: `h' = decay h + addition`, both from the input alone.

    A subclass defines `coefficients`; `unspool.unroll` then scans all steps in parallel.
    """

    gates: ClassVar[tuple[str, ...]] = ()
    recurrent = False
    State = HiddenState

    def coefficients(self, from_input: Gates) -> tuple[Tensor, Tensor]:
        """Decay and addition of every step. (n, width) by gate -> (n, hidden_size) twice"""
        raise NotImplementedError(f"`{type(self).__name__}` must define `coefficients`")

    def coefficients_of(self, projected: Tensor) -> tuple[Tensor, Tensor]:
        """`coefficients` of what `project_input` gave."""
        return self.coefficients(self._from_input(*self._by_gate(projected, 1, self.gates)))

    def update(self, from_input: Gates, from_hidden: Any, state: HiddenState) -> HiddenState:
        decay, addition = self.coefficients(from_input)
        return HiddenState(decay * state.hidden + addition)


class MinGRU(LinearCell):
    """The GRU reduced to what can be scanned.

        z = σ(W_z x + b_z)
        h' = (1 - z) h + z (W_n x + b_n)

    Args:
        input_size: features of an input step.
        hidden_size: features of the output and of the hidden state.
        bias: whether there is `b`.

    Reference:
        Feng et al. (2024), section 3.1, with a linear candidate.
    """

    gates = ("update", "candidate")

    def coefficients(self, from_input: Gates) -> tuple[Tensor, Tensor]:
        update = torch.sigmoid(from_input.update)
        return 1 - update, update * from_input.candidate


class MinLSTM(LinearCell):
    """The LSTM reduced to what can be scanned, its two gates sharing one whole.

        f = σ(W_f x + b_f)        i = σ(W_i x + b_i)
        h' = f / (f + i) h + i / (f + i) (W_n x + b_n)

    Args:
        input_size: features of an input step.
        hidden_size: features of the output and of the hidden state.
        bias: whether there is `b`.

    Reference:
        Feng et al. (2024), section 3.2, with a linear candidate.
    """

    gates = ("input", "forget", "candidate")
    initial_bias = {"forget": 1.0}

    def coefficients(self, from_input: Gates) -> tuple[Tensor, Tensor]:
        # f / (f + i), written so that no pair of closed gates divides zero by zero.
        softplus = torch.nn.functional.softplus
        forget = torch.sigmoid(softplus(-from_input.input) - softplus(-from_input.forget))
        return forget, (1 - forget) * from_input.candidate
