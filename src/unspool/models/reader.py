"""Several columns of a batch, each read in its own way, made into one vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from unspool.errors import ModelError
from unspool.layers import Layers
from unspool.models.encoder import Encoded, Encoder
from unspool.models.lines import distinct, lines_of
from unspool.models.pooling import Pooling, softmax
from unspool.ragged import Ragged
from unspool.tokens import with_end

Columns: TypeAlias = Mapping[str, Ragged | Tensor]
"""Columns of some examples, by name: ids of sequences, numbers of labels, features. A `Batch` is one."""


class Read(NamedTuple):
    """What was read of a column.

    Fields:
        vector: (batch, output_size).
        memory: (total, memory_size), what the vector is made of step by step, or None where there are no steps.
        weights: (total,) how much each step counted, where the pooling weighs them, or None.
    """

    vector: Tensor
    memory: Ragged | None = None
    weights: Ragged | None = None


class ColumnReader(nn.Module):
    """A way to read one column.

    Fields:
        output_size: features of the vector.
        memory_size: features of a step of the memory; 0 where there are no steps.
    """

    def __init__(self, output_size: int, memory_size: int = 0) -> None:
        super().__init__()
        self.output_size, self.memory_size = output_size, memory_size

    def forward(self, values: Ragged | Tensor) -> Read:
        raise NotImplementedError(f"`{type(self).__name__}` must define `forward`")


class SequenceReader(ColumnReader):
    """A sequence of ids, by an encoder and a pooling. An end token is added, so that no sequence is empty.

    Args:
        encoder: from ids to a memory.
        pooling: from the memory to a vector.
        memory_size: features of a step of the memory.
    """

    def __init__(self, encoder: Encoder, pooling: Pooling, memory_size: int) -> None:
        super().__init__(pooling.output_size, memory_size)
        self.encoder, self.pooling = encoder, pooling

    def forward(self, values: Ragged | Tensor) -> Read:
        """(total,) ids -> vector (batch, output_size), memory (total + batch, memory_size)"""
        assert isinstance(values, Ragged)
        encoded = self.encoder(with_end(values))
        vector, weights = self.pooling(encoded)
        return Read(vector, encoded.memory, weights)


class LinesReader(ColumnReader):
    """A sequence of lines, such as a story's sentences or a dialogue's turns, on two levels.

    The inner encoder reads each line by itself, equal ones once, and pools it into a vector; the outer layers read
    these vectors, in their order, as one sequence a row. The memory has a step a line.

    Args:
        encoder: of the ids of a line.
        pooling: of a line.
        layers: over the lines' vectors.
        outer_pooling: of all lines.
        memory_size: features of the outer layers' outputs.

    Reference:
        Serban et al. (2016), hierarchical recurrent encoder; Xiong et al. (2016), the input fusion layer of DMN+.
    """

    def __init__(
        self, encoder: Encoder, pooling: Pooling, layers: Layers, outer_pooling: Pooling, memory_size: int
    ) -> None:
        super().__init__(outer_pooling.output_size, memory_size)
        self.encoder, self.pooling, self.layers, self.outer_pooling = encoder, pooling, layers, outer_pooling

    def forward(self, values: Ragged | Tensor) -> Read:
        """(total,) ids with an end token between lines -> memory (lines in all, memory_size)"""
        assert isinstance(values, Ragged)
        lines, counts = lines_of(with_end(values))
        different, place = distinct(lines)
        vectors = self.pooling(self.encoder(different)).vector.index_select(0, place.to(values.device))
        memory, final = self.layers(Ragged(vectors, counts, values.ids))
        vector, weights = self.outer_pooling(Encoded(memory, final))
        return Read(vector, memory, weights)


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

    def forward(self, values: Ragged | Tensor) -> Read:
        """(batch,) or (batch, output_size) -> (batch, output_size)"""
        assert isinstance(values, Tensor)
        return Read(values.reshape(len(values), self.output_size).to(torch.get_default_dtype()))


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

    def read(self, columns: Columns) -> dict[str, Read]:
        """Each column by itself."""
        return {name: reader(columns[name]) for name, reader in zip(self.names, self.readers, strict=True)}

    def forward(self, columns: Columns) -> Read:
        """The vector, and the weights of the first column that has any."""
        found = self.read(columns).values()
        weights = next((each.weights for each in found if each.weights is not None), None)
        return Read(torch.cat([each.vector for each in found], 1), None, weights)


class HoppingReader(Reader):
    """One column's steps looked up again and again, in the light of the others: a question asked of a story.

        z_t = [f_t ∘ q; f_t ∘ m; |f_t - q|; |f_t - m|]      f_t a step of the memory, q the question, m what is known
        weight_t = softmax over t of W₂ tanh(W₁ z_t + b₁) + b₂
        m' = ReLU(W [m; Σ_t weight_t f_t; q] + b)           its own weights for each hop; m is q at first

    The vector is [m; q] after the last hop, the weights are the last hop's.

    Args:
        columns: a way to read each, by name; the first that has steps is looked up, the others are the question.
        hops: how often to look.
        hidden_size: features of q and m.

    Reference:
        Xiong et al. (2016), equations 8 to 10 and 13, with soft attention (11).
    """

    def __init__(self, columns: Mapping[str, ColumnReader], hops: int, hidden_size: int) -> None:
        super().__init__(columns)
        names = [name for name, reader in columns.items() if reader.memory_size]
        if not names or len(columns) < 2:
            raise ModelError(
                "`hops` need a sequence to look up and another column that says what for, but the columns are "
                f"{', '.join(columns)}"
            )
        self.looked_up, self.hops = names[0], hops
        question = self.output_size - columns[self.looked_up].output_size
        self.question = nn.Linear(question, hidden_size)
        self.fact = nn.Linear(columns[self.looked_up].memory_size, hidden_size)
        self.inner = nn.ModuleList(nn.Linear(4 * hidden_size, hidden_size) for _ in range(hops))
        self.score = nn.ModuleList(nn.Linear(hidden_size, 1) for _ in range(hops))
        self.renew = nn.ModuleList(nn.Linear(3 * hidden_size, hidden_size) for _ in range(hops))
        self.output_size = 2 * hidden_size

    def forward(self, columns: Columns) -> Read:
        found = self.read(columns)
        memory = found.pop(self.looked_up).memory
        assert memory is not None
        asked = torch.tanh(self.question(torch.cat([each.vector for each in found.values()], 1)))
        rows = memory.layout.on(memory.device, "rows")
        facts = memory.map(lambda values: torch.tanh(self.fact(values)))
        known, weights = asked, None
        for inner, score, renew in zip(self.inner, self.score, self.renew, strict=True):
            beside = (asked.index_select(0, rows), known.index_select(0, rows))
            features = [
                combined for other in beside for combined in (facts.values * other, (facts.values - other).abs())
            ]
            scores = score(torch.tanh(inner(torch.cat(features, 1)))).squeeze(1)
            weights = softmax(facts.with_values(scores))
            summary = facts.map(lambda fact, weight: fact * weight.unsqueeze(1), weights).sum()
            known = torch.relu(renew(torch.cat([known, summary, asked], 1)))
        return Read(torch.cat([known, asked], 1), None, weights)
