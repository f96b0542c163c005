"""Sequence → vector: a sequence read, one class told."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unspool.layers import Dropout
from unspool.models.encoder import Encoder
from unspool.models.pooling import Pooling
from unspool.ragged import Ragged
from unspool.randomness import number_layers
from unspool.tokens import with_end
from unspool.unrolling import unroll


class Told(NamedTuple):
    """What a `Classifier` gives.

    Fields:
        logits: (batch, classes).
        weights: (total + batch,) how much each step and the end counted, where the pooling weighs them, or None.
    """

    logits: Tensor
    weights: Ragged | None


class Classifier(nn.Module):
    """p(class | source): recurrent layers over a sequence, one vector of them all, a score for each class.

    Args:
        encoder: from ids to a memory.
        pooling: from the memory to a vector.
        output: from the vector to a score for each class.
        dropout: on the vector, in training.

    `classifier` puts one together from sizes and names.

    Fields:
        temperature: what logits are divided by where probabilities are asked for: see `calibrated`. 1 at first.

    Example:
        >>> model = unspool.models.classifier(source_size=30, classes=4, hidden_size=8, dropout=0.0)
        >>> model(Ragged(torch.randint(3, 30, (5,)), lengths=[2, 3])).logits.shape
        torch.Size([2, 4])
    """

    temperature: Tensor

    def __init__(self, encoder: Encoder, pooling: Pooling, output: nn.Linear, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder, self.pooling, self.output, self.dropout = encoder, pooling, output, Dropout(dropout)
        self.register_buffer("temperature", torch.ones(()))
        number_layers(self)

    def forward(self, source: Ragged) -> Told:
        """The classes' scores. source: (total,) ids; an end token is added to each, so that no sequence is empty."""
        vector, weights = self.pooling(self.encoder(with_end(source)))
        one_step = Ragged(vector, torch.ones(len(vector), dtype=torch.int64), source.ids)
        return Told(self.output(unroll(self.dropout, one_step).outputs.values), weights)

    def loss(
        self, source: Ragged, target: Tensor, *, smoothing: float = 0.0, class_weights: Tensor | None = None
    ) -> Tensor:
        """Negative log-likelihood of the classes, each times its class's weight, summed, in nats.

        Args:
            source: (total,) ids.
            target: (batch,) numbers of classes.
            smoothing: share of the probability spread evenly over all classes.
            class_weights: (classes,); all 1 if left out.
        """
        logits = self(source).logits
        return F.cross_entropy(logits, target, class_weights, reduction="sum", label_smoothing=smoothing)

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Calibrated, in nats. (batch, classes) -> (batch, classes)"""
        return (logits.float() / self.temperature).log_softmax(1)


@torch.no_grad()
def calibrated(logits: Tensor, target: Tensor) -> float:
    """The temperature under which probabilities are as sure as they are right: the one of the least negative
    log-likelihood on examples that were not trained on, between 1/20 and 20.

    Args:
        logits: (n, classes).
        target: (n,) numbers of classes.

    Reference:
        Guo et al. (2017), section 4.2.
    """
    logits = logits.double()
    low, high = torch.tensor([1 / 20, 20.0]).double().log().tolist()

    def loss(log_temperature: float) -> float:
        return float(F.cross_entropy(logits / torch.tensor(log_temperature).exp(), target))

    # In log(1 / temperature) the loss has one valley: each turn keeps the two thirds that it lies in.
    for _ in range(60):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if loss(left) <= loss(right) else (left, high)
    return float(torch.tensor((low + high) / 2).exp())
