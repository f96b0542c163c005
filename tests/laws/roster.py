"""Everything that the laws are tried on: each cell, bare and in each combinator, and each layer, with its engines."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from engines import engines_of
from torch import nn

from unspool import (
    Bidirectional,
    Checkpointed,
    Dropout,
    Layers,
    Padded,
    Ragged,
    Residual,
    Stack,
    TimeConvolution,
    TimePooling,
    Zoneout,
    cells,
    engine,
    randomness,
)
from unspool.cells import Cell, GatedCell
from unspool.engine.choice import ENGINES
from unspool.layers.augmentation import Jitter, Masking
from unspool.layers.contrast import Deltas, Standardised
from unspool.layers.convolution import StepConvolution, convolutions
from unspool.layers.normalisation import SequenceNorm, StepNorm
from unspool.layers.pace import Pace

WIDTH = 3

CELLS: dict[str, Callable[[], GatedCell]] = {
    "Elman": lambda: cells.Elman(WIDTH, WIDTH),
    "GRU": lambda: cells.GRU(WIDTH, WIDTH),
    "ResetBeforeGRU": lambda: cells.ResetBeforeGRU(WIDTH, WIDTH),
    "LSTM": lambda: cells.LSTM(WIDTH, WIDTH),
    "PeepholeLSTM": lambda: cells.PeepholeLSTM(WIDTH, WIDTH),
    "LayerNormLSTM": lambda: cells.LayerNormLSTM(WIDTH, WIDTH),
    "CoupledLSTM": lambda: cells.CoupledLSTM(WIDTH, WIDTH),
    "ProjectedLSTM": lambda: cells.ProjectedLSTM(WIDTH, 5, projection_size=WIDTH),
    "SCLSTM": lambda: cells.SCLSTM(WIDTH, WIDTH, meaning_size=2),
    "MinGRU": lambda: cells.MinGRU(WIDTH, WIDTH),
    "MinLSTM": lambda: cells.MinLSTM(WIDTH, WIDTH),
    "ConvLSTM": lambda: cells.ConvLSTM(WIDTH, WIDTH),
}

COMBINATORS: dict[str, Callable[[Callable[[], GatedCell]], Cell]] = {
    "bare": lambda make: make(),
    "Stack": lambda make: Stack(make(), make()),
    "Residual": lambda make: Residual(make()),
    "Dropout": lambda make: Stack(Dropout(0.4), make(), Dropout(0.3, elementwise=True)),
    "Zoneout": lambda make: Zoneout(make(), 0.3),
    "Checkpointed": lambda make: Checkpointed(Stack(Dropout(0.3, elementwise=True), make()), "sqrt"),
}


class Looking(nn.Module):
    """A layer of pictures, fed steps of WIDTH features: one row of pixels for each way to turn them round."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, inputs: Ragged | Padded) -> Ragged | Padded:
        turned = [inputs.values.roll(turn, -1) for turn in range(WIDTH)]
        return self.layer(inputs.with_values(torch.stack(turned, -2).unsqueeze(-3)))


class Drawing(nn.Module):
    """A layer that draws random numbers, with what to draw them from."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, inputs: Ragged | Padded) -> Ragged | Padded:
        with randomness.using(seed=5, step=2):
            return self.layer(inputs)


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "Bidirectional": lambda: Bidirectional(cells.LSTM(WIDTH, 2), cells.GRU(WIDTH, 4)),
    "Layers": lambda: Layers(
        TimeConvolution(WIDTH, 4, 3, stride=2), Bidirectional(cells.GRU(4, 2), cells.MinGRU(4, 2)), cells.LSTM(4, 3)
    ),
    "TimeConvolution": lambda: TimeConvolution(WIDTH, 4, 5, stride=2),
    "TimePooling": lambda: TimePooling(2, reduction="mean"),
    "StepConvolution": lambda: Looking(StepConvolution(1, 2, time=3, stride=2, time_stride=2)),
    "StepNorm": lambda: Looking(StepNorm(1, groups=1)),
    "SequenceNorm": lambda: Looking(SequenceNorm(1, groups=1)),
    "StepFeatures": lambda: Drawing(Looking(convolutions((1, 3, 3), [2, 4], time=[1, 3], dropout=0.3, pool="grid"))),
    "Standardised": Standardised,
    "Deltas": lambda: Deltas(order=2, reach=1),
    "Pace": lambda: Drawing(Pace(0.4)),
    "Jitter": lambda: Drawing(Looking(Jitter(shift=1, flip=True, scale=0.2))),
    "Masking": lambda: Drawing(Masking(times=1, time_width=1, bands=1, band_width=2)),
}


@dataclass(frozen=True)
class Subject:
    """One cell in one combinator on one engine. Its `str` is what pytest prints."""

    cell: str
    combinator: str
    engine: str

    def make(self) -> Cell:
        """The cell in float64, every parameter nonzero, with its dropout on."""
        torch.manual_seed(0)
        return noisy(COMBINATORS[self.combinator](CELLS[self.cell]).double())

    @property
    def features(self) -> tuple[int, ...]:
        return features_of(self.cell)

    def __str__(self) -> str:
        return f"{self.cell}-{self.combinator}-{self.engine}"


def features_of(cell: str) -> tuple[int, ...]:
    """The shape of an input step."""
    return (WIDTH, 2, 3) if cell == "ConvLSTM" else (WIDTH,)


def noisy(module: Any) -> Any:
    """The module with noise in every parameter: none stays at a zero that would hide its part."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return module


def recurrences(cell: Cell) -> list[Cell]:
    """The cells inside that an engine runs."""
    if isinstance(cell, Stack):
        return [inner for part in cell.cells for inner in recurrences(part)]
    if isinstance(cell, Residual | Checkpointed):
        return recurrences(cell.cell)
    return [] if isinstance(cell, Dropout) else [cell]


def able(cell: Cell, inputs: Ragged) -> list[str]:
    """The engines that run every recurrence of a cell."""
    refusals = [engine.explain(inner, inputs) for inner in recurrences(cell)]
    return [name for name in ENGINES if all(refused[name] is None for refused in refusals)]


@functools.cache
def made(subject: Subject) -> Cell:
    """A subject's cell, the same one whenever a law draws lengths: an engine may trace a cell when it sees it first."""
    return subject.make()


def _engines_of(name: str, combinator: str) -> list[str]:
    """Every engine that runs the cell and every one that runs in the combinator, but not each with each: cells within
    one are run as if they were bare, so that a cell of every engine tells of it, and the others run as they would."""
    if combinator == "Zoneout":
        return ["reference"]
    return engines_of(name) if combinator == "bare" or name in ("GRU", "MinGRU") else engines_of(name)[:1]


SUBJECTS = [Subject(name, how, ran) for name in CELLS for how in COMBINATORS for ran in _engines_of(name, how)]
STATIC = [Subject(name, how, "reference") for name in CELLS for how in COMBINATORS]
