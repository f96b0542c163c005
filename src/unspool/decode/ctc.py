"""Outputs of CTC: the best path, the best outputs by prefix beam search, what an output scores, where it is said."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from unspool.decode.hypothesis import Hypothesis
from unspool.decode.prefixes import Beams, Numbers, Trie, Whole, frames_of
from unspool.errors import DecodingError
from unspool.models.ctc import BLANK, check_fit, fewest_steps, negative_log_likelihoods, unreachable
from unspool.ragged import Ragged

_IMPOSSIBLE = -1e9  # a step's probability of zero: still a better path than one that is none
_ROUNDING = 1e-2  # how far above 0 a log-softmax may end, in half precision


@torch.no_grad()
def ctc_greedy(log_probabilities: Ragged) -> list[Hypothesis]:
    """The best token of each step, repeats merged and blanks dropped: the most probable path, not always the output.

    Args:
        log_probabilities: (total, ids), of each step.

    Returns:
        One hypothesis a sequence, in order; its `score` is the path's log-probability, its `log_probability` the
        output's.

    Raises:
        DecodingError: what is not a log-probability.

    Example:
        >>> path = torch.tensor([3, 3, 1, 3, 0, 1])
        >>> scores = Ragged(torch.nn.functional.one_hot(path, 4) * 9.0, lengths=[5, 1])
        >>> [each.tokens.tolist() for each in ctc_greedy(scores.map(lambda step: step.log_softmax(1)))]
        [[3, 3, 0], []]

    Reference:
        Graves et al. (2006), section 3.2, best path decoding.
    """
    steps = _steps(log_probabilities)
    best, path = steps.values.max(1)
    tokens = _collapsed(steps.with_values(path))
    return _hypotheses(steps, torch.arange(steps.batch_size), tokens, steps.with_values(best).sum())


@torch.no_grad()
def ctc_beam_search(
    log_probabilities: Ragged, *, size: int = 8, n_best: int = 1, prune: float = 10.0
) -> list[list[Hypothesis]]:
    """The most probable outputs, as far as a beam of `size` prefixes finds them: their paths are summed.

    Args:
        log_probabilities: (total, ids), of each step.
        size: prefixes running side by side.
        n_best: how many to return for each sequence, at most `size`.
        prune: a prefix grows only by tokens within so many nats of the step's best; `math.inf` for all.

    Returns:
        For each sequence, in order, up to `n_best` hypotheses, the best first; fewer where there are fewer outputs. The
        `score` is the sum over the paths that the beam kept, the `log_probability` the sum over all.

    Raises:
        DecodingError: a beam of nothing, more results than beams, a `prune` below 0, what is not a log-probability.

    Example:
        >>> scores = Ragged(torch.tensor([[0.0, 0.6, 0.0, 0.4]] * 2).log(), lengths=[2])
        >>> [(each.tokens.tolist(), each.log_probability) for each in ctc_beam_search(scores, n_best=2)[0]]
        [([3], -0.446...), ([], -1.021...)]
        >>> ctc_greedy(scores)[0].tokens
        tensor([], dtype=torch.int64)

    Reference:
        Hannun et al. (2014), algorithm 1, without a language model; the sums are Graves et al. (2006), section 3.2.
    """
    if size < 1 or not 1 <= n_best <= size:
        raise DecodingError(f"`n_best` must be from 1 to the beam's `size`, but they are {n_best} and {size}")
    if not prune >= 0:
        raise DecodingError(f"`prune` must be at least 0 nats, but is {prune}; use `math.inf` for all tokens")
    steps = _steps(log_probabilities)
    layout = steps.layout
    beams, trie = Beams.first(layout.batch_size, size), Trie(layout.batch_size)
    for frame in frames_of(steps.values[layout.time_major], layout.running, size, prune):
        beams.advance(frame, trie)
    totals = np.logaddexp(beams.ends_blank, beams.ends_token)
    found = [
        (row, trie.tokens(int(beams.node[place, slot])), totals[place, slot])
        for row, place in enumerate(layout.rank.tolist())
        for slot in range(n_best)
        if totals[place, slot] > -math.inf
    ]
    rows = torch.tensor([row for row, _, _ in found], dtype=torch.int64)
    tokens = Ragged(
        torch.tensor([token for _, prefix, _ in found for token in prefix], dtype=torch.int64),
        torch.tensor([len(prefix) for _, prefix, _ in found], dtype=torch.int64),
    )
    ranked: list[list[Hypothesis]] = [[] for _ in range(layout.batch_size)]
    scores = torch.tensor([score for _, _, score in found], dtype=torch.float64)
    for row, each in zip(rows.tolist(), _hypotheses(steps, rows, tokens, scores), strict=True):
        ranked[row].append(each)
    return ranked


@torch.no_grad()
def ctc_score(log_probabilities: Ragged, targets: Ragged) -> Tensor:
    """log p(target | input) of each sequence, over all paths that say it; `-inf` where none does. (batch,)

    Other models' outputs are ranked again by it: `log_probabilities.select(rows)` repeats an input for each of its
    outputs.

    Args:
        log_probabilities: (total, ids), of each step.
        targets: (total of the targets,) ids.

    Raises:
        ModelError: scores and targets that do not fit.
    """
    check_fit(log_probabilities, targets)
    possible = ~unreachable(log_probabilities.lengths, targets)
    steps = log_probabilities.map(lambda step: step.to(torch.promote_types(step.dtype, torch.float32)))
    found = steps.values.new_full((steps.batch_size,), -torch.inf)
    found[possible.to(found.device)] = -negative_log_likelihoods(steps.select(possible), targets.select(possible))
    return found


@torch.no_grad()
def ctc_alignment(log_probabilities: Ragged, target: Ragged) -> Ragged:
    """Which of the target's tokens each step says: the most probable of the paths that say it.

    Args:
        log_probabilities: (total, ids), of each step.
        target: (total of the targets,) ids.

    Returns:
        (total,) int64: the token's place in its target, from 0; -1 where the step is blank. A token said at several
        steps keeps its place.

    Raises:
        ModelError: scores and targets that do not fit.
        DecodingError: a target that needs more steps than there are, or what is not a log-probability.

    Example:
        >>> steps = torch.nn.functional.one_hot(torch.tensor([1, 3, 3, 1, 2]), 4) * 9.0
        >>> ctc_alignment(Ragged(steps.log_softmax(1), [5]), Ragged(torch.tensor([3, 2]), [2])).values
        tensor([-1,  0,  0, -1,  1])
    """
    check_fit(log_probabilities, target)
    if bool((lacking := unreachable(log_probabilities.lengths, target)).any()):
        row = int(lacking.nonzero()[0, 0])
        raise DecodingError(
            f"`target` must fit into the steps there are, but sequence {row} needs "
            f"{int(fewest_steps(target)[row])} and has {int(log_probabilities.lengths[row])}; leave out what "
            "`unreachable` names"
        )
    steps, layout = _steps(log_probabilities), log_probabilities.layout
    # The states of a path: a blank before each token and after the last.
    labels = np.full((layout.batch_size, 2 * target.max_length + 1), BLANK)
    labels[:, 1::2] = target.to_padded(BLANK).values.cpu().numpy()
    labels, spoken = labels[layout.order.numpy()], target.lengths[layout.order].numpy()
    frames = steps.values[layout.time_major].clamp(min=_IMPOSSIBLE).split(layout.running)
    path = torch.from_numpy(_best_states([frame.numpy() for frame in frames], labels, spoken))
    places = torch.where(path % 2 == 1, path // 2, -1)[layout.sequence_major]
    return log_probabilities.with_values(places.to(log_probabilities.device))


def _best_states(frames: list[Numbers], labels: Whole, spoken: Whole) -> Whole:
    """Viterbi's states, time by time, of sequences from the longest to the shortest.

    Args:
        frames: for each time the (running, ids) log-probabilities.
        labels: (batch, states), the id of each state.
        spoken: (batch,) tokens of each target: its last states are `2 * spoken - 1` and the blank after it.
    """
    before = np.pad(labels, ((0, 0), (2, 0)), constant_values=BLANK)[:, :-2]
    skips = np.where((labels != BLANK) & (labels != before), 0.0, -math.inf)
    best = np.full(labels.shape, -math.inf)
    best[:, :1] = 0.0
    moves = []
    for frame in frames:
        n = len(frame)
        padded = np.pad(best[:n], ((0, 0), (2, 0)), constant_values=-math.inf)
        reached = np.stack([best[:n], padded[:, 1:-1], padded[:, :-2] + skips[:n]])
        moves.append(reached.argmax(0))
        best[:n] = reached.max(0) + np.take_along_axis(frame, labels[:n], 1)
    rows, last = np.arange(len(labels)), 2 * spoken
    state = np.where(best[rows, np.maximum(last - 1, 0)] > best[rows, last], last - 1, last)
    path = []
    for move in reversed(moves):
        n = len(move)
        path.append(state[:n].copy())
        state[:n] -= move[rows[:n], state[:n]]
    return np.concatenate([np.empty(0, dtype=np.int64), *reversed(path)])


def _steps(log_probabilities: Ragged) -> Ragged:
    """Log-probabilities as float64 on the CPU, where every search runs; checked."""
    values = log_probabilities.values
    if values.dim() != 2 or values.shape[1] <= BLANK or not values.is_floating_point():
        raise DecodingError(
            f"`log_probabilities` must be floating (total, ids) with the blank ({BLANK}) among the ids, but has shape "
            f"{tuple(values.shape)} of {values.dtype}"
        )
    best = values.max(1).values.cpu()
    wrong = ~((best > -torch.inf) & (best < _ROUNDING))
    if bool(wrong.any()):
        place = int(wrong.nonzero()[0, 0])
        row, step = (int(table[place]) for table in (log_probabilities.layout.rows, log_probabilities.layout.steps))
        raise DecodingError(
            f"`log_probabilities` must be at most 0 and one a step above -inf, but step {step} of sequence {row} has "
            f"{float(best[place]):.4g} as its best; use `scores.map(lambda step: step.log_softmax(1))`"
        )
    return log_probabilities.to("cpu", torch.float64)


def _collapsed(path: Ragged) -> Ragged:
    """Repeats merged, blanks dropped. (total,) ids of each step -> (total of the outputs,) ids"""
    values, layout = path.values, path.layout
    kept = (layout.steps == 0) | (values != values.roll(1))
    kept &= values != BLANK
    return Ragged(values[kept], torch.bincount(layout.rows[kept], minlength=layout.batch_size), path.ids)


def _hypotheses(steps: Ragged, rows: Tensor, tokens: Ragged, scores: Tensor) -> list[Hypothesis]:
    """One for each output, of the sequence that `rows` names."""
    log_probabilities = ctc_score(steps.select(rows), tokens)
    each = zip(tokens.split(), log_probabilities.tolist(), scores.tolist(), strict=True)
    return [Hypothesis(own, log_probability, score, complete=True) for own, log_probability, score in each]
