"""Baselines: what each answers, what all refuse."""

import math
import random
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool import likeness
from unspool.baselines import (
    BASELINES,
    climatology,
    lead,
    majority,
    mean,
    nearest,
    nearest_act,
    nearest_within,
    repeat,
    tfidf,
    tfidf_labels,
    typical,
)
from unspool.baselines.lead import chosen, first_sentence, first_words
from unspool.errors import DataError
from unspool.metrics import rouge_l

QUESTIONS = ["play a song", "play some music", "open the door", "open a window", "what time is it", "is it late"]
ANSWERS = ["music", "music", "house", "house", "time", "time"]
ASKED = ["play music", "open the window", "what is the time", "is it open", "zzz", "", "a song a door"]
MANY = [f"{question} {suffix}" for question in [*QUESTIONS, *ASKED] for suffix in ("now", "please", "today", "!")]


def test_the_register_names_every_baseline() -> None:
    known = [
        majority,
        tfidf,
        tfidf_labels,
        nearest,
        lead,
        nearest_act,
        nearest_within,
        repeat,
        climatology,
        typical,
        mean,
    ]
    assert {function.__name__: function for function in known} == BASELINES


of_texts = pytest.mark.parametrize("name", ["majority", "tfidf", "nearest"])  # the others are asked with other texts


@of_texts
def test_there_is_an_answer_of_the_training_part_for_each_question(name: str) -> None:
    answers = BASELINES[name](QUESTIONS, ANSWERS, ASKED)
    assert len(answers) == len(ASKED)
    assert set(answers) <= set(ANSWERS)
    assert all(type(answer) is str for answer in answers)


def test_blanks_around_a_label_are_none_of_its_own() -> None:
    questions = ["good fun", "so good", "so bad", "bad fun"]
    apart = tfidf_labels(questions, ["a, b", " a", "c ", "b ,c"], ["good", "bad fun"])
    assert apart == tfidf_labels(questions, ["a,b", "a", "c", "b,c"], ["good", "bad fun"])
    with pytest.raises(DataError, match="`separator` must be at least one character, but is empty"):
        tfidf_labels(questions, ["a", "a", "c", "c"], ["good"], separator="")


@of_texts
def test_each_question_is_answered_by_itself(name: str) -> None:
    baseline = BASELINES[name]
    order = random.Random(0).sample(range(len(MANY)), len(MANY))
    answers = baseline(QUESTIONS, ANSWERS, MANY)
    assert baseline(QUESTIONS, ANSWERS, [MANY[i] for i in order]) == [answers[i] for i in order]
    assert [baseline(QUESTIONS, ANSWERS, [question])[0] for question in MANY] == answers


@of_texts
def test_the_same_rows_give_the_same_answers(name: str) -> None:
    assert BASELINES[name](QUESTIONS, ANSWERS, MANY) == BASELINES[name](tuple(QUESTIONS), tuple(ANSWERS), tuple(MANY))


@of_texts
def test_nothing_asked_gets_no_answer(name: str) -> None:
    assert BASELINES[name](QUESTIONS, ANSWERS, []) == []


@pytest.mark.parametrize("name", ["tfidf", "nearest"])
def test_words_of_a_class_lead_to_it_and_case_does_not_matter(name: str) -> None:
    asked = ["PLAY SOME", "open the big door", "what time"]
    assert BASELINES[name](QUESTIONS, ANSWERS, asked) == ["music", "house", "time"]


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=12))
def test_majority_is_the_most_frequent_answer_and_of_several_the_first_by_alphabet(answers: list[str]) -> None:
    most = max(Counter(answers).values())
    expected = sorted(answer for answer in answers if answers.count(answer) == most)[0]
    assert majority(["?"] * len(answers), answers, ["x", "y"]) == [expected] * 2


def test_tfidf_sees_pairs_of_words() -> None:
    # Every word is as frequent in both classes; only their order tells.
    questions, answers = ["not good bad", "not bad good"] * 2, ["bad", "good"] * 2
    assert tfidf(questions, answers, ["not good", "not bad"]) == ["bad", "good"]


def test_tfidf_sees_words_of_one_letter() -> None:
    assert tfidf(["a", "b", "a", "b"], ["1", "2", "1", "2"], ["b", "a"]) == ["2", "1"]


def similarity(left: str, right: str, rarity: dict[str, float]) -> float:
    """The cosine of TF-IDF, written out."""
    one, other = ({run: count * rarity.get(run, 0) for run, count in runs(text).items()} for text in (left, right))
    lengths = [math.sqrt(sum(weight**2 for weight in each.values())) for each in (one, other)]
    return sum(weight * other.get(run, 0) for run, weight in one.items()) / (math.prod(lengths) or 1)


def runs(text: str) -> Counter[str]:
    return Counter(text[i : i + n] for n in (2, 3, 4) for i in range(len(text) - n + 1))


TEXTS = st.text("abc ", max_size=8).map(lambda text: " ".join(text.split()))


@given(st.lists(TEXTS, min_size=1, max_size=6), st.lists(TEXTS, max_size=4))
def test_nearest_has_the_highest_cosine_of_runs_of_characters(questions: list[str], asked: list[str]) -> None:
    questions = ["ab", *questions]
    documents = Counter(run for text in questions for run in runs(text))
    having = {run: sum(run in runs(text) for text in questions) for run in documents}
    rarity = {run: math.log((1 + len(questions)) / (1 + number)) + 1 for run, number in having.items()}
    places = [str(place) for place in range(len(questions))]
    for text, found in zip(asked, nearest(questions, places, asked), strict=True):
        values = [similarity(text, question, rarity) for question in questions]
        assert values[int(found)] == pytest.approx(max(values))


