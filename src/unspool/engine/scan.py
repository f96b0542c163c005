"""All steps of a linear recurrence at once: a chunked segmented scan.

A linear recurrence h_t = a_t h_{t-1} + b_t composes: two steps are one step of the same form. A scan over the steps of
all sequences, one after another, needs no padding: the first step of each sequence takes its initial state into
b, and nothing passes a start.

The scan works on products of decays in linear space, safe where |a| <= 1; log-space forms have NaN gradients at a zero
state, and lost 1e-3 over 20,000 steps in float32.

Reference: Blelloch (1990), section 1.4 on recurrences; Martin & Cundy (2018) on linear recurrent networks.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from unspool.cells.base import Cell
from unspool.cells.gated import HiddenState
from unspool.cells.minimal import LinearCell
from unspool.engine import torch_kernels
from unspool.engine.ends import own_ends
from unspool.ragged import Ragged
from unspool.state import State

CHUNK = 16  # steps a chunk: 8 to 64 took within a fifth of one another, over 2,000 and 50,000 steps of 256 features


def refusal(cell: Cell, inputs: Ragged) -> str | None:
    """Why this engine can't run the cell, or None."""
    if isinstance(cell, LinearCell) and _untouched(type(cell)):
        return torch_kernels.NO_TRANSFORMS if torch_kernels.inside_transform() else None
    return "it runs linear recurrences only: subclasses of `LinearCell` that leave `update` as it is"


def _untouched(cell: type[LinearCell]) -> bool:
    return cell.State is HiddenState and all(
        getattr(cell, part) is getattr(LinearCell, part) for part in ("update", "updated", "advance", "coefficients_of")
    )


def run(cell: Cell, inputs: Ragged, state: State) -> tuple[Ragged, State]:
    """Coefficients of all steps in one go, then the scan."""
    assert isinstance(cell, LinearCell)
    layout, device = inputs.layout, inputs.device
    shape = (layout.total, cell.output_size)
    coefficients = cell.coefficients_of(cell.project_input(inputs.values))
    # Under autocast products are shorter than the state, in whose numbers the steps add up.
    dtype = torch.promote_types(coefficients[1].dtype, state.hidden.dtype)
    decay, addition = (part.to(dtype).broadcast_to(shape) for part in coefficients)
    begun = (layout.lengths > 0).nonzero().squeeze(1)
    first = layout.offsets[:-1][begun].to(device)
    initial = state.hidden.index_select(0, begun.to(device))
    addition = addition.index_add(0, first, decay.index_select(0, first) * initial)
    starts = torch.zeros(layout.total, dtype=torch.bool, device=device).index_fill(0, first, True)
    outputs: Tensor = SegmentedScan.apply(decay, addition, starts)  # type: ignore[no-untyped-call]
    steps = inputs.with_values(outputs)
    return steps, HiddenState(own_ends(steps, state.hidden))


class SegmentedScan(torch.autograd.Function):
    """h_t = a_t h_{t-1} + b_t over the first dimension, h_t = b_t at every start. (n, features) twice -> (n, features)

    Its gradient is the same recurrence backwards, g_t = ∂h_t + a_{t+1} g_{t+1}; ∂b = g, ∂a_t = g_t h_{t-1}: a scan
    again, so that gradients have gradients.
    """

    @staticmethod
    def forward(ctx: Any, decay: Tensor, addition: Tensor, starts: Tensor) -> Tensor:
        states = scan(decay, addition, starts.unsqueeze(1))
        ctx.save_for_backward(decay, states, starts)
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        decay, states, starts = ctx.saved_tensors
        ends = torch.cat([starts[1:], starts[:1]])  # the last step ends a sequence, as the first starts one
        following, before = decay.roll(-1, 0), states.roll(1, 0).masked_fill(starts.unsqueeze(1), 0.0)
        backwards = (following.flip(0), gradients[0].flip(0), ends.flip(0))
        flowing = SegmentedScan.apply(*backwards).flip(0)  # type: ignore[no-untyped-call]
        return (flowing * before).masked_fill(starts.unsqueeze(1), 0.0), flowing, None


def scan(decay: Tensor, addition: Tensor, starts: Tensor) -> Tensor:
    """The recurrence itself, without gradients: within chunks side by side, then over the chunks' ends.

    A start cuts by a mask, not by a decay of zero, so that a NaN does not get across: zero times NaN is NaN.
    """
    steps = len(addition)
    if steps <= CHUNK:
        return _one_after_another(*(part.unsqueeze(0) for part in (decay, addition, starts)))[1].squeeze(0)
    chunks = -(-steps // CHUNK)
    tables = (F.pad(part, (0, 0, 0, chunks * CHUNK - steps)) for part in (decay, addition, starts))
    reach, states, cut = _one_after_another(*(part.unflatten(0, (chunks, CHUNK)) for part in tables))
    ends = scan(reach[:, -1], states[:, -1], cut[:, -1])
    states[1:] += (reach[1:] * ends[:-1].unsqueeze(1)).masked_fill_(cut[1:], 0.0)
    return states.flatten(0, 1)[:steps]


def _one_after_another(decay: Tensor, addition: Tensor, starts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Within each chunk, from its beginning: the product of decays, the state, and whether a start lies between.

    (chunks, steps, features) twice, (chunks, steps, 1) bool -> the same
    """
    reach, states, cut = decay.clone(), addition.clone(), starts.clone()
    for step in range(1, states.shape[1]):
        carried = reach[:, step] * states[:, step - 1]
        states[:, step].add_(carried.masked_fill_(starts[:, step], 0.0))
        reach[:, step].mul_(reach[:, step - 1])
        cut[:, step].logical_or_(cut[:, step - 1])
    return reach, states, cut
