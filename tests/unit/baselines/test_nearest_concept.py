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
        assert nearest_concept(*known(asked), [asked]) == expected


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
    assert nearest_concept(concepts, languages, names, [("ox", "fr")]) == ["tomate"]


def test_each_is_answered_by_itself_and_again_the_same() -> None:
    left_out = [("🍎", "fr"), ("🍏", "fr"), ("🍅", "de"), ("🐄", "en"), ("🍎", "de")]
    training = known(*left_out)
    answers = nearest_concept(*training, left_out)
    assert nearest_concept(*training, left_out[::-1]) == answers[::-1]
    assert [nearest_concept(*training, [asked])[0] for asked in left_out] == answers
    assert nearest_concept(*training, left_out * 2) == answers * 2
    assert set(answers) <= set(training[2])
    assert nearest_concept(*training, []) == []


def test_a_concept_that_nothing_is_known_of_gets_the_first_name() -> None:
    concepts, languages, names = known()
    assert nearest_concept(concepts, languages, names, [("🚗", "de")]) == [NAMES[concepts[0]]["de"]]


MISTAKES: dict[str, tuple[Any, Any, Any, Any, str]] = {
    "nothing": ([], [], [], [("a", "en")], "`concepts` must hold at least one training row, but is empty"),
    "too few names": (
        ["a"],
        ["en"],
        [],
        [],
        "`concepts`, `languages` and `names` must have an entry a row, but have 1, 1 and 0",
    ),
    "no strings": (["a"], [None], ["x"], [], "`languages` must be strings, but row 0 is None (NoneType)"),
    "one language": (
        ["a", "b"],
        ["en", "en"],
        ["x", "y"],
        [("a", "en")],
        "`languages` must be two or more, so that one tells of another, but all are 'en'",
    ),
    "another language": (
        ["a", "b"],
        ["en", "de"],
        ["xy", "yz"],
        [("a", "dee")],
        "`dee` is no language of the training part; there are de, en (nearest: `de`)",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_it_cannot_learn_from_is_named(case: str) -> None:
    *rows, message = MISTAKES[case]
    with pytest.raises(DataError) as error:
        nearest_concept(*rows)
    assert str(error.value) == message
