"""A step's way back: its vector–Jacobian product, in what is at hand when time runs back."""

from __future__ import annotations

from unspool.engine.graph import COSTLY, ELEMENTWISE, WEIGHT_HIDDEN, Graph, Matrix, Node, StepGraph, ordered
from unspool.engine.plan import Place

LINE = 16  # numbers in a line of a cache: rows that begin in one are read and written whole vectors at a time


class Backward:
    """The vector–Jacobian product of a step, in what is at hand when time runs back: the states before and after it,
    and what it kept on its tape."""

    def __init__(self, graph: StepGraph) -> None:
        self.graph, self.make = graph, Graph()
        self.tape: dict[Node, int] = {}
        self.tape_width = 0
        self.gaps: list[int] = []  # places on the tape that no row takes
        self.needs_from_input = False
        self._new = {node: i for i, node in reversed([*enumerate(graph.state)])}
        self._later = self._after_the_step()
        self._made: dict[Node, Node] = {}
        roots: list[tuple[Node, Place]] = []
        self.one_gradient = graph.to_hidden is graph.to_input
        to_input = self._read(graph.to_input)
        roots.append((to_input, Place("to_input")))
        back = [self._read(node) for node in graph.to_state]
        if graph.to_hidden is not None:
            to_hidden = self._read(graph.to_hidden)
            if not self.one_gradient:
                roots.append((to_hidden, Place("to_hidden")))
            through = self.make.make("linear", (to_hidden,), graph.widths[0], Matrix(WEIGHT_HIDDEN, 0, True))
            back[0] = self.make.elementwise("add", through, back[0])
        roots += [(node, Place(f"back.{i}")) for i, node in enumerate(back)]
        self.vectors, self.sums = {}, 0
        summed: dict[Node, int] = {}  # one row may be the gradient of several
        for name, node in graph.to_vectors.items():
            read = self._read(node)
            if read not in summed:
                summed[read] = self.sums
                roots.append((read, Place("sums", self.sums, accumulate=True)))
                self.sums += node.width
            self.vectors[name] = (summed[read], node.width)
        self.taps: list[Node] = []
        self.matrices: dict[str, list[tuple[int, int]]] = {}
        for name, pairs in graph.to_matrices.items():
            self.matrices[name] = [(self._tap(g), self._tap(x)) for g, x in pairs]
        roots += [(node, Place(f"tap.{i}")) for i, node in enumerate(self.taps)]
        self.roots = roots

    def _place_on_tape(self, width: int) -> int:
        if width == 1 and self.gaps:
            return self.gaps.pop()
        place = self.tape_width
        # Narrow rows, which whole lines would make much longer, lie as they come.
        self.tape_width += width if 1 < width < 4 * LINE else -(-width // LINE) * LINE
        self.gaps += range(place + width, self.tape_width)
        return place

    def _tap(self, node: Node) -> int:
        read = self._read(node)
        if read not in self.taps:
            self.taps.append(read)
        return self.taps.index(read)

    def _after_the_step(self) -> set[Node]:
        """The nodes that a gradient enters: they can't be computed before time runs back."""
        graph, later = self.graph, set()
        hidden = [graph.to_hidden] if graph.to_hidden is not None else []
        pairs = [node for found in graph.to_matrices.values() for pair in found for node in pair]
        for node in ordered([graph.to_input, *hidden, *graph.to_state, *graph.to_vectors.values(), *pairs]):
            gradient = node.op == "input" and node.data[0].startswith("gradient.")
            if gradient or any(arg in later for arg in node.args):
                later.add(node)
        return later

    def _read(self, node: Node) -> Node:
        if node not in self._made:
            self._made[node] = self._reading(node)
        return self._made[node]

    def _reading(self, node: Node) -> Node:  # noqa: C901 a case for each kind of node
        make = self.make
        if node.op in ("constant", "parameter"):
            return make.make(node.op, width=node.width, data=node.data)
        if node.op == "input":
            source, offset = node.data
            if source.startswith("gradient."):
                carried = make.make("input", width=node.width, data=(source.replace("gradient", "carry"), offset))
                if source != "gradient.0":
                    return carried
                return make.elementwise("add", carried, make.make("input", width=node.width, data=("given", offset)))
            self.needs_from_input |= source == "from_input"
            return make.make("input", width=node.width, data=node.data)
        if node not in self._later:
            if node in self._new:
                return make.make("input", width=node.width, data=(f"new.{self._new[node]}", 0))
            if node.op in COSTLY or node.op in ("linear", "sum", "max", "cat"):
                if node not in self.tape:
                    self.tape[node] = self._place_on_tape(node.width)
                return make.make("input", width=node.width, data=("tape", self.tape[node]))
        args = [self._read(arg) for arg in node.args]
        if node.op == "cat":
            return make.cat(args)
        if node.op == "slice":
            return make.slice(args[0], node.data, node.data + node.width)
        if node.op in ELEMENTWISE:
            made = make.elementwise(node.op, *args)
            if made.width == node.width:
                return made
            return make.make("add", (made, make.constant(0.0, node.width)), node.width)
        return make.make(node.op, args, node.width, node.data)
