"""Ways to read columns put together from sizes and names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict, TypeVar, Unpack

from torch import nn

from unspool.cells import LSTM, Cell
from unspool.errors import ModelError
from unspool.layers import Dropout, Layers
from unspool.models.assembly import encoder_layers
from unspool.models.encoder import Encoder, memory_size
from unspool.models.pooling import POOLINGS, JoinedPooling, Pooling, PositionPooling
from unspool.models.reader import (
    ColumnReader,
    FeatureReader,
    HoppingReader,
    LabelReader,
    LinesReader,
    LineVectors,
    PictureReader,
    Reader,
    SequenceReader,
    StepsReader,
    StepVectors,
)
from unspool.models.sizes import ColumnSize, LinesOf, OneOf, PictureOf, SequenceOf, StepsOf
from unspool.models.steps import Front, StepEncoder, StepFront

LINES = ("encoder", "positions")
DROPOUT = 0.1
_Made = TypeVar("_Made")


class Reading(TypedDict, total=False):
    """How columns are read.

    Fields:
        pooling: "last", "mean", "max" or "attention", or several of them, side by side.
        lines: what makes one vector of a line's ids: "encoder", a recurrent one and the pooling; or "positions", their
            embeddings summed under weights (see `PositionPooling`), those of sequences beside a story, too.
        embedding_size, hidden_size, num_layers, cell, bidirectional, dropout, embedding_dropout, front: as for
            `encoder_decoder`.
    """

    embedding_size: int
    hidden_size: int
    num_layers: int
    cell: Callable[[int, int], Cell]
    bidirectional: bool
    pooling: str | Sequence[str]
    lines: str
    dropout: float
    embedding_dropout: float | None
    front: Front | None


def reader(columns: Mapping[str, ColumnSize], *, hops: int = 0, **how: Unpack[Reading]) -> Reader:
    """What makes one vector of several columns, each with an encoder of its own.

    Args:
        columns: by name, what is in each: `SequenceOf(30)` ids, `LinesOf(30)` ids on two levels, `OneOf(5)` classes,
            `FeaturesOf(7)` numbers, `StepsOf((40,))` vectors over time, `PictureOf((3, 64, 64))`. Columns that name the
            same vocabulary share an embedding.
        hops: how often to read the first sequence in the light of the other columns, as a story for a question: see
            `HoppingReader`; 0 for all columns side by side.
        how: see `Reading`.

    Raises:
        ModelError: no pooling, or one of another name; hops without anything to look up.
    """
    parts = _parts(columns, **how)
    return parts.drawn(parts.read(columns, hops))


def reader_beside(
    columns: Mapping[str, ColumnSize], column: str, size: LinesOf, *, hops: int = 0, **how: Unpack[Reading]
) -> tuple[Reader, LineVectors]:
    """`reader`, and a vector for each line of one more column: their embeddings are one where the vocabulary is."""
    parts = _parts(columns, **how)
    return parts.drawn((parts.read(columns, hops), LineVectors(*parts.pooled(column, size))))


def _parts(
    columns: Mapping[str, ColumnSize],
    *,
    embedding_size: int = 256,
    hidden_size: int = 256,
    num_layers: int = 1,
    cell: Callable[[int, int], Cell] = LSTM,
    bidirectional: bool = True,
    pooling: str | Sequence[str] = "max",
    lines: str = "encoder",
    dropout: float = DROPOUT,
    embedding_dropout: float | None = None,
    front: Front | None = None,
) -> _Parts:
    names = [pooling] if isinstance(pooling, str) else list(pooling)
    if not names or any(name not in POOLINGS for name in names):
        raise ModelError(f"`pooling` must be one or more of {', '.join(POOLINGS)}, but is {pooling!r}")
    if lines not in LINES:
        raise ModelError(f"`lines` must be one of {', '.join(LINES)}, but is {lines!r}")

    def layers(input_size: int, noise: float) -> Layers:
        return encoder_layers(input_size, hidden_size, num_layers, cell, bidirectional, dropout, noise)

    has_story = any(isinstance(what, LinesOf) for what in columns.values())
    noise = dropout if embedding_dropout is None else embedding_dropout
    return _Parts(embedding_size, noise, names, layers, lines == "positions", has_story, front or Front())


@dataclass
class _Parts:
    """What readers of columns are made of; columns of one vocabulary share an embedding.

    Fields:
        layers: recurrent layers, from the features of a step and a rate of dropout on them.
        summed: whether lines become vectors by their positions.
        has_story: whether lines are read: sequences beside them then become vectors as they do.
        front: what is below the layers where steps are no ids.
    """

    embedding_size: int
    embedding_dropout: float
    poolings: Sequence[str]
    layers: Callable[[int, float], Layers]
    summed: bool
    has_story: bool
    front: Front
    embeddings: dict[str, nn.Embedding] = field(default_factory=dict)

    def read(self, sizes: Mapping[str, ColumnSize], hops: int) -> Reader:
        return self.hopping(sizes, hops) if hops else Reader(self.columns(sizes))

    def drawn(self, made: _Made) -> _Made:
        """What was made, once all of it is: embeddings get their first weights last."""
        for each in self.embeddings.values():
            nn.init.normal_(each.weight, std=self.embedding_size**-0.5)
        return made

    def columns(self, sizes: Mapping[str, ColumnSize]) -> dict[str, ColumnReader]:
        return {name: self.column(name, what) for name, what in sizes.items()}

    def column(self, name: str, what: ColumnSize) -> ColumnReader:
        if isinstance(what, SequenceOf):
            return SequenceReader(*self.pooled(name, what))
        if isinstance(what, LinesOf):
            vectors = LineVectors(*self.pooled(name, what))
            layers = self.layers(vectors.output_size, 0.0)
            return LinesReader(vectors, layers, self.pooling(memory_size(layers)))
        if isinstance(what, OneOf):
            return LabelReader(what.size, self.embedding_size)
        if isinstance(what, StepsOf):
            below = StepFront(what.shape, self.front)
            layers = self.layers(below.output_size, self.embedding_dropout)
            return StepsReader(StepEncoder(below, layers), self.pooling(memory_size(layers)))
        if isinstance(what, PictureOf):
            return PictureReader(StepFront(what.shape, self.front))
        return FeatureReader(what.size)

    def hopping(self, sizes: Mapping[str, ColumnSize], hops: int) -> HoppingReader:
        sequences = {name: what for name, what in sizes.items() if isinstance(what, SequenceOf | LinesOf)}
        if not sequences or len(sizes) < 2:
            raise ModelError(
                "`hops` need a sequence to look up and another column that says what for, but the columns are "
                f"{', '.join(sizes)}"
            )
        story, what = next(iter(sequences.items()))
        others = self.columns({name: each for name, each in sizes.items() if name != story})
        steps = LineVectors(*self.pooled(story, what)) if isinstance(what, LinesOf) else self.steps(story, what)
        passes = [self.layers(3 * steps.output_size, 0.0) for _ in range(hops)]
        return HoppingReader(story, steps, others, passes, [memory_size(each) for each in passes])

    def steps(self, name: str, what: SequenceOf) -> StepVectors:
        layers = self.layers(self.embedding_size, self.embedding_dropout)
        return StepVectors(Encoder(self.embedding(name, what), layers), memory_size(layers))

    def pooled(self, name: str, what: SequenceOf | LinesOf) -> tuple[Encoder, Pooling]:
        embedding = self.embedding(name, what)
        if self.summed and (self.has_story or isinstance(what, LinesOf)):
            return Encoder(embedding, Layers(Dropout(self.embedding_dropout))), PositionPooling(self.embedding_size)
        layers = self.layers(self.embedding_size, self.embedding_dropout)
        return Encoder(embedding, layers), self.pooling(memory_size(layers))

    def pooling(self, size: int) -> Pooling:
        parts = [POOLINGS[name](size) for name in self.poolings]
        return parts[0] if len(parts) == 1 else JoinedPooling(parts)

    def embedding(self, name: str, what: SequenceOf | LinesOf) -> nn.Embedding:
        return self.embeddings.setdefault(what.vocabulary or name, nn.Embedding(what.size, self.embedding_size))
