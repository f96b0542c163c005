"""Several columns of a batch, each read in its own way, made into one vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from unspool.errors import ModelError
from unspool.layers import Layers
from unspool.models.encoder import Encoded, Encoder
from unspool.models.lines import distinct, lines_of
from unspool.models.pooling import Pooling
from unspool.models.steps import StepEncoder, StepFront, check_timeless
from unspool.ragged import Ragged
from unspool.tokens import with_end

Columns: TypeAlias = Mapping[str, Ragged | Tensor]
"""Columns of some examples, by name: ids of sequences, numbers of labels, features. A `Batch` is one."""


class Read(NamedTuple):
    """What was read of a column.

    Fields:
        vector: (batch, output_size).
        weights: (total,) how much each step counted, its end among them, where a pooling weighs them; or None.
    """

    vector: Tensor
    weights: Ragged | None = None


class ColumnReader(nn.Module):
    """A way to read one column.

    Fields:
        output_size: features of the vector.
    """

    def __init__(self, output_size: int) -> None:
        super().__init__()
        self.output_size = output_size

    @property
    def token_embedding(self) -> nn.Module | None:
        """What makes vectors of a sequence's ids; None where there are no ids."""
        return None

    def forward(self, values: Ragged | Tensor) -> Read:
        raise NotImplementedError(f"`{type(self).__name__}` must define `forward`")


class SequenceReader(ColumnReader):
    """A sequence of ids, by an encoder and a pooling. An end token is added, so that no sequence is empty.

    Args:
        encoder: from ids to a memory.
        pooling: from the memory to a vector.
    """

    def __init__(self, encoder: Encoder, pooling: Pooling) -> None:
        super().__init__(pooling.output_size)
        self.encoder, self.pooling = encoder, pooling

    @property
    def token_embedding(self) -> nn.Module:
        return self.encoder.embedding

    def forward(self, values: Ragged | Tensor) -> Read:
        """(total,) ids -> vector (batch, output_size), weights (total + batch,)"""
        assert isinstance(values, Ragged)
        return Read(*self.pooling(self.encoder(with_end(values))))


class StepsReader(ColumnReader):
    """A sequence of vectors or pictures, by an encoder and a pooling.

    Args:
        encoder: from steps to a memory.
        pooling: from the memory to a vector.
    """

    def __init__(self, encoder: StepEncoder, pooling: Pooling) -> None:
        super().__init__(pooling.output_size)
        self.encoder, self.pooling = encoder, pooling

    def forward(self, values: Ragged | Tensor) -> Read:
        """(total, *shape of a step) -> vector (batch, output_size), weights of the memory's steps"""
        assert isinstance(values, Ragged)
        return Read(*self.pooling(self.encoder(values)))


class PictureReader(ColumnReader):
    """A picture, by convolutions alone.

    Args:
        front: from a picture to its features.

    Raises:
        ModelError: a front that sees each step beside others in time, where there are none.
    """

    def __init__(self, front: StepFront) -> None:
        super().__init__(front.output_size)
        check_timeless(front)
        self.front = front

    def forward(self, values: Ragged | Tensor) -> Read:
        """(batch, channels, height, width), a sequence of one step each -> (batch, output_size)"""
        assert isinstance(values, Ragged)
        return Read(self.front(values).values)


class LineVectors(nn.Module):
    """A vector for each line of a sequence of lines, such as a story's sentences or a dialogue's turns.

    Each line is read by itself, equal ones once.

    Args:
        encoder: of the ids of a line.
        pooling: of a line.

    Fields:
        output_size: features of a line's vector.
    """

    def __init__(self, encoder: Encoder, pooling: Pooling) -> None:
        super().__init__()
        self.encoder, self.pooling, self.output_size = encoder, pooling, pooling.output_size

    def forward(self, values: Ragged) -> Ragged:
        """(total,) ids with an end token between lines -> (lines in all, output_size)"""
        lines, counts = lines_of(with_end(values))
        different, place = distinct(lines)
        vectors = self.pooling(self.encoder(different)).vector.index_select(0, place.to(values.device))
        return Ragged(vectors, counts, values.ids)


class StepVectors(nn.Module):
    """A vector for each step of a sequence: an encoder's memory. An end token is added, so that no sequence is empty.

    Args:
        encoder: from ids to a memory.
        output_size: features of a step of the memory.
    """

    def __init__(self, encoder: Encoder, output_size: int) -> None:
        super().__init__()
        self.encoder, self.output_size = encoder, output_size

    def forward(self, values: Ragged) -> Ragged:
        """(total,) ids -> (total + batch, output_size)"""
        memory: Ragged = self.encoder(with_end(values)).memory
        return memory


