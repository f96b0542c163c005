"""Nothing escapes the laws: every cell, layer and engine of the package is in the roster."""

import inspect
import pkgutil
from importlib import import_module

import pytest
from laws.roster import CELLS, COMBINATORS, LAYERS, STATIC, SUBJECTS, Subject
from torch import nn

import unspool
from unspool.cells import Cell, GatedCell, LinearCell, RecurrentMap
from unspool.engine.choice import ENGINES
from unspool.engine.native.compiler import compiler

ABSTRACT = {Cell, GatedCell, LinearCell}
PARTS = {RecurrentMap}  # modules that a cell is made of
ELSEWHERE = (
    "unspool.layers.attention",
    "unspool.models.",
    "unspool.fields.",
)  # tests/unit/layers, tests/unit/models and tests/parity


def public_modules() -> set[type[nn.Module]]:
    """Every public class of the package that is a module of torch and maps sequences to sequences by itself."""
    found = set()
    for info in pkgutil.walk_packages(unspool.__path__, "unspool."):
        for _, thing in inspect.getmembers(import_module(info.name), inspect.isclass):
            if issubclass(thing, nn.Module) and thing.__module__.startswith("unspool."):
                found.add(thing)
    return {
        thing for thing in found if not thing.__name__.startswith("_") and not thing.__module__.startswith(ELSEWHERE)
    }


def test_every_cell_and_layer_is_tried() -> None:
    tried = {*CELLS, *COMBINATORS, *LAYERS} - {"bare"}
    assert {thing.__name__ for thing in public_modules() - ABSTRACT - PARTS} == tried


def test_every_engine_is_tried() -> None:
    missing = set() if compiler() else {"native"}
    assert {subject.engine for subject in SUBJECTS} == set(ENGINES) - missing


@pytest.mark.parametrize("subjects", [SUBJECTS, STATIC], ids=["on engines", "static"])
def test_every_cell_runs_in_every_combinator(subjects: list[Subject]) -> None:
    tried = {(subject.cell, subject.combinator) for subject in subjects}
    assert tried == {(cell, combinator) for cell in CELLS for combinator in COMBINATORS}


def test_every_engine_runs_in_every_combinator_that_runs_cells_as_if_they_were_bare() -> None:
    bare = {subject.engine for subject in SUBJECTS if subject.combinator == "bare"}
    for combinator in COMBINATORS.keys() - {"Zoneout"}:
        assert {subject.engine for subject in SUBJECTS if subject.combinator == combinator} == bare
