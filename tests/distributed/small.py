"""A small encoder–decoder with dropout over drawn pairs, whose steps any number of ranks can share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unspool import Ragged, cells, data, models, parallel
from unspool.data import Batch, Order
from unspool.tasks import SequenceObjective
from unspool.training import Limits, Schedule, Trainer, adamw

STEPS, SOME, IDS = 50, 12, 14


def trainer(dtype: torch.dtype = torch.float64, steps: int = STEPS, **settings: Any) -> Trainer:
    """Of a network whose first batches hold fewer examples than there may be ranks."""
    torch.manual_seed(0)
    model = models.encoder_decoder(
        IDS, IDS, embedding_size=6, hidden_size=8, cell=cells.GRU, heads=2, dropout=0.3, output_dropout=0.2
    ).to(dtype)
    objective = SequenceObjective(model, lambda batch: batch["source"], "target", smoothing=0.1)
    usual: dict[str, Any] = {
        "optimiser": adamw(model, weight_decay=0.1),
        "schedule": Schedule(0.01, warmup=4, decay="constant"),
        "limits": Limits(steps=steps),
        "seed": 3,
    }
    return Trainer(model, objective, shared, **{**usual, **settings})


def shared(cursor: tuple[int, int]) -> Iterator[tuple[tuple[int, int], Batch | None]]:
    """Batches of a few examples, the first one of each pool of a single one: this rank's shares."""
    group = parallel.current()
    lengths = np.random.default_rng(0).integers(0, 9, (2, 60))
    lengths[:, 0] = 40  # dearer than any batch may be: one rank has it all
    order = Order(list(lengths), tokens=40, seed=1, pool=4)
    for after, rows in order.from_cursor(cursor):
        own = rows[data.shares(order.cost(rows), group.size)[group.rank]]
        yield (after.epoch, after.batch), _batch(lengths[:, own], own) if len(own) else None


def _batch(lengths: Any, rows: Any) -> Batch:
    columns = {name: texts(each, rows) for name, each in zip(("source", "target"), lengths, strict=True)}
    return Batch(columns, torch.from_numpy(rows))


def texts(lengths: Any, rows: Any) -> Ragged:
    """The tokens of these examples, each drawn from its number alone."""
    drawn = [torch.from_numpy(np.random.default_rng(row).integers(3, IDS, 40)) for row in rows.tolist()]
    return Ragged.from_list(
        [each[:length] for each, length in zip(drawn, lengths, strict=True)], torch.from_numpy(rows)
    )


class Losses:
    """Keeps each step's loss, and the gradients of the first one."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.losses = trainer, list[float]()
        self.gradients: dict[str, Tensor] = {}
        self.empty = 0

    def begin(self, step: int) -> None:
        pass

    def step(self, record: dict[str, Any]) -> None:
        self.losses.append(record["loss"])
        self.empty += sum(not ids for ids in record.get("examples", []))
        if len(self.losses) == 1:
            named = self.trainer.model.named_parameters()
            self.gradients = {name: each.grad.clone() for name, each in named if each.grad is not None}

    def end(self) -> None:
        pass


def watched(dtype: torch.dtype, accumulate: int, **settings: Any) -> Losses:
    """What a training gives: its losses, and the gradients of its first step as they are clipped."""
    made = trainer(dtype, accumulate=accumulate, **settings)
    found = Losses(made)
    made.observers = [found]
    made.run()
    return found
