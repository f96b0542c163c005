"""What training makes small where tokens are written: the negative log-likelihood of a target column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from unspool.data import Batch
from unspool.models import JointNetwork
from unspool.tasks.columns import ragged


@dataclass(eq=False)
class SequenceObjective:
    """The negative log-likelihood of the target column, in nats a token: what `Trainer` makes small.

    Args:
        model: with `loss(source, target, smoothing=…)`.
        source: what the model reads of a batch.
        target: name of the column.
        smoothing: of labels.
        sampling: the rate of scheduled sampling now.
        counted: the id of a token; the mean is then one over its occurrences, as over the steps of music.
    """

    model: nn.Module
    source: Callable[[Batch], Any]
    target: str
    smoothing: float = 0.0
    sampling: Callable[[], float] = lambda: 0.0
    counted: int | None = None
    scales: Mapping[str, float] = field(default_factory=lambda: {"tokens": 1.0})

    def weights(self, batch: Batch) -> dict[str, float]:
        target = ragged(batch, self.target)
        if self.counted is not None:
            return {"tokens": float((target.values == self.counted).sum())}
        return {"tokens": float(len(target.values) + target.batch_size)}

    def totals(self, batch: Batch) -> dict[str, Tensor]:
        rate = self.sampling()
        more = {"sampling": rate} if rate > 0 else {}
        loss = self.model.loss(  # type: ignore[operator]
            self.source(batch), ragged(batch, self.target), smoothing=self.smoothing, **more
        )
        return {"tokens": loss}


@dataclass(eq=False)
class JointObjective(SequenceObjective):
    """The decoder's loss and CTC's, each in nats a token, as shares of one loss.

    Args:
        model: a `JointNetwork`.
        source, target, smoothing, sampling: as of `SequenceObjective`.
    """

    def __post_init__(self) -> None:
        assert isinstance(self.model, JointNetwork)
        self.scales = {"tokens": 1 - self.model.share, "ctc": self.model.share}

    def weights(self, batch: Batch) -> dict[str, float]:
        return super().weights(batch) | {"ctc": float(len(ragged(batch, self.target).values))}

    def totals(self, batch: Batch) -> dict[str, Tensor]:
        assert isinstance(self.model, JointNetwork)
        told = ragged(batch, self.target)
        attended, spelled = self.model.losses(
            self.source(batch), told, smoothing=self.smoothing, sampling=self.sampling()
        )
        return {"tokens": attended, "ctc": spelled}
