"""A sequence's memory made into one vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unspool.models.encoder import Encoded, summaries
from unspool.ragged import Ragged


class Pooled(NamedTuple):
    """What a pooling gives.

    Fields:
        vector: (batch, output_size).
        weights: (total,) how much each step counted, adding up to one in each sequence; None where nothing was weighed.
    """

    vector: Tensor
    weights: Ragged | None = None


class Pooling(nn.Module):
    """A way from a memory to one vector.

    Fields:
        output_size: features of the vector.
    """

    output_size: int

    def __init__(self, output_size: int) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, encoded: Encoded) -> Pooled:
        """Pool each sequence by itself. An empty one gives zeros, or its initial state."""
        raise NotImplementedError(f"`{type(self).__name__}` must define `forward`")


class LastPooling(Pooling):
    """The last layer's final state: what was read from the beginning and, of the other direction, from the end."""

    def forward(self, encoded: Encoded) -> Pooled:
        return Pooled(next(iter(summaries(encoded.final)[-1].values())))


class MeanPooling(Pooling):
    """The mean of all steps."""

    def forward(self, encoded: Encoded) -> Pooled:
        return Pooled(encoded.memory.mean())


class MaxPooling(Pooling):
    """The largest value of each feature over all steps (Collobert & Weston, 2008)."""

    def forward(self, encoded: Encoded) -> Pooled:
        return Pooled(encoded.memory.max())


class AttentionPooling(Pooling):
    """The mean of all steps under weights that are learned.

        weight_t = softmax over t of u · tanh(W h_t + b)

    Reference:
        Yang et al. (2016), equations 5 to 7.

    Example:
        >>> pooling = AttentionPooling(4)
        >>> memory = Ragged(torch.randn(5, 4), lengths=[2, 3])
        >>> vector, weights = pooling(unspool.models.Encoded(memory, ()))
        >>> vector.shape, torch.allclose(weights.sum(), torch.ones(2))
        (torch.Size([2, 4]), True)
    """

    def __init__(self, output_size: int) -> None:
        super().__init__(output_size)
        self.hidden = nn.Linear(output_size, output_size)
        self.score = nn.Linear(output_size, 1, bias=False)

    def forward(self, encoded: Encoded) -> Pooled:
        memory = encoded.memory
        weights = softmax(memory.map(lambda h: self.score(torch.tanh(self.hidden(h))).squeeze(1)))
        vector = memory.map(lambda h, weight: h * weight.unsqueeze(1), weights).sum()
        return Pooled(vector, weights)


class PositionPooling(Pooling):
    """The sum of all steps under weights for each position and feature, so that words in another order differ.

        vector = Σ_t w_t ∘ h_t

    Args:
        output_size: features of a step.
        positions: how many have weights of their own; steps beyond share those of the last.

    Reference:
        Henaff et al. (2017), equation 1; with fixed weights Sukhbaatar et al. (2015), section 4.1.
    """

    def __init__(self, output_size: int, positions: int = 64) -> None:
        super().__init__(output_size)
        self.weight = nn.Parameter(1 + 0.1 * torch.randn(positions, output_size))

    def forward(self, encoded: Encoded) -> Pooled:
        memory = encoded.memory
        steps = memory.layout.on(memory.device, "steps").clamp(max=len(self.weight) - 1)
        return Pooled(memory.map(lambda h: h * self.weight.index_select(0, steps)).sum())


class JoinedPooling(Pooling):
    """Several poolings, their vectors side by side; the weights are those of the first that weighs.

    Args:
        poolings: at least one.
    """

    def __init__(self, poolings: Sequence[Pooling]) -> None:
        super().__init__(sum(each.output_size for each in poolings))
        self.poolings = nn.ModuleList(poolings)

    def forward(self, encoded: Encoded) -> Pooled:
        found = [pooling(encoded) for pooling in self.poolings]
        weights = next((each.weights for each in found if each.weights is not None), None)
        return Pooled(torch.cat([each.vector for each in found], 1), weights)


POOLINGS: dict[str, type[Pooling]] = {
    "last": LastPooling,
    "mean": MeanPooling,
    "max": MaxPooling,
    "attention": AttentionPooling,
}
"""Every pooling by its name."""


def softmax(scores: Ragged) -> Ragged:
    """The softmax over each sequence's steps. scores: (total,) -> (total,)"""
    rows = scores.layout.on(scores.device, "rows")
    powers = _below_the_best(scores).map(torch.exp)
    return powers.map(lambda values: values / powers.sum().index_select(0, rows))


def log_softmax(scores: Ragged) -> Ragged:
    """The logarithm of `softmax`, also where that is zero. scores: (total,) -> (total,)"""
    rows, below = scores.layout.on(scores.device, "rows"), _below_the_best(scores)
    return below.map(lambda values: values - below.map(torch.exp).sum().log().index_select(0, rows))


def _below_the_best(scores: Ragged) -> Ragged:
    rows = scores.layout.on(scores.device, "rows")
    return scores.map(lambda values: values - scores.max().detach().index_select(0, rows))
