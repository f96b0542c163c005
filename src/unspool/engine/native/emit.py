"""The C++ of a cell: functions for its step and its vector–Jacobian product, and what the loop over time must know."""

from __future__ import annotations

from dataclasses import dataclass

from unspool.engine.backward import LINE, Backward
from unspool.engine.graph import StepGraph, ordered
from unspool.engine.native.function import Function
from unspool.engine.plan import Place, Plan, plan

ROWS = 36  # sequences that a thread steps at once, at most: six tiles of a product, for one reading of a weight


def apart(width: int) -> int:
    """Numbers from one row of so many to the next: no large power of two, by which all rows would lie in the same few
    lines of a cache."""
    return width + LINE if width and width % 512 == 0 else width


@dataclass
class Program:
    """A cell's C++, and what its caller must know.

    Fields:
        source: the code.
        parameters: names of the parameters, in the order that the code takes them.
        vectors: by name of a vector parameter, where its gradient begins among the sums that a sequence adds up.
        matrices: by name of a matrix parameter, the taps whose outer products are its gradient.
        taps: widths of what each step leaves for gradients of matrices.
        tape: numbers that a step keeps for its gradient.
        gaps: where on the tape there is none.
        sums: numbers that a sequence adds up.
        needs_from_input: whether the gradient reads the products with the input again.
        one_gradient: whether the gates' gradients from input and from hidden are the same.
    """

    source: str
    parameters: list[str]
    vectors: dict[str, tuple[int, int]]
    matrices: dict[str, list[tuple[int, int]]]
    taps: list[int]
    tape: int
    gaps: list[int]
    sums: int
    needs_from_input: bool
    one_gradient: bool


def program(graph: StepGraph, shapes: dict[str, tuple[int, ...]]) -> Program:
    """Write a cell's C++.

    Args:
        graph: of its step.
        shapes: of its parameters and buffers, by name.
    """
    back = Backward(graph)
    parameters = _parameters_of(graph, back)
    forward, backward = _forward(graph, back), _backward(graph, back)
    functions = [Function(*each, parameters, shapes, ROWS) for each in (forward, backward)]
    return Program(
        "\n".join(_lines(graph, back, functions)),
        parameters,
        back.vectors,
        back.matrices,
        [node.width for node in back.taps],
        back.tape_width,
        back.gaps,
        back.sums,
        back.needs_from_input,
        back.one_gradient,
    )


def _forward(graph: StepGraph, back: Backward) -> tuple[str, Plan, list[str], list[str]]:
    """A step: name, plan, sources and destinations, in the order in which recurrence.cpp gives them."""
    fields = range(len(graph.state))
    roots = [(node, Place(f"new.{i}")) for i, node in enumerate(graph.state)]
    roots += [(node, Place("tape", offset)) for node, offset in back.tape.items()]
    sources = ["from_input", *(f"state.{i}" for i in fields)]
    return "forward", plan(roots, unreadable="tape"), sources, [*(f"new.{i}" for i in fields), "tape"]


def _backward(graph: StepGraph, back: Backward) -> tuple[str, Plan, list[str], list[str]]:
    """Its vector–Jacobian product, likewise."""
    fields = range(len(graph.state))
    states = (f"{name}.{i}" for name in ("state", "new") for i in fields)
    sources = ["from_input", *states, "tape", "given", *(f"carry.{i}" for i in fields)]
    taps = (f"tap.{i}" for i in range(len(back.taps)))
    return (
        "backward",
        plan(back.roots),
        sources,
        ["to_input", "to_hidden", *(f"back.{i}" for i in fields), "sums", *taps],
    )


def _lines(graph: StepGraph, back: Backward, functions: list[Function]) -> list[str]:
    """The functions, and the `Cell` of cell.hpp that tells of them."""
    arrays = {
        "widths": graph.widths,
        "tap_widths": [node.width for node in back.taps],
        "vector_at": [start for start, _ in back.vectors.values()],
        "vector_widths": [width for _, width in back.vectors.values()],
    }
    told = {
        "rows": "R",
        "fields": len(graph.state),
        "gates": graph.gates,
        "hidden_gates": graph.hidden_gates,
        "gates_apart": apart(graph.gates),
        "hidden_apart": apart(graph.hidden_gates),
        "tape": back.tape_width,
        "sums": back.sums,
        "taps": len(back.taps),
        "scratch": max(1, *(function.scratch for function in functions)),
        "forward_packed": "FORWARD_PACKED",
        "backward_packed": "BACKWARD_PACKED",
        "widths": "WIDTHS",
        "tap_widths": "TAP_WIDTHS",
        "vectors": len(back.vectors),
        "vector_at": "VECTOR_AT",
        "vector_widths": "VECTOR_WIDTHS",
        "forward": "forward<false>",
        "forward_taped": "forward<true>",
        "backward": "backward",
        "pack_forward": "pack_forward",
        "pack_backward": "pack_backward",
    }
    return [
        '#include "cell.hpp"',
        "namespace {",
        f"constexpr int R = {functions[0].rows};",
        *(
            f"constexpr int64_t {name.upper()}[] = {{{', '.join(map(str, numbers)) or 0}}};"
            for name, numbers in arrays.items()
        ),
        *(line for function in functions for line in function.lines()),
        "}",
        "const Cell cell = {",
        *(f"  .{name} = {value}," for name, value in told.items()),
        "};",
        "",
    ]


def _parameters_of(graph: StepGraph, back: Backward) -> list[str]:
    names: dict[str, None] = {}
    for node in ordered([*graph.state, *(root for root, _ in back.roots)]):
        if node.op == "parameter":
            names[node.data[0]] = None
        elif node.op == "linear":
            names[node.data.name] = None
    return [*names]
