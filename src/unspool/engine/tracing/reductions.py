"""Reductions of a row, and sums over the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unspool.engine.graph import Node
from unspool.engine.tracing.reader import Reader
from unspool.engine.tracing.values import Rows, Same, Summed, Unknown


class Reductions(Reader):
    """Sums, greatest numbers, variances, layer normalisation and softmax."""

    def _reduced(self, op: str, value: Any, dims: Sequence[int] | None, keepdim: bool, scale: float = 1.0) -> Any:
        """Over a row, or over the rows."""
        if isinstance(value, Summed):
            if op != "sum":
                raise Unknown(f"the gradient of a parameter of its `update` goes through `{op}` over all rows")
            return Summed(self._over_row(op, value.node, value.shape[-1] if value.shape else 1, scale), self.shape)
        if not isinstance(value, (Rows, Same)) or len(value.shape) > 2:
            raise Unknown(f"its `update` uses `{op}` of a shape that the engine does not know")
        over = {dim % len(value.shape) for dim in dims} if dims else set(range(len(value.shape)))
        if isinstance(value, Rows) and 0 in over:
            if op != "sum" or scale != 1.0:
                raise Unknown(f"its `update` mixes rows in `{op}`")
            node = value.node
            if len(value.shape) == 2 and 1 in over:
                node = self._over_row("sum", node, value.shape[1], 1.0)
            return Summed(node, self.shape)
        node = self._over_row(op, self._vector(value), value.shape[-1] if value.shape else 1, scale)
        return Rows(node, self.shape) if isinstance(value, Rows) else Same(node, self.shape)

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
        if not isinstance(value, Rows) or len(value.shape) != 2 or dims is None or [d % 2 for d in dims] != [1]:
            raise Unknown("its `update` uses `var` otherwise than over a row")
        mean = self._over_row("sum", value.node, value.shape[1], 1 / value.shape[1])
        off = self.make.elementwise("sub", value.node, mean)
        degrees = max(value.shape[1] - correction, 0)
        square = self.make.elementwise("mul", off, off)
        var = self._over_row("sum", square, value.shape[1], 1 / degrees if degrees else float("nan"))
        shape = (self.rows, 1) if keepdim else (self.rows,)
        return Rows(var, shape), Rows(mean, shape)

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
        if not isinstance(value, (Rows, Same)) or dim % len(value.shape) != len(value.shape) - 1:
            raise Unknown("its `update` uses `softmax` otherwise than over a row")
        _, powers, total = self._powers(value)
        return self._elementwise("div", powers, total)

    def on__log_softmax(self, value: Any, dim: int, half: bool = False) -> Any:
        if not isinstance(value, (Rows, Same)) or dim % len(value.shape) != len(value.shape) - 1:
            raise Unknown("its `update` uses `log_softmax` otherwise than over a row")
        below, _, total = self._powers(value)
        return self._elementwise("sub", below, ("log", total))

    def _powers(self, value: Rows | Same) -> tuple[Any, Any, Any]:
        """How far a row is below its greatest number, e to the power of that, and the sum of these."""
        self.shape = (*value.shape[:-1], 1)
        below = self._elementwise("sub", value, self.on_amax(value, [-1], True))
        powers = self._elementwise("exp", below)
        return below, powers, self.on_sum(powers, [-1], True)


def _length(value: Any, dims: Any) -> int:
    """How many numbers a reduction takes together."""
    found = 1
    for dim in dims if dims else range(len(value.shape)):
        found *= value.shape[dim]
    return found
