"""From a cell's `update` to the graph of one step, and of its vector–Jacobian product.

PyTorch traces both: the update with every parameter lifted to an argument, and autograd's product of it. What comes
out is a list of ATen operations on (rows, width) tensors; here each becomes nodes of one row.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._decomp import core_aten_decompositions, get_decompositions
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from unspool.cells.gated import GatedCell
from unspool.engine.graph import StepGraph
from unspool.engine.tracing.reading import Reading
from unspool.engine.tracing.values import Unknown
from unspool.errors import CellError

__all__ = ["Unknown", "trace"]

# Unlike any width, so that the dimension of the rows is known by its size. No memory: what is traced is fake.
_ROWS = 1_000_003


def trace(cell: GatedCell) -> StepGraph:
    """The graph of a cell's step.

    Raises:
        Unknown: an operation that mixes rows, or one that is not known, or a tensor that is neither parameter nor
            buffer.
        CellError: the update does not return the cell's state.
    """
    module, mode = _Update(cell), FakeTensorMode()

    dtype = cell.weight_input.dtype

    def fake(tensor: Tensor) -> Tensor:
        return torch.empty(tensor.shape, dtype=dtype if tensor.is_floating_point() else tensor.dtype)

    with mode:
        lifted = {name: fake(tensor) for name, tensor in module.named_parameters()}
        buffers = {name: fake(tensor) for name, tensor in module.named_buffers()}
        gates = [torch.empty(_ROWS, cell.widths[gate], dtype=dtype) for gate in cell.gates]
        hidden = [torch.empty(_ROWS, cell.widths[gate], dtype=dtype) for gate in cell.hidden_gates]
        state = [torch.empty(_ROWS, cell.widths[name], dtype=dtype) for name in cell.State._fields]
        gradient = [torch.empty_like(leaf) for leaf in state]

    def step_and_product(lifted: Any, buffers: Any, gates: Any, hidden: Any, state: Any, gradient: Any) -> Any:
        def step(lifted: Any, gates: Any, hidden: Any, state: Any) -> Any:
            return torch.func.functional_call(module, {**lifted, **buffers}, (gates, hidden, state))

        found: Any = torch.func.vjp(step, lifted, gates, hidden, state)
        new, product = found
        return new, product(tuple(gradient))

    arguments = (lifted, buffers, gates, hidden, state, gradient)
    plain = torch.func.functionalize(step_and_product, remove="mutations")
    try:
        traced = make_fx(plain, tracing_mode="fake", decomposition_table=_decompositions())(*arguments)
    except (Unknown, CellError):
        raise
    except Exception as error:
        raise Unknown(f"its `update` can't be traced ({type(error).__name__}: {str(error).splitlines()[0]})") from error
    return Reading(cell, _ROWS, traced, [*lifted], [*buffers]).graph()


@functools.cache
def _decompositions() -> dict[Any, Any]:
    """How PyTorch writes what the graph does not know in what it knows."""
    aten = torch.ops.aten
    more = ("elu", "gelu", "silu", "hardtanh", "leaky_relu", "softplus", "celu", "selu", "mish", "hardswish")
    activations = [getattr(aten, name) for name in more]
    known = {
        **core_aten_decompositions(),
        **get_decompositions([*activations, aten.addmm, aten.std, aten.linalg_vector_norm]),
    }
    # `select` is better taken as a slice; the gradient of PyTorch's own hardsigmoid has a sixth rounded to float32.
    others = {aten.select_backward, aten.select_scatter, aten.hardsigmoid, aten.hardsigmoid_backward}
    return {op: how for op, how in known.items() if op.overloadpacket not in others}


class _Update(nn.Module):
    """`update`, as a module whose parameters can be lifted."""

    def __init__(self, cell: GatedCell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, gates: Sequence[Tensor], hidden: Sequence[Tensor], state: Sequence[Tensor]) -> tuple[Tensor, ...]:
        cell = self.cell
        back: Any = cell._from_hidden(*hidden) if hidden else None
        new = cell.update(cell._from_input(*gates), back, cell.State(*state))
        cell.check_new(new)
        return tuple(new)
