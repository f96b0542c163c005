"""Attention: each query's weighted mean of a memory.

A memory is prepared once a batch, into a `Context` whose leaves are batch-leading, so that `unspool.state.select`
picks its rows like those of any state. Inside a context the memories stand in a rectangle: padding has weight zero.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unspool.errors import ModelError
from unspool.ragged import Ragged
from unspool.state import exportable


@exportable
class Context(NamedTuple):
    """What queries are compared with, and what they read.

    Fields:
        keys: (batch, time, key_size), or (batch, heads, time, key_size).
        values: (batch, time, memory_size), or (batch, heads, time, value_size).
        mask: (batch, 1, time), 0 where a step is real, a large negative number elsewhere.
        source: (batch, time) the ids that the memory's steps were made from, where a model points at them.
    """

    keys: Tensor
    values: Tensor
    mask: Tensor
    source: Tensor | None = None


class Attention(nn.Module):
    """Scores of queries against keys, softmax over the memory's steps, and the mean of its values under these weights.

        weights = softmax(score(query, key_1), …, score(query, key_T)),    summary = sum_t weights_t value_t

    A subclass writes `keys` and `scores`; and `ask` and `tell`, where queries or summaries are mapped: step by step, so
    that no padding is.

    Args:
        query_size: features of a query.
        memory_size: features of a step of memory.
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.query_size, self.memory_size, self.output_size = query_size, memory_size, memory_size

    def keys(self, memory: Ragged) -> Ragged:
        """What queries are compared with, a function of the memory alone. (total, memory_size) -> (total, key_size)"""
        return memory

    def ask(self, queries: Tensor) -> Tensor:
        """What of queries is compared with keys. (…, query_size) -> (…, size)"""
        return queries

    def tell(self, summaries: Tensor) -> Tensor:
        """What is made of summaries. (…, size) -> (…, output_size)"""
        return summaries

    def scores(self, asked: Tensor, keys: Tensor) -> Tensor:
        """How well each key answers each query, of `ask`. (batch, n, size), keys -> (batch, n, time)"""
        raise NotImplementedError(f"`{type(self).__name__}` must define `scores`")

    def prepare(self, memory: Ragged) -> Context:
        """A memory made ready for many queries. (total, memory_size) -> Context"""
        padded = memory.to_padded()
        mask = _mask(padded.mask, memory.values.dtype)
        keys = self.keys(memory)
        return Context(padded.values if keys is memory else keys.to_padded().values, padded.values, mask.unsqueeze(1))

    def look(self, asked: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """Summaries, (batch, n, size), and weights, (batch, n, time), of what `ask` made of queries."""
        weights = (self.scores(asked, context.keys) + context.mask).softmax(-1)
        return torch.bmm(weights, context.values), weights

    def forward(self, queries: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """Read the memory.

        Args:
            queries: (batch, n, query_size), n queries to the same memory.
            context: from `prepare`.

        Returns:
            Summaries, (batch, n, output_size), zero where the memory is empty; and weights, (batch, n, time).
        """
        summaries, weights = self.look(self.ask(queries), context)
        return self.tell(summaries), weights

    def read(self, queries: Ragged, context: Context) -> tuple[Ragged, Ragged]:
        """The same for every step of a ragged batch. (total, query_size) -> (total, output_size), (total, time)"""
        padded = queries.map(self.ask).to_padded()
        summaries, weights = (
            queries.with_values(Ragged.from_padded(padded.with_values(each)).values)
            for each in self.look(padded.values, context)
        )
        return summaries.map(self.tell), weights


def _mask(there: Tensor, dtype: torch.dtype) -> Tensor:
    """What to add to scores: nothing where a key is, and so little elsewhere that none of its weight is left; but no
    infinity, of which a row of no keys would make NaN. (batch, time) -> (batch, time)"""
    return torch.zeros_like(there, dtype=dtype).masked_fill_(~there, max(-1e30, torch.finfo(dtype).min / 2))


class DotAttention(Attention):
    """score = query · key. Queries are as wide as the memory.

    Reference:
        Luong et al. (2015), equation 8, "dot".
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__(query_size, memory_size)
        if query_size != memory_size:
            raise ModelError(
                f"`DotAttention` must have queries as wide as its memory ({memory_size}), but they have {query_size} "
                "features; use `GeneralAttention`, which maps one to the other"
            )

    def scores(self, asked: Tensor, keys: Tensor) -> Tensor:
        return torch.bmm(asked, keys.transpose(1, 2))


class GeneralAttention(Attention):
    """score = query · W key

    Reference:
        Luong et al. (2015), equation 8, "general".
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__(query_size, memory_size)
        self.key = nn.Linear(memory_size, query_size, bias=False)

    def keys(self, memory: Ragged) -> Ragged:
        return memory.map(self.key)

    def scores(self, asked: Tensor, keys: Tensor) -> Tensor:
        return torch.bmm(asked, keys.transpose(1, 2))


class AdditiveAttention(Attention):
    """score = v · tanh(W query + U key)

    Args:
        hidden_size: width of the sum; `query_size` if left out.

    Reference:
        Bahdanau et al. (2015), appendix A.1.2.
    """

    def __init__(self, query_size: int, memory_size: int, hidden_size: int | None = None) -> None:
        super().__init__(query_size, memory_size)
        hidden_size = hidden_size or query_size
        self.query = nn.Linear(query_size, hidden_size, bias=False)
        self.key = nn.Linear(memory_size, hidden_size)
        self.energy = nn.Linear(hidden_size, 1, bias=False)

    def keys(self, memory: Ragged) -> Ragged:
        return memory.map(self.key)

    def ask(self, queries: Tensor) -> Tensor:
        return self.query(queries)  # type: ignore[no-any-return]

    def scores(self, asked: Tensor, keys: Tensor) -> Tensor:
        return self.energy((asked.unsqueeze(2) + keys.unsqueeze(1)).tanh()).squeeze(3)  # type: ignore[no-any-return]


class LocationAttention(AdditiveAttention):
    """Additive attention that knows where the steps before looked, so that it finds its way through what sounds alike.

        score = v · tanh(W query + U key + V place),    place = F * looked

    `looked` is what all steps before looked at, added up, as `LocatingDecoder` does it; a decoder that does not leaves
    `place` out. F are filters over the memory's time.

    Args:
        hidden_size: width of the sum; `query_size` if left out.
        filters: how many.
        reach: steps on each side of the one in the middle that a filter sees.

    Reference:
        Chorowski et al. (2015), equations 8 and 9, there of the step before alone; added up as in Shen et al. (2018),
        section 2.2.
    """

    def __init__(
        self, query_size: int, memory_size: int, hidden_size: int | None = None, *, filters: int = 10, reach: int = 15
    ) -> None:
        super().__init__(query_size, memory_size, hidden_size)
        for name, number, least in (("filters", filters, 1), ("reach", reach, 0)):
            if number < least:
                raise ModelError(f"`{name}` of location attention must be at least {least}, but is {number}")
        self.filters = nn.Conv1d(1, filters, 2 * reach + 1, padding=reach, bias=False)
        self.place = nn.Linear(filters, self.query.out_features, bias=False)

    def forward(self, queries: Tensor, context: Context, looked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Read the memory.

        Args:
            queries, context: as of every attention.
            looked: (batch, n, time), the weights of the steps before each query, added up, zero past a memory's end;
                none if left out.
        """
        sums = self.query(queries).unsqueeze(2) + context.keys.unsqueeze(1)
        if looked is not None and looked.numel():
            rows = self.filters(looked.flatten(0, 1).unsqueeze(1)).transpose(1, 2)
            sums = sums + self.place(rows).unflatten(0, looked.shape[:2])
        weights = (self.energy(sums.tanh()).squeeze(3) + context.mask).softmax(-1)
        return torch.bmm(weights, context.values), weights


class MultiHeadAttention(Attention):
    """Several scaled dot products side by side, each over its own share of the features.

        score_h = (W_h query) · (U_h key) / sqrt(size of a head),    output = O [summary_1; …; summary_heads]

    Args:
        heads: how many; must divide `hidden_size`.
        hidden_size: features of all heads together; `query_size` if left out.

    Returned weights are the mean over the heads.

    Reference:
        Vaswani et al. (2017), section 3.2.2.
    """

    def __init__(self, query_size: int, memory_size: int, heads: int = 4, hidden_size: int | None = None) -> None:
        super().__init__(query_size, memory_size)
        self.output_size = hidden_size or query_size
        if heads < 1 or self.output_size % heads:
            raise ModelError(f"`heads` must divide the features of all heads ({self.output_size}), but is {heads}")
        self.heads = heads
        self.query = nn.Linear(query_size, self.output_size)
        self.key_value = nn.Linear(memory_size, 2 * self.output_size, bias=False)
        self.output = nn.Linear(self.output_size, self.output_size, bias=False)

    def _by_head(self, x: Tensor) -> Tensor:
        """(batch, n, features) -> (batch, heads, n, features of a head)"""
        heads: Tensor = x.unflatten(2, (self.heads, -1))
        return heads.transpose(1, 2)

    def prepare(self, memory: Ragged) -> Context:
        padded = memory.map(self.key_value).to_padded()
        mask = _mask(padded.mask, padded.values.dtype)
        keys, values = padded.values.chunk(2, 2)
        return Context(self._by_head(keys).contiguous(), self._by_head(values).contiguous(), mask.unsqueeze(1))

    def ask(self, queries: Tensor) -> Tensor:
        return self.query(queries) / math.sqrt(self.output_size // self.heads)  # type: ignore[no-any-return]

    def look(self, asked: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        weights = (self._by_head(asked) @ context.keys.transpose(2, 3) + context.mask.unsqueeze(1)).softmax(-1)
        return (weights @ context.values).transpose(1, 2).flatten(2), weights.mean(1)

    def tell(self, summaries: Tensor) -> Tensor:
        return self.output(summaries)  # type: ignore[no-any-return]
