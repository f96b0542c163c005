"""From an encoder's end to a decoder's beginning."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unspool.errors import ModelError
from unspool.models.encoder import Encoded, summaries


class Bridge(nn.Module):
    """The decoder's initial state, layer by layer, from what the encoder gave.

    A subclass writes `forward`.
    """

    def forward(self, encoded: Encoded) -> list[dict[str, Tensor]]:
        """One dict a layer of the decoder, from the bottom up: field of the state -> (batch, width)."""
        raise NotImplementedError(f"`{type(self).__name__}` must define `forward`")


class LastBridge(Bridge):
    """Each layer of the decoder starts from the final state of the encoder's layer beside it, both directions joined.

    No weights: the widths must be equal. Where the decoder has more layers, the upper ones start from the top one's.

    Args:
        num_layers: of the decoder.
        widths: field of a decoder layer's state -> its width.
    """

    def __init__(self, num_layers: int, widths: dict[str, int]) -> None:
        super().__init__()
        self.num_layers, self.widths = num_layers, widths

    def forward(self, encoded: Encoded) -> list[dict[str, Tensor]]:
        found = summaries(encoded.final)
        layers = [found[min(i, len(found) - 1)] for i in range(self.num_layers)]
        for layer in layers:
            came = {name: state.shape[1] for name, state in layer.items()}
            if came != self.widths:
                raise ModelError(
                    f"`bridge: last` needs an encoder whose final states fit the decoder's ({self.widths}), but they "
                    f"are {came}; use `bridge: learned`, or a decoder as wide as all directions of the encoder together"
                )
        return layers


class LearnedBridge(Bridge):
    """A layer of the decoder starts from a map of the final outputs of the encoder's layer beside it.

        field of layer l = tanh(W_{l, field} [last forward output; last backward output] + b)

    Args:
        sizes: width of the final outputs of each layer of the encoder, all directions together.
        num_layers: of the decoder.
        widths: field of a decoder layer's state -> its width.

    Reference:
        Bahdanau et al. (2015), appendix A.2.2, from the backward direction alone.
    """

    def __init__(self, sizes: Sequence[int], num_layers: int, widths: dict[str, int]) -> None:
        super().__init__()
        beside = [sizes[min(i, len(sizes) - 1)] for i in range(num_layers)]
        self.maps = nn.ModuleList(
            nn.ModuleDict({field: nn.Linear(size, width) for field, width in widths.items()}) for size in beside
        )

    def forward(self, encoded: Encoded) -> list[dict[str, Tensor]]:
        found = [next(iter(fields.values())) for fields in summaries(encoded.final)]
        return [
            {field: torch.tanh(one(found[min(i, len(found) - 1)])) for field, one in maps.items()}  # type: ignore[operator]
            for i, maps in enumerate(self.maps)
        ]


class MeanBridge(Bridge):
    """Every layer of the decoder starts from a map of the memory's mean.

        field of layer l = tanh(W_{l, field} mean(memory) + b)

    Args:
        memory_size: features of a step of memory.
        num_layers: of the decoder.
        widths: field of a decoder layer's state -> its width.

    Reference:
        Sennrich et al. (2017), section 3.
    """

    def __init__(self, memory_size: int, num_layers: int, widths: dict[str, int]) -> None:
        super().__init__()
        self.maps = nn.ModuleList(
            nn.ModuleDict({field: nn.Linear(memory_size, width) for field, width in widths.items()})
            for _ in range(num_layers)
        )

    def forward(self, encoded: Encoded) -> list[dict[str, Tensor]]:
        mean = encoded.memory.mean()
        return [{field: torch.tanh(one(mean)) for field, one in maps.items()} for maps in self.maps]  # type: ignore[operator]


class NoBridge(Bridge):
    """Every layer of the decoder starts from zeros.

    Args:
        num_layers: of the decoder.
        widths: field of a decoder layer's state -> its width.
    """

    def __init__(self, num_layers: int, widths: dict[str, int]) -> None:
        super().__init__()
        self.num_layers, self.widths = num_layers, widths

    def forward(self, encoded: Encoded) -> list[dict[str, Tensor]]:
        memory = encoded.memory
        return [
            {field: memory.values.new_zeros(memory.batch_size, width) for field, width in self.widths.items()}
            for _ in range(self.num_layers)
        ]
