"""A cell over time."""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from unspool.cells.base import Cell, check_cells
from unspool.cells.gated import starts_at_zero
from unspool.engine.torch_kernels import autocast_dtype
from unspool.errors import BatchError, StateError
from unspool.padded import Padded
from unspool.ragged import Ragged
from unspool.state import State, check_batch_size, detach, exportable, leaves
from unspool.unrolling import dynamic
from unspool.unrolling.budget import Memory, current
from unspool.unrolling.budget import within as within
from unspool.unrolling.checkpointed import has_gradient, plan_of, unroll_checkpointed
from unspool.unrolling.dynamic import unroll_dynamic
from unspool.unrolling.pieces import Each, stretches, unroll_pieces
from unspool.unrolling.schedule import Plan as Plan
from unspool.unrolling.static import unroll_static


@exportable
class Unrolled(NamedTuple):
    """What `unroll` gives.

    Fields:
        outputs: every step's output, of the type and lengths of the inputs; or what `each` made of them.
        final: the state at each sequence's own end; for a length of zero, its initial state.
    """

    outputs: Any
    final: State


def unroll(
    cell: Cell, inputs: Ragged | Padded, state: State = None, *, each: Each | None = None, memory: Memory | None = None
) -> Unrolled:
    """Run a cell over sequences. The type of the inputs decides how.

    `Ragged` is unrolled dynamically: as many steps as each sequence has, no work on padding, on the fastest engine that
    can (see `unspool.engine`). `Padded` is unrolled statically: a program of fixed shape, which torch.export and
    torch.compile take. Both stand for this loop:

        for sequence, row in zip(inputs, state):
            for x in sequence:
                output, row = cell(x, row)

    Args:
        cell: one step of the recurrence.
        inputs: sequences of steps that the cell takes.
        state: where to start, one row a sequence; `cell.initial_state_for(inputs)` if left out.
        each: called as `each(outputs, stretch)` on one stretch of time after another, `stretch` a slice of steps.
            Sequences that it returns are joined in time; tensors and numbers are added up; a tuple, list or dict may
            hold several. So head and loss can go in, and the outputs of a million steps need not exist at once.
            Targets of a stretch are `targets.steps(stretch.start, stretch.stop)`.
        memory: the most that steps may take until and while their gradient is computed, beside inputs, results and
            the gradients of parameters: bytes, or "200MB". Where they would take more, some are run again. "sqrt":
            √T stretches of √T steps each. `each` and the cell must then give the same when they run again, as they do
            with `Dropout`, but not with draws of PyTorch's own. Only `Ragged` takes it.

    Returns:
        Unrolled(outputs, final).

    Raises:
        BatchError: inputs of another width or dtype than the cell's.
        StateError: a state of another batch size, structure or dtype.
        CellError: something that is no cell.
        EngineError: the engine that `unspool.engine.using` forces can't run the cell.
        BatchError: `memory` that is no size, or too little for one step of all sequences.

    Example:
        >>> cell = unspool.cells.LSTM(input_size=3, hidden_size=4)
        >>> batch = Ragged(torch.randn(5, 3), lengths=[2, 0, 3])
        >>> outputs, final = unroll(cell, batch)
        >>> outputs
        Ragged(values=(5, 4), lengths=[2, 0, 3])
        >>> torch.equal(outputs.last(), final.hidden)
        True
    """
    state = _checked(cell, inputs, state)
    whole: Any = unroll_dynamic if isinstance(inputs, Ragged) else unroll_static
    if isinstance(inputs, Ragged) and torch.compiler.is_compiling():
        whole = torch.compiler.disable(unroll_dynamic, reason="its steps depend on the lengths")
    memory = _budget(cell, inputs) if memory is None else memory
    if memory is not None and not torch.compiler.is_compiling():
        if not isinstance(inputs, Ragged):
            raise BatchError("`memory` must be left out for a `Padded`, whose program is fixed; unroll a `Ragged`")
        if has_gradient(cell, inputs, state, each):
            state = _begun(cell, inputs, state)
            plan = plan_of(whole, cell, inputs, state, each, memory)
            if plan.segments > 1:
                return Unrolled(*unroll_checkpointed(whole, cell, inputs, state, each, plan))
    if each is None:
        return Unrolled(*whole(cell, inputs, state))
    return Unrolled(*unroll_pieces(whole, cell, inputs, state, each))


def plan(cell: Cell, inputs: Ragged, state: State = None, *, each: Each | None = None, memory: Memory) -> Plan:
    """How `unroll` would keep to a budget: into how many segments it cuts time, and how many states it keeps.

    Args:
        cell, inputs, state, each, memory: as of `unroll`.

    Example:
        >>> found = plan(LSTM(3, 4), Ragged(torch.randn(400, 3), lengths=[400]), memory="sqrt")
        >>> found.segments, found.runs
        (20, 39)
    """
    state = _begun(cell, inputs, _checked(cell, inputs, state))
    return plan_of(unroll_dynamic, cell, inputs, state, each, memory)


