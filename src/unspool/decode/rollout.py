"""One sequence for each source: the best next token at each step, or a random one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unspool.decode.hypothesis import Constraint, Decodable, Hypothesis, limits, next_log_probabilities, stepping
from unspool.errors import DecodingError
from unspool.models.encoder import Encoded
from unspool.ragged import Ragged
from unspool.randomness import Drawing, Draws, uniform, using
from unspool.state import select
from unspool.tokens import END, START

Choose = Callable[[Tensor, Tensor, int], Tensor]


def greedy(
    model: Decodable,
    encoded: Encoded,
    *,
    max_length: int | Tensor,
    min_length: int = 0,
    constrain: Constraint | None = None,
    attention: bool = False,
    opening: Ragged | None = None,
    endless: bool = False,
) -> list[Hypothesis]:
    """The most probable next token at each step, until the end token.

    Args:
        model: in evaluation mode.
        encoded: the sources, from the model's encoder.
        max_length: the most tokens, for all sequences or one number each.
        min_length: the fewest.
        constrain: which tokens may follow: see `Constraint`.
        attention: whether to keep where each step looked.
        opening: (total,) tokens that each sequence begins with and goes on from, as a prompt.
        endless: whether the end token is one like any other, as in a text of lines; `max_length` alone ends then.

    Returns:
        One hypothesis a source, in order; what is given is part of it, and counts in its log-probability.

    Raises:
        DecodingError: a `max_length` out of range, a constraint that forbids everything, not one opening a source.
    """
    choose: Choose = lambda scores, rows, time: scores.argmax(1)  # noqa: E731
    return _rollout(model, encoded, choose, max_length, min_length, constrain, attention, opening, endless)


def sample(
    model: Decodable,
    encoded: Encoded,
    *,
    max_length: int | Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    min_length: int = 0,
    constrain: Constraint | None = None,
    attention: bool = False,
    opening: Ragged | None = None,
    endless: bool = False,
) -> list[Hypothesis]:
    """A token drawn at each step, until the end token.

    What is drawn depends on the seed, the example's id and the position alone: not on the rest of the batch.

    Args:
        temperature: log-probabilities are divided by it: towards 0 the best token, 1 the model's own distribution.
        top_k: draw among the `top_k` most probable tokens.
        top_p: draw among the most probable tokens that together hold this much probability (Holtzman et al., 2020).
        seed: another gives other sequences.
        model, encoded, max_length, min_length, constrain, attention, opening, endless: as for `greedy`.

    Returns:
        One hypothesis a source, in order; its log-probability is the model's own, at temperature 1.

    Raises:
        DecodingError: a temperature, `top_k`, `top_p` or `max_length` out of range, a constraint that forbids
            everything, not one opening a source.
    """
    if not 0 < temperature < float("inf"):
        raise DecodingError(
            f"`temperature` must be above 0 and finite, but is {temperature}; `greedy` takes the best token"
        )
    if top_k is not None and top_k < 1:
        raise DecodingError(f"`top_k` must be at least 1, but is {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise DecodingError(f"`top_p` must be above 0 and at most 1, but is {top_p}")
    with using(seed=seed, step=0):
        keys = Drawing().draws_for(encoded.memory.ids, encoded.memory.device, active=True).key

    def choose(scores: Tensor, rows: Tensor, time: int) -> Tensor:
        best = scores.max(1, keepdim=True).values  # taken away first, so that no temperature makes all of them -inf
        ranked, tokens = ((scores - best).double() / temperature).softmax(1).sort(dim=1, descending=True, stable=True)
        before = ranked.cumsum(1) - ranked
        out = torch.zeros_like(ranked, dtype=torch.bool)
        if top_k is not None:
            out[:, top_k:] = True
        if top_p is not None:
            out |= before >= top_p
        mass = ranked.masked_fill(out, 0).cumsum(1)
        point = uniform(Draws(keys[rows], torch.full_like(rows, time))) * mass[:, -1]
        place = torch.searchsorted(mass, point.unsqueeze(1), right=True).clamp(max=mass.shape[1] - 1)
        return tokens.gather(1, place).squeeze(1)

    return _rollout(model, encoded, choose, max_length, min_length, constrain, attention, opening, endless)


def _after(opening: Ragged, choose: Choose) -> Choose:
    """Choose what is given, as long as there is any."""
    lengths, values = opening.lengths.to(opening.device), opening.values
    begins = opening.layout.offsets[:-1].to(opening.device)

    def given(scores: Tensor, rows: Tensor, time: int) -> Tensor:
        place = (begins[rows] + time).clamp(max=max(len(values) - 1, 0))
        found = choose(scores, rows, time)
        return torch.where(time < lengths[rows], values[place], found) if len(values) else found

    return given


def _free(opening: Ragged, constrain: Constraint) -> Constraint:
    """Constrain what follows each opening: what is given need not be allowed."""
    lengths = opening.lengths.to(opening.device)

    def constrained(log_probabilities: Tensor, prefixes: Tensor, rows: Tensor) -> Tensor:
        given = (prefixes.shape[1] < lengths[rows]).unsqueeze(1)
        return torch.where(given, log_probabilities, constrain(log_probabilities, prefixes, rows))

    return constrained


def check_opening(opening: Ragged, size: int) -> None:
    """Raise a `DecodingError` where there is not an opening for each of so many sequences."""
    if opening.batch_size != size:
        raise DecodingError(
            f"`opening` must have a sequence for each of the {size} that are decoded, but has {opening.batch_size}; "
            "an empty one gives nothing"
        )


@torch.no_grad()
def _rollout(
    model: Decodable,
    encoded: Encoded,
    choose: Choose,
    max_length: int | Tensor,
    min_length: int,
    constrain: Constraint | None,
    attention: bool,
    opening: Ragged | None,
    endless: bool,
) -> list[Hypothesis]:
    """Each sequence stops on its own: what has ended leaves the batch."""
    size, device = encoded.memory.batch_size, encoded.memory.device
    limit = limits(max_length, size).to(device)
    if opening is not None:
        check_opening(opening, size)
        choose, constrain = _after(opening, choose), constrain and _free(opening, constrain)
    state, context = model.start(encoded)
    step = stepping(model, size)
    rows = torch.arange(size, device=device)
    last = torch.full((size,), START, device=device)
    prefixes = last.new_zeros(size, 0)
    total = torch.zeros(size, dtype=torch.float64, device=device)
    looked: list[Tensor] = []
    found: list[Hypothesis | None] = [None] * size
    time = 0
    while len(rows):
        decoded, state = step(last, state, context)
        plain, allowed = next_log_probabilities(decoded.output, prefixes, rows, constrain, may_end=time >= min_length)
        if attention and decoded.weights is not None:
            looked.append(decoded.weights)
        last = choose(allowed, rows, time)
        stopped = time >= limit[rows]
        ended = (last == END) & (not endless)
        total = torch.where(stopped & ~ended, total, total + plain.gather(1, last.unsqueeze(1)).squeeze(1))
        leaving = ended | stopped
        for i in leaving.nonzero().flatten().tolist():
            row, complete = int(rows[i]), bool(ended[i])
            seen = None
            if looked:
                width = int(encoded.memory.lengths[row])
                steps = [step[i : i + 1, :width] for step in looked[: time + complete]]
                seen = torch.cat(steps or [looked[0][:0, :width]]).cpu()
            found[row] = Hypothesis(prefixes[i].cpu(), float(total[i]), float(total[i]), complete, seen)
        prefixes, time = torch.cat([prefixes, last.unsqueeze(1)], 1), time + 1
        if bool(leaving.any()):
            stay = (~leaving).nonzero().flatten()
            rows, last, prefixes, total, state = (select(part, stay) for part in (rows, last, prefixes, total, state))
            context = None if context is None else select(context, stay)
            looked = [step.index_select(0, stay) for step in looked]
    return [hypothesis for hypothesis in found if hypothesis is not None]
