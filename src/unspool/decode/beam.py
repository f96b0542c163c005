"""Beam search: the best sequences, several running side by side for each source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from unspool.decode.hypothesis import Constraint, Decodable, Hypothesis, limits, next_log_probabilities, stepping
from unspool.errors import DecodingError
from unspool.models.encoder import Encoded
from unspool.state import State, select
from unspool.tokens import END, START


def beam_search(
    model: Decodable,
    encoded: Encoded,
    *,
    size: int,
    max_length: int | Tensor,
    n_best: int = 1,
    length_penalty: float = 0.0,
    coverage_penalty: float = 0.0,
    min_length: int = 0,
    constrain: Constraint | None = None,
    attention: bool = False,
) -> list[list[Hypothesis]]:
    """The best sequences for each source, as far as a beam of `size` finds them. A beam of 1 is `greedy`.

        score = log p / ((5 + length) / 6)^length_penalty + coverage_penalty · Σ_i log min(Σ_t attention_{t,i}, 1)

    where the length counts the end token, i goes over the source and t over the target. A source is done once `size`
    hypotheses have ended, and leaves the batch.

    Args:
        model: in evaluation mode.
        encoded: the sources, from the model's encoder.
        size: hypotheses running side by side.
        max_length: the most tokens, for all sources or one number each.
        n_best: how many to return for each source, at most `size`.
        length_penalty: 0 prefers short sequences; 1 compares about by log-probability a token.
        coverage_penalty: weight of what attention left unread; needs a model with attention.
        min_length: the fewest tokens.
        constrain: which tokens may follow: see `Constraint`.
        attention: whether to keep where each step looked.

    Returns:
        For each source, in order, up to `n_best` hypotheses, the best first.

    Raises:
        DecodingError: a beam of nothing, more results than beams, a `max_length` out of range, a coverage penalty for a
            model without attention, a constraint that forbids everything.

    Reference:
        Wu et al. (2016), equation 14.
    """
    if size < 1 or not 1 <= n_best <= size:
        raise DecodingError(f"`n_best` must be from 1 to the beam's `size`, but they are {n_best} and {size}")
    looking = attention or coverage_penalty != 0
    search = _Search(model, encoded, size, max_length, length_penalty, coverage_penalty, looking)
    with torch.no_grad():
        while len(search.rows):
            search.advance(min_length, constrain)
    return [
        [h if attention else h._replace(attention=None) for h in sorted(pool, key=lambda h: -h.score)[:n_best]]
        for pool in search.ended
    ]


@dataclass
class _Beams:
    """The running hypotheses, (sources, beams, …).

    Fields:
        ranks: what they are compared by: log-probabilities, as far as a constraint did not steer them. -inf where there
            are fewer hypotheses than beams.
        totals: log-probabilities.
        tokens: the tokens so far.
        looked: where each step looked.
    """

    ranks: Tensor
    totals: Tensor
    tokens: Tensor
    looked: Tensor | None


class _Candidates(NamedTuple):
    """The best continuations of each source, the best first: the beam each continues, and its token. (sources, n)"""

    ranks: Tensor
    totals: Tensor
    parents: Tensor
    tokens: Tensor


class _Search:
    """A beam search under way. `ended` holds what it found."""

    def __init__(
        self,
        model: Decodable,
        encoded: Encoded,
        size: int,
        max_length: int | Tensor,
        length_penalty: float,
        coverage_penalty: float,
        looking: bool,
    ) -> None:
        sources, device = encoded.memory.batch_size, encoded.memory.device
        self.size, self.looking = size, looking
        self.length_penalty, self.coverage_penalty = length_penalty, coverage_penalty
        self.limit = limits(max_length, sources).to(device)
        self.source_lengths = encoded.memory.lengths.to(device)
        with torch.no_grad():
            self.state, self.context = model.start(encoded)
        self.step = stepping(model, sources * size)
        self.rows = torch.arange(sources, device=device)
        nothing = torch.zeros(sources, 1, dtype=torch.float64, device=device)
        self.beams = _Beams(nothing, nothing, torch.zeros(sources, 1, 0, dtype=torch.int64, device=device), None)
        self.last = torch.full((sources,), START, device=device)
        self.ended: list[list[Hypothesis]] = [[] for _ in range(sources)]
        self.count = torch.zeros(sources, dtype=torch.int64, device=device)
        self.time = 0

    def advance(self, min_length: int, constrain: Constraint | None) -> None:
        """One step of every running hypothesis."""
        beams = self.beams.ranks.shape[1]
        decoded, state = self.step(self.last, self.state, self.context)
        plain, allowed = next_log_probabilities(
            decoded.output,
            self.beams.tokens.flatten(0, 1),
            self.rows.repeat_interleave(beams),
            constrain,
            may_end=self.time >= min_length,
        )
        looked = self._looked(decoded.weights)
        stopped = self.time >= self.limit[self.rows]
        found = self._candidates(plain, allowed)
        ending = (found.tokens == END) & (found.ranks != -torch.inf)
        ending[:, self.size :] = False
        self._end(ending, found.totals, found.parents, looked, complete=True)
        self.count += ending.sum(1)
        cut = (stopped & (self.count == 0)).unsqueeze(1) & (self.beams.ranks != -torch.inf)
        self._end(
            cut, self.beams.totals, torch.arange(beams, device=cut.device).expand(cut.shape), looked, complete=False
        )
        ranks = found.ranks.masked_fill(found.tokens == END, -torch.inf)
        ranks, best = _highest(ranks, self.size)
        found = _Candidates(ranks, *(part.gather(1, best) for part in found[1:]))
        done = (self.count >= self.size) | stopped | (ranks[:, 0] == -torch.inf)
        self._go_on((~done).nonzero().flatten(), found, state, looked)

    def _candidates(self, plain: Tensor, allowed: Tensor) -> _Candidates:
        """Twice as many candidates as beams, so that enough go on even where all the best ones end."""
        sources, beams = self.beams.ranks.shape
        wanted = min(2 * self.size, plain.shape[1])
        best, tokens = allowed.topk(wanted, 1)
        if self.size == 1:
            tokens = _first_of_equals(allowed, tokens)
        steps = torch.stack([best, plain.gather(1, tokens)]).unflatten(1, (sources, beams))
        ranks, totals = (torch.stack([self.beams.ranks, self.beams.totals]).unsqueeze(3) + steps).flatten(2)
        if beams == 1:  # they are in order, and of equals the first comes first
            return _Candidates(ranks, totals, torch.zeros_like(tokens), tokens)
        ranks, places = ranks.topk(min(2 * self.size, ranks.shape[1]), 1)
        tokens = tokens.reshape(sources, -1).gather(1, places)
        return _Candidates(ranks, totals.gather(1, places), places // wanted, tokens)

    def _looked(self, weights: Tensor | None) -> Tensor | None:
        """Where every step of the running hypotheses looked, this one included. (sources, beams, steps, time)"""
        if weights is None and self.coverage_penalty:
            raise DecodingError("`coverage_penalty` needs a model with attention, but this one has none; leave it out")
        if not self.looking or weights is None:
            return None
        new = weights.unflatten(0, self.beams.ranks.shape).unsqueeze(2)
        return new if self.beams.looked is None else torch.cat([self.beams.looked, new], 2)

    def _end(self, ending: Tensor, scores: Tensor, parents: Tensor, looked: Tensor | None, *, complete: bool) -> None:
        """Put hypotheses aside. ending, scores, parents: (sources, n)"""
        sources, places = ending.nonzero(as_tuple=True)
        beams = parents[sources, places]
        tokens = self.beams.tokens[sources, beams].cpu()
        rows, totals = self.rows[sources].tolist(), scores[sources, places].tolist()
        steps = self.time + complete
        for i, (row, total) in enumerate(zip(rows, totals, strict=True)):
            seen = None
            if looked is not None:
                seen = looked[sources[i], beams[i], :steps, : int(self.source_lengths[row])].cpu()
            score = self._score(total, steps, seen)
            self.ended[row].append(Hypothesis(tokens[i], total, score, complete, seen))

    def _score(self, total: float, length: int, looked: Tensor | None) -> float:
        score: float = total / ((5 + length) / 6) ** self.length_penalty
        if self.coverage_penalty and looked is not None:
            score += self.coverage_penalty * float(looked.sum(0).clamp(min=1e-30, max=1).log().sum())
        return score

    def _go_on(self, stay: Tensor, found: _Candidates, state: State, looked: Tensor | None) -> None:
        """Keep the sources that are not done, each with its new beams."""
        sources, beams = self.beams.ranks.shape
        ranks, totals, parents, tokens = (part.index_select(0, stay) for part in found)
        # A beam without a hypothesis runs along as a copy of the first: a constraint sees no prefix that it forbade.
        empty = ranks == -torch.inf
        parents, tokens = (torch.where(empty, part[:, :1], part) for part in (parents, tokens))
        self.state = select(state, (stay.unsqueeze(1) * beams + parents).flatten())
        history = _of_parents(self.beams.tokens.index_select(0, stay), parents)
        seen = None if looked is None else _of_parents(looked.index_select(0, stay), parents)
        self.beams = _Beams(ranks, totals, torch.cat([history, tokens.unsqueeze(2)], 2), seen)
        self.last, self.time = tokens.flatten(), self.time + 1
        if len(stay) < sources:
            self.rows, self.count = self.rows[stay], self.count[stay]
            self.context = None if self.context is None else select(self.context, stay)


def _of_parents(history: Tensor, parents: Tensor) -> Tensor:
    """(sources, beams, …) -> (sources, new beams, …): what each new beam continues."""
    index = parents.reshape(*parents.shape, *[1] * (history.dim() - 2))
    return history.gather(1, index.expand(*parents.shape, *history.shape[2:]))


def _highest(ranks: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The highest ranks of each row and their places; a single one is, of equals, the first."""
    return ranks.max(1, keepdim=True) if size == 1 else ranks.topk(min(size, ranks.shape[1]), 1)


def _first_of_equals(scores: Tensor, tokens: Tensor) -> Tensor:
    """Tokens by their scores, before them that one of the best whose number is lowest, which is `greedy`'s."""
    first = scores.argmax(1, keepdim=True)
    return torch.cat([first, torch.where(tokens[:, 1:] == first, tokens[:, :1], tokens[:, 1:])], 1)
