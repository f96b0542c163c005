"""Long short-term memory and its variants."""

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from unspool.cells.gated import GatedCell, Gates
from unspool.cells.projection import RecurrentMap
from unspool.errors import CellError


class LSTMState(NamedTuple):
    """hidden: (batch, output_size), the output. memory: (batch, hidden_size), what the gates guard."""

    hidden: Tensor
    memory: Tensor


class LSTM(GatedCell):
    """Long short-term memory, as `torch.nn.LSTM`.

        i = σ(W_i x + b_i + U_i h + c_i)        the same for f and o
        g = tanh(W_g x + b_g + U_g h + c_g)
        m' = f m + i g
        h' = o tanh(m')

    Args:
        input_size: features of an input step.
        hidden_size: features of the output, the hidden state and the memory.
        bias: whether there are `b` and `c`.

    Reference:
        Hochreiter & Schmidhuber (1997), with the forget gate of Gers et al. (2000).
    """

    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "candidate", "output")
    State = LSTMState
    initial_bias = {"forget": 1.0}

    def update(self, from_input: Gates, from_hidden: Gates, state: LSTMState) -> LSTMState:
        write = torch.sigmoid(from_input.input + from_hidden.input)
        forget = torch.sigmoid(from_input.forget + from_hidden.forget)
        candidate = torch.tanh(from_input.candidate + from_hidden.candidate)
        output = torch.sigmoid(from_input.output + from_hidden.output)
        memory = forget * state.memory + write * candidate
        return LSTMState(output * torch.tanh(memory), memory)


class PeepholeLSTM(LSTM):
    """LSTM whose gates see the memory, each unit its own.

        i = σ(… + p_i m)        f = σ(… + p_f m)        o = σ(… + p_o m')

    Reference:
        Gers & Schmidhuber (2000); Graves (2013), equations 7 to 11.
    """

    def _build(self) -> None:
        super()._build()
        self.peephole_input = nn.Parameter(torch.zeros(self.hidden_size))
        self.peephole_forget = nn.Parameter(torch.zeros(self.hidden_size))
        self.peephole_output = nn.Parameter(torch.zeros(self.hidden_size))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        super().reset_parameters()
        for peephole in (self.peephole_input, self.peephole_forget, self.peephole_output):
            peephole.zero_()

    def update(self, from_input: Gates, from_hidden: Gates, state: LSTMState) -> LSTMState:
        write = torch.sigmoid(from_input.input + from_hidden.input + self.peephole_input * state.memory)
        forget = torch.sigmoid(from_input.forget + from_hidden.forget + self.peephole_forget * state.memory)
        candidate = torch.tanh(from_input.candidate + from_hidden.candidate)
        memory = forget * state.memory + write * candidate
        output = torch.sigmoid(from_input.output + from_hidden.output + self.peephole_output * memory)
        return LSTMState(output * torch.tanh(memory), memory)


