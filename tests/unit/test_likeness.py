"""Which texts are most like another."""

import pytest

from unspool import likeness
from unspool.likeness import most_alike

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
    asked = ["red rise up", "crown", "applet", ""]
    whole = most_alike(KNOWN, asked, (GROUPS, ["song"] * 4), 2)
    monkeypatch.setattr(likeness, "_CELLS", 5)
    assert most_alike(KNOWN, asked, (GROUPS, ["song"] * 4), 2) == whole == [[2, 0], [3, 1], [0], []]
