"""Words at their places, against a count by hand and against scikit-learn's accuracy at each place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from unspool.errors import DataError
from unspool.metrics import METRICS, by_place, confidence, word_accuracy

COMMANDS = st.tuples(*(st.sampled_from(words) for words in (["bin", "lay"], ["red", "blue"], ["f", "p"]))).map(" ".join)
WORDS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=4).map(" ".join)
SOME = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map(" ".join)


@given(st.lists(st.tuples(COMMANDS, COMMANDS), min_size=1, max_size=8))
def test_of_commands_it_is_the_accuracy_of_each_place(rows: list[tuple[str, str]]) -> None:
    score = word_accuracy([told for told, _ in rows], [[right] for _, right in rows])
    expected = [
        100 * accuracy_score([right.split()[place] for _, right in rows], [told.split()[place] for told, _ in rows])
        for place in range(3)
    ]
    found = by_place({"model": [score]})["model"]
    assert [each.value for each in found] == pytest.approx(expected)
    assert score.value == pytest.approx(sum(expected) / 3)


@given(st.lists(st.tuples(WORDS, st.lists(SOME, min_size=1, max_size=3)), min_size=1, max_size=6))
def test_the_reference_with_the_fewest_words_wrong_counts(rows: list[tuple[str, list[str]]]) -> None:
    right = words = 0
    for hypothesis, known in rows:
        told = hypothesis.split()
        best = None
        for each in map(str.split, known):
            hits = 0
            for place, word in enumerate(each):
                hits += place < len(told) and told[place] == word
            if best is None or (len(each) - hits, len(each)) < (best[1] - best[0], best[1]):
                best = hits, len(each)
        assert best is not None
        right, words = right + best[0], words + best[1]
    score = word_accuracy(*map(list, zip(*rows, strict=True)))
    assert score.value == pytest.approx(100 * right / words)
    assert (score.details["right"], score.details["words"]) == (right, words)
    sums = [sum(place[name] for place in score.details["places"]) for name in ("right", "words")]
    assert sums == [right, words]


def test_a_word_left_out_moves_those_after_it_and_one_too_many_at_the_end_none() -> None:
    assert word_accuracy(["a c d"], [["a b c d"]]).value == 25
    assert word_accuracy(["a b c d e"], [["a b c d"]]).value == 100
    assert word_accuracy(["x a b"], [["a b"]]).value == 0


def test_a_place_counts_where_the_reference_has_it() -> None:
    score = word_accuracy(["a b c", "a x"], [["a b c"], ["a b"]])
    assert score.details == {
        "right": 4,
        "words": 5,
        "places": [{"right": 2, "words": 2}, {"right": 1, "words": 2}, {"right": 1, "words": 1}],
    }
    assert [(each.name, each.value, each.better) for each in by_place({"x": [score]})["x"]] == [
        ("word 1", 100, "higher"),
        ("word 2", 50, "higher"),
        ("word 3", 100, "higher"),
    ]


def test_only_scores_that_tell_places_have_them() -> None:
    others = [METRICS["accuracy"](["a"], [["a"]])]
    assert by_place({"model": others, "baseline": []}) == {}


def test_the_interval_is_that_of_words() -> None:
    rows = ["a b"] * 30 + ["a x"] * 70, [["a b"]] * 100
    interval = confidence(word_accuracy, *rows, samples=500)
    assert interval.score.value == 65
    assert interval.low == pytest.approx(65 - 1.96 * 100 * (0.3 * 0.7 / 100) ** 0.5 / 2, abs=1)


def test_no_word_in_any_reference_is_an_error() -> None:
    with pytest.raises(DataError) as error:
        word_accuracy(["a", "b"], [[""], [" "]])
    assert str(error.value) == "`references` must hold at least one token, but the nearest ones are all empty"


def test_what_is_empty_beside_others_is_wrong_everywhere() -> None:
    score = word_accuracy(["", "a"], [["a b"], ["a"]])
    assert score.details["places"] == [{"right": 1, "words": 2}, {"right": 0, "words": 1}]
