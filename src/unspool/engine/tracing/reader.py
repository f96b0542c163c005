"""Traced operations, one after the other: what each value is, and the nodes that elementwise operations make of it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx import Node as Traced

from unspool.cells.gated import GatedCell
from unspool.engine.graph import Graph, Node
from unspool.engine.tracing.elementwise import AS_ELEMENTWISE
from unspool.engine.tracing.values import Products, Rows, Same, Summed, Unknown, is_zero


class Reader:
    """Knows what every traced value is. Classes below it add operations: `on_NAME` for ATen's `NAME`.

    Args:
        cell: whose step was traced.
        rows: how many the trace has, unlike any width.
        traced: the trace.
    """

    def __init__(self, cell: GatedCell, rows: int, traced: GraphModule) -> None:
        self.cell, self.rows, self.traced = cell, rows, traced
        self.make = Graph()
        self.values: dict[Traced, Any] = {}
        self.shape: tuple[int, ...] = ()

    def _shape(self, node: Traced) -> tuple[int, ...]:
        return tuple(node.meta["val"].shape)

    def _spread(self, value: Summed) -> Node:
        return self._wide(value.node, value.shape[-1] if value.shape else 1)

    def _wide(self, node: Node, width: int) -> Node:
        if node.width == width:
            return node
        if node.op == "constant":
            return self.make.constant(node.data, width)
        return self.make.make("add", (node, self.make.constant(0.0, width)), width)

    def _operation(self, node: Traced) -> Any:
        if node.target is operator.getitem:
            source: Any = node.args[0]
            return self.values[source][node.args[1]]
        name = str(node.target.overloadpacket).removeprefix("aten.")  # type: ignore[union-attr]
        args = torch.fx.map_arg(node.args, lambda arg: self._known(arg, name))
        known: Callable[..., Any] | None = getattr(self, f"on_{name}", None)
        if known is None and name not in AS_ELEMENTWISE:
            raise Unknown(f"its `update` uses `{name}`, which the engine does not know")
        if isinstance(node.meta["val"], Tensor):
            self.shape = self._shape(node)
        if known is not None:
            return known(*args, **node.kwargs)
        return self._elementwise(*AS_ELEMENTWISE[name](args, dict(node.kwargs)))

    def _known(self, arg: Traced, op: str) -> Any:
        if self.values[arg] is None:
            raise Unknown(f"its `update` uses `{op}` of a tensor of more dimensions than the engine knows")
        return self.values[arg]

    def _elementwise(self, op: str, *args: Any) -> Any:
        """An operation whose arguments are values, numbers, or themselves (operation, arguments)."""
        values = [self._elementwise(*arg) if isinstance(arg, tuple) else self._value(arg) for arg in args]
        pending = [value for value in values if isinstance(value, (Summed, Products))]
        if pending:
            return self._of_sums(op, values)
        shape = torch.broadcast_shapes(*(value.shape for value in values))
        rows = any(isinstance(value, Rows) for value in values)
        if rows and (shape[0] != self.rows or self.rows in shape[1:]):
            raise Unknown(f"its `update` mixes rows in `{op}`")
        nodes = [self._vector(value) for value in values]
        made = self.make.elementwise(op, *nodes)
        return Rows(made, tuple(shape)) if rows else Same(made, tuple(shape))

    def _value(self, arg: Any) -> Any:
        if isinstance(arg, (int, float, bool)):
            return Same(self.make.constant(float(arg)), ())
        if isinstance(arg, (Rows, Same, Summed, Products)):
            return arg
        raise Unknown("its `update` uses a tensor of a shape that the engine does not know")

    def _vector(self, value: Rows | Same) -> Node:
        if value.node is not None:
            return value.node
        assert isinstance(value, Same)
        assert value.matrix is not None
        name, shape = value.matrix.name, value.shape
        if shape[0] != 1 or value.matrix.transposed:
            raise Unknown(f"its `update` uses the matrix `{name}` otherwise than in a product")
        return self.make.make("parameter", width=shape[1], data=(name, 0))

    def _of_sums(self, op: str, values: list[Any]) -> Any:  # noqa: C901 a rule for each operation
        """What commutes with a sum over rows: sums of such, and multiples that are the same for all rows."""
        first, *rest = values
        if op == "neg":
            first, rest, op = values[0], [Same(self.make.constant(-1.0), ())], "mul"
        second = rest[0] if len(rest) == 1 else None
        if op == "mul" and isinstance(first, Same):
            first, second = second, first
        if op == "where" and isinstance(first, Same) and first.node is not None:
            nodes = [value.node for value in rest if isinstance(value, (Summed, Same)) and value.node is not None]
            nothing = all(isinstance(value, Summed) or is_zero(value) for value in rest)
            if nothing and len(nodes) == 2:
                return Summed(self.make.elementwise("where", first.node, *nodes), self.shape)
        if op == "add":
            for one, other in ((first, second), (second, first)):
                if is_zero(other):
                    return one
        if op in ("add", "sub") and isinstance(first, Summed) and isinstance(second, Summed):
            return Summed(self.make.elementwise(op, first.node, second.node), self.shape)
        if op == "add" and isinstance(first, Products) and isinstance(second, Products):
            return Products((*first.pairs, *second.pairs), first.shape)
        if op in ("mul", "div") and isinstance(second, Same) and second.node is not None:
            if isinstance(first, Summed):
                return Summed(self.make.elementwise(op, first.node, second.node), self.shape)
            if isinstance(first, Products) and second.node.width == 1:
                pairs = tuple((self.make.elementwise(op, g, second.node), x) for g, x in first.pairs)
                return Products(pairs, first.shape)
        raise Unknown(
            f"the gradient of a parameter of its `update` goes through `{op}`, which the engine does not know"
        )
