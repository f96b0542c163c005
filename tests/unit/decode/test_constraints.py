"""Constraints: a function says what may come next, in every way to decode."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from unit.decode.drawn import END, SOURCES, encoded, model_of, models

from unspool import Ragged
from unspool.decode import Hypothesis, beam_search, greedy, sample, without_unknown
from unspool.errors import DecodingError
from unspool.tokens import UNKNOWN

WAYS: dict[str, Callable[..., list[Hypothesis]]] = {
    "greedy": greedy,
    "sample": sample,
    "beam": lambda *args, **options: [found[0] for found in beam_search(*args, size=3, **options)],
    "beam of one": lambda *args, **options: [found[0] for found in beam_search(*args, size=1, **options)],
}
every_way = pytest.mark.parametrize("way", WAYS)
PREFIXES = [[4, 4, 3], [3], [0, 4, 0, 0], []]


def allow(scores: Tensor, row: int, *tokens: int) -> None:
    """Leave these tokens alone in a row."""
    kept = scores[row, list(tokens)].clone()
    scores[row] = -torch.inf
    scores[row, list(tokens)] = kept


def begin_as_told(scores: Tensor, prefixes: Tensor, rows: Tensor) -> Tensor:
    """Each source has its own beginning; nothing else may ever be asked about."""
    for i, (prefix, row) in enumerate(zip(prefixes.tolist(), rows.tolist(), strict=True)):
        told = PREFIXES[row]
        assert prefix[: len(told)] == told[: len(prefix)]
        if len(prefix) < len(told):
            allow(scores, i, told[len(prefix)])
    return scores


@every_way
@models(8)
def test_a_beginning_can_be_forced_on_each_source(way: str, model: Any) -> None:
    found = WAYS[way](model, encoded(model), max_length=6, constrain=begin_as_told)
    for one, told in zip(found, PREFIXES, strict=True):
        assert one.tokens.tolist()[: len(told)] == told


@every_way
@models(8)
def test_a_whole_output_can_be_forced_and_scores_stay_the_models_own(way: str, model: Any) -> None:
    def exactly(scores: Tensor, prefixes: Tensor, rows: Tensor) -> Tensor:
        for i, (prefix, row) in enumerate(zip(prefixes.tolist(), rows.tolist(), strict=True)):
            assert prefix == PREFIXES[row][: len(prefix)]
            allow(scores, i, [*PREFIXES[row], END][len(prefix)])
        return scores

    found = WAYS[way](model, encoded(model), max_length=6, constrain=exactly)
    for one, told, source in zip(found, PREFIXES, SOURCES, strict=True):
        assert (one.tokens.tolist(), one.complete) == (told, True)
        pair = (Ragged(torch.tensor(each, dtype=torch.int64), [len(each)]) for each in (source, told))
        assert one.log_probability == pytest.approx(float(model.score(*pair)), rel=1e-9)


@every_way
@models(8)
def test_a_forbidden_token_does_not_come(way: str, model: Any) -> None:
    def without_three(scores: Tensor, prefixes: Tensor, rows: Tensor) -> Tensor:
        assert prefixes.shape[0] == rows.shape[0] == scores.shape[0]
        return scores.masked_fill(torch.arange(5) == 3, -torch.inf)

    plain, found = (
        WAYS[way](model, encoded(model), max_length=6, constrain=constrain) for constrain in (None, without_three)
    )
    for one, before in zip(found, plain, strict=True):
        assert 3 not in one.tokens
        if way.startswith("greedy") and 3 not in before.tokens:
            assert one.tokens.tolist() == before.tokens.tolist()


@models(20)
def test_what_steers_the_best_token_steers_a_beam_of_one_too(model: Any) -> None:
    def steered(scores: Tensor, prefixes: Tensor, rows: Tensor) -> Tensor:
        return scores + torch.tensor([0.0, 0.0, -3.0, 2.0, 4.0], dtype=torch.float64)

    source = encoded(model)
    found = beam_search(model, source, size=1, max_length=5, constrain=steered)
    free = greedy(model, source, max_length=5)
    for (got,), expected in zip(found, greedy(model, source, max_length=5, constrain=steered), strict=True):
        assert got.tokens.tolist() == expected.tokens.tolist()
        assert got.log_probability == pytest.approx(expected.log_probability, rel=1e-9)
    assert len(free) == len(found)


@every_way
def test_a_constraint_that_forbids_everything_is_refused(way: str) -> None:
    def never_after_four(scores: Tensor, prefixes: Tensor, rows: Tensor) -> Tensor:
        for i, prefix in enumerate(prefixes.tolist()):
            allow(scores, i, *([4] if not prefix else []))
        return scores

    model = model_of(0)
    with pytest.raises(DecodingError) as caught:
        WAYS[way](model, encoded(model), max_length=5, constrain=never_after_four)
    assert str(caught.value) == (
        "`constrain` must leave at least one token, but forbids all for sequence 0 after [4]; allow the end token (2)"
    )


@every_way
def test_a_constraint_of_another_shape_is_refused(way: str) -> None:
    model = model_of(0)
    with pytest.raises(DecodingError) as caught:
        WAYS[way](model, encoded(model), max_length=5, constrain=lambda scores, prefixes, rows: scores[:, :3])
    assert str(caught.value) == "`constrain` must return log-probabilities of shape (4, 5), but gave (4, 3)"


def test_without_unknown_forbids_that_token_and_leaves_the_rest() -> None:
    before = torch.randn(2, 5).log_softmax(1)
    kept = before.clone()
    after = without_unknown(before, torch.zeros(2, 0, dtype=torch.int64), torch.arange(2))
    assert torch.equal(before, kept)
    assert torch.equal(after[:, 1:], before[:, 1:])
    assert (after[:, UNKNOWN] == -torch.inf).all()
