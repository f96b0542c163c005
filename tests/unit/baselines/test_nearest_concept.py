"""The name of the nearest concept: what it looks at, and what it refuses."""

import random
from typing import Any

import pytest

from unspool.baselines import nearest, nearest_concept
from unspool.errors import DataError

NAMES = {
    "🍎": {"en": "red apple", "de": "roter Apfel", "fr": "pomme rouge"},
    "🍏": {"en": "green apple", "de": "grüner Apfel", "fr": "pomme verte"},
    "🍅": {"en": "red tomato", "de": "rote Tomate", "fr": "tomate rouge"},
    "🐄": {"en": "cow", "de": "Kuh", "fr": "vache"},
    "🐂": {"en": "ox", "de": "Ochse", "fr": "bœuf"},
}


def known(*left_out: tuple[str, str]) -> tuple[list[str], list[str], list[str]]:
    rows = [
        (concept, language, name)
        for concept, names in NAMES.items()
        for language, name in names.items()
        if (concept, language) not in left_out
    ]
    random.Random(0).shuffle(rows)
    concepts, languages, names = zip(*rows, strict=True)
    return list(concepts), list(languages), list(names)


def named(concepts: list[str], languages: list[str], names: list[str], asked: list[tuple[str, str]]) -> list[str]:
    """The baseline's answers, from columns."""
    questions = [f"{concept}\n{language}" for concept, language in zip(concepts, languages, strict=True)]
    return nearest_concept(questions, names, [f"{concept}\n{language}" for concept, language in asked])


def test_the_nearest_is_found_by_the_names_in_all_other_languages() -> None:
    for asked in [("🍎", "fr"), ("🍏", "de"), ("🍅", "en")]:
        concept, language = asked
        texts = {
            each: "\n".join(name for other, name in sorted(names.items()) if other != language)
            for each, names in NAMES.items()
        }
        others = [each for each in NAMES if each != concept]
        expected = nearest(
            [texts[each] for each in others], [NAMES[each][language] for each in others], [texts[concept]]
        )
        assert named(*known(asked), [asked]) == expected


def test_a_name_in_the_asked_language_does_not_count() -> None:
    # What the cow is called in French is just what the ox is in English.
    rows = [
        ("ox", "en", "red tomatoes"),
        ("cow", "en", "cow"),
        ("tomato", "en", "red tomato"),
        ("cow", "fr", "red tomatoes"),
        ("tomato", "fr", "tomate"),
    ]
    concepts, languages, names = (list(column) for column in zip(*rows, strict=True))
    assert named(concepts, languages, names, [("ox", "fr")]) == ["tomate"]


def test_each_is_answered_by_itself_and_again_the_same() -> None:
    left_out = [("🍎", "fr"), ("🍏", "fr"), ("🍅", "de"), ("🐄", "en"), ("🍎", "de")]
    training = known(*left_out)
    answers = named(*training, left_out)
    assert named(*training, left_out[::-1]) == answers[::-1]
    assert [named(*training, [asked])[0] for asked in left_out] == answers
    assert named(*training, left_out * 2) == answers * 2
    assert set(answers) <= set(training[2])
    assert named(*training, []) == []


def test_a_concept_that_nothing_is_known_of_gets_the_first_name() -> None:
    concepts, languages, names = known()
    assert named(concepts, languages, names, [("🚗", "de")]) == [NAMES[concepts[0]]["de"]]


MISTAKES: dict[str, tuple[Any, Any, Any, str]] = {
    "nothing": ([], [], ["a\nen"], "`questions` must hold at least one training row, but is empty"),
    "too few names": (["a\nen"], [], [], "`answers` must have an entry for each of the 1 `questions`, but has 0"),
    "no strings": ([None], ["x"], [], "`questions` must be strings, but row 0 is None (NoneType)"),
    "one line": (
        ["a\nen", "b"],
        ["x", "y"],
        [],
        "a question must be a concept and, in its last line, a language, but is 'b'",
    ),
    "one language": (
        ["a\nen", "b\nen"],
        ["x", "y"],
        ["a\nen"],
        "`questions` must be of two or more languages, but all are of 'en'",
    ),
    "another language": (
        ["a\nen", "b\nde"],
        ["xy", "yz"],
        ["a\ndee"],
        "`dee` is no language of the training part; there are de, en (nearest: `de`)",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_it_cannot_learn_from_is_named(case: str) -> None:
    *rows, message = MISTAKES[case]
    with pytest.raises(DataError) as error:
        nearest_concept(*rows)
    assert str(error.value) == message
