"""What an `update` computes for one row, as a graph that knows nothing of any device.

A node is a row of `width` numbers. Its operation is one of

    constant, parameter, input     what is there: a number, a vector parameter, a slice of what a step is given
    linear                         a row times a matrix parameter
    cat, slice                     rows side by side; a part of a row
    sum, max                       over a row: width 1
    the keys of ELEMENTWISE        number by number; a width of 1 is spread

Equal nodes are one node.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

ELEMENTWISE: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "exp": math.exp,
    "expm1": math.expm1,
    "log": math.log,
    "log1p": math.log1p,
    "sqrt": math.sqrt,
    "sigmoid": lambda a: 1 / (1 + math.exp(-a)),
    "tanh": math.tanh,
    "sin": math.sin,
    "cos": math.cos,
    "erf": math.erf,
    "abs": abs,
    "floor": math.floor,
    "sign": lambda a: float((a > 0) - (a < 0)),
    "pow": lambda a, b: a**b,
    "maximum": max,
    "minimum": min,
    "gt": lambda a, b: float(a > b),
    "ge": lambda a, b: float(a >= b),
    "lt": lambda a, b: float(a < b),
    "le": lambda a, b: float(a <= b),
    "eq": lambda a, b: float(a == b),
    "ne": lambda a, b: float(a != b),
    "where": lambda c, a, b: a if c else b,
}
"""Operations on numbers, as they are on constants. Truth is 1 and 0."""

COSTLY = {"div", "exp", "expm1", "log", "log1p", "sqrt", "sigmoid", "tanh", "sin", "cos", "erf", "pow"}
"""Elementwise operations that are kept rather than done twice."""


WEIGHT_HIDDEN, BIAS_HIDDEN = "weight_hidden of the gates", "bias_hidden of the gates"
"""The names by which a graph knows what gives the gates their part of the hidden state; as parameters that an `update`
reads itself they go by their own."""


@dataclass(frozen=True, eq=False)
class Node:
    """A row of numbers.

    Fields:
        op: see the module.
        args: what it is computed from.
        width: how many numbers.
        data: of a constant, its value; of a parameter, its name; of an input, its source and offset; of a linear map,
            the name of its matrix, the first row of it and whether the product is with its transpose; of a slice, its
            start.
    """

    op: str
    args: tuple[Node, ...]
    width: int
    data: Any = None

    def __repr__(self) -> str:
        return f"{self.op}{'' if self.data is None else f'[{self.data}]'}:{self.width}"


@dataclass(frozen=True)
class Matrix:
    """The map of a `linear` node: y_j = Σ_k x_k M[row + j, k], or transposed, y_j = Σ_k x_k M[row + k, j]."""

    name: str
    row: int = 0
    transposed: bool = False


@dataclass
class Graph:
    """Makes nodes, and makes equal ones once."""

    _made: dict[Any, Node] = field(default_factory=dict)

    def make(self, op: str, args: Iterable[Node] = (), width: int = 1, data: Any = None) -> Node:
        args = tuple(args)
        key = (op, args, width, data)
        return self._made.setdefault(key, Node(op, args, width, data))

    def constant(self, value: float, width: int = 1) -> Node:
        return self.make("constant", width=width, data=float(value))

    def elementwise(self, op: str, *args: Node) -> Node:
        """An elementwise node, simplified where an argument is a constant or all are rows side by side."""
        width = max(arg.width for arg in args)
        values = [arg.data if arg.op == "constant" else None for arg in args]
        if None not in values:
            try:
                return self.constant(ELEMENTWISE[op](*values), width)
            except (ArithmeticError, ValueError):
                pass  # the device's own arithmetic says what comes of it
        if op == "mul" and 0.0 in values:
            return self.constant(0.0, width)
        neutral = {"add": 0.0, "sub": 0.0, "mul": 1.0, "div": 1.0}.get(op)
        if neutral is not None:
            for value, other in ((values[1], args[0]), (values[0], args[1])):
                if value == neutral and other.width == width:
                    return other
                if op in ("sub", "div"):
                    break
        if all(arg.width == 1 or (arg.op == "cat" and any(part.op == "constant" for part in arg.args)) for arg in args):
            return self._by_parts(op, args, width)
        return self.make(op, args, width)

    def _by_parts(self, op: str, args: tuple[Node, ...], width: int) -> Node:
        """Rows padded with constants, as the gradients of slices are: part by part, so that the padding goes away."""
        cuts = {0}
        for arg in args:
            stop = 0
            for part in arg.args if arg.op == "cat" else ():
                cuts.add(stop := stop + part.width)
        if cuts == {0}:
            return self.make(op, args, width)
        return self.cat(
            self.elementwise(op, *(arg if arg.width == 1 else self.slice(arg, start, stop) for arg in args))
            for start, stop in pairwise(sorted(cuts))
        )

    def cat(self, parts: Iterable[Node]) -> Node:
        """Rows side by side; what was cut from one piece of memory is one piece again."""
        flat: list[Node] = []
        for part in parts:
            before = flat[-1] if flat else None
            if part.op == "constant" and before is not None and before.op == "constant" and part.data == before.data:
                flat[-1] = self.constant(part.data, before.width + part.width)
            elif before is not None and part.op == before.op == "input" and _adjacent(before, part):
                flat[-1] = self.make("input", width=before.width + part.width, data=before.data)
            else:
                flat.append(part)
        return flat[0] if len(flat) == 1 else self.make("cat", flat, sum(part.width for part in flat))

    def slice(self, node: Node, start: int, stop: int) -> Node:
        """A part of a row, taken where the row came from if it can be."""
        if (start, stop) == (0, node.width):
            return node
        if node.op == "constant":
            return self.constant(node.data, stop - start)
        if node.op == "slice":
            return self.slice(node.args[0], node.data + start, node.data + stop)
        if node.op in ("input", "parameter"):
            name, offset = node.data
            return self.make(node.op, width=stop - start, data=(name, offset + start))
        if node.op == "cat":
            first = 0
            for part in node.args:
                if first <= start and stop <= first + part.width:
                    return self.slice(part, start - first, stop - first)
                first += part.width
        return self.make("slice", (node,), stop - start, start)


def _adjacent(before: Node, after: Node) -> bool:
    (source, offset), (next_source, next_offset) = before.data, after.data
    return bool(source == next_source and offset + before.width == next_offset)


def ordered(roots: Iterable[Node]) -> list[Node]:
    """All nodes under some roots, arguments before what is computed from them."""
    found: dict[Node, None] = {}
    stack = [(root, False) for root in reversed(list(roots))]
    while stack:
        node, ready = stack.pop()
        if node in found:
            continue
        if ready:
            found[node] = None
        else:
            stack.append((node, True))
            stack.extend((arg, False) for arg in reversed(node.args) if arg not in found)
    return list(found)


@dataclass(frozen=True)
class StepGraph:
    """One step of a cell and its vector–Jacobian product.

    Inputs by source: `from_input` (all gates side by side); `state.0`, `state.1`, … the old state's fields; and in the
    product `gradient.0`, … of the new state's fields, and `new.0`, … the new fields themselves.

    Fields:
        state: the new state's fields.
        to_input: the gradient of `from_input`.
        to_hidden: the gradient of the gates' products with `weight_hidden`; None where nothing is fed by it.
        to_state: the gradients of the old fields, without what flows through `weight_hidden`.
        to_vectors: by name of a vector parameter, what a row adds to its gradient.
        to_matrices: by name of a matrix parameter, pairs (g, x): a row adds the outer product g x^T of each.
        widths: of the state's fields.
        gates: width of `from_input`.
        hidden_gates: width of the products with `weight_hidden`.
    """

    state: tuple[Node, ...]
    to_input: Node
    to_hidden: Node | None
    to_state: tuple[Node, ...]
    to_vectors: dict[str, Node]
    to_matrices: dict[str, list[tuple[Node, Node]]]
    widths: tuple[int, ...]
    gates: int
    hidden_gates: int
