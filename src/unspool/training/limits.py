"""When training ends: after so many steps, epochs or minutes, or when it no longer gets better, or when asked to."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import FrameType
from typing import Any, Literal

from torch import nn

from unspool.errors import TrainingError

Cursor = tuple[int, int]
"""Where an order of batches stands: whole epochs done, and batches done of the next one."""


@dataclass(frozen=True)
class Limits:
    """The first of these that is reached ends training.

    Args:
        steps: of the optimiser.
        epochs: passes over the training part.
        minutes: in the loop, validations and checkpoints included, summed over all resumptions. Where a machine is
            slower it makes fewer steps: two runs then differ, and so do their learning rates if those decay.
        epoch_steps: about how many steps an epoch has: with it a limit in epochs decays by steps and not by epochs.

    Raises:
        TrainingError: none is given, or one that is not above 0.
    """

    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None
    epoch_steps: int | None = None

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in ("steps", "epochs", "minutes")}
        if all(limit is None for limit in given.values()):
            raise TrainingError("`limits` must give `steps`, `epochs` or `minutes`, but gives none")
        for name, limit in {**given, "epoch_steps": self.epoch_steps}.items():
            if limit is not None and not limit > 0:
                raise TrainingError(f"`{name}` of the limits must be above 0, but is {limit}")

    def shares(self, step: int, cursor: Cursor | None, seconds: float) -> dict[str, float]:
        """How much of each limit is used up, by what it is called; 1 is all of it."""
        epoch, batch = cursor or (0, 0)
        # An epoch may have a few batches more than the first, and is complete when its last one is.
        epochs = epoch + (min(batch / self.epoch_steps, 1 - 1e-9) if self.epoch_steps else 0.0)
        used = {"steps": (step, self.steps), "epochs": (epochs, self.epochs), "minutes": (seconds / 60, self.minutes)}
        return {f"{limit:g} {name}": use / limit for name, (use, limit) in used.items() if limit is not None}

    def done(self, step: int, cursor: Cursor | None, seconds: float) -> float:
        """The share of the nearest limit that is used up, from 0 to 1: what a decay follows."""
        return min(max(self.shares(step, cursor, seconds).values()), 1.0)

    def reached(self, step: int, cursor: Cursor | None, seconds: float) -> str | None:
        """The limit that is reached, such as "20 epochs"."""
        return next((name for name, share in self.shares(step, cursor, seconds).items() if share >= 1), None)


@dataclass(frozen=True)
class Validation:
    """How good the model is, asked from time to time: on its averaged weights, if averages are kept.

    Args:
        run: model -> its metrics by name. It finds the model in evaluation, and gradients off.
        metric: which of them says what is best.
        better: whether more or less of it is.
        every: so many steps, or "epoch".
        patience: training ends after so many validations in a row with no new best; None: it goes on.

    Raises:
        TrainingError: a number below 1, or another word.
    """

    run: Callable[[nn.Module], Mapping[str, float]]
    metric: str = "loss"
    better: Literal["lower", "higher"] = "lower"
    every: int | Literal["epoch"] = "epoch"
    patience: int | None = None

    def __post_init__(self) -> None:
        if self.better not in ("lower", "higher"):
            raise TrainingError(f'`better` must be "lower" or "higher", but is {self.better!r}')
        if self.every != "epoch" and (not isinstance(self.every, int) or self.every < 1):
            raise TrainingError(f'`every` of validations must be "epoch" or a number of steps, but is {self.every!r}')
        if self.patience is not None and self.patience < 1:
            raise TrainingError(f"`patience` must be at least 1 validation, or None, but is {self.patience}")

    def due(self, step: int, cursor: Cursor, before: Cursor) -> bool:
        return cursor[0] > before[0] if self.every == "epoch" else step % self.every == 0


@dataclass
class Best:
    """The best validation so far, and how many came after it."""

    value: float | None = None
    step: int = 0
    since: int = 0

    def improved(self, validation: Validation, metrics: Mapping[str, float], step: int) -> bool:
        """Whether a validation is the best so far; NaN never is.

        Raises:
            TrainingError: the metric is not among them.
        """
        if validation.metric not in metrics:
            nearest = get_close_matches(validation.metric, metrics, 1, 0.0)
            raise TrainingError(
                f"`metric` must be one that validations give ({', '.join(metrics) or 'none'}), but is "
                f"`{validation.metric}`" + (f" (nearest: `{nearest[0]}`)" if nearest else "")
            )
        value = float(metrics[validation.metric])
        sign = 1 if validation.better == "higher" else -1
        worst = float("-inf")
        if sign * value > (worst if self.value is None else sign * self.value):
            self.value, self.step, self.since = value, step, 0
            return True
        self.since += 1
        return False

    def patience_over(self, validation: Validation) -> bool:
        return validation.patience is not None and self.since >= validation.patience


class Interruption:
    """Within, Ctrl-C and SIGTERM are a wish to end, kept in `wished`; the second one is obeyed at once.

    Args:
        told: whether to say so.
    """

    def __init__(self, *, told: bool = True) -> None:
        self.wished, self._told = False, told
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():  # Python lets no other thread handle signals
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.wished = True
        self._restore()
        # Not through `sys.stderr`: its buffer may be in the middle of a line of the progress bar.
        if self._told:
            os.write(2, b"\nending after this step, then keeping everything; once more to stop at once\n")

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def __exit__(self, *error: object) -> None:
        self._restore()