class LinesReader(ColumnReader):
    """A sequence of lines, on two levels: recurrent layers read the lines' vectors, in their order, as one sequence.

    Args:
        lines: a vector for each.
        layers: over the lines' vectors.
        pooling: of all lines.

    Reference:
        Serban et al. (2016), hierarchical recurrent encoder; Xiong et al. (2016), the input fusion layer of DMN+.
    """

    def __init__(self, lines: LineVectors, layers: Layers, pooling: Pooling) -> None:
        super().__init__(pooling.output_size)
        self.lines, self.layers, self.pooling = lines, layers, pooling

    @property
    def token_embedding(self) -> nn.Module:
        return self.lines.encoder.embedding

    def forward(self, values: Ragged | Tensor) -> Read:
        """(total,) ids with an end token between lines -> vector (batch, output_size), weights of lines"""
        assert isinstance(values, Ragged)
        memory, final = self.layers(self.lines(values))
        return Read(*self.pooling(Encoded(memory, final)))


class LabelReader(ColumnReader):
    """A class, by its embedding.

    Args:
        classes: how many there are.
        output_size: features of an embedding.
    """

    def __init__(self, classes: int, output_size: int) -> None:
        super().__init__(output_size)
        self.embedding = nn.Embedding(classes, output_size)
        nn.init.normal_(self.embedding.weight, std=output_size**-0.5)

    def forward(self, values: Ragged | Tensor) -> Read:
        """(batch,) numbers of classes -> (batch, output_size)"""
        assert isinstance(values, Tensor)
        return Read(self.embedding(values))


class FeatureReader(ColumnReader):
    """Features, as they are."""

    def __init__(self, output_size: int) -> None:
        super().__init__(output_size)
        self.register_buffer("nothing", torch.zeros(0), persistent=False)  # knows the type of the network's numbers

    def forward(self, values: Ragged | Tensor) -> Read:
        """(batch,) or (batch, output_size) -> (batch, output_size)"""
        assert isinstance(values, Tensor)
        return Read(values.reshape(len(values), self.output_size).to(self.get_buffer("nothing").dtype))


class Reader(nn.Module):
    """All columns as one vector: each column's own, side by side.

    Args:
        columns: a way to read each, by name.

    Fields:
        output_size: features of the vector.

    Example:
        >>> columns = {"colour": LabelReader(3, 4), "size": FeatureReader(1)}
        >>> Reader(columns)({"colour": torch.tensor([2, 0]), "size": torch.tensor([0.5, 1.5])}).vector.shape
        torch.Size([2, 5])
    """

    def __init__(self, columns: Mapping[str, ColumnReader]) -> None:
        super().__init__()
        if not columns:
            raise ModelError("`columns` must name at least one column to read, but is empty")
        self.names, self.readers = tuple(columns), nn.ModuleList(columns.values())
        self.output_size = sum(each.output_size for each in columns.values())

    def token_embedding(self, column: str) -> nn.Module | None:
        """What makes vectors of a column's ids; None where it has none, or is not read."""
        if column not in self.names:
            return None
        found: ColumnReader = self.readers[self.names.index(column)]  # type: ignore[assignment]
        return found.token_embedding

    def forward(self, columns: Columns) -> Read:
        """The vector, and the weights of the first column that has any."""
        found = [reader(columns[name]) for name, reader in zip(self.names, self.readers, strict=True)]
        weights = next((each.weights for each in found if each.weights is not None), None)
        return Read(torch.cat([each.vector for each in found], 1), weights)


class HoppingReader(Reader):
    """One column's steps read again and again, in the light of the others: a story for a question.

        h_1 … h_T = layers over f_t ∘ q_t; f_t; q_t        f_t a step of the story; q_t is the question q at first
        q_t' = W h_t + b                                   the question in the light of all up to t, for the next pass

    Each pass has weights of its own. The vector is [q_T; q] after the last one.

    Args:
        story: the name of the column that is looked up.
        steps: from its values to a vector for each step.
        columns: a way to read each of the others, which are the question.
        passes: recurrent layers for each pass, from three times the features of a step.
        widths: features that come out of them.

    Fields:
        output_size: features of the vector.

    Reference:
        Seo et al. (2017), Query-Reduction Networks, sections 2 and 3, with any cell in the place of theirs.
    """

    def __init__(
        self,
        story: str,
        steps: LineVectors | StepVectors,
        columns: Mapping[str, ColumnReader],
        passes: Sequence[Layers],
        widths: Sequence[int],
    ) -> None:
        super().__init__(columns)
        size = steps.output_size
        self.story, self.steps, self.passes = story, steps, nn.ModuleList(passes)
        self.asked = nn.Linear(self.output_size, size)
        self.renewed = nn.ModuleList(nn.Linear(width, size) for width in widths)
        self.output_size = 2 * size

    def token_embedding(self, column: str) -> nn.Module | None:
        return self.steps.encoder.embedding if column == self.story else super().token_embedding(column)

    def forward(self, columns: Columns) -> Read:
        values = columns[self.story]
        assert isinstance(values, Ragged)
        steps = self.steps(values)
        asked = self.asked(super().forward(columns).vector)
        known = steps.with_values(asked.index_select(0, steps.layout.on(steps.device, "rows")))
        for layers, renewed in zip(self.passes, self.renewed, strict=True):
            beside = steps.map(lambda step, query: torch.cat([step * query, step, query], 1), known)
            known = layers(beside)[0].map(renewed)
        return Read(torch.cat([known.last(), asked], 1))
