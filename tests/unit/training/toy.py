"""A small model, its objective, and an order of batches, for the tests of training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unspool import Dropout, Ragged, Stack, cells, unroll
from unspool.training import Limits, MovingAverage, Schedule, Trainer, Validation, adamw

EXAMPLES, BATCHES = 40, 5  # in all, and batches of an epoch


@dataclass(frozen=True, eq=False)
class Batch:
    inputs: Ragged
    targets: Ragged

    @property
    def ids(self) -> Tensor:
        return self.inputs.ids

    @property
    def batch_size(self) -> int:
        return self.inputs.batch_size

    def split(self, count: int) -> list[Batch]:
        rows = torch.arange(self.batch_size).tensor_split(count)
        return [Batch(self.inputs.select(part), self.targets.select(part)) for part in rows]


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells = Stack(cells.GRU(3, 5), Dropout(0.4), cells.GRU(5, 5), Dropout(0.2, elementwise=True))
        self.head = nn.Linear(5, 2)

    def forward(self, inputs: Ragged) -> Ragged:
        return unroll(self.cells, inputs).outputs.map(self.head)


class Squares:
    """The mean of squares over steps, and half that of absolute values over sequences."""

    scales = {"squares": 1.0, "absolutes": 0.5}

    def __init__(self, model: Toy) -> None:
        self.model = model

    def weights(self, batch: Batch) -> dict[str, float]:
        return {"squares": float(batch.inputs.lengths.sum()), "absolutes": float(batch.batch_size)}

    def totals(self, batch: Batch) -> dict[str, Tensor]:
        errors = self.model(batch.inputs).values - batch.targets.values
        return {"squares": errors.square().sum(), "absolutes": errors.abs().sum()}


def data(dtype: torch.dtype = torch.float64) -> Batch:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(0, 7, (EXAMPLES,), generator=generator)
    inputs = torch.randn(int(lengths.sum()), 3, generator=generator, dtype=dtype)
    targets = torch.randn(int(lengths.sum()), 2, generator=generator, dtype=dtype)
    return Batch(Ragged(inputs, lengths), Ragged(targets, lengths))


def batches(cursor: tuple[int, int]) -> Iterator[tuple[tuple[int, int], Batch]]:
    """Epoch after epoch, each in an order of its own."""
    whole, (epoch, start) = data(), cursor
    while True:
        rows = torch.randperm(EXAMPLES, generator=torch.Generator().manual_seed(epoch)).chunk(BATCHES)
        for number in range(start, BATCHES):
            after = (epoch, number + 1) if number + 1 < BATCHES else (epoch + 1, 0)
            yield after, Batch(whole.inputs.select(rows[number]), whole.targets.select(rows[number]))
        epoch, start = epoch + 1, 0


def loss(model: nn.Module) -> dict[str, float]:
    """The loss over all examples, for validation."""
    whole = data()
    return {"loss": float((model(whole.inputs).values - whole.targets.values).square().mean())}


def trainer(folder: Path | None = None, **settings: Any) -> Trainer:
    """Everything on: averages, decay, validation every epoch."""
    torch.manual_seed(0)
    model = Toy().double()
    usual: dict[str, Any] = {
        "optimiser": adamw(model, weight_decay=0.1),
        "schedule": Schedule(0.02, warmup=4, decay="cosine"),
        "limits": Limits(steps=23),
        "averages": MovingAverage(0.9),
        "validation": Validation(loss),
        "folder": folder,
        "seed": 3,
    }
    return Trainer(model, Squares(model), batches, **{**usual, **settings})


def everything(trainer: Trainer) -> dict[str, Tensor]:
    """All numbers that training leaves: weights, averages, moments of the optimiser."""
    found = {f"weight {name}": value for name, value in trainer.model.state_dict().items()}
    found |= {f"average {name}": value for name, value in trainer.averages.weights().items()}
    for number, moments in trainer.optimiser.state_dict()["state"].items():
        found |= {f"{name} {number}": value for name, value in moments.items()}
    return {name: value.detach().clone() for name, value in found.items()}


def differing(left: dict[str, Tensor], right: dict[str, Tensor]) -> list[str]:
    """The names of numbers that are not equal bit for bit."""
    assert left.keys() == right.keys()
    return [name for name in left if not torch.equal(left[name], right[name])]
