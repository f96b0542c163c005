"""States that are carried from one step of training to the next."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from unspool import parallel
from unspool.cells import Cell
from unspool.errors import StateError
from unspool.ragged import Ragged
from unspool.randomness import redrawn
from unspool.state import State, detach


class Carried:
    """The states that streams side by side carry from piece to piece, without their history.

        state = carried.start(cell, inputs, begins)
        outputs, final = unroll(cell, inputs, state)
        carried.keep(inputs, final)

    Streams are told apart by the ids of their rows, so a batch may be cut into micro-batches. Random masks are
    drawn anew for each piece, from its own step of training. An objective that has one gives `state_dict` and
    `load_state_dict` of it as its own; the `Trainer` then saves it, and a run goes on bit for bit.

    Example:
        >>> cell, carried = GRU(3, 4), Carried()
        >>> first, second = (Ragged(torch.randn(4, 3), lengths=[2, 2]) for _ in range(2))
        >>> begins = torch.tensor([True, True])
        >>> carried.keep(first, unspool.unroll(cell, first, carried.start(cell, first, begins)).final)
        >>> bool(carried.start(cell, second, ~begins).hidden.any())
        True
    """

    def __init__(self) -> None:
        self._leaves: dict[int, list[Tensor]] = {}  # by stream, each leaf of its state; of those that were read here
        self._loaded: dict[int, list[Tensor]] = {}  # of all, as they were loaded

    def start(self, cell: Cell, inputs: Ragged, begins: Tensor) -> State:
        """The state to read a piece from.

        Args:
            cell: what reads it.
            inputs: a row a stream.
            begins: (batch,) bool, the rows that start anew; the others must have been kept.

        Raises:
            StateError: a row that is to go on, but was not kept.
        """
        fresh = cell.initial_state_for(inputs)
        anew, ids = begins.tolist(), inputs.ids.tolist()
        known = {**self._loaded, **self._leaves}
        missing = [stream for stream, new in zip(ids, anew, strict=True) if not new and stream not in known]
        if missing:
            raise StateError(
                f"`inputs` must be streams whose states were kept, but {missing[:5]} go on and were not; resume with "
                "the state of the objective, or let them begin"
            )
        if all(anew):
            return fresh
        leaves, shape = tree_flatten(fresh)
        on = [leaf.clone() for leaf in leaves]
        for row, stream in enumerate(ids):
            for leaf, kept in zip(on, known.get(stream, ()) if not anew[row] else (), strict=False):
                leaf[row] = kept
        return redrawn(tree_unflatten(on, shape), fresh)

    def keep(self, inputs: Ragged, final: State) -> None:
        """Keep the state after a piece."""
        leaves = tree_flatten(detach(final))[0]
        for row, stream in enumerate(inputs.ids.tolist()):
            self._leaves[stream] = [leaf[row].clone() for leaf in leaves]

    def state_dict(self) -> dict[str, Any]:
        """What is kept, as tensors, numbers and lists: of all ranks, which ask at once."""
        each = parallel.current().gathered(self._leaves)
        leaves = self._loaded | {stream: states for found in each for stream, states in found.items()}
        return {"streams": list(leaves), "states": list(leaves.values())}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Keep what `state_dict` gave."""
        self._leaves, self._loaded = {}, dict(zip(saved["streams"], saved["states"], strict=True))
