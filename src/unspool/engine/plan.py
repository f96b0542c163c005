"""In which loops a step is computed: stages at reductions and linear maps, and what is kept from one to the next.

A loop goes over a row's numbers, several at a time. What is elementwise in them and in products of the same width is
computed in registers and never stored. A row's sum, and a row that a linear map reads, must be complete first: what
comes after it is a later stage.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from unspool.engine.graph import COSTLY, ELEMENTWISE, Node, ordered


@dataclass(frozen=True)
class Place:
    """Where a row is stored: in what a step gives, from an offset on; or among what a step keeps for itself.

    Fields:
        name: of the destination.
        offset: of the first number in it.
        accumulate: whether it is added to what is there.
    """

    name: str
    offset: int = 0
    accumulate: bool = False


@dataclass
class Loop:
    """One loop over `width` numbers of each row.

    Fields:
        products: linear maps computed in it.
        reductions: sums and maxima taken in it.
        stores: rows stored in it, and where.
    """

    stage: int
    width: int
    products: list[Node] = field(default_factory=list)
    reductions: list[Node] = field(default_factory=list)
    stores: list[tuple[Node, Place]] = field(default_factory=list)


@dataclass
class Plan:
    """A step.

    Fields:
        loops: in order.
        kept: rows that live through a step only: their widths by the name of their place.
        at: where a row that was stored is read back from.
        stage: by node, the first stage in which it can be read.
    """

    loops: list[Loop] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)
    at: dict[Node, Place] = field(default_factory=dict)
    stage: dict[Node, int] = field(default_factory=dict)

    def computes(self, loop: Loop, node: Node, shift: int) -> bool:
        """Whether a loop computes a node, rather than reads what another has stored."""
        if node.op == "linear":
            return node in loop.products and shift == 0
        at_home = shift == 0 and self.stage[node] == loop.stage and node.width == loop.width
        return node.op in ELEMENTWISE and (node not in self.at or at_home)


def plan(roots: Iterable[tuple[Node, Place]], unreadable: str = "") -> Plan:
    """The loops that compute some rows and store them.

    Args:
        roots: rows, and where each goes.
        unreadable: a destination that may not exist, so that nothing is read back from it.
    """
    planning = _Planning([*roots], unreadable)
    return planning.made


def _stage_after(node: Node, stage: dict[Node, int]) -> int:
    """The first stage in which a row can be read, given those of its arguments."""
    if not node.args:
        return 0
    (first, *_) = node.args
    if node.op == "linear":
        return 0 if first.op == "input" else stage[first] + (first.op != "cat")
    if node.op == "slice":
        return stage[first] + (first.op != "cat")
    if node.op in ("sum", "max", "cat"):
        return 1 + max(stage[arg] for arg in node.args)
    spread = {arg for arg in node.args if arg.width < node.width and (arg.op in ELEMENTWISE or arg.op == "linear")}
    return max(stage[arg] + (arg in spread) for arg in node.args)


def _costly(node: Node) -> bool:
    """Whether computing a row again, from what is read anyway, is worth less than storing it."""
    if node.op in ELEMENTWISE:
        return node.op in COSTLY or any(_costly(arg) for arg in node.args if arg.width > 1)
    return node.op == "linear" or (node.op == "slice" and _costly(node.args[0]))


class _Planning:
    """A plan under way."""

    def __init__(self, roots: list[tuple[Node, Place]], unreadable: str) -> None:
        self.made = Plan()
        self.kept, self.at, self.stage = self.made.kept, self.made.at, self.made.stage
        self.loops: dict[tuple[int, int], Loop] = {}
        for node in ordered(root for root, _ in roots):
            self.stage[node] = _stage_after(node, self.stage)
        for node, place in roots:
            if (
                not place.accumulate
                and place.name != unreadable
                and (node.op in ELEMENTWISE or node.op in ("linear", "cat"))
            ):
                self.at.setdefault(node, place)
        for node, place in roots:
            self._store(node, place)
        self.made.loops = sorted(self.loops.values(), key=lambda loop: (loop.stage, -loop.width))

    def _loop(self, node: Node) -> Loop:
        key = (self.stage[node], node.width)
        if key not in self.loops:
            self.loops[key] = Loop(*key)
        return self.loops[key]

    def _store(self, node: Node, place: Place) -> None:
        if node.op == "cat":
            offset = place.offset
            for part in node.args:
                self._store(part, Place(place.name, offset, place.accumulate))
                offset += part.width
            return
        loop = self._loop(node)
        if (node, place) not in loop.stores:
            loop.stores.append((node, place))
            self._need(node, loop, whole=True)

    def _keep(self, node: Node) -> None:
        """Have a row stored where it is computed, to be read in a later stage."""
        if node in self.at:
            return
        name = f"kept{len(self.kept)}"
        self.kept[name] = node.width
        self.at[node] = Place(name)
        self._store(node, self.at[node])

    def _need(self, node: Node, loop: Loop, *, whole: bool) -> None:  # noqa: C901 a case for each kind of node
        """See to it that a loop can compute or read a row; `whole` if at the loop's own places in it."""
        if node.op in ("input", "parameter", "constant"):
            return
        if node.op in ("sum", "max"):
            self._reduce(node)
        elif node.op == "cat":
            self._keep(node)
        elif node.op == "slice":
            self._need(node.args[0], loop, whole=False)
        elif node.op == "linear":
            self._multiply(node)
            if self._loop(node) is not loop or not whole:
                self._keep(node)
        elif whole and self.stage[node] == loop.stage and node.width == loop.width:
            for arg in node.args:
                self._need(arg, loop, whole=arg.width == node.width)
        elif node in self.at:
            return
        elif node.width == 1 or _costly(node):
            self._keep(node)
        else:
            for arg in node.args:
                self._need(arg, loop, whole=whole and arg.width == node.width)

    def _reduce(self, node: Node) -> None:
        (row,) = node.args
        loop = self._loop(row)
        if node not in loop.reductions:
            loop.reductions.append(node)
            self._need(row, loop, whole=True)

    def _multiply(self, node: Node) -> None:
        loop = self._loop(node)
        if node not in loop.products:
            loop.products.append(node)
            (x,) = node.args
            if x.op != "input":
                self._keep(x)
