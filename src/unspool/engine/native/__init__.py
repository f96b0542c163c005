"""Any gated cell over a ragged batch in native code, made for the cell: see graph, trace, plan, emit and recurrence.hpp."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from unspool.cells.base import Cell
from unspool.cells.gated import GatedCell
from unspool.engine import torch_kernels
from unspool.engine.graph import BIAS_HIDDEN, WEIGHT_HIDDEN
from unspool.engine.native.compiler import NoCompiler, has_halves
from unspool.engine.native.emit import program
from unspool.engine.native.operators import Native, Recurrence, _Batch
from unspool.engine.trace import Unknown, trace
from unspool.errors import EngineWarning
from unspool.ragged import Ragged
from unspool.state import State

_made: weakref.WeakKeyDictionary[GatedCell, dict[Any, Native | str]] = weakref.WeakKeyDictionary()
_said: set[str] = set()
_PLAIN = (bool, int, float, str, type(None))


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
    cast = torch_kernels.autocast_dtype(inputs.device)
    if cast is not None and not (cast == torch.bfloat16 and has_halves()):
        return f"it has no products in {cast} on this processor"
    dtype = cell.weight_input.dtype
    if dtype not in (torch.float32, torch.float64) or (cast is None and inputs.values.dtype != dtype):
        return f"it computes in float32 or float64, inputs and weights alike, not {inputs.values.dtype} and {dtype}"
    made = compiled(cell)
    return made if isinstance(made, str) else None


def compiled(cell: GatedCell) -> Native | str:
    """The native form of a cell, or why there is none; what is news to the user is said once."""
    forms = _made.setdefault(cell, {})
    key = (
        type(cell).update,
        cell.weight_input.dtype,
        cell.weight_input.shape,
        halves := _in_halves(cell),
        *_what_an_update_may_ask(cell),
    )
    if key not in forms:
        forms[key] = _compile(cell, halves)
        reason = forms[key]
        if isinstance(reason, str) and (type(cell).__name__ + reason) not in _said:
            _said.add(type(cell).__name__ + reason)
            warnings.warn(f"`{cell}` runs on a slower engine: {reason}", EngineWarning, stacklevel=2)
    return forms[key]


def _what_an_update_may_ask(cell: GatedCell) -> Iterator[Any]:
    """What a trace holds fast: plain attributes, and which tensors are parameters."""
    for module in cell.modules():
        yield tuple([item for item in vars(module).items() if isinstance(item[1], _PLAIN)])
        yield tuple(module._parameters), tuple(module._buffers)


def _in_halves(cell: GatedCell) -> bool:
    return cell.weight_input.dtype == torch.float32 and torch_kernels.autocast_dtype(cell.weight_input.device) is not None


def _compile(cell: GatedCell, halves: bool) -> Native | str:
    try:
        graph = trace(cell)
        shapes = {name: tuple(tensor.shape) for name, tensor in _tensors(cell).items()}
        made = program(graph, shapes)
        return Native(made, cell.weight_input.dtype, graph.widths, graph.gates, graph.hidden_gates, halves)
    except (Unknown, NoCompiler) as error:
        return str(error)


def _tensors(cell: GatedCell) -> dict[str, Tensor]:
    """What an update may read, by name."""
    found = {**dict(cell.named_parameters()), **dict(cell.named_buffers())}
    for name, tensor in ((WEIGHT_HIDDEN, cell.weight_hidden), (BIAS_HIDDEN, cell.bias_hidden)):
        if tensor is not None:
            found[name] = tensor.detach()  # their gradients are the engine's own, of all steps together
    return found


def run(cell: Cell, inputs: Ragged, state: State) -> tuple[Ragged, State]:
    """All steps in native code."""
    assert isinstance(cell, GatedCell)
    native = compiled(cell)
    assert isinstance(native, Native)
    layout = inputs.layout
    batch = _Batch(layout.offsets, layout.order, layout.total, False)
    tensors = _tensors(cell)
    parameters = [tensors[name] for name in native.program.parameters]
    weights = (cell.weight_input, cell.bias_input, cell.weight_hidden, cell.bias_hidden)
    dtype = native.dtype
    initial = [leaf.to(dtype).contiguous() for leaf in state]
    outputs, *final = Recurrence.apply(  # type: ignore[no-untyped-call]
        native, batch, True, len(parameters), inputs.values.to(dtype).contiguous(),
        *(None if weight is None else weight.contiguous() for weight in weights),
        *(parameter.to(dtype).contiguous() for parameter in parameters), *initial,
    )
    return inputs.with_values(outputs), cell.State(*final)
