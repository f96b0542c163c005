"""From a cell's `update` to the graph of one step, and of its vector–Jacobian product.

PyTorch traces both: the update with every parameter lifted to an argument, and autograd's product of it. What comes
out is a list of ATen operations on (rows, width) tensors; here each becomes nodes of one row.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._decomp import core_aten_decompositions, get_decompositions
from torch._subclasses import FakeTensorMode
from torch.fx import GraphModule
from torch.fx import Node as Traced
from torch.fx.experimental.proxy_tensor import make_fx

from unspool.cells.gated import GatedCell
from unspool.engine.graph import BIAS_HIDDEN, WEIGHT_HIDDEN, Graph, Matrix, Node, StepGraph
from unspool.errors import CellError, EngineError


class Unknown(EngineError):  # noqa: N818 what is not known is the update's operation
    """Something in an `update` that no graph can hold; the message says what."""


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
    return _Reading(cell, _ROWS, traced, [*lifted], [*buffers]).graph()


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


# Unlike any width, so that the dimension of the rows is known by its size. No memory: what is traced is fake.
_ROWS = 1_000_003


@dataclass(frozen=True)
class _Rows:
    """A tensor (rows, width), (rows, 1) or (rows,)."""

    node: Node
    shape: tuple[int, ...]


@dataclass(frozen=True)
class _Same:
    """A tensor that is the same for all rows: (width,), (1, width), () or a matrix parameter."""

    node: Node | None
    shape: tuple[int, ...]
    matrix: Matrix | None = None


@dataclass(frozen=True)
class _Turned:
    """(width, rows): rows transposed."""

    rows: _Rows


@dataclass(frozen=True)
class _Summed:
    """A sum over the rows of what a node is for each."""

    node: Node
    shape: tuple[int, ...]


@dataclass(frozen=True)
class _Products:
    """Σ over the rows of g x^T, of one or several pairs; or its transpose."""

    pairs: tuple[tuple[Node, Node], ...]
    shape: tuple[int, ...]

    def turned(self) -> _Products:
        return _Products(tuple((x, g) for g, x in self.pairs), self.shape[::-1])


class _Reading:
    """Goes through the traced operations once."""

    def __init__(
        self, cell: GatedCell, rows: int, traced: GraphModule, parameters: list[str], buffers: list[str]
    ) -> None:
        self.cell, self.rows, self.traced = cell, rows, traced
        self.parameters, self.buffers = parameters, buffers
        self.make = Graph()
        self.values: dict[Traced, Any] = {}

    def graph(self) -> StepGraph:  # noqa: C901 in the order in which the trace has them
        """Everything of one step."""
        cell = self.cell
        placeholders = iter([node for node in self.traced.graph.nodes if node.op == "placeholder"])
        matrices = set()
        for name in (*self.parameters, *self.buffers):
            shape, short = self._shape(node := next(placeholders)), name.removeprefix("cell.")
            if len(shape) == 2:
                matrices.add(short)
                self.values[node] = _Same(None, shape, Matrix(short))
            elif len(shape) < 2:
                width = shape[0] if shape else 1
                self.values[node] = _Same(self.make.make("parameter", width=width, data=(short, 0)), shape)
            else:
                self.values[node] = None  # a use of it is unknown
        for source, widths in self._given():
            offset = 0
            for width in widths:
                node = next(placeholders)
                self.values[node] = _Rows(self._given_node(source, offset, width), (self.rows, width))
                offset += width
        for node in self.traced.graph.nodes:
            if node.op == "call_function":
                self.values[node] = self._operation(node)
            elif node.op == "get_attr":
                self.values[node] = self._held(getattr(self.traced, node.target))
        (result,) = (node for node in self.traced.graph.nodes if node.op == "output")
        outputs = iter([self.values[value] for value in result.args[0]])
        state = tuple(self._row(next(outputs)) for _ in cell.State._fields)
        gradients = {name.removeprefix("cell."): next(outputs) for name in self.parameters}
        to_input = self.make.cat([self._row(next(outputs)) for _ in cell.gates])
        to_hidden = self.make.cat([self._row(next(outputs)) for _ in cell.hidden_gates]) if cell.hidden_gates else None
        to_state = tuple(self._row(next(outputs)) for _ in cell.State._fields)
        for name, gradient in gradients.items():
            if not isinstance(gradient, (_Summed, _Products)) and not _is_zero(gradient):
                raise Unknown(f"the gradient of its parameter `{name}` does not come from its rows")
        vectors = {n: g for n, g in gradients.items() if isinstance(g, _Summed)}
        products = {n: g for n, g in gradients.items() if isinstance(g, _Products)}
        return StepGraph(
            state,
            to_input,
            to_hidden,
            to_state,
            {name: self._spread(value) for name, value in vectors.items()},
            {name: [*value.pairs] for name, value in products.items()},
            tuple(cell.widths[name] for name in cell.State._fields),
            sum(cell.widths[gate] for gate in cell.gates),
            sum(cell.widths[gate] for gate in cell.hidden_gates),
        )

    def _given(self) -> list[tuple[str, list[int]]]:
        """The tensors of a step by source: one source's lie side by side in memory."""
        cell, fields = self.cell, self.cell.State._fields
        return [
            ("from_input", [cell.widths[gate] for gate in cell.gates]),
            ("from_hidden", [cell.widths[gate] for gate in cell.hidden_gates]),
            *((f"state.{i}", [cell.widths[name]]) for i, name in enumerate(fields)),
            *((f"gradient.{i}", [cell.widths[name]]) for i, name in enumerate(fields)),
        ]

    def _given_node(self, source: str, offset: int, width: int) -> Node:
        """What `weight_hidden` gives a gate is a linear map of the hidden state, and its bias."""
        if source != "from_hidden":
            return self.make.make("input", width=width, data=(source, offset))
        hidden = self.make.make("input", width=self.cell.output_size, data=("state.0", 0))
        product = self.make.make("linear", (hidden,), width, Matrix(WEIGHT_HIDDEN, offset))
        if self.cell.bias_hidden is None:
            return product
        bias = self.make.make("parameter", width=width, data=(BIAS_HIDDEN, offset))
        return self.make.elementwise("add", product, bias)

    def _shape(self, node: Traced) -> tuple[int, ...]:
        return tuple(node.meta["val"].shape)

    def _held(self, tensor: Tensor) -> _Same:
        """A tensor that the trace holds: a number is a constant, anything else was made outside of the parameters."""
        if tensor.numel() == 1:
            return _Same(self.make.constant(float(tensor)), tuple(tensor.shape))
        raise Unknown("its `update` reads a tensor that is neither a parameter nor a buffer: register it as one")

    def _row(self, value: Any) -> Node:
        """What an output is for one row."""
        if isinstance(value, _Rows) and len(value.shape) == 2:
            return self._wide(value.node, value.shape[1])
        if isinstance(value, _Same) and value.node is not None:
            return self._wide(value.node, value.shape[-1])
        raise Unknown("its `update` returns what is not (batch, width)")

    def _spread(self, value: _Summed) -> Node:
        return self._wide(value.node, value.shape[-1] if value.shape else 1)

    def _wide(self, node: Node, width: int) -> Node:
        if node.width == width:
            return node
        if node.op == "constant":
            return self.make.constant(node.data, width)
        return self.make.make("add", (node, self.make.constant(0.0, width)), width)

    # Operations

    def _operation(self, node: Traced) -> Any:
        if node.target is operator.getitem:
            source: Any = node.args[0]
            return self.values[source][node.args[1]]
        name = str(node.target.overloadpacket).removeprefix("aten.")  # type: ignore[union-attr]
        args = torch.fx.map_arg(node.args, lambda arg: self.values[arg])
        known: Callable[..., Any] | None = getattr(self, f"on_{name}", None)
        if known is None and name not in _AS_ELEMENTWISE:
            raise Unknown(f"its `update` uses `{name}`, which the engine does not know")
        if isinstance(node.meta["val"], Tensor):
            self.shape = self._shape(node)
        if known is not None:
            return known(*args, **node.kwargs)
        return self._elementwise(*_AS_ELEMENTWISE[name](args, dict(node.kwargs)))

    def _elementwise(self, op: str, *args: Any) -> Any:
        """An operation whose arguments are values, numbers, or themselves (operation, arguments)."""
        values = [self._elementwise(*arg) if isinstance(arg, tuple) else self._value(arg) for arg in args]
        pending = [value for value in values if isinstance(value, (_Summed, _Products))]
        if pending:
            return self._of_sums(op, values)
        shape = torch.broadcast_shapes(*(value.shape for value in values))
        rows = any(isinstance(value, _Rows) for value in values)
        if rows and (shape[0] != self.rows or self.rows in shape[1:]):
            raise Unknown(f"its `update` mixes rows in `{op}`")
        nodes = [self._vector(value) for value in values]
        made = self.make.elementwise(op, *nodes)
        return _Rows(made, tuple(shape)) if rows else _Same(made, tuple(shape))

    def _value(self, arg: Any) -> Any:
        if isinstance(arg, (int, float, bool)):
            return _Same(self.make.constant(float(arg)), ())
        if isinstance(arg, (_Rows, _Same, _Summed, _Products)):
            return arg
        raise Unknown("its `update` uses a tensor of a shape that the engine does not know")

    def _vector(self, value: _Rows | _Same) -> Node:
        if value.node is not None:
            return value.node
        assert isinstance(value, _Same)
        assert value.matrix is not None
        name, shape = value.matrix.name, value.shape
        if shape[0] != 1 or value.matrix.transposed:
            raise Unknown(f"its `update` uses the matrix `{name}` otherwise than in a product")
        return self.make.make("parameter", width=shape[1], data=(name, 0))

    def _of_sums(self, op: str, values: list[Any]) -> Any:  # noqa: C901 a rule for each operation
        """What commutes with a sum over rows: sums of such, and multiples that are the same for all rows."""
        first, *rest = values
        if op == "neg":
            first, rest, op = values[0], [_Same(self.make.constant(-1.0), ())], "mul"
        second = rest[0] if len(rest) == 1 else None
        if op == "mul" and isinstance(first, _Same):
            first, second = second, first
        if op == "where" and isinstance(first, _Same) and first.node is not None:
            nodes = [value.node for value in rest if isinstance(value, (_Summed, _Same)) and value.node is not None]
            nothing = all(isinstance(value, _Summed) or _is_zero(value) for value in rest)
            if nothing and len(nodes) == 2:
                return _Summed(self.make.elementwise("where", first.node, *nodes), self.shape)
        if op == "add":
            for one, other in ((first, second), (second, first)):
                if _is_zero(other):
                    return one
        if op in ("add", "sub") and isinstance(first, _Summed) and isinstance(second, _Summed):
            return _Summed(self.make.elementwise(op, first.node, second.node), self.shape)
        if op == "add" and isinstance(first, _Products) and isinstance(second, _Products):
            return _Products((*first.pairs, *second.pairs), first.shape)
        if op in ("mul", "div") and isinstance(second, _Same) and second.node is not None:
            if isinstance(first, _Summed):
                return _Summed(self.make.elementwise(op, first.node, second.node), self.shape)
            if isinstance(first, _Products) and second.node.width == 1:
                pairs = tuple((self.make.elementwise(op, g, second.node), x) for g, x in first.pairs)
                return _Products(pairs, first.shape)
        raise Unknown(
            f"the gradient of a parameter of its `update` goes through `{op}`, which the engine does not know"
        )

    def _reduced(self, op: str, value: Any, dims: Sequence[int] | None, keepdim: bool, scale: float = 1.0) -> Any:
        """Over a row, or over the rows."""
        if isinstance(value, _Summed):
            if op != "sum":
                raise Unknown(f"the gradient of a parameter of its `update` goes through `{op}` over all rows")
            return _Summed(self._over_row(op, value.node, value.shape[-1] if value.shape else 1, scale), self.shape)
        if not isinstance(value, (_Rows, _Same)) or len(value.shape) > 2:
            raise Unknown(f"its `update` uses `{op}` of a shape that the engine does not know")
        over = {dim % len(value.shape) for dim in dims} if dims else set(range(len(value.shape)))
        if isinstance(value, _Rows) and 0 in over:
            if op != "sum" or scale != 1.0:
                raise Unknown(f"its `update` mixes rows in `{op}`")
            node = value.node
            if len(value.shape) == 2 and 1 in over:
                node = self._over_row("sum", node, value.shape[1], 1.0)
            return _Summed(node, self.shape)
        node = self._over_row(op, self._vector(value), value.shape[-1] if value.shape else 1, scale)
        return _Rows(node, self.shape) if isinstance(value, _Rows) else _Same(node, self.shape)

    def _over_row(self, op: str, node: Node, width: int, scale: float) -> Node:
        if width != 1:
            node = self.make.make(op, (self._wide(node, width),))
        return self.make.elementwise("mul", node, self.make.constant(scale)) if scale != 1.0 else node

    def on_sum(self, value: Any, dims: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
        return self._reduced("sum", value, dims, keepdim)

    def on_mean(self, value: Any, dims: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
        return self._reduced("sum", value, dims, keepdim, 1 / _length(value, dims))

    def on_amax(self, value: Any, dims: Any = (), keepdim: bool = False) -> Any:
        return self._reduced("max", value, dims, keepdim)

    def on_amin(self, value: Any, dims: Any = (), keepdim: bool = False) -> Any:
        return self._elementwise("neg", self._reduced("max", self._elementwise("neg", value), dims, keepdim))

    def on_var_mean(self, value: Any, dims: Any = None, *, correction: float = 1, keepdim: bool = False) -> Any:
        if not isinstance(value, _Rows) or len(value.shape) != 2 or dims is None or [d % 2 for d in dims] != [1]:
            raise Unknown("its `update` uses `var` otherwise than over a row")
        mean = self._over_row("sum", value.node, value.shape[1], 1 / value.shape[1])
        off = self.make.elementwise("sub", value.node, mean)
        degrees = max(value.shape[1] - correction, 0)
        square = self.make.elementwise("mul", off, off)
        var = self._over_row("sum", square, value.shape[1], 1 / degrees if degrees else float("nan"))
        shape = (self.rows, 1) if keepdim else (self.rows,)
        return _Rows(var, shape), _Rows(mean, shape)

    def on_var(self, value: Any, dims: Any = None, *, correction: float = 1, keepdim: bool = False) -> Any:
        return self.on_var_mean(value, dims, correction=correction, keepdim=keepdim)[0]

    def on_native_layer_norm(self, value: Any, shape: Any, weight: Any, bias: Any, eps: float) -> Any:
        var, mean = self.on_var_mean(value, [-1], correction=0, keepdim=True)
        one = ("sqrt", ("add", var, eps))
        scale = self._elementwise("div", 1.0, one)
        normed = self._elementwise("mul", ("sub", value, mean), scale)
        if weight is not None:
            normed = self._elementwise("mul", normed, weight)
        return (normed if bias is None else self._elementwise("add", normed, bias)), mean, scale

    def on__softmax(self, value: Any, dim: int, half: bool = False) -> Any:
        if not isinstance(value, (_Rows, _Same)) or dim % len(value.shape) != len(value.shape) - 1:
            raise Unknown("its `update` uses `softmax` otherwise than over a row")
        _, powers, total = self._powers(value)
        return self._elementwise("div", powers, total)

    def on__log_softmax(self, value: Any, dim: int, half: bool = False) -> Any:
        if not isinstance(value, (_Rows, _Same)) or dim % len(value.shape) != len(value.shape) - 1:
            raise Unknown("its `update` uses `log_softmax` otherwise than over a row")
        below, _, total = self._powers(value)
        return self._elementwise("sub", below, ("log", total))

    def _powers(self, value: _Rows | _Same) -> tuple[Any, Any, Any]:
        """How far a row is below its greatest number, e to the power of that, and the sum of these."""
        self.shape = (*value.shape[:-1], 1)
        below = self._elementwise("sub", value, self.on_amax(value, [-1], True))
        powers = self._elementwise("exp", below)
        return below, powers, self.on_sum(powers, [-1], True)

    def on_cat(self, values: Any, dim: int = 0) -> Any:
        if all(isinstance(value, _Summed) for value in values):
            return _Summed(self.make.cat([self._spread(value) for value in values]), self.shape)
        if any(not isinstance(value, (_Rows, _Same)) for value in values):
            raise Unknown("its `update` uses `cat` of a shape that the engine does not know")
        rows = any(isinstance(value, _Rows) for value in values)
        if rows and dim % len(self.shape) == 0:
            raise Unknown("its `update` mixes rows in `cat`")
        if not rows and len(self.shape) > 1 and dim % len(self.shape) == 0:
            raise Unknown("its `update` uses `cat` of matrices")
        node = self.make.cat([self._wide(self._vector(value), value.shape[-1]) for value in values])
        return _Rows(node, self.shape) if rows else _Same(node, self.shape)

    def on_slice(self, value: Any, dim: int = 0, start: Any = None, stop: Any = None, step: int = 1) -> Any:
        if not isinstance(value, (_Rows, _Same, _Summed)) or step != 1:
            raise Unknown("its `update` uses `slice` of a shape or with a step that the engine does not know")
        size = value.shape[dim]
        start, stop, _ = slice(start, stop).indices(size)
        if (start, stop) == (0, size):
            return value
        if dim % len(value.shape) != len(value.shape) - 1 or (isinstance(value, _Rows) and len(value.shape) == 1):
            raise Unknown("its `update` mixes rows in `slice`")
        node = value.node if isinstance(value, _Summed) else self._vector(value)
        cut = self.make.slice(self._wide(node, size), start, stop)
        return type(value)(cut, (*value.shape[:-1], stop - start))

    def on_select(self, value: Any, dim: int, index: int) -> Any:
        index += value.shape[dim] * (index < 0)
        cut = self.on_slice(value, dim, index, index + 1)
        return type(cut)(cut.node, self.shape)

    def on_split_with_sizes(self, value: Any, sizes: Sequence[int], dim: int = 0) -> Any:
        found, start = [], 0
        for size in sizes:
            found.append(self.on_slice(value, dim, start, start + size))
            start += size
        return tuple(found)

    def on_constant_pad_nd(self, value: Any, pad: Sequence[int], fill: float = 0.0) -> Any:
        if len(pad) != 2 or not isinstance(value, (_Rows, _Same, _Summed)):
            raise Unknown("its `update` pads what is not a row")
        node = value.node if isinstance(value, _Summed) else self._vector(value)
        sides = [self.make.constant(fill, width) for width in pad]
        row = self._wide(node, value.shape[-1])
        padded = self.make.cat([part for part in (sides[0], row, sides[1]) if part.width])
        return type(value)(padded, self.shape)

    def on_slice_scatter(
        self, into: Any, value: Any, dim: int = 0, start: Any = None, stop: Any = None, step: int = 1
    ) -> Any:
        size = into.shape[dim]
        start, stop, _ = slice(start, stop).indices(size)
        if step != 1 or dim % len(into.shape) != len(into.shape) - 1 or not isinstance(into, (_Rows, _Same)):
            raise Unknown("its `update` uses `slice_scatter` of a shape that the engine does not know")
        around = self._wide(self._vector(into), size)
        row = value.node if isinstance(value, _Summed) else self._vector(value)
        parts = [self._wide(row, stop - start)]
        if start:
            parts.insert(0, self.make.slice(around, 0, start))
        if stop < size:
            parts.append(self.make.slice(around, stop, size))
        kind = _Summed if isinstance(value, _Summed) else _Rows if _Rows in (type(into), type(value)) else _Same
        return kind(self.make.cat(parts), self.shape)

    def on_select_backward(self, value: Any, shape: Sequence[int], dim: int, index: int) -> Any:
        if not isinstance(value, _Rows) or len(shape) != 2 or dim % 2 != 1:
            raise Unknown("its `update` uses `select` of a shape that the engine does not know")
        index += shape[1] * (index < 0)
        zeros = [self.make.constant(0.0, width) for width in (index, shape[1] - index - 1)]
        return _Rows(self.make.cat([part for part in (zeros[0], value.node, zeros[1]) if part.width]), tuple(shape))

    def on_permute(self, value: Any, dims: Sequence[int]) -> Any:
        if [*dims] == [*range(len(dims))]:
            return value
        if isinstance(value, _Turned):
            return value.rows
        if isinstance(value, _Products):
            return value.turned()
        if isinstance(value, _Rows) and len(value.shape) == 2:
            return _Turned(value)
        if isinstance(value, _Same) and value.matrix is not None:
            matrix = Matrix(value.matrix.name, 0, not value.matrix.transposed)
            return _Same(None, self.shape, matrix)
        raise Unknown("its `update` uses `permute` of a shape that the engine does not know")

    def on_mm(self, left: Any, right: Any) -> Any:
        if isinstance(left, _Turned) and isinstance(right, _Rows):
            return _Products(((left.rows.node, right.node),), self.shape)
        if isinstance(left, _Rows) and isinstance(right, _Same) and right.matrix is not None:
            # `x @ M` sums over the rows of M, `x @ M.T` over its columns, which is what a linear map does.
            matrix = Matrix(right.matrix.name, 0, not right.matrix.transposed)
            return _Rows(
                self.make.make("linear", (self._wide(left.node, left.shape[1]),), self.shape[1], matrix), self.shape
            )
        raise Unknown("its `update` uses a product of what is not a row and a matrix parameter")

    def on_view(self, value: Any, shape: Sequence[int]) -> Any:
        """The same numbers in a shape that still is rows."""
        new = self.shape
        if isinstance(value, (_Products,)) or (isinstance(value, _Same) and value.matrix is not None):
            if new == value.shape:
                return value
            if isinstance(value, _Same) and value.shape[0] == 1 and value.matrix and not value.matrix.transposed:
                return _Same(self._vector(value), new)
            raise Unknown("its `update` changes the shape of a matrix")
        if not isinstance(value, (_Rows, _Same, _Summed)):
            raise Unknown("its `update` changes the shape of what is not a row")
        old_width = value.shape[-1] if isinstance(value, _Rows) and len(value.shape) == 2 else 1
        if isinstance(value, _Rows):
            new_width = new[-1] if len(new) == 2 else 1
            if new[0] != self.rows or len(new) > 2 or new_width != old_width:
                raise Unknown("its `update` changes the shape of a row, which the engine does not know")
        elif len([size for size in new if size != 1]) > 1:
            raise Unknown("its `update` changes the shape of a parameter, which the engine does not know")
        assert value.node is not None
        return type(value)(value.node, new)

    on_unsqueeze = on_squeeze = on_reshape = on_view

    def on_expand(self, value: Any, shape: Sequence[int], implicit: bool = False) -> Any:
        new = self.shape
        if isinstance(value, _Same) and self.rows in new:
            if new[0] != self.rows or len(new) != 2:
                raise Unknown("its `update` mixes rows in `expand`")
            return _Rows(self._wide(self._vector(value), new[1]), new)
        if not isinstance(value, (_Rows, _Same, _Summed)) or self.rows in new[1:] or len(new) > 2:
            raise Unknown("its `update` uses `expand` of a shape that the engine does not know")
        node = value.node if not isinstance(value, _Same) else self._vector(value)
        return type(value)(self._wide(node, new[-1]) if len(new) == 2 or not isinstance(value, _Rows) else node, new)

    def on_clone(self, value: Any, **options: Any) -> Any:
        return value

    def on_copy(self, into: Any, value: Any, non_blocking: bool = False) -> Any:
        return self.on_expand(value, self.shape)

    on_alias = on_detach = on_lift_fresh_copy = on_clone

    def on__to_copy(self, value: Any, dtype: Any = None, **options: Any) -> Any:
        if dtype not in (None, self.cell.weight_input.dtype, torch.bool):
            raise Unknown(f"its `update` converts to {dtype}")
        return self._elementwise("ne", value, 0.0) if dtype == torch.bool else value

    def _filled(self, value: float) -> Any:
        node = self.make.constant(float(value))
        if self.shape and self.shape[0] == self.rows:
            return _Rows(node if len(self.shape) == 1 else self._wide(node, self.shape[-1]), self.shape)
        return _Same(self._wide(node, self.shape[-1]) if self.shape else node, self.shape)

    def on_full_like(self, value: Any, fill: float, **options: Any) -> Any:
        return self._filled(fill)

    def on_full(self, size: Any, fill: float, **options: Any) -> Any:
        return self._filled(fill)

    def on_empty_permuted(self, size: Any, *rest: Any, **options: Any) -> Any:
        return self._filled(0.0)

    def on_scalar_tensor(self, fill: float, **options: Any) -> Any:
        return self._filled(fill)


def _is_zero(value: Any) -> bool:
    """Whether a value is zero everywhere, for all rows."""
    return (
        isinstance(value, _Same) and value.node is not None and value.node.op == "constant" and value.node.data == 0.0
    )


def _length(value: Any, dims: Any) -> int:
    """How many numbers a reduction takes together."""
    found = 1
    for dim in dims if dims else range(len(value.shape)):
        found *= value.shape[dim]
    return found


def _scaled(args: Sequence[Any], options: dict[str, Any], op: str) -> tuple[Any, ...]:
    alpha = options.get("alpha", 1)
    return (op, args[0], args[1] if alpha == 1 else ("mul", args[1], float(alpha)))


def _power(args: Sequence[Any], options: dict[str, Any]) -> tuple[Any, ...]:
    x, n = args
    if not isinstance(n, (int, float)):
        return ("pow", x, n)
    if n == 2:
        return ("mul", x, x)
    if n == 1:
        return ("mul", x, 1.0)
    if n == 3:
        return ("mul", ("mul", x, x), x)
    if n == 0.5:
        return ("sqrt", x)
    if n == -1:
        return ("div", 1.0, x)
    return ("pow", x, float(n))


def _clamped(args: Sequence[Any], options: dict[str, Any]) -> tuple[Any, ...]:
    low, high = (args[1] if len(args) > 1 else options.get("min")), (args[2] if len(args) > 2 else options.get("max"))
    bounded: Any = args[0]
    if low is not None:
        bounded = ("maximum", bounded, low)
    return ("minimum", bounded, high) if high is not None else bounded


def _no_rounding() -> str:
    raise Unknown("its `update` uses `div` with rounding, which the engine does not know")


_AS_ELEMENTWISE: dict[str, Callable[[Sequence[Any], dict[str, Any]], tuple[Any, ...]]] = {
    **{
        name: (lambda op: lambda args, options: (op, *args))(name)
        for name in (
            *("mul", "neg", "exp", "expm1", "log", "log1p", "sqrt", "sigmoid", "tanh", "sin", "cos", "erf", "abs"),
            *("floor", "sign", "maximum", "minimum", "gt", "ge", "lt", "le", "eq", "ne", "where"),
        )
    },
    "add": lambda args, options: _scaled(args, options, "add"),
    "sub": lambda args, options: _scaled(args, options, "sub"),
    "div": lambda args, options: ("div" if options.get("rounding_mode") is None else _no_rounding(), *args),
    "rsub": lambda args, options: ("sub", args[1], args[0]),
    "reciprocal": lambda args, options: ("div", 1.0, args[0]),
    "rsqrt": lambda args, options: ("div", 1.0, ("sqrt", args[0])),
    "square": lambda args, options: ("mul", args[0], args[0]),
    "relu": lambda args, options: ("maximum", args[0], 0.0),
    "pow": _power,
    "clamp": _clamped,
    "clamp_min": lambda args, options: ("maximum", args[0], args[1]),
    "clamp_max": lambda args, options: ("minimum", args[0], args[1]),
    "logical_and": lambda args, options: ("mul", ("ne", args[0], 0.0), ("ne", args[1], 0.0)),
    "logical_or": lambda args, options: ("maximum", ("ne", args[0], 0.0), ("ne", args[1], 0.0)),
    "logical_not": lambda args, options: ("eq", args[0], 0.0),
    "bitwise_and": lambda args, options: ("mul", *args),
    "bitwise_or": lambda args, options: ("maximum", *args),
    "bitwise_not": lambda args, options: ("eq", args[0], 0.0),
    "threshold_backward": lambda args, options: ("where", ("le", args[1], args[2]), 0.0, args[0]),
}
"""ATen's elementwise operations in those of the graph."""
