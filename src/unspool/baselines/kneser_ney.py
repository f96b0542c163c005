"""An n-gram language model: what a network must beat that says how probable a text is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unspool.errors import DataError
from unspool.ragged import Ragged
from unspool.tokens import END, START

Ids = NDArray[np.int64]
Numbers = NDArray[np.float64]

_FALLBACK = (0.5, 1.0, 1.5)  # where counts are too few to estimate discounts from; as KenLM's
_NONE = -1


class KneserNey:
    """Interpolated modified Kneser–Ney smoothing of n-grams of ids.

        p(w | c) = (a(c w) - D(a(c w))) / Σ_v a(c v)  +  γ(c) · p(w | c without its first)
        γ(c)     = (D₁ N₁(c) + D₂ N₂(c) + D₃ N₃₊(c)) / Σ_v a(c v)

    `a` counts how often an n-gram of the highest order comes, and of a lower order how many different ids come before
    it; one that begins with the start, which nothing precedes, is counted as often as it comes. `Nᵢ(c)` is how many
    words follow c with a = i. Each order has three discounts: D₁ = 1 - 2Y n₂/n₁, D₂ = 2 - 3Y n₃/n₂, D₃ = 3 - 4Y n₄/n₃
    with Y = n₁ / (n₁ + 2 n₂), of the numbers nᵢ of its n-grams with a = i; where these give none, or one of 0, which
    would make what was never seen impossible, 0.5, 1 and 1.5. A context that was never seen leaves it to the shorter
    one; below single words every id but the start is equally probable.

    The events are those of a network that writes the same ids: every token, whatever its id, and the end of each
    sequence. An unknown token (id 0) is one event like any other, as probable as unknown tokens were in training.

    Args:
        size: the number of ids, `len(field)`.
        order: the most ids in an n-gram, itself and what it is told from.

    Raises:
        DataError: an order or a size of nothing.

    Example:
        >>> model = KneserNey(size=6, order=2)
        >>> model.fit(Ragged(torch.tensor([3, 4, 3, 4, 5]), lengths=[2, 3]))
        >>> round(model.perplexity(Ragged(torch.tensor([3, 4]), lengths=[2])), 2)
        1.91

    Reference:
        Kneser & Ney (1995); modified and interpolated, Chen & Goodman (1998), section 3; counts at the start of a
        sequence, Heafield et al. (2013).
    """

    def __init__(self, size: int, order: int = 3) -> None:
        if order < 1 or size <= END:
            raise DataError(f"`order` must be at least 1 and `size` above {END}, but they are {order} and {size}")
        self.size, self.order = size, order
        self._levels: list[_Level] = []

    def fit(self, sequences: Ragged) -> None:
        """Count the n-grams of sequences.

        Args:
            sequences: (total,) ids, without start and end.

        Raises:
            DataError: no sequence, or ids out of range.
        """
        if not sequences.batch_size:
            raise DataError("`sequences` must hold at least one to count the n-grams of, but is empty")
        tokens, places = self._flat(sequences)
        grams: list[_Grams] = []
        for order in range(1, self.order + 1):
            before = _before(grams[-1].nodes) if grams else np.zeros_like(tokens)
            inside = (places >= order - 1).nonzero()[0]
            keys, first, numbers = np.unique(
                before[inside] * self.size + tokens[inside], return_index=True, return_inverse=True
            )
            nodes = np.full_like(tokens, _NONE)
            nodes[inside] = numbers
            grams.append(_Grams(keys, inside[first], nodes))
        self._levels = []
        for order, gram in enumerate(grams, 1):
            # What is counted as often as it comes: n-grams of the highest order, and those that begin with the start.
            highest = order == self.order
            whole = (places >= order - 1 if highest else places == order - 1) & (places > 0)
            counts = np.bincount(gram.nodes[whole], minlength=len(gram.keys))
            if not highest:
                counts += np.bincount(gram.nodes[grams[order].first], minlength=len(gram.keys))
            contexts = len(grams[order - 2].keys) if order > 1 else 1
            self._levels.append(_level(gram.keys, gram.keys // self.size, counts, contexts))

    def log_probabilities(self, sequences: Ragged) -> Ragged:
        """The natural logarithm of the probability of each token, and of each end. (total,) -> (total + batch,)

        Raises:
            DataError: before `fit`, or ids out of range.
        """
        levels = self._fitted()
        tokens, places = self._flat(sequences)
        found = np.full(len(tokens), 1 / (self.size - 1))
        nodes = np.zeros_like(tokens)
        for order, level in enumerate(levels, 1):
            contexts = _before(nodes) if order > 1 else nodes
            known = ((places >= order - 1) & (contexts != _NONE)).nonzero()[0]
            numbers = _looked_up(level.keys, contexts[known] * self.size + tokens[known])
            found[known] = level.share[numbers] + level.rest[contexts[known]] * found[known]
            nodes = np.full_like(tokens, _NONE)
            nodes[known] = numbers
        return Ragged(torch.from_numpy(np.log(found[places > 0])), sequences.lengths + 1, sequences.ids)

    def perplexity(self, sequences: Ragged) -> float:
        """exp of the mean of -log p over all tokens and ends: of so many equally probable ids each is one, on average.

        Raises:
            DataError: before `fit`, no sequence, or ids out of range.
        """
        if not sequences.batch_size:
            raise DataError("`sequences` must hold at least one to tell the perplexity of, but is empty")
        return float(torch.exp(-self.log_probabilities(sequences).values.mean()))

    def probabilities(self, prefix: Sequence[int]) -> Tensor:
        """The probability of each id to come next in a sequence that begins with these. -> (size,), which sums to 1

        Raises:
            DataError: before `fit`, or ids out of range.
        """
        levels = self._fitted()
        tokens = [START, *prefix]
        self._check(np.asarray(prefix, dtype=np.int64))
        found = np.full(self.size, 1 / (self.size - 1))
        found[START] = 0
        for order, level in enumerate(levels, 1):
            if order > len(tokens) + 1:
                break
            node = 0
            for lower, token in zip(levels, tokens[len(tokens) + 1 - order :], strict=False):
                (node,) = _looked_up(lower.keys, np.array([node * self.size + token])).tolist()
                if node == _NONE:
                    break
            if node == _NONE:
                break
            begin, end = np.searchsorted(level.keys, [node * self.size, (node + 1) * self.size])
            found *= level.rest[node]
            found[level.keys[begin:end] - node * self.size] += level.share[begin:end]
        return torch.from_numpy(found)

    def _flat(self, sequences: Ragged) -> tuple[Ids, Ids]:
        """All tokens, each sequence between a start and an end, and the place of each token in its sequence."""
        ids = sequences.values.cpu().numpy().astype(np.int64)
        self._check(ids)
        lengths = sequences.lengths.numpy() + 2
        begins = np.cumsum(lengths) - lengths
        places = np.arange(lengths.sum()) - np.repeat(begins, lengths)
        tokens = np.full(len(places), END)
        tokens[begins] = START
        inner = places > 0
        inner[begins + lengths - 1] = False
        tokens[inner] = ids
        return tokens, places

    def _check(self, ids: Ids) -> None:
        if len(ids) and (ids.min() < 0 or ids.max() >= self.size or np.isin(ids, (START, END)).any()):
            raise DataError(
                f"ids must be from 0 to {self.size - 1}, without the start ({START}) and the end ({END}), but are from "
                f"{ids.min()} to {ids.max()}, or hold those; encode by a field of {self.size} ids, without `lines`"
            )

    def _fitted(self) -> list[_Level]:
        if not self._levels:
            raise DataError("a `KneserNey` must be fitted before it tells probabilities; call `model.fit(sequences)`")
        return self._levels


class _Grams(NamedTuple):
    """The n-grams of one order in training.

    Fields:
        keys: (n,) sorted, of each the number of its context among the shorter n-grams · size + its last id.
        first: (n,) where each ends for the first time.
        nodes: (tokens,) the number of the n-gram that ends at each token.
    """

    keys: Ids
    first: Ids
    nodes: Ids


class _Level(NamedTuple):
    """What one order adds.

    Fields:
        keys: (n,) as of `_Grams`.
        share: (n + 1,) (a - D(a)) / Σ a of the n-grams, and 0, which -1 finds: of those that are none.
        rest: (contexts,) γ, by the number of the context.
    """

    keys: Ids
    share: Numbers
    rest: Numbers


def _level(keys: Ids, contexts: Ids, counts: Ids, several: int) -> _Level:
    """Counts of n-grams as probabilities; `several` is the number of contexts that there could be."""
    discounts = np.array([0, *_discounts(counts)])[np.minimum(counts, 3)]
    totals = np.bincount(contexts, counts, several)
    taken = np.bincount(contexts, discounts, several)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.append(np.where(counts > 0, (counts - discounts) / totals[contexts], 0), 0)
        rest = np.where(totals > 0, taken / totals, 1)
    return _Level(keys, share, rest)


def _discounts(counts: Ids) -> tuple[float, float, float]:
    n1, n2, n3, n4 = (int((counts == i).sum()) for i in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return _FALLBACK
    y = n1 / (n1 + 2 * n2)
    found = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
    return found if all(0 < each <= i for i, each in enumerate(found, 1)) else _FALLBACK


def _before(nodes: Ids) -> Ids:
    """The node that ends one token earlier. What ends in another sequence is not asked for."""
    return np.concatenate([nodes[:1], nodes[:-1]])


def _looked_up(keys: Ids, wanted: Ids) -> Ids:
    """The place of each key that is wanted, or -1."""
    if not len(keys):
        return np.full_like(wanted, _NONE)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, _NONE)
