"""GRU and Elman on the CPU: loops that autograd does not watch, their gradients written out by hand.

oneDNN's recurrent kernel in PyTorch is for the LSTM alone. For these two, PyTorch's own kernels record every small
operation of every step; here the steps write into memory made once, and backward is one pass back through time, with
the weights' gradients one product at its end.
"""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from unspool.cells.base import Cell
from unspool.cells.elman import Elman
from unspool.cells.gated import GatedCell, HiddenState
from unspool.cells.gru import GRU
from unspool.engine import torch_kernels
from unspool.engine.ends import own_ends
from unspool.errors import EngineError
from unspool.ragged import Ragged
from unspool.state import State


def refusal(cell: Cell, inputs: Ragged) -> str | None:
    """Why this engine can't run the cell, or None."""
    if torch_kernels.kernel(cell) is None or not isinstance(cell, (GRU, Elman)):
        return "it runs `GRU` and `Elman` only, their steps unchanged"
    if torch_kernels.inside_transform():
        return torch_kernels.NO_TRANSFORMS
    if torch_kernels.autocast_dtype(inputs.device):
        return "it computes in the dtype of the weights, not in that of autocast"
    return None


def run(cell: Cell, inputs: Ragged, state: State) -> tuple[Ragged, State]:
    """The loop of `reference`, unwatched."""
    assert isinstance(cell, GatedCell)
    layout, device = inputs.layout, inputs.device
    running = layout.running
    from_input = cell.project_input(inputs.values).index_select(0, layout.on(device, "time_major"))
    hidden = state.hidden.index_select(0, layout.on(device, "order"))[: running[0]]
    weight, bias = cell.weight_hidden, cell.bias_hidden
    assert weight is not None
    added: Tensor = from_input.new_zeros(len(weight)) if bias is None else bias
    if isinstance(cell, Elman):
        # Its two biases are one number, so the loop has one addition less.
        outputs = ElmanLoop.apply(from_input + added, weight, hidden, running, cell.nonlinearity)  # type: ignore[no-untyped-call]
    else:
        outputs = GRULoop.apply(from_input, weight, added, hidden, running)  # type: ignore[no-untyped-call]
    steps = inputs.with_values(outputs.index_select(0, layout.on(device, "sequence_major")))
    return steps, HiddenState(own_ends(steps, state.hidden))


def _before(outputs: Tensor, hidden: Tensor, running: list[int]) -> Tensor:
    """The hidden state that each step began with. (total, hidden_size)"""
    rows = outputs.split(running)
    return torch.cat([hidden, *(earlier[: len(later)] for earlier, later in pairwise(rows))])


def _check_once() -> None:
    """Raise where a gradient is to have a gradient: what is written by hand has none, and would be taken for zero."""
    if torch.is_grad_enabled():
        raise EngineError(
            "engine `handwritten` has no gradients of gradients (`create_graph=True`); unroll inside "
            '`with unspool.engine.using("reference"):`'
        )


class ElmanLoop(torch.autograd.Function):
    """h_t = φ(x_t + U h_{t-1}), time by time. x: (total, hidden_size) -> (total, hidden_size)"""

    @staticmethod
    def forward(
        ctx: Any, from_input: Tensor, weight: Tensor, hidden: Tensor, running: list[int], nonlinearity: str
    ) -> Tensor:
        outputs, transposed, now = torch.empty_like(from_input), weight.t(), hidden
        activate = torch.tanh_ if nonlinearity == "tanh" else torch.relu_
        for x, output in zip(from_input.split(running), outputs.split(running), strict=True):
            activate(torch.addmm(x, now[: len(x)], transposed, out=output))
            now = output
        ctx.save_for_backward(weight, hidden, outputs)
        ctx.running, ctx.nonlinearity = running, nonlinearity
        return outputs

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor | None, ...]:
        _check_once()
        weight, hidden, outputs = ctx.saved_tensors
        slope = 1 - outputs * outputs if ctx.nonlinearity == "tanh" else (outputs > 0).to(outputs.dtype)
        inward, flowing = torch.empty_like(outputs), torch.zeros_like(hidden)
        parts = (tensor.split(ctx.running) for tensor in (given, slope, inward))
        for gradient, steepness, into in reversed(list(zip(*parts, strict=True))):
            now = flowing[: len(gradient)].add_(gradient)
            torch.mul(now, steepness, out=into)
            torch.mm(into, weight, out=now)
        return inward, inward.t() @ _before(outputs, hidden, ctx.running), flowing, None, None


class GRULoop(torch.autograd.Function):
    """The equations of `GRU`, time by time. x: (total, 3 · hidden_size) -> (total, hidden_size)"""

    @staticmethod
    def forward(
        ctx: Any, from_input: Tensor, weight: Tensor, bias: Tensor, hidden: Tensor, running: list[int]
    ) -> Tensor:
        size, transposed, now = hidden.shape[1], weight.t(), hidden
        gates = torch.empty_like(from_input)  # reset and update opened; the candidate as it came from the hidden state
        candidates = from_input.new_empty(len(from_input), size)
        outputs = torch.empty_like(candidates)
        parts = (tensor.split(running) for tensor in (from_input, gates, candidates, outputs))
        for x, gate, candidate, output in zip(*parts, strict=True):
            now = now[: len(x)]
            torch.addmm(bias, now, transposed, out=gate)
            opened = gate[:, : 2 * size].add_(x[:, : 2 * size]).sigmoid_()
            torch.addcmul(x[:, 2 * size :], opened[:, :size], gate[:, 2 * size :], out=candidate).tanh_()
            now = torch.lerp(candidate, now, opened[:, size:], out=output)
        ctx.save_for_backward(weight, hidden, gates, candidates, outputs)
        ctx.running = running
        return outputs

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor | None, ...]:
        _check_once()
        weight, hidden, gates, candidates, outputs = ctx.saved_tensors
        size, before = hidden.shape[1], _before(outputs, hidden, ctx.running)
        reset, update, from_hidden = gates.split(size, 1)
        to_candidate = (1 - update) * (1 - candidates * candidates)
        to_update = (before - candidates) * update * (1 - update)
        to_reset = from_hidden * reset * (1 - reset)
        # By step: what flows into the product with the hidden state, and what into the candidate.
        products, inner = torch.empty_like(gates), torch.empty_like(candidates)
        flowing = torch.zeros_like(hidden)
        tables = (given, to_candidate, to_update, to_reset, reset, update, products, inner)
        parts = (tensor.split(ctx.running) for tensor in tables)
        for gradient, candidate, updated, resetting, opened, kept, product, into in reversed(
            [*zip(*parts, strict=True)]
        ):
            now = flowing[: len(gradient)].add_(gradient)
            torch.mul(now, candidate, out=into)
            torch.mul(into, resetting, out=product[:, :size])
            torch.mul(now, updated, out=product[:, size : 2 * size])
            torch.mul(into, opened, out=product[:, 2 * size :])
            now.mul_(kept).addmm_(product, weight)
        from_input = torch.cat([products[:, : 2 * size], inner], 1)
        return from_input, products.t() @ before, products.sum(0), flowing, None