class LayerNormLSTM(LSTM):
    """LSTM with layer normalisation of both projections, over all gates together, and of the memory put out.

        (i, f, g, o) before their nonlinearities = LN(W x) + LN(U h)
        h' = σ(o) tanh(LN(m'))

    The norms' own biases take the place of `b` and `c`.

    Reference:
        Ba, Kiros & Hinton (2016), equations 20 to 22.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, bias=False)

    def _build(self) -> None:
        super()._build()
        self.norm_input = nn.LayerNorm(4 * self.hidden_size)
        self.norm_hidden = nn.LayerNorm(4 * self.hidden_size)
        self.norm_memory = nn.LayerNorm(self.hidden_size)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        super().reset_parameters()
        forget = self.gates.index("forget")
        self.norm_input.bias.unflatten(0, (4, self.hidden_size))[forget] = self.initial_bias["forget"]

    def update(self, from_input: Gates, from_hidden: Gates, state: LSTMState) -> LSTMState:
        normed = self.norm_input(torch.cat([*from_input], 1)) + self.norm_hidden(torch.cat([*from_hidden], 1))
        write, forget, candidate, output = normed.chunk(4, 1)
        memory = torch.sigmoid(forget) * state.memory + torch.sigmoid(write) * torch.tanh(candidate)
        return LSTMState(torch.sigmoid(output) * torch.tanh(self.norm_memory(memory)), memory)


class CoupledLSTM(LSTM):
    """LSTM that writes exactly what it forgets: i = 1 - f.

        m' = f m + (1 - f) g

    Reference:
        Greff et al. (2017), the variant CIFG.
    """

    gates = ("forget", "candidate", "output")

    def update(self, from_input: Gates, from_hidden: Gates, state: LSTMState) -> LSTMState:
        forget = torch.sigmoid(from_input.forget + from_hidden.forget)
        candidate = torch.tanh(from_input.candidate + from_hidden.candidate)
        output = torch.sigmoid(from_input.output + from_hidden.output)
        memory = candidate + forget * (state.memory - candidate)
        return LSTMState(output * torch.tanh(memory), memory)


class ProjectedLSTM(LSTM):
    """LSTM whose output is a projection of it, as `torch.nn.LSTM(proj_size=…)`: a large memory for small products.

        h' = P (o tanh(m'))

    Args:
        input_size: features of an input step.
        hidden_size: features of the memory.
        projection_size: features of the output, less than `hidden_size`; half of it if left out.
        bias: whether there are `b` and `c`.

    Reference:
        Sak et al. (2014), equations 1 to 6, with neither peepholes nor the non-recurrent projection.
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, projection_size: int | None = None, bias: bool = True
    ) -> None:
        size = (hidden_size + 1) // 2 if projection_size is None else projection_size
        if not 0 < size < hidden_size:
            raise CellError(f"`projection_size` must be from 1 to below `hidden_size` ({hidden_size}), but is {size}")
        super().__init__(input_size, hidden_size, widths={"hidden": size}, bias=bias)

    def _build(self) -> None:
        super()._build()
        self.projection = RecurrentMap(self.hidden_size, self.output_size)

    def update(self, from_input: Gates, from_hidden: Gates, state: LSTMState) -> LSTMState:
        hidden, memory = super().update(from_input, from_hidden, state)
        return LSTMState(self.projection(hidden), memory)


class SCLSTMState(NamedTuple):
    """hidden and memory as in an LSTM; meaning: (batch, meaning_size), what is still to be said."""

    hidden: Tensor
    memory: Tensor
    meaning: Tensor


class SCLSTM(GatedCell):
    """Semantically conditioned LSTM: it reads a meaning vector off, as a sentence says it piece by piece.

        r = σ(W_r x + b_r + U_r h + c_r)        the reading gate
        d' = r d
        m' = f m + i g + tanh(D d')
        h' = o tanh(m')

    The meaning is the initial state's: `cell.initial_state(n)._replace(meaning=vector)`.

    Args:
        input_size: features of an input step.
        hidden_size: features of the output, the hidden state and the memory.
        meaning_size: features of the meaning; `hidden_size` if left out.
        bias: whether there are `b` and `c`.

    Reference:
        Wen et al. (2015), equations 1 to 8, one layer, α = 1.
    """

    gates = ("input", "forget", "candidate", "output", "reading")
    State = SCLSTMState
    # A reading gate is a forget gate of the meaning, and starts open for the same reason.
    initial_bias = {"forget": 1.0, "reading": 1.0}

    def __init__(
        self, input_size: int, hidden_size: int, *, meaning_size: int | None = None, bias: bool = True
    ) -> None:
        size = hidden_size if meaning_size is None else meaning_size
        super().__init__(input_size, hidden_size, widths={"reading": size, "meaning": size}, bias=bias)

    def _build(self) -> None:
        super()._build()
        self.meaning_memory = RecurrentMap(self.widths["meaning"], self.hidden_size)

    def update(self, from_input: Gates, from_hidden: Gates, state: SCLSTMState) -> SCLSTMState:
        meaning = torch.sigmoid(from_input.reading + from_hidden.reading) * state.meaning
        write = torch.sigmoid(from_input.input + from_hidden.input)
        forget = torch.sigmoid(from_input.forget + from_hidden.forget)
        candidate = torch.tanh(from_input.candidate + from_hidden.candidate)
        output = torch.sigmoid(from_input.output + from_hidden.output)
        memory = forget * state.memory + write * candidate + torch.tanh(self.meaning_memory(meaning))
        return SCLSTMState(output * torch.tanh(memory), memory, meaning)
