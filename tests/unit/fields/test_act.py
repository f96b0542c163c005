"""Acts as vectors and back."""

import json
from typing import Any

import pytest
import torch

from unspool.acts import shape
from unspool.errors import FieldError
from unspool.fields import ActField, TextField, load

ACTS = [
    "inform(name='red door cafe';kidsallowed=yes;near=soma)",
    "inform(type=restaurant;name=chow;near=dontcare)",
    "?compare(name=chow;food=thai;name=nopa;food=none)",
    "?request(area)",
    "goodbye()",
]
KINDS = ("?compare", "?request", "goodbye", "inform")
FEATURES = (
    "area=?",
    "food=SLOT_FOOD",
    "food=none",
    "kidsallowed=yes",
    "name=SLOT_NAME",
    "name=SLOT_NAME_2",
    "near=SLOT_NEAR",
    "near=dontcare",
    "type=restaurant",
)


@pytest.fixture
def field() -> ActField:
    made = ActField()
    made.fit(iter(ACTS))
    return made


def ones(field: ActField, act: str) -> set[str]:
    names = [*field.kinds, *field.features]
    return {names[place] for place in field.encode(act).nonzero().flatten().tolist()}


def test_kinds_and_features_are_those_of_the_training_part_in_one_order(field: ActField) -> None:
    other = ActField()
    other.fit(reversed(ACTS))
    assert (field.kinds, field.features) == (other.kinds, other.features) == (KINDS, FEATURES)
    assert len(field) == len(KINDS) + len(FEATURES)


def test_a_vector_says_what_is_asked_and_not_the_values(field: ActField) -> None:
    vector = field.encode(ACTS[0])
    assert (vector.shape, vector.dtype) == ((len(field),), torch.float32)
    assert ones(field, ACTS[0]) == {"inform", "kidsallowed=yes", "name=SLOT_NAME", "near=SLOT_NEAR"}
    assert torch.equal(vector, field.encode("inform(near='x y';name=else;kidsallowed=true)"))
    assert ones(field, ACTS[2]) == {"?compare", "name=SLOT_NAME", "name=SLOT_NAME_2", "food=SLOT_FOOD", "food=none"}
    assert ones(field, "goodbye()") == {"goodbye"}
    assert field.encode_many(ACTS)[3].sum() == 2


def test_what_was_never_seen_is_left_out(field: ActField) -> None:
    assert ones(field, "inform(name=chow;price=cheap;kidsallowed=no;type=hotel)") == {"inform", "name=SLOT_NAME"}
    assert ones(field, "suggest(name=chow)") == {"name=SLOT_NAME"}
    assert field.decode(field.encode("suggest(name=chow;price=cheap)")) == "⁇(name=SLOT_NAME)"
    assert field.required("suggest(name=chow;price=cheap)") == ("SLOT_NAME", "SLOT_PRICE")


@pytest.mark.parametrize("act", ACTS)
def test_an_act_comes_back_without_its_values(field: ActField, act: str) -> None:
    assert field.decode(field.encode(act)) == shape(act)
    assert torch.equal(field.encode(field.decode(field.encode(act))), field.encode(act))


def test_texts_are_read_and_written_with_tokens(field: ActField) -> None:
    text = field.delexicalise(ACTS[0], "Kids can go to red door cafe near soma")
    assert text == "kids can go to SLOT_NAME near SLOT_NEAR"
    assert field.fill("inform(name=Chow;near=Nopa)", text) == "kids can go to Chow near Nopa"


def test_every_token_of_the_vocabulary_is_asked_for_once_or_never(field: ActField) -> None:
    text = TextField("words")
    text.fit(["SLOT_NAME and SLOT_NAME_2 SLOT_NAME", "SLOT_FOOD near SLOT_NEAR", "SLOT_NAME slot_area"])
    tokens, counts = field.slots_once([*ACTS, "inform(price=cheap)"], text)
    names = [text.decode(token.unsqueeze(0)) for token in tokens]
    assert sorted(names) == ["SLOT_FOOD", "SLOT_NAME", "SLOT_NAME_2", "SLOT_NEAR"]
    asked = [{name for name, count in zip(names, row, strict=True) if count} for row in counts.tolist()]
    assert asked == [
        {"SLOT_NAME", "SLOT_NEAR"},
        {"SLOT_NAME"},
        {"SLOT_NAME", "SLOT_NAME_2", "SLOT_FOOD"},
        set(),
        set(),
        set(),  # SLOT_PRICE is no word that could be written
    ]
    assert set(counts.flatten().tolist()) == {0, 1}


def test_slots_can_only_be_words(field: ActField) -> None:
    for text in (TextField("characters"), TextField("words", lowercase=True)):
        text.fit(["SLOT_NAME"])
        with pytest.raises(FieldError, match="`text` must be a field of words that are not lower-cased, but is TextF"):
            field.slots_once(ACTS, text)


def test_a_saved_field_is_the_same(field: ActField) -> None:
    again = load(json.loads(json.dumps(field.to_json())))
    assert isinstance(again, ActField)
    assert (again.kinds, again.features, repr(again), bool(again)) == (KINDS, FEATURES, "ActField()", True)
    assert all(torch.equal(again.encode(act), field.encode(act)) for act in ACTS)


@pytest.mark.parametrize("values", [[], ["inform(a=b)", "hello"], [None]])
def test_what_is_no_act_can_not_be_learned_from(values: list[Any]) -> None:
    with pytest.raises(FieldError, match="act"):
        ActField().fit(values)


SIZE = len(KINDS) + len(FEATURES)


@pytest.mark.parametrize(
    "bad", [torch.zeros(SIZE - 1), torch.full((SIZE,), 0.5), torch.ones(SIZE), torch.zeros(1, SIZE), [0] * SIZE]
)
def test_what_is_no_vector_of_an_act_is_refused(field: ActField, bad: Any) -> None:
    with pytest.raises(FieldError, match="`encoded` must be"):
        field.decode(bad)


@pytest.mark.parametrize("use", [lambda f: f.encode("a()"), lambda f: f.decode(torch.zeros(2)), len, ActField.to_json])
def test_an_unfitted_field_says_what_to_do(use: Any) -> None:
    with pytest.raises(FieldError, match=r"field\.fit"):
        use(ActField())


@pytest.mark.parametrize(
    "changes",
    [{"kinds": []}, {"kinds": "ab"}, {"kinds": ["b", "a"]}, {"features": ["a", "a"]}, {"features": [1]}, {"more": 1}],
)
def test_json_that_it_did_not_write_is_refused(field: ActField, changes: dict[str, Any]) -> None:
    with pytest.raises(FieldError):
        load(field.to_json() | changes)
