"""Averages of the weights that training went through: most often better than the last ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from unspool.errors import TrainingError

Weights = dict[str, Tensor]


class Averages:
    """No averages: the weights as they are. The base of those that there are."""

    def update(self, model: nn.Module) -> None:
        """Take note of the weights after a step."""

    def snapshot(self, model: nn.Module) -> None:
        """Take note of the weights before a validation."""

    def weights(self) -> Weights:
        """The averages by the names of `named_parameters`; empty where there are none yet."""
        return {}

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Within, the model has the averages for weights; afterwards its own, bit for bit."""
        averages, own = self.weights(), _named(model)
        kept = {name: own[name].clone() for name in averages}
        try:
            _write(own, averages)
            yield
        finally:
            _write(own, kept)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, saved: dict[str, Any], model: nn.Module) -> None:
        """Go on from what `state_dict` gave, on the device of the model."""


class MovingAverage(Averages):
    """An exponential moving average, updated at every step.

        average ← d · average + (1 - d) · weight        d = min(decay, (1 + n) / (10 + n)) at the n-th update

    The smaller first decays keep the random start out of it.

    Args:
        decay: above 0 and below 1; 1 / (1 - decay) steps is how far it looks back.

    Example:
        >>> averages = MovingAverage(0.99)
        >>> layer = torch.nn.Linear(1, 1)
        >>> averages.update(layer)
        >>> with averages.applied(layer):
        ...     result = layer(torch.ones(1))
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 < decay < 1:
            raise TrainingError(f"`decay` of a moving average must be above 0 and below 1, but is {decay}")
        self.decay, self.updates = decay, 0
        self._averages: Weights = {}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        weights = _named(model)
        if not self._averages:
            self._averages = {name: weight.clone() for name, weight in weights.items()}
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(list(self._averages.values()), list(weights.values()), 1 - decay)

    def weights(self) -> Weights:
        return self._averages

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "averages": self._averages}

    def load_state_dict(self, saved: dict[str, Any], model: nn.Module) -> None:
        self.updates, self._averages = saved["updates"], _placed(saved["averages"], model)


class LastMean(Averages):
    """The mean of the weights at the last `count` validations.

    Args:
        count: at least 1; as many copies of the weights are held.
    """

    def __init__(self, count: int = 5) -> None:
        if count < 1:
            raise TrainingError(f"`count` of checkpoints to average must be at least 1, but is {count}")
        self.count = count
        self._last: list[Weights] = []

    @torch.no_grad()
    def snapshot(self, model: nn.Module) -> None:
        weights = {name: weight.clone() for name, weight in _named(model).items()}
        self._last = [*self._last, weights][-self.count :]

    def weights(self) -> Weights:
        if not self._last:
            return {}
        return {name: torch.stack([each[name] for each in self._last]).mean(0) for name in self._last[-1]}

    def state_dict(self) -> dict[str, Any]:
        return {"last": self._last}

    def load_state_dict(self, saved: dict[str, Any], model: nn.Module) -> None:
        self._last = [_placed(each, model) for each in saved["last"]]


def _named(model: nn.Module) -> Weights:
    """The weights that are numbers with a fraction, by name; one that is shared once."""
    return {name: weight.detach() for name, weight in model.named_parameters() if weight.is_floating_point()}


@torch.no_grad()
def _write(own: Weights, values: Weights) -> None:
    for name, value in values.items():
        own[name].copy_(value)


def _placed(saved: Weights, model: nn.Module) -> Weights:
    return {name: saved[name].to(weight, copy=True) for name, weight in _named(model).items() if name in saved}
