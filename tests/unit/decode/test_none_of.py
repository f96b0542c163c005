"""Outputs that may not be."""

from typing import Any

import pytest
import torch
from torch import Tensor
from unit.decode.drawn import END, SOURCES, encoded, model_of, models
from unit.decode.test_constraints import WAYS, every_way

from unspool.decode import all_of, beam_search, none_of


def letters(tokens: Tensor) -> str:
    return "".join("abcde"[token] for token in tokens.tolist())


@every_way
@models(8)
def test_no_output_is_one_of_those_of_its_own_source(way: str, model: Any) -> None:
    plain = [letters(one.tokens) for one in WAYS[way](model, encoded(model), max_length=6)]
    constrain = none_of([{text} for text in plain], letters)
    for text, one in zip(plain, WAYS[way](model, encoded(model), max_length=6, constrain=constrain), strict=True):
        assert letters(one.tokens) != text or not one.complete
    never = none_of([{"no output"}] * len(plain), letters)
    assert [letters(one.tokens) for one in WAYS[way](model, encoded(model), max_length=6, constrain=never)] == plain


@models(8)
def test_a_beam_finds_the_others_and_what_goes_on_from_a_forbidden_one(model: Any) -> None:
    """All that a wide beam finds but what is forbidden: nothing else is lost, and no score changes."""
    size, given = 200, {"max_length": 2}
    every = beam_search(model, encoded(model), size=size, n_best=size, **given)
    taken = [{letters(one.tokens) for one in each[::2]} for each in every]
    left = beam_search(model, encoded(model), size=size, n_best=size, constrain=none_of(taken, letters), **given)
    for whole, some, forbidden in zip(every, left, taken, strict=True):
        kept = [
            (letters(one.tokens), one.score) for one in whole if one.complete and letters(one.tokens) not in forbidden
        ]
        assert [(letters(one.tokens), one.score) for one in some if one.complete] == kept
        assert len(forbidden) > 1


def test_one_may_end_where_nothing_else_may_follow() -> None:
    def at_most_two(scores: Tensor, prefixes: Tensor, rows: Tensor) -> Tensor:
        return scores.masked_fill(torch.arange(5) != END, -torch.inf) if prefixes.shape[1] == 2 else scores

    model = model_of(3, ends=-2.0)
    free = WAYS["greedy"](model, encoded(model), max_length=5, constrain=at_most_two)
    taken = none_of([{letters(one.tokens) for one in free}] * len(SOURCES), letters)
    told = WAYS["greedy"](model, encoded(model), max_length=5, constrain=all_of(at_most_two, taken))
    assert [letters(one.tokens) for one in told if len(one.tokens) == 2]


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_only_the_end_is_forbidden_and_scores_are_not_changed_in_place(steps: int) -> None:
    scores, prefixes = torch.randn(2, 5), torch.tensor([[3, 4], [4, 4]])[:, :steps]
    before = scores.clone()
    found = none_of([{"de"[:steps]}, set()], letters)(scores, prefixes, torch.tensor([0, 1]))
    expected = before.clone()
    expected[0, END] = -torch.inf
    assert torch.equal(found, expected)
    assert torch.equal(scores, before)
