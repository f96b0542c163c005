"""A cell's program: traced and written, or taken from the cache where one like it was.

To trace takes a tenth of a second, and the first time in a process seconds of imports. What is traced is Python of any
kind, so only programs of this package's own cells are kept, whose code is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

import torch

from unspool import cache, code
from unspool.cells.gated import GatedCell
from unspool.engine.graph import BIAS_HIDDEN, WEIGHT_HIDDEN
from unspool.engine.native.emit import Program, program
from unspool.engine.tracing import trace
from unspool.errors import DataError


class Traced(NamedTuple):
    """A program, and the widths that its caller must know: of the state's fields, and of both products."""

    program: Program
    widths: tuple[int, ...]
    gates: int
    hidden_gates: int


def program_of(cell: GatedCell, identity: Iterable[Any] | None) -> Traced:
    """The program of a cell.

    Args:
        cell: what to trace.
        identity: all that its program depends on beside code, or None if there is more.

    Raises:
        Unknown: its update does what the engine does not know.
    """
    names = None if identity is None else _names(cell, identity)
    if names is None:
        return _traced(cell)

    def write(folder: Path) -> None:
        (folder / "program.json").write_text(_to_json(_traced(cell)))

    key = cache.key("program", names, code.digest("cells", "engine"), torch.__version__)
    try:
        return _from_json(cache.whole("programs", key, "program.json", write).read_text())
    except (DataError, OSError):  # where nothing can be kept, each process traces for itself
        return _traced(cell)


def _names(cell: GatedCell, identity: Iterable[Any]) -> list[Any] | None:
    """The identity, of values that are the same in every process; None where code takes part that is not known."""
    if not type(cell).__module__.startswith("unspool."):
        return None
    names: list[Any] = []
    for part in identity:
        if isinstance(part, type | FunctionType):
            if part.__module__.split(".")[0] not in ("unspool", "torch"):
                return None
            names.append(f"{part.__module__}.{part.__qualname__}")
        else:
            names.append(part)
    return names


def _traced(cell: GatedCell) -> Traced:
    with torch.autocast("cpu", enabled=False):  # it computes in numbers of its own, wherever it is first asked for
        graph = trace(cell)
    shapes = {name: tuple(tensor.shape) for name, tensor in (*cell.named_parameters(), *cell.named_buffers())}
    shapes |= {WEIGHT_HIDDEN: (graph.hidden_gates, graph.widths[0]), BIAS_HIDDEN: (graph.hidden_gates,)}
    return Traced(program(graph, shapes), graph.widths, graph.gates, graph.hidden_gates)


def _to_json(traced: Traced) -> str:
    return json.dumps([asdict(traced.program), *traced[1:]])


def _from_json(text: str) -> Traced:
    kept, widths, gates, hidden_gates = json.loads(text)
    kept["vectors"] = {name: tuple(span) for name, span in kept["vectors"].items()}
    kept["matrices"] = {name: [tuple(pair) for pair in pairs] for name, pairs in kept["matrices"].items()}
    return Traced(Program(**kept), tuple(widths), gates, hidden_gates)
