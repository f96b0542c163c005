"""The C++ of what a loop of a step does with one vector of one row."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from unspool.engine.graph import COSTLY, ELEMENTWISE, Node
from unspool.engine.plan import Loop

if TYPE_CHECKING:
    from unspool.engine.native.function import Function

_FUNCTIONS: dict[str, Callable[..., str]] = {
    **{
        op: (lambda s: lambda a, b: f"({a} {s} {b})")(sign)
        for op, sign in zip(("add", "sub", "mul", "div"), "+-*/", strict=True)
    },
    **{
        op: (lambda s: lambda a, b: f"truth({a} {s} {b})")(sign)
        for op, sign in {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "==", "ne": "!="}.items()
    },
    "neg": lambda a: f"(-{a})",
    "maximum": lambda a, b: f"vmax({a}, {b})",
    "minimum": lambda a, b: f"vmin({a}, {b})",
    "where": lambda c, a, b: f"select({c} != splat(0), {a}, {b})",
    **{
        op: (lambda o: lambda *args: f"v{o}({', '.join(args)})")(op)
        for op in (
            "exp",
            "expm1",
            "log",
            "log1p",
            "sqrt",
            "sigmoid",
            "tanh",
            "sin",
            "cos",
            "erf",
            "abs",
            "floor",
            "sign",
            "pow",
        )
    },
}
assert _FUNCTIONS.keys() == ELEMENTWISE.keys()

JOIN = {"sum": "Plus{}", "max": "Most{}"}
"""How C++ joins two vectors of a reduction."""


class Body:
    """What a loop does with one vector of one row.

    Fields:
        before: what is the same for all vectors of a row.
        text: of each.
        costly: whether one vector keeps a core busy for a while.
        far: addresses, at j = 0, of what is read from memory that no earlier step has touched.
    """

    def __init__(self, step: Function, loop: Loop, wide: int, *, by_rows: bool) -> None:
        self.step, self.loop, self.wide, self.by_rows = step, loop, wide, by_rows
        self._names: dict[tuple[Node, int], str] = {}
        self._rows: dict[str, str] = {}
        self.before: list[str] = []
        self.text: list[str] = []
        self.far: list[str] = []
        self.costly = False
        self._write()

    def _write(self) -> None:
        for node in self.loop.reductions:
            row, number = self._value(node.args[0], 0), self.step.reduced(node)
            part = f"so_far{number}[lane]" if self.by_rows else f"part{number}[r]"
            neutral = "0" if node.op == "sum" else "-std::numeric_limits<T>::infinity()"
            self.text += [
                f"const vec one{number} = settled(only<FULL>({row}, n, {neutral}));",
                f"if (several) store({self.step.contribution(node)} + j, one{number});",
                f"else {part} = {JOIN[node.op]}({part}, one{number});",
            ]
        for node, place in self.loop.stores:
            if place.accumulate and node.op == "constant" and node.data == 0.0:
                continue
            value, address = self._value(node, 0), self._from_row(self.step.place(place, "r"))
            if place.accumulate:
                value = f"load<FULL>({address} + j, n) + {value}"
            guard = "if constexpr (TAPED) " if place.name == "tape" else ""
            self.text.append(f"{guard}store<FULL>({address} + j, n, {value});")

    def _value(self, node: Node, shift: int) -> str:
        """The name of a vector: the node's numbers from `j + shift` on, or its one number in all lanes."""
        if node.width == 1:
            shift = 0
        key = (node, shift)
        if key not in self._names:
            text = self._text(node, shift)
            self._names[key] = name = f"t{len(self._names)}"
            once = self.by_rows and node.width == 1 < self.loop.width
            (self.before if once else self.text).append(f"const vec {name} = {text};")
        return self._names[key]

    def _load(self, address: str, node: Node, shift: int) -> str:
        address = self._from_row(address)
        if node.width == 1:
            return f"splat(({address})[0])"
        return f"load<FULL>({address} + j + {shift}, n)"

    def _from_row(self, address: str) -> str:
        """The address, where a row's own is read once: for all that the compiler knows, each store might change it."""
        row, bracket, offset = address.partition("]")
        if not bracket:
            return address
        if row not in self._rows:
            array = row.partition("[")[0]
            self._rows[row] = name = f"{array}{len(self._rows)}"
            self.before.append(f"{'T*' if array == 'out' else 'const T*'} const {name} = {row}];")
        return self._rows[row] + offset

    def _text(self, node: Node, shift: int) -> str:
        step = self.step
        if node.op == "constant":
            text = repr(node.data)
            for name, number in {"nan": "quiet_NaN", "inf": "infinity"}.items():
                text = text.replace(name, f"std::numeric_limits<T>::{number}()")
            return f"splat(T({text}))"
        if node.op == "parameter":
            name, offset = node.data
            return self._load(f"{step.parameter(name)} + {offset}", node, shift)
        if node.op == "input":
            source, offset = node.data
            address = f"in[{step.sources.index(source)} * R + r] + {offset}"
            if node.width > 1 and source in ("from_input", "tape", "given"):
                self.far.append(f"{address} + {shift}")
            return self._load(address, node, shift)
        if node.op in ("sum", "max"):
            return f"splat(reduced[{step.reduced(node)}][r])"
        if node.op == "slice":
            return self._value(node.args[0], shift + node.data)
        if step.plan.computes(self.loop, node, shift):
            if node.op == "linear":
                found = step.sum_of(node, self.wide)
                return f"splat(({found})[0])" if node.width == 1 else found
            self.costly |= node.op in COSTLY and node.width > 1
            return _FUNCTIONS[node.op](*(self._value(arg, shift) for arg in node.args))
        return self._load(step.place(step.plan.at[node], "r"), node, shift)
