"""CTC's outputs: what is found is what going through every path finds; small beams are those of a plain search."""

import math
from collections import defaultdict
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from unit.models.paths import BLANK, cases, collapsed, outputs_of, paths_of, ragged, scores

from unspool import Ragged
from unspool.decode.ctc import ctc_alignment, ctc_beam_search, ctc_greedy, ctc_score
from unspool.errors import DecodingError, ModelError
from unspool.models.ctc import unreachable

drawn = settings(max_examples=80, deadline=None, derandomize=True)
CLOSE = {"rel": 1e-9, "abs": 1e-11}


def normalised(given: Ragged) -> Ragged:
    return given.map(lambda step: step.log_softmax(1))


def sparse(steps: Ragged) -> Ragged:
    """Less probable tokens made impossible."""
    return steps.map(lambda step: step.where(step >= step.max(1, keepdim=True).values - 2, -math.inf))


def plain_search(steps: Tensor, size: int, prune: float) -> list[tuple[tuple[int, ...], float]]:
    """Prefix beam search of one sequence, with a dictionary of probabilities: of paths that end in a blank, or not."""
    beams = {(): (1.0, 0.0)}
    for step in steps.exp().tolist():
        after: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for prefix, (blank, token) in beams.items():
            after[prefix][0] += (blank + token) * step[BLANK]
            if prefix:
                after[prefix][1] += token * step[prefix[-1]]
            for next_token, probability in enumerate(step):
                longer = (*prefix, next_token)
                kept = probability >= max(step) * math.exp(-prune) or longer in beams
                if next_token != BLANK and kept:
                    again = prefix and prefix[-1] == next_token
                    after[longer][1] += (blank if again else blank + token) * probability
        best = sorted(after.items(), key=lambda each: -sum(each[1]))[:size]
        beams = {prefix: (blank, token) for prefix, (blank, token) in best if blank + token > 0}
    return [(prefix, math.log(blank + token)) for prefix, (blank, token) in beams.items()]


@drawn
@given(scores())
def test_greedy_is_the_best_path_collapsed(given: Ragged) -> None:
    steps = normalised(given)
    found = ctc_greedy(steps)
    assert len(found) == steps.batch_size
    for own, hypothesis in zip(steps.split(), found, strict=True):
        output = collapsed(tuple(own.argmax(1).tolist()))
        assert hypothesis.tokens.tolist() == list(output)
        assert hypothesis.score == pytest.approx(float(own.max(1).values.sum()), **CLOSE)
        assert hypothesis.log_probability == pytest.approx(outputs_of(own)[output], **CLOSE)
        assert hypothesis.complete


@settings(max_examples=20, deadline=None, derandomize=True)
@given(scores(longest=5))
def test_a_beam_of_everything_ranks_every_output(given: Ragged) -> None:
    steps = normalised(given)
    found = ctc_beam_search(steps, size=400, n_best=400, prune=math.inf)
    for own, ranked in zip(steps.split(), found, strict=True):
        expected = outputs_of(own)
        assert {tuple(each.tokens.tolist()) for each in ranked} == expected.keys()
        assert len(ranked) == len(expected)
        assert [each.score for each in ranked] == pytest.approx(list(expected.values()), **CLOSE)
        for each in ranked:
            assert each.log_probability == pytest.approx(expected[tuple(each.tokens.tolist())], **CLOSE)


@drawn
@given(scores(ids=(2, 12), longest=9), st.integers(1, 5), st.sampled_from([0.5, 2.0, 10.0, math.inf]), st.booleans())
def test_a_small_beam_is_the_plain_search(given: Ragged, size: int, prune: float, zeros: bool) -> None:
    steps = sparse(normalised(given)) if zeros else normalised(given)
    for own, ranked in zip(steps.split(), ctc_beam_search(steps, size=size, n_best=size, prune=prune), strict=True):
        expected = plain_search(own, size, prune)
        assert [tuple(each.tokens.tolist()) for each in ranked] == [prefix for prefix, _ in expected]
        assert [each.score for each in ranked] == pytest.approx([score for _, score in expected], **CLOSE)
        assert all(each.log_probability >= each.score - 1e-9 for each in ranked)


def test_a_repeated_token_that_shares_its_probability_gives_way_to_the_next() -> None:
    steps = torch.tensor([[0.0, 0, 1, 0], [0, 0.5, 0.5, 0], [0, 0, 0.6, 0.4]], dtype=torch.float64).log()
    [[found]] = ctc_beam_search(Ragged(steps, [3]), size=1)
    assert found.tokens.tolist() == [2, 3]
    assert math.exp(found.score) == pytest.approx(0.4)


def test_a_prefix_that_comes_back_is_the_one_it_was() -> None:
    steps = torch.tensor([[0.4, 0.0, 0.6, 0.0], [0.0, 0.0, 0.0, 1.0], [0.3, 0.7, 0.0, 0.0]], dtype=torch.float64).log()
    for size in range(1, 9):
        [found] = ctc_beam_search(Ragged(steps, [3]), size=size, n_best=size, prune=math.inf)
        outputs = [tuple(each.tokens.tolist()) for each in found]
        assert len(set(outputs)) == len(outputs)
        assert outputs == [prefix for prefix, _ in plain_search(steps, size, math.inf)]


