"""Any gated cell over a ragged batch in native code made for it: see graph, tracing, plan, emit and recurrence.cpp."""

from __future__ import annotations

import operator
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import is_fake

from unspool.cells.base import Cell
from unspool.cells.gated import GatedCell
from unspool.engine import torch_kernels
from unspool.engine.graph import BIAS_HIDDEN, WEIGHT_HIDDEN
from unspool.engine.native.calling import NOTHING, Batch, Native
from unspool.engine.native.forms import compiled, dtype_of
from unspool.engine.native.library import name_of, recurrence
from unspool.engine.native.operators import Recurrence, Run, forward
from unspool.engine.native.stepper import NativeStepper
from unspool.ragged import Ragged
from unspool.state import State

_step_of = operator.attrgetter("project_input", "project_hidden", "advance", "updated", "forward")
_recomputing: ContextVar[bool] = ContextVar("unspool native recomputing", default=False)


@contextmanager
def recomputing() -> Iterator[None]:
    """Within, the native engine keeps the states alone for the gradient, and computes gates once more going back.

    An LSTM then keeps 2 numbers a unit and step instead of 7, for a third more products. Gradients are the same, bit
    for bit.
    """
    token = _recomputing.set(True)
    try:
        yield
    finally:
        _recomputing.reset(token)


def recomputes() -> bool:
    """Whether `recomputing` is on."""
    return _recomputing.get()


def refusal(cell: Cell, inputs: Ragged) -> str | None:
    """Why this engine can't run the cell, or None. The first time for a cell, it is traced and compiled."""
    if not isinstance(cell, GatedCell):
        return "it runs gated cells only"
    if _step_of(type(cell)) != _step_of(GatedCell):
        return f"`{type(cell).__name__}` has projections or a step of its own"
    if inputs.device.type != "cpu":
        return "it runs on the CPU only"
    if inputs.values.dim() != 2:
        return "it runs over steps of one vector each"
    if torch_kernels.inside_transform():
        return torch_kernels.NO_TRANSFORMS
    cast = torch_kernels.autocast_dtype(inputs.device)
    if cast not in (None, torch.bfloat16):
        return f"it has no products in {cast}"
    dtype = dtype_of(cell)
    if dtype not in (torch.float32, torch.float64) or (cast is None and inputs.values.dtype != dtype):
        return f"it computes in float32 or float64, inputs and weights alike, not {inputs.values.dtype} and {dtype}"
    made = compiled(cell)
    _asked.cell, _asked.made = weakref.ref(cell), made
    return made if isinstance(made, str) else None


class _Asked(threading.local):
    """The cell that a thread has asked about last, and what was found, for the run that follows: to look it up again
    would take a fiftieth of a short one."""

    def __init__(self) -> None:
        self.cell: Callable[[], Cell | None] = _nobody
        self.made: Native | str = ""

    def take(self, cell: GatedCell) -> Native | str:
        found = self.made if self.cell() is cell else compiled(cell)
        self.cell = _nobody
        return found


def _nobody() -> None:
    return None


_asked = _Asked()


def _tensor(cell: GatedCell, name: str) -> Tensor:
    """A parameter or buffer that a program takes."""
    if name in (WEIGHT_HIDDEN, BIAS_HIDDEN):
        tensor = cell.weight_hidden if name == WEIGHT_HIDDEN else cell.bias_hidden
        assert tensor is not None
        return tensor  # as one of the parameters it has no gradient: that is the engine's own, of all steps together
    found: Tensor = operator.attrgetter(name)(cell)
    return found


def run(cell: Cell, inputs: Ragged, state: State) -> tuple[Ragged, State]:
    """All steps in native code, from zeros where the state is None."""
    assert isinstance(cell, GatedCell)
    outputs, (final,) = _run(inputs, [(cell, state, False)])
    return outputs, final


