"""AdamW as it is used for recurrent networks, and how its learning rate moves."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal, get_args

import torch
from torch import nn

from unspool.errors import TrainingError

Decay = Literal["constant", "linear", "cosine", "inverse-sqrt", "plateau"]


def adamw(
    model: nn.Module,
    *,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> torch.optim.AdamW:
    """AdamW over what a model learns; biases and gains, of one dimension, are not drawn to zero.

    Args:
        learning_rate: where a `Schedule` does not set it.
        weight_decay: for matrices and embeddings, times the learning rate at each step.

    Raises:
        TrainingError: a model in which nothing is to learn.

    Reference:
        Loshchilov & Hutter (2019), algorithm 2.
    """
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not learned:
        raise TrainingError("`model` must have a parameter to learn, but has none that requires a gradient")
    matrices = [parameter for parameter in learned if parameter.dim() > 1]
    others = [parameter for parameter in learned if parameter.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    fused = all(parameter.is_floating_point() and parameter.device.type in ("cpu", "cuda") for parameter in learned)
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=learning_rate, betas=betas, eps=eps, fused=fused
    )


@dataclass
class Schedule:
    """The learning rate of each step: it warms up from almost nothing, then decays.

        step < warmup:   learning_rate · (step + 1) / warmup
        afterwards, u being the share done of what the limits leave after the warm-up:
        constant         learning_rate
        linear           learning_rate · (1 - (1 - final) · u)
        cosine           learning_rate · (final + (1 - final) · (1 + cos(π·u)) / 2)
        inverse-sqrt     learning_rate · √(warmup / (step + 1))
        plateau          learning_rate · factor^k, k rising after `patience` validations in a row with no new best

    The share done comes from the limits: with a limit in minutes a decay ends with the time, at the price that two runs
    are no longer equal bit by bit; steps and epochs keep that.

    Args:
        learning_rate: the highest.
        warmup: steps until it is reached.
        decay: which line of the above.
        final: the share of `learning_rate` that linear, cosine and plateau never go below.
        factor: of plateau, what the rate is multiplied with.
        patience: of plateau.

    Raises:
        TrainingError: a number out of its range, an unknown decay.

    Example:
        >>> schedule = Schedule(0.5, warmup=2, decay="linear")
        >>> [round(schedule.rate(step, step / 5), 3) for step in range(6)]
        [0.25, 0.5, 0.375, 0.25, 0.125, 0.0]
    """

    learning_rate: float = 1e-3
    warmup: int = 0
    decay: Decay = "cosine"
    final: float = 0.0
    factor: float = 0.5
    patience: int = 2
    _start: float = field(default=0.0, init=False, repr=False)  # the share done at the last step of the warm-up
    _scale: float = field(default=1.0, init=False, repr=False)
    _waited: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.decay not in get_args(Decay):
            nearest = get_close_matches(str(self.decay), get_args(Decay), 1, 0.0)[0]
            raise TrainingError(
                f"`decay` must be one of {', '.join(get_args(Decay))}, but is {self.decay!r} (nearest: `{nearest}`)"
            )
        ranges = {
            "learning_rate": ("above 0", self.learning_rate > 0),
            "warmup": ("0 or more", self.warmup >= 0),
            "final": ("from 0 to 1", 0 <= self.final <= 1),
            "factor": ("above 0 and below 1", 0 < self.factor < 1),
            "patience": ("at least 1", self.patience >= 1),
        }
        for name, (rule, holds) in ranges.items():
            if not holds:
                raise TrainingError(f"`{name}` of a schedule must be {rule}, but is {getattr(self, name)}")

    def rate(self, step: int, done: float) -> float:
        """The learning rate of a step; ask for steps in their order.

        Args:
            step: how many were done before it.
            done: the share of the limits that was used up before it, from 0 to 1.
        """
        if step < self.warmup:
            self._start = done
            return self.learning_rate * (step + 1) / self.warmup
        return self.learning_rate * self._decayed(step, done)

    def _decayed(self, step: int, done: float) -> float:
        if self.decay == "inverse-sqrt":
            first = max(self.warmup, 1)
            return math.sqrt(first / max(step + 1, first))
        if self.decay == "plateau":
            return max(self._scale, self.final)
        left = 1 - self._start
        u = min(max((done - self._start) / left, 0.0), 1.0) if left > 0 else 1.0
        if self.decay == "linear":
            return 1 - (1 - self.final) * u
        if self.decay == "cosine":
            return self.final + (1 - self.final) * (1 + math.cos(math.pi * u)) / 2
        return 1.0

    def validated(self, *, improved: bool) -> None:
        """Take note of a validation: what a plateau waits for."""
        self._waited = 0 if improved else self._waited + 1
        if self._waited >= self.patience:
            self._scale, self._waited = self._scale * self.factor, 0

    def state_dict(self) -> dict[str, Any]:
        return {"start": self._start, "scale": self._scale, "waited": self._waited}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        self._start, self._scale, self._waited = saved["start"], saved["scale"], saved["waited"]
