"""Which texts are most like another."""

import random

import numpy
import pytest

from unspool import likeness
from unspool.likeness import likenesses, most_alike

KNOWN = ["red apple", "red rose", "red rise", "cow"]
GROUPS = ["fruit", "flower", "flower", "animal"]


def test_of_each_other_group_the_most_alike_comes_first() -> None:
    assert most_alike(KNOWN, ["red rise up"], (GROUPS, ["song"]), 3) == [[2, 0]]  # the cow has no run in common
    assert most_alike(KNOWN, ["red rise up"], (GROUPS, ["flower"]), 3) == [[0]]
    assert most_alike(KNOWN, ["red rise up"], (GROUPS, ["song"])) == [[2]]


def test_of_texts_equally_alike_the_first_counts() -> None:
    assert most_alike(["ab", "ab"], ["ab"], (["x", "y"], ["z"]), 2) == [[0, 1]]


def test_where_nothing_has_two_characters_nothing_is_alike() -> None:
    assert most_alike(["", " a "], ["a", "abc"], (["x", "y"], ["z", "z"]), 2) == [[], []]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, groups = ["red rise up", "crown", "applet", "", "red apple"], ["flower", "animal", "song", "song", "fruit"]
    whole = most_alike(KNOWN, asked, (GROUPS, groups), 2)
    monkeypatch.setattr(likeness, "_CELLS", 5)
    assert most_alike(KNOWN, asked, (GROUPS, groups), 2) == whole == [[0], [1], [0], [], [1]]


def test_as_many_are_found_as_are_asked_for_however_few_are_compared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    known, asked = ["red apple", "red apples", "red apple tree", "cow"], ["red apple and cow"]
    monkeypatch.setattr(likeness, "_CANDIDATES", 2)
    assert most_alike(known, asked, (["a", "b", "c", "d"], ["e"]), 2) == [[0, 1]]  # the cow is not among the first two
    assert sorted(most_alike(known, asked, (["a", "b", "c", "d"], ["e"]), 4)[0]) == [0, 1, 2, 3]


def test_a_text_without_a_group_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`groups` must be 4 and 1 values, but are \[4, 2\]"):
        most_alike(KNOWN, ["red"], (GROUPS, ["song", "song"]))


def test_what_is_found_next_holds_what_was_not_yet_held() -> None:
    known, asked = ["red apple", "red apples", "red apple tree", "cow"], "red apple and cow"
    groups = (["a", "b", "c", "d"], ["e"])
    by_likeness = sorted(range(4), key=lambda place: -next(likenesses(known, [asked]))[place])
    assert (by_likeness[0], by_likeness[3]) == (0, 3)
    assert most_alike(known, [asked], groups, 2) == [[0, 3]]
    assert most_alike(known, [asked], groups, 4) == [[0, 3, 2, 1]]


def test_they_are_those_of_feature_decay_one_by_one() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

    draws = random.Random(5)
    words = ["".join(draws.choices("abcdef", k=draws.randint(2, 5))) for _ in range(30)]
    known = [" ".join(draws.sample(words, draws.randint(1, 6))) for _ in range(60)]
    asked = [" ".join(draws.sample(words, 4)) for _ in range(20)]
    runs = TfidfVectorizer(analyzer="char", ngram_range=(2, 4))
    vectors = runs.fit_transform(known).toarray()
    for text, found in zip(asked, most_alike(known, asked, (range(60), [-1] * 20), 5), strict=True):
        left, expected = runs.transform([text]).toarray()[0], []
        for _ in range(5):
            scores = vectors @ left
            scores[expected] = -1
            expected.append(int(scores.argmax()))
            left = left * numpy.where(vectors[expected[-1]] > 0, 0.5, 1.0)
        assert found == expected
