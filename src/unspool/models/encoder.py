"""A sequence made into a memory: what decoders read."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from unspool.layers import Bidirectional, Layers
from unspool.layers.directions import BothStates
from unspool.ragged import Ragged
from unspool.state import State, exportable, leaves
from unspool.tokens import with_end


@exportable
class Encoded(NamedTuple):
    """What an encoder gives.

    Fields:
        memory: (total, memory_size), one row a step of the source.
        final: the encoder's final states, layer by layer.
        source: the source itself, where the decoder needs it (copying), or None.
    """

    memory: Ragged
    final: State
    source: Ragged | None = None


class Encoder(nn.Module):
    """Token ids to a memory: an embedding, and recurrent layers over it.

    Args:
        embedding: from ids to features.
        layers: recurrent layers over embedded sequences, dropout among them.

    Example:
        >>> encoder = Encoder(torch.nn.Embedding(9, 4), Layers(Bidirectional(GRU(4, 3), GRU(4, 3))))
        >>> encoder(Ragged(torch.tensor([5, 3, 8]), lengths=[2, 1])).memory
        Ragged(values=(3, 6), lengths=[2, 1])
    """

    reads_ids = True

    def __init__(self, embedding: nn.Module, layers: Layers) -> None:
        super().__init__()
        self.embedding, self.layers = embedding, layers

    @property
    def memory_size(self) -> int:
        """Features of a step of the memory."""
        return memory_size(self.layers)

    def forward(self, source: Ragged) -> Encoded:
        """Encode. source: (total,) ids -> memory (total, memory_size)"""
        memory, final = self.layers(source.map(self.embedding))
        return Encoded(memory, final, source)


def read_by(encoder: nn.Module, source: Ragged) -> Encoded:
    """What an encoder makes of sources: of ids an end token is added to each, so that none is empty."""
    return encoder(with_end(source) if getattr(encoder, "reads_ids", True) else source)  # type: ignore[no-any-return]


def summaries(final: State) -> list[dict[str, Tensor]]:
    """The final states of an encoder's recurrent layers, both directions side by side.

    Args:
        final: as `Layers` gives it.

    Returns:
        One dict a recurrent layer, from the bottom up: field of the state -> (batch, features of all directions).
    """
    found = []
    for state in final:
        directions = state if isinstance(state, BothStates) else (state,)
        fields: dict[str, list[Tensor]] = {}
        for direction in directions:
            for name, leaf in floating(direction).items():
                fields.setdefault(name, []).append(leaf)
        if fields:
            found.append({name: torch.cat(parts, 1) for name, parts in fields.items()})
    return found


def floating(state: State) -> dict[str, Tensor]:
    """The leaves of a state that hold numbers, rather than keys of random draws, by name."""
    named = ((name.strip("."), leaf) for name, leaf in leaves(state, ""))
    return {
        name.replace(".", "_") or "hidden": leaf
        for name, leaf in named
        if isinstance(leaf, Tensor) and leaf.is_floating_point()
    }


def memory_size(layers: Layers) -> int:
    """The features of a step that comes out of these layers."""
    width = 0
    for layer in layers.layers:
        if isinstance(layer, Bidirectional):
            width = int(layer.forward_cell.output_size) + int(layer.backward_cell.output_size)  # type: ignore[arg-type]
        else:
            width = int(getattr(layer, "output_size", 0) or width)
    return width