def run_both(
    ahead: Cell, back: Cell, inputs: Ragged, states: tuple[State, State]
) -> tuple[Ragged, tuple[State, State]]:
    """One cell from the beginning and one from the end, at once; their outputs side by side."""
    assert isinstance(ahead, GatedCell)
    assert isinstance(back, GatedCell)
    outputs, final = _run(inputs, [(ahead, states[0], False), (back, states[1], True)])
    return outputs, (final[0], final[1])


def refusal_of_both(ahead: Cell, back: Cell, inputs: Ragged) -> str | None:
    """Why this engine can't run two cells at once that it can run one by one, or None."""
    if is_fake(inputs.values):
        return "its operators for tracing take one cell"
    assert isinstance(ahead, GatedCell)
    assert isinstance(back, GatedCell)
    return None if compiled(ahead) is compiled(back) else "they are different cells"


def _run(inputs: Ragged, cells: Sequence[tuple[GatedCell, State, bool]]) -> tuple[Ragged, list[State]]:
    """Cells of one compiled form, each with its state and whether it reads from the end."""
    native = _asked.take(cells[0][0])
    assert isinstance(native, Native)
    layout, dtype, keep = inputs.layout, native.dtype, not _recomputing.get()
    batch = Batch(layout.lengths, layout.total)
    x = _as(inputs.values, dtype)
    fake = type(x) is not Tensor and is_fake(x)
    if fake:
        cells = [
            (cell, cell.initial_state_for(inputs) if state is None else state, back) for cell, state, back in cells
        ]
    runs = [_run_of(cell, native, state, backward_in_time) for cell, state, backward_in_time in cells]
    if fake:
        (run,) = runs
        there = [weight is not None for weight in run.weights]
        held = [weight for weight in run.weights if weight is not None]
        outputs, *rest = recurrence(name_of(native), x, held, there, run.parameters, run.initial, batch.lengths, keep)
        leaves = rest[: len(run.initial)]
    elif torch.is_grad_enabled() and any(t is not None and t.requires_grad for run in runs for t in [x, *run.tensors]):
        kinds = [(run.reversed, len(run.parameters)) for run in runs]
        tensors = [tensor for run in runs for tensor in run.tensors]
        outputs, *leaves = Recurrence.apply(native, batch, keep, kinds, x, *tensors)  # type: ignore[no-untyped-call]
    else:
        outputs, steps = forward(native, batch, x, runs, training=False, keep=keep)
        leaves = [leaf for left in steps for leaf in left.final]
    found = iter(leaves)
    final = [cell.State(*islice(found, len(native.widths))) for cell, _, _ in cells]
    return inputs.with_values(outputs), final


def _run_of(cell: GatedCell, native: Native, state: State, backward_in_time: bool) -> Run:
    weights: list[Tensor | None] = [cell.weight_input, cell.bias_input, cell.weight_hidden, cell.bias_hidden]
    return Run(
        [None if weight is None else weight.contiguous() for weight in weights],
        [_as(_tensor(cell, name), native.dtype) for name in native.program.parameters],
        [NOTHING] * len(native.widths) if state is None else [_as(leaf, native.dtype) for leaf in state],
        backward_in_time,
    )


def _as(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor if tensor.dtype is dtype and tensor.is_contiguous() else tensor.to(dtype).contiguous()


def stepper(cell: Cell, batch_size: int) -> NativeStepper | None:
    """Single steps in native code, of up to so many rows; None where the engine can't run the cell."""
    nothing = Ragged(
        next(cell.parameters()).new_empty(0, cell.input_size or 0), torch.zeros(1, dtype=torch.int64, device="cpu")
    )
    if next(cell.parameters()).device.type != "cpu" or refusal(cell, nothing) is not None:
        return None
    assert isinstance(cell, GatedCell)
    native = compiled(cell)
    assert isinstance(native, Native)
    return NativeStepper(cell, native, [_tensor(cell, name) for name in native.program.parameters], batch_size)
