"""Words exchanged in examples and in a name alike: which, for what, and what stays."""

import re

import numpy as np
import pytest

from unspool.data.exchange import exchanged, stocks

WORDS = [f"{letter}{letter}{number:02}" for letter in "qwxyz" for number in range(20)]
LINES = ["de", "en red calf", "en red cow = rote kuh", "en cow bell = kuhglocke für kühe", "= ganz rot", "", "es rote"]
NAME = "rotes kalb, kuh"


def drawn(seed: int, lines: list[str] = LINES, name: str = NAME) -> tuple[list[str], str]:
    return exchanged(lines, name, ([], WORDS), np.random.default_rng(seed))


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


@pytest.mark.parametrize("seed", range(20))
def test_a_word_is_the_same_other_wherever_it_stands(seed: int) -> None:
    lines, name = drawn(seed)
    before = [text for line in LINES if "=" in line for text in words(line.partition("=")[2])] + words(NAME)
    after = [text for line in lines if "=" in line for text in words(line.partition("=")[2])] + words(name)
    others = dict(zip(before, after, strict=True))
    assert [others[word] for word in before] == after
    assert len(set(others.values())) == len(others)  # and no two words are one
    assert words(name)[1] == "kalb"  # which no example tells
    assert name.count(", ") == 1


@pytest.mark.parametrize("seed", range(20))
def test_only_what_follows_the_sign_of_an_example_is_exchanged(seed: int) -> None:
    lines, _ = drawn(seed)
    assert [line.partition("=")[0] for line in lines] == [line.partition("=")[0] for line in LINES]
    assert [line for line in lines if "=" not in line] == [line for line in LINES if "=" not in line]


def test_about_half_of_the_words_are_exchanged() -> None:
    lines = [" = ".join(["en x", " ".join(f"{number:03}a" for number in range(400))])]
    told, _ = exchanged(lines, "", ([], [f"x{number}" for number in range(1000)]), np.random.default_rng(0))
    assert told[0].count("x") - 1 == pytest.approx(200, abs=40)


def test_words_of_one_stem_keep_their_endings() -> None:
    lines = ["en astronaut = astronaut", "en woman = frau"]
    for seed in range(20):
        told, name = exchanged(lines, "astronautin", ([], ["gabel", "tal"]), np.random.default_rng(seed))
        stem = told[0].removeprefix("en astronaut = ")
        assert stem in {"astronaut", "gabel", "tal"}
        assert name == f"{stem}in"


def test_words_that_only_begin_alike_are_exchanged_each_for_itself() -> None:
    found = {
        tuple(drawn(seed, ["en a = kuhglocke", "en b = kuh"], "kuhglocke kuh")[1].split(" ")) for seed in range(40)
    }
    assert any(one == "kuhglocke" and other != "kuh" for one, other in found)
    assert any(one != "kuhglocke" and other == "kuh" for one, other in found)


def test_an_ideograph_is_a_word_of_its_own() -> None:
    stock = stocks(["zh"], ["木石火 mahjong"])["zh"]
    assert stock == (["木", "火", "石"], ["mahjong"])
    found = set()
    for seed in range(40):
        told, name = exchanged(["en man cook = 男厨师"], "女厨师", stock, np.random.default_rng(seed))
        assert name[0] == "女"
        assert name[1:] == told[0][-2:]
        found |= set(told[0][-3:])
    assert found == set("男厨师木火石")


def test_where_words_are_too_few_others_stay() -> None:
    found = [exchanged(["en a = eins zwei"], "zwei", ([], ["drei"]), np.random.default_rng(seed)) for seed in range(40)]
    assert {name for _, name in found} == {"zwei"}  # the first stem has the only word
    assert {told[0] for told, _ in found} == {"en a = eins zwei", "en a = drei zwei"}
    assert exchanged(["en a = eins"], "eins", ([], []), np.random.default_rng(0)) == (["en a = eins"], "eins")


def test_no_word_becomes_one_that_is_there() -> None:
    for seed in range(20):
        told, name = exchanged(
            ["en a = eins"], "eins zwei", ([], ["eins", "zwei", "drei"]), np.random.default_rng(seed)
        )
        assert (told[0], name) in {("en a = eins", "eins zwei"), ("en a = drei", "drei zwei")}
