"""Tokens that must come so often, in every way to decode."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.decode.drawn import END, SOURCES, START, encoded, model_of, models

from unspool.decode import Hypothesis, beam_search, exactly, greedy, sample
from unspool.errors import DecodingError

TOKENS = torch.tensor([4, 3])  # of five: unknown, start, end and these two
COUNTS = torch.tensor([[1, 1], [0, 1], [0, 0], [1, 0]])
WAYS: dict[str, Callable[..., list[Hypothesis]]] = {
    "greedy": greedy,
    "sample": sample,
    "beam": lambda *args, **options: [found[0] for found in beam_search(*args, size=3, **options)],
    "whole beam": lambda *args, **options: [
        each for found in beam_search(*args, size=4, n_best=4, **options) for each in found[:1] + found[-1:]
    ][::2],
}
every_way = pytest.mark.parametrize("way", WAYS)


def said(found: Hypothesis) -> list[int]:
    return [Counter(found.tokens.tolist())[token] for token in TOKENS.tolist()]


@every_way
@models(10)
def test_every_output_says_each_token_as_often_as_asked(way: str, model: Any) -> None:
    for limit in (2, 6):
        constrain = exactly(TOKENS, COUNTS, max_length=limit)
        found = WAYS[way](model, encoded(model), max_length=limit, constrain=constrain)
        assert [said(each) for each in found] == COUNTS.tolist()


@every_way
@models(8)
def test_more_than_once_and_limits_of_their_own(way: str, model: Any) -> None:
    counts, limits = torch.tensor([[2, 1], [0, 3], [0, 0], [1, 1]]), torch.tensor([3, 5, 0, 4])
    constrain = exactly(TOKENS, counts, max_length=limits)
    found = WAYS[way](model, encoded(model), max_length=limits, constrain=constrain)
    assert [said(each) for each in found] == counts.tolist()


@every_way
@models(8)
def test_without_a_limit_what_ends_is_right_and_nothing_is_said_too_often(way: str, model: Any) -> None:
    found = WAYS[way](model, encoded(model), max_length=4, constrain=exactly(TOKENS, COUNTS))
    for each, counts in zip(found, COUNTS.tolist(), strict=True):
        assert all(one <= most for one, most in zip(said(each), counts, strict=True))
        assert not each.complete or said(each) == counts


def test_a_limit_without_room_is_filled_with_what_is_asked_for() -> None:
    model = model_of(3)
    found = greedy(model, encoded(model), max_length=1, constrain=exactly(TOKENS, COUNTS, max_length=1))
    assert (sum(said(found[0])), found[0].complete) == (1, False)
    assert [said(each) for each in found[1:]] == COUNTS[1:].tolist()


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_what_is_allowed_is_what_a_loop_over_tokens_allows(data: st.DataObject) -> None:
    vocabulary, size = 8, data.draw(st.integers(1, 4))
    tokens = torch.tensor(data.draw(st.permutations([0, 3, 4, 5, 6, 7]))[:size])
    counts = torch.tensor(data.draw(st.lists(st.lists(st.integers(0, 2), min_size=size, max_size=size), min_size=1)))
    rows = torch.tensor(data.draw(st.lists(st.integers(0, len(counts) - 1), min_size=1, max_size=5)))
    steps, limit = data.draw(st.integers(0, 6)), data.draw(st.none() | st.integers(0, 9))
    prefixes = torch.randint(vocabulary, (len(rows), steps), generator=torch.Generator().manual_seed(steps))
    scores = torch.randn(len(rows), vocabulary)
    found = exactly(tokens, counts, max_length=limit)(scores.clone(), prefixes, rows)
    for i, row in enumerate(rows.tolist()):
        left = {
            token: count - prefixes[i].tolist().count(token)
            for token, count in zip(tokens.tolist(), counts[row].tolist(), strict=True)
        }
        missing = sum(max(each, 0) for each in left.values())
        for token in range(vocabulary):
            allowed = (
                left[token] > 0
                if token in left
                else not missing or (token != END and (limit is None or missing < limit - steps))
            )
            assert found[i, token] == (scores[i, token] if allowed else -torch.inf)


MISTAKES: dict[str, tuple[Any, Any, str]] = {
    "twice": ([3, 3], [[1, 1]], "`tokens` must be different ids, (k,) whole numbers, but are [3, 3]"),
    "two rows": ([[3]], [[1]], "`tokens` must be different ids, (k,) whole numbers, but are [[3]]"),
    "no numbers": ([0.5], [[1]], "`tokens` must be different ids, (k,) whole numbers, but are [0.5]"),
    "the end": ([3, END], [[1, 1]], f"`tokens` must be neither the start nor the end (1, 2), but are [3, {END}]"),
    "the start": ([START], [[1]], f"`tokens` must be neither the start nor the end (1, 2), but are [{START}]"),
    "one row": ([3], [1], "`counts` must be whole numbers of shape (batch, 1), but are (1,) of torch.int64"),
    "too many": ([3], [[1, 1]], "`counts` must be whole numbers of shape (batch, 1), but are (1, 2) of torch.int64"),
    "shares": ([3], [[0.5]], "`counts` must be whole numbers of shape (batch, 1), but are (1, 1) of torch.float32"),
    "below none": ([3], [[-1]], "`counts` must be from 0, but one is -1"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_can_not_be_counted_is_named(case: str) -> None:
    tokens, counts, message = MISTAKES[case]
    with pytest.raises(DecodingError) as error:
        exactly(torch.tensor(tokens), torch.tensor(counts))
    assert str(error.value) == message


def test_sources_are_as_many_as_their_counts() -> None:
    assert len(SOURCES) == len(COUNTS)
