"""Slots missing and slots too many."""

from typing import Any

import pytest

from unspool.errors import DataError
from unspool.metrics import slot_error

CASES = {
    "all said": ("inform(name=chow;food=thai)", "chow has thai food", (0, 0, 2)),
    "one missing": ("inform(name=chow;food=thai)", "chow has food", (1, 0, 2)),
    "one too often": ("inform(name=chow;food=thai)", "chow has thai SLOT_FOOD", (0, 1, 2)),
    "one not asked for": ("inform(name=chow)", "chow in SLOT_AREA", (0, 1, 1)),
    "a value twice is not too often": ("inform(name=chow)", "chow is chow", (0, 0, 1)),
    "both of two": ("?compare(name=a1;name=b2)", "b2 or a1", (0, 0, 2)),
    "one of two": ("?compare(name=a1;name=b2)", "b2 or b2", (1, 0, 2)),
    "one of two twice": ("?compare(name=a1;name=b2)", "a1 or SLOT_NAME", (1, 1, 2)),
    "written in another way": ("inform(area='a1 or b2';power=3 watt)", "b2 and a1 , 3 watts .", (0, 0, 2)),
    "no kind of thing": ("inform(type=hotel;name=chow)", "chow", (0, 0, 1)),
    "no dontcare, none or question": ("inform(name=chow;near=dontcare;food=none;area)", "chow", (0, 0, 1)),
    "yes by a word": ("inform(name=chow;kidsallowed=yes)", "chow lets children in", (0, 0, 2)),
    "no by a word": ("inform(name=chow;kidsallowed=no)", "no Kids in chow", (0, 0, 2)),
    "yes missing": ("inform(name=chow;kidsallowed=yes)", "chow", (1, 0, 2)),
    "yes twice": ("inform(name=chow;kidsallowed=dontcare)", "chow has kids and a child", (0, 1, 2)),
    "yes not asked for": ("inform(name=chow;kidsallowed)", "chow allows kid -s", (0, 1, 1)),
    "words of slots that no act has": ("inform(name=chow)", "chow allows kids", (0, 0, 1)),
}


@pytest.mark.parametrize("case", CASES)
def test_each_slot_counts_once(case: str) -> None:
    act, said, (missing, redundant, asked) = CASES[case]
    score = slot_error([said], [["never read"]], [act])
    assert score.details == {"missing": missing, "redundant": redundant, "asked": asked}
    assert score.value == pytest.approx(100 * (missing + redundant) / asked)
    assert (score.name, score.better, score.signature) == ("slot_error", "lower", "nrefs:1|slots:rnnlg")


def test_an_error_is_a_share_of_all_slots_and_offers_are_left_out() -> None:
    acts = ["inform(name=chow;food=thai)", "?select(food=thai;food=sushi)", "suggest(drive=small)", "bye()"]
    score = slot_error(["chow", "thai", "…", "bye"], [["…"]] * 4, acts)
    assert score.details == {"missing": 1, "redundant": 0, "asked": 2}
    assert score.value == 50


def test_words_count_wherever_one_of_the_acts_has_their_slot() -> None:
    acts = ["inform(name=chow)", "inform(name=nopa;dogsallowed=no)"]
    score = slot_error(["chow takes dogs and kids", "no dogs at nopa"], [["…"]] * 2, acts)
    assert score.details == {"missing": 0, "redundant": 1, "asked": 3}


MISTAKES: dict[str, tuple[Any, str]] = {
    "none": (None, "`inputs` must be the acts that the hypotheses say, one for each, but are not given"),
    "one text": ("bye()", "`inputs` must be the acts that the hypotheses say, one for each, but are not given"),
    "too few": (["a(b=c)"], "`inputs` must have an act for each of the 2 hypotheses, but has 1"),
    "no act": (
        ["a(b=c)", "hello"],
        "`inputs`, row 1: an act must be written as `inform(name='red door cafe';area=mission)` or "
        "`name[The Vaults], food[French]`, but is `hello`",
    ),
    "nothing to say": (["bye()"] * 2, "`inputs` must ask for at least one slot to count, but none of the acts does"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_acts_that_can_not_be_counted_are_named(case: str) -> None:
    inputs, message = MISTAKES[case]
    with pytest.raises(DataError) as error:
        slot_error(["a", "b"], [["a"], ["b"]], inputs)
    assert str(error.value) == message


def test_it_says_that_it_reads_inputs() -> None:
    assert slot_error.reads_inputs  # type: ignore[attr-defined]