def pieces_of(
    cell: Cell, inputs: Ragged | Padded, state: State = None, *, steps: int, memory: Memory | None = None
) -> Iterator[tuple[slice, Unrolled]]:
    """One stretch of time after another, for truncated back-propagation: the state is carried, its history is not.

        for stretch, (outputs, final) in pieces_of(cell, inputs, steps=100):
            loss(outputs, targets.steps(stretch.start, stretch.stop)).backward()

    No more than a stretch is kept in memory, however long the sequences, but no gradient flows further back than the
    beginning of its stretch.

    Args:
        cell, inputs, state, memory: as of `unroll`.
        steps: of a stretch; the last one has what is left.

    Returns:
        Stretches, slices of time, each with its outputs and the state at its end. Every sequence stays in all of them.

    Raises:
        BatchError: fewer steps than one.

    Example:
        >>> batch = Ragged(torch.randn(5, 3), lengths=[2, 3])
        >>> [outputs for _, (outputs, _) in pieces_of(GRU(3, 4), batch, steps=2)]
        [Ragged(values=(4, 4), lengths=[2, 2]), Ragged(values=(1, 4), lengths=[0, 1])]

    Reference:
        Williams & Peng (1990), with as many steps between two updates as gradients flow back.
    """
    if steps < 1:
        raise BatchError(f"`steps` must be at least 1, but is {steps}")
    return _pieces_of(cell, inputs, _checked(cell, inputs, state), steps, memory)


def _pieces_of(
    cell: Cell, inputs: Ragged | Padded, state: State, steps: int, memory: Memory | None
) -> Iterator[tuple[slice, Unrolled]]:
    for stretch in stretches(inputs, steps):
        found = unroll(cell, inputs.steps(stretch.start, stretch.stop), state, memory=memory)
        yield stretch, found
        state = detach(found.final)


def _budget(cell: Cell, inputs: Ragged | Padded) -> Memory | None:
    """The budget of `within`, for what it is for."""
    if not isinstance(inputs, Ragged):  # before what `torch.export` can't follow
        return None
    budget = current()
    return budget if budget is None or any(True for _ in cell.parameters()) else None


def unroll_both(ahead: Cell, back: Cell, inputs: Ragged, states: tuple[State, State]) -> Unrolled | None:
    """`unroll` of one cell from the beginning and one from the end, where an engine runs both at once.

    Args:
        ahead, back: the cells; the second reads each sequence from its end.
        inputs: sequences of steps that both take.
        states: where each starts, or None.

    Returns:
        Their outputs side by side, step for step, and both final states; None where each must be unrolled by itself.
    """
    states = (_checked(ahead, inputs, states[0]), _checked(back, inputs, states[1]))
    if torch.compiler.is_compiling() or current() is not None:
        return None
    found = dynamic.unroll_both(ahead, back, inputs, states)
    return None if found is None else Unrolled(*found)


def _checked(cell: Cell, inputs: Ragged | Padded, state: State) -> State:
    """The state to start from, after all checks; None for zeros, which the engine makes where it needs them."""
    _check(cell, inputs)
    if state is None:
        if isinstance(inputs, Ragged) and not torch.compiler.is_compiling() and starts_at_zero(cell):
            return None
        state = cell.initial_state_for(inputs)
    _check_state(cell, inputs, state)
    return state


def _begun(cell: Cell, inputs: Ragged | Padded, state: State) -> State:
    """What `_checked` gave, zeros made."""
    return cell.initial_state_for(inputs) if state is None else state


def _check(cell: Cell, inputs: Ragged | Padded) -> None:
    check_cells("`cell` must be a `Cell`, but is", cell)
    if not isinstance(inputs, (Ragged, Padded)):
        raise BatchError(
            f"`inputs` must be a `Ragged` or a `Padded`, but is a {type(inputs).__name__}; use "
            "`Ragged.from_padded(x, lengths)`, or `Padded(x, lengths)` for a program of fixed shape"
        )
    if cell.input_size is None:
        return
    features = inputs.values.shape[1 if isinstance(inputs, Ragged) else 2 :]
    if not cell.takes(features):
        raise BatchError(
            f"`inputs` must have {cell.input_size} features a step for `{cell}`, but has {tuple(features)}"
        )
    held = (
        p for p in cell._parameters.values() if p is not None
    )  # its own first: to go through all modules takes longer
    weight = next((p for p in itertools.chain(held, cell.parameters()) if p.is_floating_point()), None)
    if weight is None:
        return
    if weight.device != inputs.values.device:
        raise BatchError(
            f"`inputs` must lie where `{cell}` does ({weight.device}), but are on {inputs.values.device}; use "
            f'`inputs.to("{weight.device}")`, or `cell.to("{inputs.values.device}")`'
        )
    if weight.dtype == inputs.values.dtype:
        return
    if not inputs.values.is_floating_point() or autocast_dtype(inputs.device) is None:
        raise BatchError(
            f"`inputs` must be of the dtype of `{cell}` ({weight.dtype}), but is of {inputs.values.dtype}; "
            f"use `inputs.to({weight.dtype})`, or `cell.to({inputs.values.dtype})`, or `torch.autocast`"
        )


def _check_state(cell: Cell, inputs: Ragged | Padded, state: State) -> None:
    check_batch_size(state, inputs.batch_size)
    cell.check_state(state)
    if autocast_dtype(inputs.device) is not None or not inputs.values.is_floating_point():
        return
    for name, leaf in leaves(state):
        dtype = (leaf.values if isinstance(leaf, Ragged) else leaf).dtype
        if dtype.is_floating_point and dtype != inputs.values.dtype:
            raise StateError(
                f"`state` must be of the dtype of `inputs` ({inputs.values.dtype}), but `{name}` is of {dtype}; "
                f"use `unspool.state.to(state, dtype={inputs.values.dtype})`"
            )
