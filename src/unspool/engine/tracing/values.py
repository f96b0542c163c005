"""What a traced tensor is: rows, something that is the same for all rows, or a sum over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unspool.engine.graph import Matrix, Node
from unspool.errors import EngineError


class Unknown(EngineError):  # noqa: N818 what is not known is the update's operation
    """Something in an `update` that no graph can hold; the message says what."""


@dataclass(frozen=True)
class Rows:
    """A tensor (rows, width), (rows, 1) or (rows,)."""

    node: Node
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Same:
    """A tensor that is the same for all rows: (width,), (1, width), () or a matrix parameter."""

    node: Node | None
    shape: tuple[int, ...]
    matrix: Matrix | None = None


@dataclass(frozen=True)
class Turned:
    """(width, rows): rows transposed."""

    rows: Rows


@dataclass(frozen=True)
class Summed:
    """A sum over the rows of what a node is for each."""

    node: Node
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Products:
    """Σ over the rows of g x^T, of one or several pairs; or its transpose."""

    pairs: tuple[tuple[Node, Node], ...]
    shape: tuple[int, ...]

    def turned(self) -> Products:
        return Products(tuple((x, g) for g, x in self.pairs), self.shape[::-1])


def is_zero(value: Any) -> bool:
    """Whether a value is zero everywhere, for all rows."""
    return isinstance(value, Same) and value.node is not None and value.node.op == "constant" and value.node.data == 0.0