def test_of_questions_equally_near_the_first_counts() -> None:
    assert nearest(["no", "ab", "ab"], ["1", "2", "3"], ["ab", "xyz"]) == ["2", "1"]


def test_nearest_answers_the_same_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = nearest(QUESTIONS, ANSWERS, MANY)
    for cells in (1, 2 * len(QUESTIONS), 7 * len(QUESTIONS) + 1):
        monkeypatch.setattr(likeness, "_CELLS", cells)
        assert nearest(QUESTIONS, ANSWERS, MANY) == answers


MISTAKES: dict[str, tuple[Any, Any, Any, str]] = {
    "no training rows": ([], [], ["a"], "`questions` must hold at least one training row, but is empty"),
    "too few answers": (
        ["a", "b"],
        ["1"],
        ["a"],
        "`answers` must have an entry for each of the 2 `questions`, but has 1",
    ),
    "one string": (["a"], ["1"], "a", "`asked` must be a list of strings, but is a str"),
    "an iterator": (iter(["a"]), ["1"], ["a"], "`questions` must be a list of strings, but is a list_iterator"),
    "a number": (["a", "b"], ["1", 2], ["a"], "`answers` must be strings, but row 1 is 2 (int)"),
    "a missing question": (["a"], ["1"], ["a", None], "`asked` must be strings, but row 1 is None (NoneType)"),
}


@pytest.mark.parametrize("case", MISTAKES)
@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_names_what_it_cannot_learn_from(name: str, case: str) -> None:
    *rows, message = MISTAKES[case]
    with pytest.raises(DataError) as error:
        BASELINES[name](*rows)
    assert str(error.value) == message


def test_tfidf_needs_two_classes() -> None:
    with pytest.raises(DataError) as error:
        tfidf(["a", "b"], ["x", "x"], ["a"])
    assert str(error.value) == (
        "`answers` must have at least two classes to tell apart, but all 2 are 'x'; use `majority`"
    )


def test_tfidf_needs_words() -> None:
    with pytest.raises(DataError) as error:
        tfidf(["?!", ""], ["x", "y"], ["a"])
    assert str(error.value) == "`questions` must hold at least one word, but none of the 2 does; use `nearest`"


@pytest.mark.parametrize("questions", [["a", ""], ["   ", "b"]], ids=["short", "blank"])
def test_nearest_needs_a_question_of_two_characters(questions: list[str]) -> None:
    with pytest.raises(DataError) as error:
        nearest(questions, ["x", "y"], ["a"])
    assert str(error.value) == (
        "`questions` must hold one of at least two characters, but none of the 2 does; use `majority`"
    )


TEXTS_TO_CUT = ["One two three four. Five six", "A b c d e f. G!", "Is it? It is."]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_lead_cuts_where_the_answers_of_training_end(count: int) -> None:
    answers = [" ".join(text.split()[:count]) for text in TEXTS_TO_CUT]
    assert lead(TEXTS_TO_CUT, answers, ["u  v w x. y", "z"]) == [" ".join("uvwx"[:count]) + "." * (count > 3), "z"]


def test_lead_takes_the_first_sentence_where_answers_are_sentences() -> None:
    answers = [first_sentence(text) for text in TEXTS_TO_CUT]
    assert answers == ["One two three four.", "A b c d e f.", "Is it?"]
    assert lead(TEXTS_TO_CUT, answers, ["At 3.5 a.m., no. Yes", "No  end\nor one"]) == ["At 3.5 a.m., no.", "No end"]


def test_lead_is_the_best_of_its_cuts_by_rouge_l_and_of_equals_the_shortest() -> None:
    draw = random.Random(0)
    texts = [" ".join(draw.choices("abcdefg", k=12)) for _ in range(40)]
    answers = [" ".join(draw.sample(text.split()[:7], draw.randint(3, 7))) for text in texts]
    found = [
        rouge_l([first_words(k)(text) for text in texts], [[each] for each in answers]).value for k in range(1, 31)
    ]
    best = found.index(max(found)) + 1
    assert 3 <= best <= 7
    assert len(chosen(texts, answers)("a " * 50).split()) == best
    assert chosen(["a b"], ["a b"])("c d e") == "c d"


def test_lead_looks_at_a_thousand_rows_spread_over_the_training_part() -> None:
    texts, answers = ["a b c d"] * 3000, ["a b", "a b c", "a b c"] * 1000
    assert chosen(texts, answers)("e f g h") == "e f"  # every third
    assert chosen(texts[:1000], answers[:1000])("e f g h") == "e f g"


def test_nothing_of_scikit_learn_is_imported_before_it_is_used() -> None:
    program = "import sys, unspool.baselines, unspool.metrics; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_labels_are_told_each_by_itself() -> None:
    texts = [f"{a} {b} {number}" for a in ("red", "blue") for b in ("car", "hat") for number in range(5)]
    labels = [",".join(sorted(set(text.split()) & {"red", "hat"})) for text in texts]
    asked = ["a red hat", "a blue hat", "red car", "blue car", ""]
    assert tfidf_labels(texts, labels, asked)[:4] == ["hat,red", "hat", "red", ""]
    assert [tfidf_labels(texts, labels, [each])[0] for each in asked] == tfidf_labels(texts, labels, asked)
    assert tfidf_labels(texts, labels, []) == []


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (["", ""], "`answers` must hold at least one label, but all 2 are empty"),
        (["a,b", "a"], "`answers` must have labels to tell apart, but all 2 have `a`"),
    ],
)
def test_labels_that_tell_nothing_apart_are_refused(answers: list[str], message: str) -> None:
    with pytest.raises(DataError) as error:
        tfidf_labels(["a text", "another"], answers, ["a text"])
    assert str(error.value) == message
