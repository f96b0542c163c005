"""Distinct runs of words, against a count by hand and a plain loop."""

import random

import pytest

from unspool.metrics import distinct_1, distinct_2


def test_runs_are_counted_by_hand() -> None:
    # i, don't, know, care, . are 5 of 8 words; and pairs are i don't, don't know, know ., don't care, care .
    said = ["I don't know.", "i don't care."]
    one, two = distinct_1(said, [["Yes."], ["No!"]]), distinct_2(said, [["Yes."], ["No!"]])
    assert (one.value, one.details["distinct"], one.details["words"]) == (62.5, 5, 8)
    assert (two.value, two.details["distinct"], two.details["words"]) == (62.5, 5, 8)
    assert one.details["references"] == 100  # yes . no !, but "." and "!" differ
    assert two.details["references"] == 50


def test_runs_do_not_go_from_one_text_to_the_next() -> None:
    assert distinct_2(["a", "b", "a"], [["x"]] * 3).value == 0


@pytest.mark.parametrize("texts", [["", "  "], ["", "a"]])
def test_texts_without_words_are_told_as_nothing(texts: list[str]) -> None:
    assert distinct_2(texts, [["a b"], ["c"]]).value == 0
    assert distinct_1(texts, [["a b"], ["c"]]).value == (100 if texts[1] == "a" else 0)


def test_large_texts_are_as_a_plain_loop_counts_them() -> None:
    draw = random.Random(0)
    texts = [" ".join(draw.choices("abcdefgh", k=draw.randint(0, 9))) for _ in range(50)]
    pairs, words = [], 0
    for text in texts:
        tokens = text.split()
        words += len(tokens)
        for i in range(len(tokens) - 1):
            if (tokens[i], tokens[i + 1]) not in pairs:
                pairs.append((tokens[i], tokens[i + 1]))
    score = distinct_2(["x"] * 50, [[text, "another"] for text in texts])
    assert score.details["references"] == pytest.approx(100 * len(pairs) / words)
    assert distinct_2(texts, [["x"]] * 50).value == pytest.approx(100 * len(pairs) / words)


def test_the_same_answer_to_everything_has_hardly_any_variety() -> None:
    assert distinct_2(["I don't know."] * 1000, [["x"]] * 1000).value == pytest.approx(0.075)
