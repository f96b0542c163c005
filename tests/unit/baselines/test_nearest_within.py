"""The nearest question that asks for the same: what it looks at, and what it refuses."""

import random
from typing import Any

import pytest

from unspool.baselines import nearest, nearest_within
from unspool.errors import DataError

NAMES = {
    "apple": {"en": "red apple", "de": "roter Apfel", "fr": "pomme rouge"},
    "green": {"en": "green apple", "de": "grüner Apfel", "fr": "pomme verte"},
    "tomato": {"en": "red tomato", "de": "rote Tomate", "fr": "tomate rouge"},
    "cow": {"en": "cow", "de": "Kuh", "fr": "vache"},
}


def question(concept: str, language: str) -> str:
    others = [f"{other} {name}" for other, name in NAMES[concept].items() if other != language]
    return "\n".join([language, *others])


PAIRS = [(concept, language) for concept in NAMES for language in ("en", "de", "fr")]


@pytest.mark.parametrize("asked", PAIRS)
def test_it_is_the_nearest_of_those_that_ask_for_the_same(asked: tuple[str, str]) -> None:
    known = [pair for pair in PAIRS if pair != asked]
    random.Random(0).shuffle(known)
    found = nearest_within([question(*pair) for pair in known], [NAMES[a][b] for a, b in known], [question(*asked)])
    same = [pair for pair in known if pair[1] == asked[1]]
    below = [question(*pair).split("\n", 1)[1] for pair in same]
    assert found == nearest(below, [NAMES[a][b] for a, b in same], [question(*asked).split("\n", 1)[1]])


def test_what_is_asked_for_goes_before_all_likeness() -> None:
    questions = ["en\nfr pomme rouge", "fr\nen cow"]
    assert nearest_within(questions, ["red apple", "vache"], ["fr\nfr pomme rouge"]) == ["vache"]


def test_each_is_answered_by_itself_and_again_the_same() -> None:
    questions, answers = [question(*pair) for pair in PAIRS], [NAMES[a][b] for a, b in PAIRS]
    asked = [f"{each} pie" for each in questions]
    found = nearest_within(questions, answers, asked)
    assert found == answers
    assert nearest_within(questions, answers, asked[::-1]) == answers[::-1]
    assert [nearest_within(questions, answers, [each])[0] for each in asked] == answers
    assert nearest_within(questions, answers, []) == []


MISTAKES: dict[str, tuple[Any, Any, Any, str]] = {
    "nothing": ([], [], ["en\na"], "`questions` must hold at least one training row, but is empty"),
    "too few answers": (["en\na"], [], [], "`answers` must have an entry for each of the 1 `questions`, but has 0"),
    "no strings": ([None], ["x"], [], "`questions` must be strings, but row 0 is None (NoneType)"),
    "another language": (
        ["en\nab", "de\nab"],
        ["xy", "yz"],
        ["dee\nab"],
        "`dee` is the first line of no training question; there are de, en (nearest: `de`)",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_it_cannot_learn_from_is_named(case: str) -> None:
    *rows, message = MISTAKES[case]
    with pytest.raises(DataError) as error:
        nearest_within(*rows)
    assert str(error.value) == message


def test_where_no_question_tells_more_than_its_first_line_the_first_is_answered() -> None:
    assert nearest_within(["en", "en", "fr\nx y"], ["a", "b", "c"], ["en", "en\nx", "fr\nx"]) == ["a", "a", "c"]


def test_examples_in_a_question_are_not_compared() -> None:
    questions = ["fr\nen red apple\nen cow = vache", "fr\nen brown cow\nen red apple = pomme rouge"]
    answers = ["pomme rouge", "vache brune"]
    asked = ["fr\nen red rose\nen brown cow = vache brune\nen cow = vache", "fr\nen cow\nen red apple = pomme rouge"]
    assert nearest_within(questions, answers, asked) == answers
    alone = ["fr\nen red apple\n= rote rose", "fr\nen red apples\n\n\n"]
    assert nearest_within(alone, ["pomme", "pommes"], ["fr\nen red apples tree\n= rote rose"]) == ["pommes"]
