"""Back-propagation through time in a budget of memory: segments are run again when their gradient is due."""

from __future__ import annotations

from types import CellType
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import peek_interpreter_stack
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from unspool.cells.base import Cell
from unspool.engine.choice import forced, recording
from unspool.engine.native import recomputes
from unspool.engine.torch_kernels import autocast_dtype
from unspool.errors import EngineError
from unspool.ragged import Ragged
from unspool.state import State
from unspool.unrolling import budget
from unspool.unrolling.footprint import Trial, footprint, tried
from unspool.unrolling.journey import Journey, Tape, flat, floating, is_floating, values_of
from unspool.unrolling.pieces import Each, Whole
from unspool.unrolling.planning import cheapest, square_root
from unspool.unrolling.schedule import Plan

_EMPTY = CellType()  # of a name that a function closes over, and that has no value yet
TRIED = 256  # steps of all sequences together, of which it is found out what steps take
LEAF = 1000  # bytes that a tensor takes beside its numbers


def has_gradient(cell: Cell, inputs: Ragged, state: State, each: Each | None) -> bool:
    """Whether there will be a gradient, for which memory is needed."""
    if not torch.is_grad_enabled() or not inputs.layout.total or peek_interpreter_stack() is not None:
        return False
    tensors = [inputs.values, *cell.parameters(), *floating(state)]
    return each is not None or any(tensor.requires_grad for tensor in tensors)


def plan_of(whole: Whole, cell: Cell, inputs: Ragged, state: State, each: Each | None, memory: budget.Memory) -> Plan:
    """The plan that keeps to a budget. The first time for a cell, a few steps are tried, to see what they take."""
    size = budget.as_bytes(memory)
    if size is None:
        return square_root(inputs.layout)
    if inputs.max_length < 2:
        return Plan(1, 1)
    key = (
        (forced(), recomputes(), autocast_dtype(inputs.device), cell.training, inputs.values.requires_grad),
        (inputs.values.dtype, inputs.device.type, inputs.values.shape[1:], _kind(each)),
    )
    taken = footprint(cell, key, lambda: _trials(whole, cell, inputs, state, each))
    kept = sum(leaf.nbytes + LEAF for leaf in tree_leaves(state) if isinstance(leaf, Tensor))
    return cheapest(inputs.layout, size, taken, max(kept, 1))


def _kind(each: Any) -> Any:
    """What tells a function from one that may take other memory: its code, and the sizes of what it is bound to."""
    code = getattr(each, "__code__", None)
    if code is None:
        return _size(each)
    held = [cell.cell_contents for cell in each.__closure__ or () if cell != _EMPTY]
    return code, tuple(map(_size, [*held, getattr(each, "__self__", None)]))


def _size(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.shape, value.dtype
    if isinstance(value, nn.Module):
        return type(value), tuple((each.shape, each.dtype) for each in value.parameters())
    return getattr(value, "__code__", None) or type(value)


def _trials(whole: Whole, cell: Cell, inputs: Ragged, state: State, each: Each | None) -> tuple[Trial, Trial]:
    """A few steps from the start, and some more; few, where there are many sequences."""
    most = min(max(TRIED // inputs.batch_size, 3), 24, inputs.max_length)
    with recording():  # no one asked for these
        journey = Journey(whole, cell, inputs, each, Plan(1, 1))
        return _trial(journey, state, most // 3 or 1), _trial(journey, state, most)


def _trial(journey: Journey, state: State, stop: int) -> Trial:
    cell = journey.cell
    known = [journey.inputs.values, *cell.parameters(), *cell.buffers()]
    known += [leaf for leaf in tree_leaves(state) if isinstance(leaf, Tensor)]

    def back(tape: Tape) -> None:
        sources = [*tape.before, *journey.outside, *([tape.x] if journey.needs_x else [])]
        if tape.ends and sources:
            gradients = [torch.ones_like(end) for end in tape.ends]
            torch.autograd.grad(tape.ends, sources, gradients, allow_unused=True)

    steps = journey.inputs.layout.between(0, stop)[0].total
    return tried(lambda: journey.taped(slice(0, stop), state), back, known, steps, stop)


def unroll_checkpointed(
    whole: Whole, cell: Cell, inputs: Ragged, state: State, each: Each | None, plan: Plan
) -> tuple[Any, State]:
    """Unroll, and take for the gradient what memory a plan says.

    Args:
        whole: runs a cell over a batch from a state.
        cell, inputs, state, each: as of `unspool.unroll`.
        plan: how many segments, states and tapes.
    """
    journey = Journey(whole, cell, inputs, each, plan)
    results, final = journey.forward(state)
    leaves, shape = flat(results)
    ends, end_shape = tree_flatten(final)
    numbers = [number for number, leaf in enumerate(ends) if is_floating(leaf)]
    tensors = [values_of(leaves[number]) for number in journey.differentiable] + [ends[number] for number in numbers]
    made = iter(Checkpointed.apply(journey, tensors, inputs.values, *floating(state), *journey.outside))  # type: ignore[no-untyped-call]
    for number in journey.differentiable:
        leaf, values = leaves[number], next(made)
        leaves[number] = leaf.with_values(values) if isinstance(leaf, Ragged) else values
    for number in numbers:
        ends[number] = next(made)
    return tree_unflatten(leaves, shape), tree_unflatten(ends, end_shape)


class Checkpointed(torch.autograd.Function):
    """What a `Journey` found on its way forward, with the way back as its gradient.

    Takes the journey, the results and final states that have a gradient, and what they depend on: the inputs, the
    initial state's tensors, and what is outside.
    """

    @staticmethod
    def forward(ctx: Any, journey: Journey, tensors: list[Tensor], *sources: Tensor) -> tuple[Tensor, ...]:
        ctx.journey, ctx.ends = journey, len(tensors) - len(journey.differentiable)
        ctx.save_for_backward(*sources)  # so that PyTorch complains if one is changed before the gradient is asked for
        ctx.set_materialize_grads(False)
        return tuple(tensor.detach() for tensor in tensors)

    @staticmethod
    def backward(ctx: Any, *given: Tensor | None) -> Any:
        if torch.is_grad_enabled():
            raise EngineError("`memory` gives no gradients of gradients (`create_graph=True`); unroll without it")
        journey: Journey = ctx.journey
        assert len(ctx.saved_tensors) > 0
        results = len(journey.differentiable)
        found = journey.back(given[:results], given[results:])
        return None, None, found.x, *found.state, *found.outside
