"""Of several outputs the one that all of them are most like."""

import math

import pytest

from unspool.decode import by_risk
from unspool.errors import DecodingError
from unspool.metrics import chrf, text_chrf

TEXTS = ["red", "a red apple", "the red apple", "a red apple tree", "cow"]


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
    assert by_risk(TEXTS, scores, shared) == sorted(range(5), key=lambda place: -expected[place])


def test_one_that_is_almost_certain_comes_first_whatever_the_others_say() -> None:
    assert by_risk(TEXTS, [-5.0, -5.0, -5.0, -5.0, 20.0], shared)[0] == 4


def test_a_likeness_is_asked_of_an_output_against_the_other_as_its_reference() -> None:
    asked = []

    def within(one: str, other: str) -> float:
        asked.append((one, other))
        return float(one in other)

    assert by_risk(["red", "red apple"], [0.0, 0.0], within) == [0, 1]
    assert set(asked) == {("red", "red"), ("red", "red apple"), ("red apple", "red"), ("red apple", "red apple")}


def test_of_equals_the_first_comes_first_and_none_of_none() -> None:
    assert by_risk(["a", "a", "a"], [-3.0, -1.0, -2.0], shared) == [0, 1, 2]
    assert by_risk([], [], shared) == []


def test_a_score_for_each_text_is_needed() -> None:
    with pytest.raises(DecodingError, match=r"^`scores` must be one a text, 2, but are 1$"):
        by_risk(["a", "b"], [0.0], shared)


def test_the_likeness_of_a_text_is_that_of_a_corpus_of_it() -> None:
    for text in TEXTS:
        for other in TEXTS:
            assert text_chrf(text, other) == pytest.approx(chrf([text], [[other]]).value)
