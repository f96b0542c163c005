"""How training ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unspool.training.limits import Best


@dataclass(frozen=True)
class Outcome:
    """How training ended; `str` says it to a person.

    Fields:
        reason: the limit that was reached, such as "20 epochs"; "patience"; or "interrupted".
        step, epochs, seconds: how far it came, resumptions included; epochs that were finished.
        metrics: those of the last validation.
        best: the best value of the metric and its step; the value is None where there was no validation.
        metric: its name.
        last: the last checkpoint, if one was written.
    """

    reason: str
    step: int
    epochs: int
    seconds: float
    metrics: dict[str, float]
    best: Best
    metric: str | None
    last: Path | None

    def __str__(self) -> str:
        why = {"patience": "no new best for as long as `patience` allows", "interrupted": "interrupted"}
        text = f"ended after step {self.step} ({self.epochs} epochs): {why.get(self.reason, f'limit of {self.reason}')}"
        if self.metric and self.best.value is not None:
            text += f"; best {self.metric} {self.best.value:.6g} at step {self.best.step}"
        if self.reason == "interrupted":
            kept = f"everything is in `{self.last}`: resume" if self.last else "run again"
            text += f"; {kept} to go on"
        return text