@drawn
@given(scores(longest=6))
def test_a_batch_of_one_is_its_row(given: Ragged) -> None:
    steps = normalised(given)
    together = ctc_beam_search(steps, size=3, n_best=2)
    greedy = ctc_greedy(steps)
    for row in range(steps.batch_size):
        [alone] = ctc_beam_search(steps.select([row]), size=3, n_best=2)
        for one, other in zip([*alone, *ctc_greedy(steps.select([row]))], [*together[row], greedy[row]], strict=True):
            assert one.tokens.tolist() == other.tokens.tolist()
            assert one[1:] == other[1:]


def test_equal_outputs_are_ranked_the_same_beside_any_neighbour() -> None:
    flat, sharp = torch.zeros(4, 40), 9 * torch.eye(40)[[5, 1, 7, 0]]
    flat[:, 20:] = -1.0  # out of reach here, not beside the neighbour that keeps all
    for other in (torch.zeros(4, 40), sharp):
        steps = normalised(Ragged(torch.cat([flat, other]), [4, 4]))
        found = ctc_beam_search(steps, size=30, n_best=30, prune=0.5)[0]
        [alone] = ctc_beam_search(steps.select([0]), size=30, n_best=30, prune=0.5)
        assert [each.tokens.tolist() for each in found] == [each.tokens.tolist() for each in alone]


@drawn
@given(cases())
def test_a_score_sums_over_every_path(case: tuple[Ragged, Ragged]) -> None:
    steps, target = normalised(case[0]), case[1]
    expected = [
        outputs_of(own).get(tuple(tokens.tolist()), -math.inf)
        for own, tokens in zip(steps.split(), target.split(), strict=True)
    ]
    assert ctc_score(steps, target).tolist() == pytest.approx(expected, **CLOSE)


@drawn
@given(cases())
def test_an_alignment_is_the_best_path_that_says_the_target(case: tuple[Ragged, Ragged]) -> None:
    possible = ~unreachable(case[0].lengths, case[1])
    steps, target = normalised(case[0]).select(possible), case[1].select(possible)
    aligned = ctc_alignment(steps, target)
    assert aligned.values.dtype == torch.int64
    assert torch.equal(aligned.ids, steps.ids)
    for own, tokens, places in zip(steps.split(), target.split(), aligned.split(), strict=True):
        _, path = max(paths_of(own)[tuple(tokens.tolist())], key=lambda each: float(each[0]))
        assert [int(tokens[place]) if place >= 0 else BLANK for place in places] == list(path)
        said = [place for place in places.tolist() if place >= 0]
        assert said == sorted(said)
        assert set(said) == set(range(len(tokens)))


def test_an_alignment_says_its_target_even_where_it_can_not_be() -> None:
    steps = Ragged(torch.tensor([[0.0, 1, 0, 0]] * 4).log(), [4])
    places = ctc_alignment(steps, ragged([[3, 3]])).values.tolist()
    assert collapsed(tuple(BLANK if place < 0 else 3 for place in places)) == (3, 3)
    assert ctc_score(steps, ragged([[3, 3]])).tolist() == [-math.inf]


STEPS = Ragged(torch.zeros(5, 4).log_softmax(1), [3, 0, 2])
TARGET = ragged([[3], [], [2]])


def with_best(value: float) -> Ragged:
    values = STEPS.values.clone()
    values[4] = value
    return STEPS.with_values(values)


MISTAKES: dict[str, tuple[Any, str]] = {
    "no beam": (
        lambda: ctc_beam_search(STEPS, size=0),
        "`n_best` must be from 1 to the beam's `size`, but they are 1 and 0",
    ),
    "more than beams": (
        lambda: ctc_beam_search(STEPS, size=2, n_best=3),
        "`n_best` must be from 1 to the beam's `size`, but they are 3 and 2",
    ),
    "prune": (
        lambda: ctc_beam_search(STEPS, prune=-1.0),
        "`prune` must be at least 0 nats, but is -1.0; use `math.inf` for all tokens",
    ),
    "one id": (
        lambda: ctc_greedy(Ragged(torch.zeros(2, 1), [2])),
        "`log_probabilities` must be floating (total, ids) with the blank (1) among the ids, but has shape (2, 1) of "
        "torch.float32",
    ),
    "whole numbers": (
        lambda: ctc_greedy(Ragged(torch.zeros(2, 3, dtype=torch.int64), [2])),
        "`log_probabilities` must be floating (total, ids) with the blank (1) among the ids, but has shape (2, 3) of "
        "torch.int64",
    ),
    **{
        f"{name} is none": (
            lambda find=find, value=value: find(with_best(value)),
            "`log_probabilities` must be at most 0 and one a step above -inf, but step 1 of sequence 2 has "
            f"{value:.4g} as its best; use `scores.map(lambda step: step.log_softmax(1))`",
        )
        for name, find, value in (
            ("logit", ctc_greedy, 2.5),
            ("nan", ctc_beam_search, math.nan),
            ("nothing", lambda steps: ctc_alignment(steps, TARGET), -math.inf),
        )
    },
    "too long": (
        lambda: ctc_alignment(STEPS, ragged([[3], [], [2, 2]])),
        "`target` must fit into the steps there are, but sequence 2 needs 3 and has 2; leave out what `unreachable` "
        "names",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_can_not_be_decoded_is_named(case: str) -> None:
    make, message = MISTAKES[case]
    with pytest.raises(DecodingError) as error:
        make()
    assert str(error.value) == message


@pytest.mark.parametrize("find", [ctc_score, ctc_alignment])
def test_targets_that_do_not_fit_are_named(find: Any) -> None:
    with pytest.raises(ModelError) as error:
        find(STEPS, ragged([[3], [], [1]]))
    assert str(error.value) == "`target` must hold ids from 0 to 3 without the blank (1), but sequence 2 has 1"
