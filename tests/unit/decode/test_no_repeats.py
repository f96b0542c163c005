"""No repeated n-grams, and several constraints as one."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from unit.decode.drawn import END, encoded, model_of, models
from unit.decode.test_constraints import WAYS, every_way

from unspool.decode import all_of, greedy, no_repeated_ngrams
from unspool.errors import DecodingError


def repeats(tokens: list[int], n: int) -> bool:
    runs = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return len(set(runs)) < len(runs)


@given(st.lists(st.lists(st.integers(0, 4), min_size=9, max_size=9), max_size=4), st.integers(0, 9), st.integers(1, 4))
def test_a_token_but_the_end_is_forbidden_where_it_would_end_a_run_that_was_there(
    rows: list[list[int]], length: int, n: int
) -> None:
    prefixes = torch.tensor(rows, dtype=torch.int64).reshape(-1, 9)[:, :length]
    scores = torch.randn(len(rows), 5)
    before = scores.clone()
    got = no_repeated_ngrams(n)(scores, prefixes, torch.arange(len(rows)))
    assert torch.equal(scores, before)
    for row, prefix in enumerate(prefixes.tolist()):
        runs = {tuple(prefix[i : i + n]) for i in range(length - n + 1)}
        for token in range(5):
            there = token != END and length >= n and (*prefix[length - n + 1 :], token) in runs
            assert float(got[row, token]) == (-torch.inf if there else float(before[row, token]))


@every_way
@pytest.mark.parametrize("n", [1, 2, 3])
@models(8)
def test_nothing_comes_twice_in_any_way_to_decode(way: str, n: int, model: Any) -> None:
    for one in WAYS[way](model, encoded(model), max_length=12, constrain=no_repeated_ngrams(n)):
        assert not repeats(one.tokens.tolist(), n)
        assert one.complete or len(one.tokens) == 12


@pytest.mark.parametrize("n", [1, 2])
def test_the_end_may_come_again_in_a_text_of_lines(n: int) -> None:
    model = model_of(3, ends=30.0)
    for one in greedy(model, encoded(model), max_length=5, constrain=no_repeated_ngrams(n), endless=True):
        assert one.tokens.tolist() == [END] * 5


def test_without_it_something_does() -> None:
    plain = WAYS["beam"](model_of(3, ends=-2.0), encoded(model_of(3)), max_length=12)
    assert any(repeats(one.tokens.tolist(), 2) for one in plain)


@every_way
@models(8)
def test_several_constraints_hold_together(way: str, model: Any) -> None:
    def without_three(scores: Tensor, prefixes: Tensor, rows: Tensor) -> Tensor:
        return scores.masked_fill(torch.arange(5) == 3, -torch.inf)

    def ends_after_four(scores: Tensor, prefixes: Tensor, rows: Tensor) -> Tensor:
        return scores.masked_fill(torch.arange(5) != END, -torch.inf) if prefixes.shape[1] >= 4 else scores

    both = all_of(no_repeated_ngrams(2), without_three, ends_after_four)
    for one in WAYS[way](model, encoded(model), max_length=12, constrain=both):
        tokens = one.tokens.tolist()
        assert not repeats(tokens, 2)
        assert 3 not in tokens
        assert len(tokens) <= 4
    order: list[int] = []

    def note(number: int) -> Callable[..., Tensor]:
        return lambda scores, prefixes, rows: order.append(number) or scores  # type: ignore[func-returns-value]

    all_of(note(1), note(2))(torch.zeros(1, 5), torch.zeros(1, 0), torch.zeros(1))
    assert order == [1, 2]


def test_a_run_of_nothing_is_refused() -> None:
    with pytest.raises(DecodingError) as caught:
        no_repeated_ngrams(0)
    assert str(caught.value) == "`n` must be at least 1, but is 0"
