"""What a vector is made into: one class, several labels, or numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_TURNS = 60


class Head(nn.Module):
    """From a vector to an answer of a fixed kind.

    Args:
        input_size: features of the vector.
        output_size: how many classes, labels or numbers.

    Fields:
        output: the linear map to scores.
    """

    def __init__(self, input_size: int, output_size: int) -> None:
        super().__init__()
        self.output = nn.Linear(input_size, output_size)
        nn.init.zeros_(self.output.bias)

    def forward(self, vector: Tensor) -> Tensor:
        """Scores. (batch, input_size) -> (batch, output_size)"""
        scores: Tensor = self.output(vector)
        return scores

    def loss(self, scores: Tensor, target: Tensor, smoothing: float = 0.0, weights: Tensor | None = None) -> Tensor:
        """What training makes small, summed over the batch.

        Args:
            scores: (batch, output_size).
            target: the right answers, as the field encodes them.
            smoothing: share of the probability that is spread evenly.
            weights: (output_size,) how much an example of each class or label counts; all 1 if left out.
        """
        raise NotImplementedError(f"`{type(self).__name__}` must define `loss`")

    def weight(self, target: Tensor, weights: Tensor | None = None) -> float:
        """What that sum is divided by: how much all examples of a batch count together."""
        return float(len(target))

    def settle(self, scores: Tensor, target: Tensor) -> None:
        """What can only be chosen on examples that were not trained on."""


class ClassHead(Head):
    """One of several classes, with probabilities that are as sure as they are right.

    Fields:
        temperature: what scores are divided by where probabilities are asked for: see `calibrated`. 1 at first.
    """

    temperature: Tensor

    def __init__(self, input_size: int, output_size: int) -> None:
        super().__init__(input_size, output_size)
        self.register_buffer("temperature", torch.ones(()))

    def loss(self, scores: Tensor, target: Tensor, smoothing: float = 0.0, weights: Tensor | None = None) -> Tensor:
        """Negative log-likelihood of the classes, in nats. target: (batch,) numbers of classes"""
        return F.cross_entropy(scores, target, weights, reduction="sum", label_smoothing=smoothing)

    def weight(self, target: Tensor, weights: Tensor | None = None) -> float:
        return float(len(target)) if weights is None else float(weights.to(target.device)[target].double().sum())

    def log_probabilities(self, scores: Tensor) -> Tensor:
        """Calibrated, in nats. (batch, classes) -> (batch, classes)"""
        return (scores.float() / self.temperature).log_softmax(-1)

    def settle(self, scores: Tensor, target: Tensor) -> None:
        """Calibrate."""
        self.temperature.fill_(calibrated(scores, target))


class LabelsHead(Head):
    """Any of several labels, each by itself, or none: a label is told where its probability reaches its threshold.

    Fields:
        thresholds: (labels,) probabilities, 0.5 at first: see `best_thresholds`.
    """

    thresholds: Tensor

    def __init__(self, input_size: int, output_size: int) -> None:
        super().__init__(input_size, output_size)
        self.register_buffer("thresholds", torch.full((output_size,), 0.5))

    def loss(self, scores: Tensor, target: Tensor, smoothing: float = 0.0, weights: Tensor | None = None) -> Tensor:
        """Negative log-likelihood of all labels, in nats. target: (batch, labels) of 0 and 1

        Args:
            weights: (labels,) how much more a label that is there counts than one that is not.
        """
        soft = target * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(scores, soft, pos_weight=weights, reduction="sum")

    def log_probabilities(self, scores: Tensor) -> Tensor:
        """Of each label, in nats. (batch, labels) -> (batch, labels)"""
        return F.logsigmoid(scores.float())

    def settle(self, scores: Tensor, target: Tensor) -> None:
        """Choose each label's threshold."""
        self.thresholds.copy_(best_thresholds(scores, target))


class NumberHead(Head):
    """Numbers, as the field scales them: the mean that squared error asks for."""

    def loss(self, scores: Tensor, target: Tensor, smoothing: float = 0.0, weights: Tensor | None = None) -> Tensor:
        """Half the squared error. target: (batch,) or (batch, numbers)"""
        return 0.5 * (scores - target.reshape(scores.shape)).square().sum()


def calibrated(scores: Tensor, target: Tensor) -> float:
    """The temperature under which probabilities are as sure as they are right: the one of the least negative
    log-likelihood on examples that were not trained on, between 1/20 and 20.

    Args:
        scores: (n, classes).
        target: (n,) numbers of classes.

    Reference:
        Guo et al. (2017), section 4.2.
    """
    scores = scores.double()
    low, high = torch.tensor([1 / 20, 20.0]).double().log().tolist()

    def loss(log_temperature: float) -> float:
        return float(F.cross_entropy(scores / torch.tensor(log_temperature).exp(), target))

    # In log(1 / temperature) the loss has one valley: each turn keeps the two thirds that it lies in.
    for _ in range(_TURNS):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if loss(left) <= loss(right) else (left, high)
    return float(torch.tensor((low + high) / 2).exp())


def best_thresholds(scores: Tensor, target: Tensor) -> Tensor:
    """The probability from which on to tell each label, so that its F1 is the highest on these examples.

    Half-way between the last example that is told and the first that is not; 0.5 for a label that no example has.

    Args:
        scores: (n, labels).
        target: (n, labels) of 0 and 1.

    Returns:
        (labels,)

    Reference:
        Lipton et al. (2014), section 3: a threshold each suffices, and it depends on the label's rarity.
    """
    found: Sequence[float] = [
        _best_threshold(probability, truth.double())
        for probability, truth in zip(scores.double().sigmoid().T, target.T, strict=True)
    ]
    return torch.tensor(found, dtype=torch.float32)


def _best_threshold(probability: Tensor, truth: Tensor) -> float:
    if not bool(truth.any()):
        return 0.5
    ranked, order = probability.sort(descending=True)
    right = truth[order].cumsum(0)
    told = torch.arange(1, len(ranked) + 1, dtype=torch.float64)
    f1 = 2 * right / (told + truth.sum())
    next_lower = torch.cat([ranked[1:], torch.zeros(1, dtype=torch.float64)])
    f1[ranked == next_lower] = 0.0  # equal probabilities can't be told apart
    best = int(f1.argmax())
    return float((ranked[best] + next_lower[best]) / 2)
