"""Of several outputs the one that all of them are most like."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis.strategies import floats, lists, sampled_from, text, tuples

from unspool.decode import by_risk
from unspool.errors import DecodingError
from unspool.metrics import chrf, chrf_among, text_chrf

TEXTS = ["red", "a red apple", "the red apple", "a red apple tree", "cow"]


def each_to_each(likeness: Callable[[str, str], float]) -> Callable[[Sequence[str]], list[list[float]]]:
    """A likeness of two as one of several."""
    return lambda texts: [[likeness(one, other) for other in texts] for one in texts]


def shared(one: str, other: str) -> float:
    """What share of the words of both is in both."""
    mine, theirs = set(one.split()), set(other.split())
    return len(mine & theirs) / len(mine | theirs)


@pytest.mark.parametrize(
    "scores", [[0.0] * 5, [-0.1, -1.2, -1.3, -2.5, -0.4], [-900.0, -901.0, -905.0, -903.0, -902.0]]
)
def test_outputs_stand_in_the_order_of_what_they_are_expected_to_reach(scores: list[float]) -> None:
    chances = [math.exp(score - max(scores)) for score in scores]
    expected = [
        sum(chance * shared(one, other) for chance, other in zip(chances, TEXTS, strict=True)) / sum(chances)
        for one in TEXTS
    ]
    assert by_risk(TEXTS, scores, each_to_each(shared)) == sorted(range(5), key=lambda place: -expected[place])


def test_one_that_is_almost_certain_comes_first_whatever_the_others_say() -> None:
    assert by_risk(TEXTS, [-5.0, -5.0, -5.0, -5.0, 20.0], each_to_each(shared))[0] == 4


def test_a_likeness_is_asked_of_an_output_against_the_other_as_its_reference() -> None:
    asked = []

    def within(one: str, other: str) -> float:
        asked.append((one, other))
        return float(one in other)

    assert by_risk(["red", "red apple"], [0.0, 0.0], each_to_each(within)) == [0, 1]
    assert set(asked) == {("red", "red"), ("red", "red apple"), ("red apple", "red"), ("red apple", "red apple")}


def test_of_each_text_the_first_stands_for_all_and_none_of_none() -> None:
    assert by_risk(["a", "a", "a"], [-3.0, -1.0, -2.0], each_to_each(shared)) == [0]
    assert by_risk([], [], each_to_each(shared)) == []
    # Two that are there once each and one that is there twice.
    assert by_risk(["x", "y z", "w", "y z"], [0.0, -0.1, -0.2, -0.1], each_to_each(shared)) == [1, 0, 2]


@given(lists(tuples(sampled_from(["a", "b", "a b", "b a", ""]), floats(-30, 0)), min_size=1, max_size=12))
def test_equal_texts_change_nothing_but_how_probable_they_are(found: list[tuple[str, float]]) -> None:
    texts, scores = [text for text, _ in found], [score for _, score in found]
    places = by_risk(texts, scores, each_to_each(text_chrf))
    assert sorted(places) == sorted(texts.index(text) for text in set(texts))
    merged = sorted(set(texts), key=texts.index)
    summed = [math.log(math.fsum(math.exp(score) for text, score in found if text == each)) for each in merged]
    again = [merged[place] for place in by_risk(merged, summed, each_to_each(text_chrf))]
    expected = {
        one: sum(math.exp(score) * text_chrf(one, other) for other, score in zip(merged, summed, strict=True))
        for one in merged
    }
    for order in ([texts[place] for place in places], again):
        ranked = [expected[text] for text in order]
        assert all(after <= before * (1 + 1e-9) for before, after in pairwise(ranked))


def test_an_output_that_can_not_be_weighs_nothing_and_all_such_weigh_alike() -> None:
    never = -math.inf
    assert by_risk(["red", "a red apple", "the red apple"], [0.0, never, never], each_to_each(shared)) == [0, 1, 2]
    assert by_risk(["red", "a red apple", "the red apple"], [never] * 3, each_to_each(shared))[0] == 1


def test_an_empty_output_may_be_the_best() -> None:
    assert by_risk(["", "cow"], [-0.1, -3.0], each_to_each(text_chrf)) == [0, 1]


def test_a_score_for_each_text_is_needed() -> None:
    with pytest.raises(DecodingError, match=r"^`scores` must be one a text, 2, but are 1$"):
        by_risk(["a", "b"], [0.0], each_to_each(shared))


@given(lists(text("ab ⏎é", max_size=12), max_size=6))
def test_among_several_it_is_that_of_each_two(texts: list[str]) -> None:
    expected = [[text_chrf(one, other) for other in texts] for one in texts]
    assert chrf_among(texts).tolist() == [pytest.approx(row, abs=1e-9) for row in expected]


def test_the_likeness_of_a_text_is_that_of_a_corpus_of_it() -> None:
    assert text_chrf("", "") == text_chrf(" ", " ") == 100
    for one in TEXTS:
        for other in TEXTS:
            assert text_chrf(one, other) == pytest.approx(chrf([one], [[other]]).value)
