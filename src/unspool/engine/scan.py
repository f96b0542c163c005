"""All steps of a linear recurrence at once: a chunked segmented scan.

A linear recurrence h_t = a_t h_{t-1} + b_t composes: two steps are one step of the same form. A scan over the steps of
all sequences, one after another, needs no padding: the first step of each sequence takes its initial state into
b and has a = 0, so that nothing passes from one sequence to the next.

The scan works on products of decays in linear space, safe where |a| <= 1; log-space forms have NaN gradients at a zero
state, and lost 1e-3 over 20,000 steps in float32.

Reference: Blelloch (1990), section 1.4 on recurrences; Martin & Cundy (2018) on linear recurrent networks.
"""

from typing import Any

import torch
from torch import Tensor

from unspool.cells.base import Cell
from unspool.cells.gated import HiddenState
from unspool.cells.minimal import LinearCell
from unspool.ragged import Ragged
from unspool.state import State

CHUNK = 16  # steps a chunk: 8 and 32 were slower by a tenth over 10^5 steps of 256 features


def refusal(cell: Cell, inputs: Ragged) -> str | None:
    """Why this engine can't run the cell, or None."""
    if isinstance(cell, LinearCell) and _untouched(type(cell)):
        return None
    return "it runs linear recurrences only: subclasses of `LinearCell` that leave `update` as it is"


def _untouched(cell: type[LinearCell]) -> bool:
    return cell.State is HiddenState and all(
        getattr(cell, part) is getattr(LinearCell, part) for part in ("update", "updated", "advance", "coefficients_of")
    )


def run(cell: Cell, inputs: Ragged, state: State) -> tuple[Ragged, State]:
    """Coefficients of all steps in one go, then the scan."""
    assert isinstance(cell, LinearCell)
    layout, device = inputs.layout, inputs.device
    decay, addition = cell.coefficients_of(cell.project_input(inputs.values))
    begun = layout.lengths > 0
    first = layout.offsets[:-1][begun].to(device)
    initial = state.hidden.index_select(0, begun.nonzero().squeeze(1).to(device))
    addition = addition.index_add(0, first, (decay.index_select(0, first) * initial).to(addition.dtype))
    decay = decay.index_fill(0, first, 0.0)
    outputs: Tensor = LinearScan.apply(decay, addition)  # type: ignore[no-untyped-call]
    ended = outputs.index_select(0, (layout.offsets[1:] - 1)[begun].to(device))
    final = state.hidden.to(outputs.dtype).index_copy(0, begun.nonzero().squeeze(1).to(device), ended)
    return inputs.with_values(outputs), HiddenState(final)


class LinearScan(torch.autograd.Function):
    """h_t = a_t h_{t-1} + b_t from h_{-1} = 0, over the first dimension. (n, *features) twice -> (n, *features)

    Its gradient is the same recurrence backwards, g_t = ∂h_t + a_{t+1} g_{t+1}; ∂b = g, ∂a_t = g_t h_{t-1}: a scan
    again, so that gradients have gradients.
    """

    @staticmethod
    def forward(ctx: Any, decay: Tensor, addition: Tensor) -> Tensor:
        states = scan(decay, addition)
        ctx.save_for_backward(decay, states)
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        decay, states = ctx.saved_tensors
        following = torch.cat([decay[1:], decay.new_zeros(1, *decay.shape[1:])])
        flowing = LinearScan.apply(following.flip(0), gradients[0].flip(0)).flip(0)  # type: ignore[no-untyped-call]
        before = torch.cat([states.new_zeros(1, *states.shape[1:]), states[:-1]])
        return flowing * before, flowing


def scan(decay: Tensor, addition: Tensor) -> Tensor:
    """The recurrence itself, without gradients: within chunks side by side, then over the chunks' ends."""
    steps = len(addition)
    if steps <= CHUNK:
        return _one_after_another(decay.unsqueeze(0), addition.unsqueeze(0))[1].squeeze(0)
    chunks = -(-steps // CHUNK)
    fill = addition.new_zeros(chunks * CHUNK - steps, *addition.shape[1:])
    shape = (chunks, CHUNK)
    reach, states = _one_after_another(
        torch.cat([decay, fill]).unflatten(0, shape), torch.cat([addition, fill]).unflatten(0, shape)
    )
    ends = scan(reach[:, -1], states[:, -1])
    states[1:] += reach[1:] * ends[:-1].unsqueeze(1)
    return states.flatten(0, 1)[:steps]


def _one_after_another(decay: Tensor, addition: Tensor) -> tuple[Tensor, Tensor]:
    """Within each chunk: the product of decays and the state, both from the chunk's start. (chunks, steps, …) twice"""
    reach, states = decay.clone(), addition.clone()
    for step in range(1, states.shape[1]):
        states[:, step].addcmul_(reach[:, step], states[:, step - 1])
        reach[:, step].mul_(reach[:, step - 1])
    return reach, states
