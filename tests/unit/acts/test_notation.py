"""Dialogue acts as they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.acts import Act, Slot, parse
from unspool.errors import FieldError

READ: dict[str, tuple[str, list[tuple[str, str | None]]]] = {
    "inform(name='trattoria contadina';pricerange=moderate)": (
        "inform",
        [("name", "trattoria contadina"), ("pricerange", "moderate")],
    ),
    "?request(area)": ("?request", [("area", None)]),
    "goodbye()": ("goodbye", []),
    "  ?reqmore( ) ": ("?reqmore", []),
    "?select(near;near='north beach')": ("?select", [("near", None), ("near", "north beach")]),
    'inform(name="a; b=(c)";food = thai )': ("inform", [("name", "a; b=(c)"), ("food", "thai")]),
    "inform(name='joe's diner';near='o'farrell')": ("inform", [("name", "joe's diner"), ("near", "o'farrell")]),
    "inform(address=12 main (rear);count='3')": ("inform", [("address", "12 main (rear)"), ("count", "3")]),
    "inform(design=matt black , keyboard;Has_USB port=true)": (
        "inform",
        [("design", "matt black , keyboard"), ("hasusbport", "true")],
    ),
    "inform(goodformeal=dinner')": ("inform", [("goodformeal", "dinner")]),
    "inform(name='';food=;area=?)": ("inform", [("name", None), ("food", None), ("area", None)]),
    "name[The Vaults], eatType[pub], priceRange[more than £30]": (
        "inform",
        [("name", "The Vaults"), ("eattype", "pub"), ("pricerange", "more than £30")],
    ),
    "customer rating[5 out of 5], near[Café Adriatic],familyFriendly[]": (
        "inform",
        [("customerrating", "5 out of 5"), ("near", "Café Adriatic"), ("familyfriendly", None)],
    ),
}


@pytest.mark.parametrize("text", READ)
def test_an_act_is_read_in_both_notations(text: str) -> None:
    kind, slots = READ[text]
    assert parse(text) == Act(kind, tuple(Slot(*each) for each in slots))


def test_values_that_are_not_said_have_one_name_each() -> None:
    written = ["yes", "True", "no", "FALSE", "none", "dontcare", "dont_care", "?", "yes please", "cheap"]
    act = parse(f"inform({';'.join(f'a={value}' for value in written)};a)")
    found = [slot.special for slot in act.slots]
    assert found == ["yes", "yes", "no", "no", "none", "dontcare", "dontcare", "?", None, None, "?"]


NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
SAID = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp", "Cs")), min_size=1)
VALUES = SAID.map(str.strip).filter(lambda text: text not in ("", "?") and '"' not in text)


@given(NAMES, st.lists(st.tuples(NAMES, VALUES), max_size=5))
def test_whatever_stands_in_quotes_is_read_as_it_is_written(kind: str, slots: list[tuple[str, str]]) -> None:
    text = ";".join(f'{name}="{value}"' for name, value in slots)
    assert parse(f"{kind}({text})") == Act(kind, tuple(Slot(*each) for each in slots))


LIKE = "an act must be written as `inform(name='red door cafe';area=mission)` or `name[The Vaults], food[French]`"
MISTAKES = {
    "": f"{LIKE}, but is ``",
    "good morning": f"{LIKE}, but is `good morning`",
    "inform(name=chow": f"{LIKE}, but is `inform(name=chow`",
    "(name=chow)": f"{LIKE}, but is `(name=chow)`",
    "name[The Vaults], pub": f"{LIKE}, but is `name[The Vaults], pub`",
    "name[The [old] Vaults]": f"{LIKE}, but is `name[The [old] Vaults]`",
    "x" * 100: f"{LIKE}, but is `{'x' * 77}…`",
}
SLOT = "a slot of an act must be written as `name`, `name=value` or `name='value'`, with `;` between slots, but"
WRONG_SLOTS = {
    "inform(=chow)": "=chow",
    "inform(;)": ";",
    "inform('chow')": "'chow'",
    "inform(3=chow)": "3",
    "inform(name=chow)|request(area)": "name=chow)|request(area",
    "inform()&bye()": ")&bye(",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_what_is_no_act_is_told_how_to_write_one(text: str) -> None:
    with pytest.raises(FieldError) as error:
        parse(text)
    assert str(error.value) == MISTAKES[text]


@pytest.mark.parametrize("text", WRONG_SLOTS)
def test_what_is_no_slot_is_named(text: str) -> None:
    with pytest.raises(FieldError) as error:
        parse(text)
    assert str(error.value) == (
        f"{SLOT} `{WRONG_SLOTS[text]}` of `{text}` is not; put a value with `;` or a parenthesis in quotes"
    )


def test_an_act_is_a_text() -> None:
    with pytest.raises(FieldError, match=r"an act must be a text, as `inform.*, but is 3 \(int\)"):
        parse(3)  # type: ignore[arg-type]
