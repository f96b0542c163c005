"""What captions must beat: the one that fits all pictures best, and those of the picture that looks most alike."""

import random
import sys
from typing import Any

import numpy as np
import pytest

from unspool.baselines import nearest_features, typical
from unspool.errors import DataError
from unspool.metrics import cider

WORDS = ["a", "dog", "runs", "over", "the", "grass", "red", "ball", "two", "children"]


def captioned(pictures: int, seed: int = 0) -> list[list[str]]:
    draw = random.Random(seed)
    return [
        [" ".join(draw.choices(WORDS, k=draw.randint(2, 7))) for _ in range(draw.randint(1, 4))]
        for _ in range(pictures)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_the_typical_caption_is_the_best_one_for_all_pictures(seed: int) -> None:
    known = captioned(9, seed)
    rows = [(str(picture), text) for picture, texts in enumerate(known) for text in texts]
    values = {text: cider([text] * len(known), known).value for _, text in rows}
    found = typical([question for question, _ in rows], [text for _, text in rows], ["x", "y"])
    assert found[0] == found[1]
    assert values[found[0]] == pytest.approx(max(values.values()))


def test_the_order_of_rows_does_not_matter() -> None:
    rows = [(str(picture), text) for picture, texts in enumerate(captioned(9)) for text in texts]
    shuffled = random.Random(1).sample(rows, len(rows))
    assert typical(*map(list, zip(*rows, strict=True)), ["x"]) == typical(
        *map(list, zip(*shuffled, strict=True)), ["x"]
    )  # type: ignore[arg-type]


def test_rows_beyond_many_are_spread_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["unspool.baselines.typical"], "_ROWS", 3)
    questions, answers = [str(i) for i in range(6)], ["a dog", "x", "a dog runs", "x", "a dog runs", "x"]
    assert typical(questions, answers, ["?"]) == ["a dog runs"]


def test_the_nearest_picture_answers_whatever_its_length() -> None:
    generator = np.random.default_rng(0)
    questions = generator.normal(size=(20, 6))
    asked = generator.normal(size=(15, 6))
    answers = [[f"caption {i}"] for i in range(20)]
    cosines = [[a @ q / np.linalg.norm(a) / np.linalg.norm(q) for q in questions] for a in asked]
    assert nearest_features(questions, answers, asked) == [f"caption {int(np.argmax(row))}" for row in cosines]
    assert nearest_features(questions * 7, answers, asked / 3) == nearest_features(questions, answers, asked)
    assert nearest_features(questions, answers, asked[:0]) == []
    assert nearest_features(np.zeros((2, 3)), [["a"], ["b"]], np.ones((1, 3))) == ["a"]


def test_of_several_captions_the_most_usual_one_is_told() -> None:
    several = ["one thing", "a dog runs over grass", "a dog runs on grass", "a cat"]
    known = [several, *captioned(5)]
    features = np.eye(6)
    assert nearest_features(features, known, features[:1])[0] in several[1:3]
    assert nearest_features(features, [["b", "a"], *known[1:]], features[:1]) == ["a"]  # equally usual


def test_of_two_captions_that_are_equally_usual_the_first_by_alphabet_is_told() -> None:
    words = [f"w{number}" for number in range(40)]
    chance = random.Random(0)
    pairs = [[" ".join(chance.sample(words, chance.randint(3, 9))) for _ in range(2)] for _ in range(60)]
    features = np.eye(60)
    assert nearest_features(features, pairs, features) == [min(pair) for pair in pairs]


MISTAKES: dict[str, tuple[Any, str]] = {
    "no rows": (
        (np.zeros((0, 2)), [], np.zeros((1, 2))),
        "`questions` must be at least one row of features for as many lists of `answers`, but are 0 for 0",
    ),
    "too few answers": (
        (np.zeros((2, 2)), [["a"]], np.zeros((1, 2))),
        "`questions` must be at least one row of features for as many lists of `answers`, but are 2 for 1",
    ),
    "other features": (
        (np.zeros((1, 2)), [["a"]], np.zeros((1, 3))),
        "`asked` must be rows of the features of `questions`, (2,), but is of (1, 3)",
    ),
    "a string": (
        (np.zeros((1, 2)), ["ab"], np.zeros((1, 2))),
        "`answers` must be a list of at least one for each question, but row 0 is 'ab'",
    ),
    "no answer": (
        (np.zeros((1, 2)), [[]], np.zeros((1, 2))),
        "`answers` must be a list of at least one for each question, but row 0 is []",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_it_cannot_learn_from_is_named(case: str) -> None:
    rows, message = MISTAKES[case]
    with pytest.raises(DataError) as error:
        nearest_features(*rows)
    assert str(error.value) == message
