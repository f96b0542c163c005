"""Values of acts in texts: taken out, filled in, asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.acts import delexicalise, features, fill, is_token, references, required, shape, words
from unspool.errors import FieldError

TAKEN_OUT = {
    "every value once": (
        "inform(name='red door cafe';pricerange=cheap;food='thai')",
        "red door cafe is a cheap place , red door cafe has thai food",
        "SLOT_NAME is a SLOT_PRICERANGE place , red door cafe has SLOT_FOOD food",
    ),
    "the longest first, whatever the order": (
        "inform(family=satellite;name=satellite eurus 65)",
        "the satellite eurus 65 is a satellite",
        "the SLOT_NAME is a SLOT_FAMILY",
    ),
    "several of one slot": (
        "?compare(name=tecra;memory=4 gb;name=portege;memory=2 gb)",
        "portege with 2 gb or tecra with 4 gb ?",
        "SLOT_NAME_2 with SLOT_MEMORY_2 or SLOT_NAME with SLOT_MEMORY ?",
    ),
    "the same value twice": (
        "?compare(name=a1;drive=small;name=b2;drive=small)",
        "a1 has a small drive , b2 a small one",
        "SLOT_NAME has a SLOT_DRIVE drive , SLOT_NAME_2 a SLOT_DRIVE_2 one",
    ),
    "next to the slot's own words": (
        "inform(name=ares;eco rating=a;hdmi port=2;count='2')",
        "ares is a 2 star set with a a eco rating , 2 hdmi ports",
        "SLOT_NAME is a SLOT_COUNT star set with a SLOT_ECORATING eco rating , SLOT_HDMIPORT hdmi ports",
    ),
    "parts in another order": (
        "inform(area='hayes valley or lower nob hill or soma')",
        "in soma or hayes valley and lower nob hill",
        "in SLOT_AREA",
    ),
    "short for the same": ("inform(address='385 9th street')", "at 385 9th st .", "at SLOT_ADDRESS ."),
    "an ending": (
        "inform(power=32 watt;size=40 inch;price=cheap)",
        "cheaply priced , 40 inches , 32 watts",
        "SLOT_PRICE +ly priced , SLOT_SIZE +es , SLOT_POWER +s",
    ),
    "no ending of what is no word": ("inform(rating=a;port=l2)", "as l2s", "as l2s"),
    "not within a word": ("inform(food=thai)", "thailand has athai", "thailand has athai"),
    "what is not said as written": (
        "inform(kids=yes;near=dontcare;type=restaurant;food;none=none)",
        "yes , a restaurant , dontcare , none",
        "yes , a restaurant , dontcare , none",
    ),
    "plain writing": (
        "name[The Vaults], near[Café Adriatic], price[£20-25]",
        "The Vaults's near Café Adriatic (£20-25).",
        "SLOT_NAME 's near SLOT_NEAR ( SLOT_PRICE ) .",
    ),
    "no slots": ("bye()", "Good bye!", "good bye !"),
}


@pytest.mark.parametrize("case", TAKEN_OUT)
def test_values_give_way_to_tokens(case: str) -> None:
    act, text, expected = TAKEN_OUT[case]
    found = delexicalise(act, text)
    assert found == expected
    assert delexicalise(act, found) == found  # twice changes nothing


EXACT = [case for case in TAKEN_OUT if case not in ("parts in another order", "short for the same")]


@pytest.mark.parametrize("case", EXACT)
def test_filling_brings_the_text_back(case: str) -> None:
    act, text, taken = TAKEN_OUT[case]
    assert words(fill(act, taken)) == words(text)


WORDS = st.lists(st.sampled_from(["a", "b", "cat", "cats", "dog", "and", "9", "st"]), min_size=1, max_size=3)


@given(st.lists(WORDS.map(" ".join), max_size=4), st.lists(st.sampled_from(["a", "b", "cats", "dogs", "9", "the"])))
def test_any_text_that_holds_the_values_as_written_comes_back(values: list[str], between: list[str]) -> None:
    act = f"inform({';'.join(f'n{i % 2}={value}' for i, value in enumerate(values))})"
    text = " ".join([*between, *values, *between])
    taken = delexicalise(act, text)
    assert sorted(fill(act, taken).split()) == sorted(text.replace(" st ", " st ").split())
    assert len({word for word in taken.split() if is_token(word)} - set(required(act))) == 0


def test_what_comes_again_or_is_not_asked_for_is_left_to_be_seen() -> None:
    act = "inform(name=Chow;food=thai)"
    assert (
        fill(act, "SLOT_NAME , SLOT_NAME +s , SLOT_AREA SLOT_NAME_2") == "Chow , SLOT_NAME +s , SLOT_AREA SLOT_NAME_2"
    )
    assert fill(act, "+s dog +s SLOT_FOOD +ly") == "+s dogs thaily"


def test_each_value_is_required_once() -> None:
    act = "?select(type=hotel;name=a;area=dont_care;name='b c';food;kids=true)"
    assert required(act) == ("SLOT_NAME", "SLOT_NAME_2")
    assert features(act) == [
        "area=dontcare",
        "food=?",
        "kids=yes",
        "name=SLOT_NAME",
        "name=SLOT_NAME_2",
        "type=hotel",
    ]


def test_a_shape_is_an_act_of_its_own_shape() -> None:
    act = "?select(type=hotel;name=a;area=dont_care;name='b c';food;kids=true)"
    assert shape(act) == shape(shape(act)) == shape("?select(kids=yes;food=?;type=hotel;area=dontcare;name=x;name=y)")
    assert len({shape(each) for each in (act, "inform(name=a)", "inform(name=a;name=b)", "inform(name)")}) == 4


def test_references_are_of_all_acts_that_differ_in_values_alone() -> None:
    acts = ["inform(name=chow;kids=yes)", "inform(kids=true;name=nopa)", "inform(name=soma;kids=no)", "bye()"]
    texts = ["SLOT_NAME has kids", "kids at SLOT_NAME", "no kids at SLOT_NAME", "bye"]
    assert references([*acts, acts[0]], [*texts, "kids at SLOT_NAME"]) == [
        ["chow has kids", "kids at chow"],
        ["kids at nopa", "nopa has kids"],
        ["no kids at soma"],
        ["bye"],
        ["kids at chow", "chow has kids"],
    ]


def test_words_leave_what_is_taken_apart_as_it_is() -> None:
    said = "He said: \"it's 9.50, or 1,000; (SLOT_NAME's 2nd), a++ e.g. 10:30!\""
    found = words(said)
    assert " ".join(found) == ("he said : \" it 's 9.50 , or 1,000 ; ( SLOT_NAME 's 2nd ) , a++ e . g . 10:30 ! \"")
    assert words(" ".join(found)) == found


@pytest.mark.parametrize(
    "use", [required, features, shape, lambda act: fill(act, ""), lambda act: delexicalise(act, "")]
)
def test_what_is_no_act_is_refused(use: object) -> None:
    with pytest.raises(FieldError, match="an act must be written as"):
        use("hello")  # type: ignore[operator]
