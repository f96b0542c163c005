"""What a vector is made into: quantiles of a number."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from unspool.errors import ModelError
from unspool.models.heads import Head


class QuantilesHead(Head):
    """Quantiles of a number, as the field scales it; none lies below that of a lower level.

        q[middle]    = o[middle]
        q[i + 1]     = q[i] + softplus(o[i + 1])        above the middle
        q[i - 1]     = q[i] - softplus(o[i - 1])        below it

    of the linear map's outputs o. They begin near those of the normal distribution.

    Args:
        input_size: features of the vector.
        levels: above 0 and below 1, rising.

    Raises:
        ModelError: levels of another kind or order.

    Reference:
        Koenker and Bassett (1978), Regression quantiles.

    Example:
        >>> head = QuantilesHead(8, [0.1, 0.5, 0.9])
        >>> told = head(torch.randn(100, 8))
        >>> told.shape, bool((told.diff() > 0).all())
        (torch.Size([100, 3]), True)
        >>> head.loss(torch.tensor([[-1.0, 0.0, 1.0]]), torch.tensor([2.0]))  # (0.1 · 3 + 0.5 · 2 + 0.9 · 1) / 3
        tensor(0.7333)
    """

    levels: Tensor

    def __init__(self, input_size: int, levels: Sequence[float]) -> None:
        if not levels or not all(low < high for low, high in itertools.pairwise((0, *levels, 1))):
            raise ModelError(f"`levels` must rise between 0 and 1, but are {list(levels)}")
        super().__init__(input_size, len(levels))
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self._middle = len(levels) // 2
        normal = torch.special.ndtri(torch.tensor(levels, dtype=torch.float64))
        gaps = normal.diff()
        # What softplus makes the gaps of; the middle itself is told as it is.
        outputs = gaps + torch.log(-torch.expm1(-gaps))
        start = torch.cat([outputs[: self._middle], normal[self._middle :][:1], outputs[self._middle :]])
        with torch.no_grad():
            self.output.bias.copy_(start)

    def forward(self, vector: Tensor) -> Tensor:
        """Quantiles, rising. (batch, input_size) -> (batch, levels)"""
        outputs = self.output(vector)
        below, middle, above = outputs.tensor_split([self._middle, self._middle + 1], dim=1)
        down = middle - F.softplus(below).flip(1).cumsum(1).flip(1)
        up = middle + F.softplus(above).cumsum(1)
        return torch.cat([down, middle, up], 1)

    def loss(self, scores: Tensor, target: Tensor, smoothing: float = 0.0, weights: Tensor | None = None) -> Tensor:
        """The pinball loss, a mean over levels, summed over the batch. target: (batch,)

        max(τ · (y - q), (τ - 1) · (y - q)) for the level τ
        """
        ahead = target.reshape(-1, 1) - scores
        return torch.maximum(self.levels * ahead, (self.levels - 1) * ahead).mean(1).sum()
