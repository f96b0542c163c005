"""Any gated cell over a ragged batch in native code made for it: see graph, trace, plan, emit and recurrence.hpp."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch._C._functorch import peek_interpreter_stack
from torch._subclasses.fake_tensor import is_fake

from unspool.cells.base import Cell
from unspool.cells.gated import GatedCell
from unspool.engine import torch_kernels
from unspool.engine.graph import BIAS_HIDDEN, WEIGHT_HIDDEN
from unspool.engine.native.compiler import has_halves
from unspool.engine.native.forms import compiled, dtype_of
from unspool.engine.native.library import name_of, recurrence
from unspool.engine.native.operators import Batch, Native, Recurrence
from unspool.engine.native.stepper import NativeStepper
from unspool.ragged import Ragged
from unspool.state import State

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


def refusal(cell: Cell, inputs: Ragged) -> str | None:
    """Why this engine can't run the cell, or None. The first time for a cell, it is traced and compiled."""
    if not isinstance(cell, GatedCell):
        return "it runs gated cells only"
    kind = type(cell)
    steps = ("project_input", "project_hidden", "advance", "updated", "forward")
    if any(getattr(kind, name) is not getattr(GatedCell, name) for name in steps):
        return f"`{kind.__name__}` has projections or a step of its own"
    if inputs.device.type != "cpu":
        return "it runs on the CPU only"
    if peek_interpreter_stack() is not None:
        return "it does not run inside of transforms such as `torch.func.grad`"
    cast = torch_kernels.autocast_dtype(inputs.device)
    if cast is not None and not (cast == torch.bfloat16 and has_halves()):
        return f"it has no products in {cast} on this processor"
    dtype = dtype_of(cell)
    if dtype not in (torch.float32, torch.float64) or (cast is None and inputs.values.dtype != dtype):
        return f"it computes in float32 or float64, inputs and weights alike, not {inputs.values.dtype} and {dtype}"
    made = compiled(cell)
    return made if isinstance(made, str) else None


def _tensor(cell: GatedCell, name: str) -> Tensor:
    """A parameter or buffer that a program takes."""
    if name in (WEIGHT_HIDDEN, BIAS_HIDDEN):
        tensor = cell.weight_hidden if name == WEIGHT_HIDDEN else cell.bias_hidden
        assert tensor is not None
        return tensor.detach()  # its gradient is the engine's own, of all steps together
    found: Tensor = operator.attrgetter(name)(cell)
    return found


def run(cell: Cell, inputs: Ragged, state: State) -> tuple[Ragged, State]:
    """All steps in native code."""
    assert isinstance(cell, GatedCell)
    native = compiled(cell)
    assert isinstance(native, Native)
    layout = inputs.layout
    batch = Batch(layout.offsets, layout.order, layout.total, False)
    parameters = [_tensor(cell, name) for name in native.program.parameters]
    weights: list[Tensor | None] = [cell.weight_input, cell.bias_input, cell.weight_hidden, cell.bias_hidden]
    dtype = native.dtype
    initial = [leaf.to(dtype).contiguous() for leaf in state]
    keep, values = not _recomputing.get(), inputs.values.to(dtype).contiguous()
    weights = [None if weight is None else weight.contiguous() for weight in weights]
    parameters = [parameter.to(dtype).contiguous() for parameter in parameters]
    if is_fake(values):
        there = [weight is not None for weight in weights]
        held = [weight for weight in weights if weight is not None]
        outputs, *rest = recurrence(
            name_of(native), values, held, there, parameters, initial, batch.offsets, batch.order, keep
        )
        return inputs.with_values(outputs), cell.State(*rest[: len(initial)])
    outputs, *final = Recurrence.apply(  # type: ignore[no-untyped-call]
        native, batch, keep, len(parameters), values, *weights, *parameters, *initial
    )
    return inputs.with_values(outputs), cell.State(*final)


def stepper(cell: Cell, batch_size: int) -> NativeStepper | None:
    """Single steps in native code, of up to so many rows; None where the engine can't run the cell."""
    nothing = Ragged(
        torch.empty(0, cell.input_size or 0, dtype=next(cell.parameters()).dtype), torch.zeros(1, dtype=torch.int64)
    )
    if next(cell.parameters()).device.type != "cpu" or refusal(cell, nothing) is not None:
        return None
    assert isinstance(cell, GatedCell)
    native = compiled(cell)
    assert isinstance(native, Native)
    return NativeStepper(cell, native, [_tensor(cell, name) for name in native.program.parameters], batch_size)
