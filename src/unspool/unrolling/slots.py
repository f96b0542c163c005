"""Room for states that are kept, made once: small tensors that live long, made one by one, tear memory to pieces."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from unspool.state import State


class Slots:
    """States by number, in room for so many.

    Args:
        room: the most states at a time.
    """

    def __init__(self, room: int) -> None:
        self._free = list(range(room))
        self._taken: dict[int, int] = {}
        self._leaves: list[Any] = []
        self._shape: Any = None

    def __len__(self) -> int:
        return len(self._taken)

    def nearest(self) -> int:
        """The highest number."""
        return max(self._taken)

    def keep(self, number: int, state: State) -> None:
        """Copy a state in."""
        leaves, shape = tree_flatten(state)
        if self._shape is None:
            room, self._shape = len(self._free), shape
            self._leaves = [leaf.new_empty(room, *leaf.shape) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        place = self._taken[number] = self._free.pop()
        for table, leaf in zip(self._leaves, leaves, strict=True):
            if isinstance(table, Tensor):
                table[place] = leaf

    def read(self, number: int) -> State:
        """The state of that number; it is good until another takes its place."""
        place = self._taken[number]
        leaves = [table[place] if isinstance(table, Tensor) else table for table in self._leaves]
        return tree_unflatten(leaves, self._shape)

    def drop(self, number: int) -> None:
        """Make room, if there is such a state."""
        if (place := self._taken.pop(number, None)) is not None:
            self._free.append(place)
