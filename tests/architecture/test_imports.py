"""Rooms know only the rooms below them."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "unspool"

# From the ground up: a room imports from its own line and from lines above it in this list.
FLOORS = [
    {"code", "errors", "layout", "likeness", "nearest"},
    {"parallel"},
    {"cache", "idx"},
    {"arrays"},
    {"acts"},
    {"lengths"},
    {"padded"},
    {"conversion"},
    {"ragged"},
    {"tokens"},
    {"state"},
    {"randomness"},
    {"cells"},
    {"engine"},
    {"unrolling"},
    {"layers"},
    {"models"},
    {"decode"},
    {"fields"},
    {"metrics"},
    {"baselines"},
    {"data"},
    {"recipes"},
    {"training"},
    {"tasks"},
    {"runs"},
    {"doctor"},
    {"cli"},
    {"__main__"},
]

FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """The rooms that a file imports when it runs; an import for type checkers alone does not count."""
    tree = ast.parse(path.read_text())
    for_checkers = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in for_checkers:
            module = (node.module or "").split(".")
            if module[0] == "unspool":
                found |= {module[1]} if len(module) > 1 else {alias.name for alias in node.names}
    return found


def test_every_room_has_its_floor() -> None:
    assert {room(path) for path in FILES} == set().union(*FLOORS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_imports_only_from_its_own_floor_and_below(path: Path) -> None:
    floor = next(i for i, rooms in enumerate(FLOORS) if room(path) in rooms)
    below = set().union(*FLOORS[:floor], {room(path)})
    assert imported_rooms(path) <= below
