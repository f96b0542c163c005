"""The typical sentence of the nearest act."""

import random

import pytest

from unspool.baselines import nearest_act
from unspool.errors import DataError

ACTS = [
    "inform(name=chow;food=thai)",
    "inform(food=sushi;name='red door')",
    "inform(name=nopa;food=greek)",
    "inform(name=ozumo;area=soma;kidsallowed=yes)",
    "bye()",
]
TEXTS = [
    "chow is a nice place with thai food",
    "red door is a nice place for sushi",
    "greek nopa",
    "ozumo in soma allows kids",
    "good bye",
]


def test_the_typical_sentence_comes_with_the_values_asked_for() -> None:
    asked = ["inform(name=A;food=B)", "bye()", "inform(name=C;area=D;kidsallowed=yes)"]
    assert nearest_act(ACTS, TEXTS, asked) == ["A is a nice place for B", "good bye", "C in D allows kids"]


def test_the_nearest_act_answers_where_none_is_the_same() -> None:
    asked = ["inform(name=A;area=B;kidsallowed=no)", "goodbye()", "inform(name=A)"]
    kids, bye, name = nearest_act(ACTS, TEXTS, asked)
    assert (kids, bye) == ("A in B allows kids", "good bye")
    assert name == "A is a nice place for SLOT_FOOD"  # seen to be too much


def test_texts_may_be_without_values_already_and_rows_in_any_order() -> None:
    taken = [text.replace("chow", "SLOT_NAME").replace("thai", "SLOT_FOOD") for text in TEXTS]
    asked = ["inform(name=A;food=B)", "bye()"]
    expected = nearest_act(ACTS, TEXTS, asked)
    assert nearest_act(ACTS, taken, asked) == expected
    order = random.Random(1).sample(range(len(ACTS)), len(ACTS))
    assert nearest_act([ACTS[i] for i in order], [TEXTS[i] for i in order], asked) == expected
    assert [nearest_act(ACTS, TEXTS, [act])[0] for act in asked] == expected
    assert nearest_act(ACTS, TEXTS, []) == []


def test_what_is_said_more_often_is_more_typical() -> None:
    acts = ["bye()"] * 5
    assert nearest_act(acts, ["see you", "have a nice day", "see you", "bye", "ciao"], ["bye()"]) == ["see you"]
    assert nearest_act(acts[:2], ["see you", "ciao"], ["bye()"]) == ["ciao"]  # equally typical


@pytest.mark.parametrize(("acts", "asked"), [(["hello"], ["bye()"]), (["bye()"], ["hello"])])
def test_what_is_no_act_is_named(acts: list[str], asked: list[str]) -> None:
    with pytest.raises(DataError, match=r"`questions` and `asked` must be dialogue acts: an act must .*`hello`"):
        nearest_act(acts, ["a"], asked)
