"""Tokens that are given and gone on from."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.decode.drawn import END, KINDS, SOURCES, START, encoded, model_of, next_scores, ragged

from unspool import Ragged
from unspool.decode import greedy, no_repeated_ngrams, sample
from unspool.errors import DecodingError

OPENINGS = [[3, 3, 4], [], [4], [3, 4, 4, 3, 3, 4]]
ways = pytest.mark.parametrize("way", [greedy, sample])


def opening(rows: list[list[int]]) -> Ragged:
    return Ragged.from_list([torch.tensor(row, dtype=torch.int64) for row in rows])


def tokens(found: Any) -> list[tuple[list[int], bool, float]]:
    return [(one.tokens.tolist(), one.complete, round(one.log_probability, 9)) for one in found]


drawn = settings(max_examples=15, deadline=None, derandomize=True)
rows = st.lists(st.lists(st.sampled_from([3, 4]), max_size=5), min_size=4, max_size=4)


@drawn
@given(st.integers(0, 10_000), st.sampled_from(KINDS), rows, st.integers(0, 7))
def test_greedy_goes_on_from_an_opening_by_the_best_tokens(seed: int, kind: Any, given_: Any, limit: int) -> None:
    model = model_of(seed, *kind)
    found = greedy(model, encoded(model), max_length=limit, opening=opening(given_))
    for source, start, one in zip(SOURCES, given_, found, strict=True):
        prefix, total, complete = [], 0.0, False
        while True:
            scores, _ = next_scores(model, source, prefix)
            allowed = scores.clone()
            allowed[START] = -torch.inf
            token = start[len(prefix)] if len(prefix) < len(start) else int(allowed.argmax())
            if token == END or len(prefix) < limit:
                total += float(scores[token])
            if token == END or len(prefix) == limit:
                complete = token == END
                break
            prefix.append(token)
        assert (one.tokens.tolist(), one.complete) == (prefix, complete)
        assert one.log_probability == pytest.approx(total, rel=1e-9)


@ways
def test_an_opening_is_the_beginning_of_what_is_written_and_counts_in_its_score(way: Any) -> None:
    model = model_of(3)
    for row, one in enumerate(way(model, encoded(model), max_length=9, opening=opening(OPENINGS))):
        assert one.tokens.tolist()[: len(OPENINGS[row])] == OPENINGS[row]
        target = Ragged(one.tokens, [len(one.tokens)])
        expected = model.score(ragged(SOURCES).select([row]), target, ended=one.complete)
        assert one.log_probability == pytest.approx(float(expected), rel=1e-9)


@ways
@pytest.mark.parametrize("constrain", [None, no_repeated_ngrams(2), no_repeated_ngrams(1)])
def test_what_is_written_depends_on_the_example_and_its_own_opening_alone(way: Any, constrain: Any) -> None:
    model = model_of(1, ends=-2.0)
    options = {"max_length": 8, "constrain": constrain}
    together = tokens(way(model, encoded(model), opening=opening(OPENINGS), **options))
    for row, (source, start) in enumerate(zip(SOURCES, OPENINGS, strict=True)):
        alone = way(model, encoded(model, [source]), opening=opening([start]), **options)
        assert tokens(alone) == together[row : row + 1]
    turned = way(model, encoded(model, SOURCES[::-1]), opening=opening(OPENINGS[::-1]), **options)
    assert tokens(turned) == together[::-1]


@ways
def test_what_was_written_as_an_opening_gives_itself_again(way: Any) -> None:
    model = model_of(5, ends=-0.5)
    whole = way(model, encoded(model), max_length=6)
    for length in range(7):
        part = opening([one.tokens[:length].tolist() for one in whole])
        assert tokens(way(model, encoded(model), max_length=6, opening=part)) == tokens(whole)
    nothing = way(model, encoded(model), max_length=6, opening=opening([[]] * 4))
    assert tokens(nothing) == tokens(whole)


@ways
def test_what_is_given_need_not_be_allowed_but_what_follows_must(way: Any) -> None:
    model = model_of(2, ends=-3.0)

    def only_four(scores: torch.Tensor, prefixes: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return scores.masked_fill(torch.tensor([True, True, True, True, False]), -torch.inf)

    found = way(model, encoded(model), max_length=7, opening=opening(OPENINGS), constrain=only_four)
    assert [one.tokens.tolist() for one in found] == [start + [4] * (7 - len(start)) for start in OPENINGS]


@ways
def test_an_opening_longer_than_the_limit_is_cut_and_an_end_in_it_ends(way: Any) -> None:
    model = model_of(0)
    limit = torch.tensor([2, 3, 0, 9])
    found = way(model, encoded(model), max_length=limit, opening=opening([[3, 4, 3], [3, END, 4], [4], [3]]))
    assert [one.tokens.tolist() for one in found[:3]] == [[3, 4], [3], []]
    assert [one.complete for one in found[:3]] == [False, True, False]


@ways
@pytest.mark.parametrize("count", [1, 5])
def test_there_is_an_opening_for_each(way: Any, count: int) -> None:
    model = model_of(0)
    with pytest.raises(DecodingError) as error:
        way(model, encoded(model), max_length=3, opening=opening([[3]] * count))
    assert str(error.value) == (
        f"`opening` must have a sequence for each of the 4 that are decoded, but has {count}; "
        "an empty one gives nothing"
    )
