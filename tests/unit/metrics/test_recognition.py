"""Drawings, looked at by a classifier that never saw one."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from unspool.errors import DataError
from unspool.metrics import recognised

DARK, LIGHT = np.zeros((4, 9)), np.ones((4, 9))
KNOWN = np.concatenate([DARK, LIGHT])
NAMES = [*"aaaa", *"bbbb"]


def test_the_share_of_drawings_that_are_what_was_asked_for() -> None:
    drawings = np.concatenate([DARK[:3], LIGHT[:1]])
    score = recognised(drawings, KNOWN[[0, 1, 4, 5]], [*"aabb"], KNOWN, NAMES)
    assert (score.value, score.name, score.better) == (75.0, "recognised", "higher")
    assert score.details == {"recognised": 3, "drawings": 4, "right": 4, "pictures": 4}
    assert score.signature == "by:svm of 8 pictures|right on real ones:100.00"


def test_how_often_the_classifier_is_right_is_of_real_pictures_alone() -> None:
    score = recognised(KNOWN, KNOWN[::-1], NAMES, KNOWN, NAMES)
    assert (score.value, score.details["right"]) == (100.0, 0)


@pytest.mark.parametrize("place", ["drawings", "pictures", "known"])
def test_pixels_are_finite_numbers(place: str) -> None:
    given = {"drawings": DARK[:2].copy(), "pictures": KNOWN[[0, 4]].copy(), "known": KNOWN.copy()}
    given[place][0, 0] = np.nan
    with pytest.raises(DataError) as error:
        recognised(given["drawings"], given["pictures"], [*"ab"], given["known"], NAMES)
    assert str(error.value) == f"`{place}` must be finite numbers, but hold some that are not"


def test_it_sees_digits_as_well_as_the_nearest_neighbour_does() -> None:
    pixels, classes = load_digits(return_X_y=True)
    names = [str(each) for each in classes]
    known, held, known_names, asked = train_test_split(pixels >= 8, names, test_size=300, random_state=0)
    other = np.random.default_rng(0).permutation(held)  # what has nothing to do with what was asked for
    score = recognised(other.astype(float), held.astype(float), asked, known.astype(float), known_names)
    nearest = 100 * KNeighborsClassifier(1).fit(known, known_names).score(held, asked)
    assert 100 * score.details["right"] / 300 > max(95, nearest - 1)
    assert score.value == pytest.approx(10, abs=6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((DARK[:0], DARK[:0], [], KNOWN, NAMES), "`drawings` must hold at least one to recognise, but are empty"),
        (
            (DARK[:, :8], DARK, NAMES[:4], KNOWN, NAMES),
            "`drawings` must be (examples, pixels), as many pixels as `known` has, but are (4, 8)",
        ),
        (
            (DARK, DARK.reshape(4, 3, 3), NAMES[:4], KNOWN, NAMES),
            "`pictures` must be (examples, pixels), as many pixels as `known` has, but are (4, 3, 3)",
        ),
        ((DARK, DARK, NAMES[:3], KNOWN, NAMES), "`classes` must be one for each of the 4 `drawings`, but are 3"),
        ((DARK, DARK, NAMES[:4], KNOWN, NAMES[1:]), "`known_classes` must be one for each of the 8 `known`, but are 7"),
        (
            (DARK, DARK, NAMES[:4], DARK, NAMES[:4]),
            "`known_classes` must be at least two to tell apart, but are ['a']",
        ),
    ],
)
def test_a_mistake_is_named(given: tuple, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(DataError) as error:
        recognised(*given)
    assert str(error.value) == message
