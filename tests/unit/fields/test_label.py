"""Classes as numbers and back."""

from typing import Any

import pytest
import torch

from unspool.errors import FieldError
from unspool.fields import LabelField, load


@pytest.fixture
def field() -> LabelField:
    made = LabelField()
    made.fit(["spam", "ham", "eggs", "ham"])
    return made


def test_classes_are_numbered_by_their_texts_whatever_their_order(field: LabelField) -> None:
    other = LabelField()
    other.fit(["ham", "eggs", "ham", "spam"])
    assert field.names == other.names == ("eggs", "ham", "spam")
    assert field.counts == other.counts == (1, 2, 1)
    assert len(field) == 3
    assert [int(number) for number in field.encode_many(["spam", "eggs"])] == [2, 0]


def test_every_class_comes_back(field: LabelField) -> None:
    assert [field.decode(field.encode(name)) for name in field.names] == list(field.names)


def test_whole_numbers_stand_for_their_texts() -> None:
    field = LabelField()
    field.fit([3, "12", 3])
    assert field.names == ("12", "3")
    assert torch.equal(field.encode("3"), field.encode(3))


def test_a_saved_field_is_the_same(field: LabelField) -> None:
    again = load(field.to_json())
    assert isinstance(again, LabelField)
    assert (again.names, again.counts) == (field.names, field.counts)


@pytest.mark.parametrize("values", [[], ["one"], ["one", "one"], ["one", ""], ["one", "  "], ["one", 2.5], ["a", None]])
def test_what_is_no_two_classes_is_refused(values: list[Any]) -> None:
    with pytest.raises(FieldError, match="class"):
        LabelField().fit(values)


def test_a_class_that_was_never_seen_is_named_with_the_nearest(field: LabelField) -> None:
    with pytest.raises(FieldError, match=r"`hamm` is no class of the training part.*ham"):
        field.encode("hamm")


@pytest.mark.parametrize("bad", [torch.tensor(3), torch.tensor(-1), torch.tensor([1]), torch.tensor(0.5), 1])
def test_what_is_no_number_of_a_class_is_refused(field: LabelField, bad: Any) -> None:
    with pytest.raises(FieldError):
        field.decode(bad)


@pytest.mark.parametrize("use", [lambda f: f.encode("a"), lambda f: f.decode(torch.tensor(0)), len, LabelField.to_json])
def test_an_unfitted_field_says_what_to_do(use: Any) -> None:
    with pytest.raises(FieldError, match=r"field\.fit"):
        use(LabelField())


@pytest.mark.parametrize(
    "saved",
    [
        {"kind": "label"},
        {"kind": "label", "names": "ab", "counts": [1, 1]},
        {"kind": "label", "names": ["a"], "counts": [1]},
        {"kind": "label", "names": ["a", "a"], "counts": [1, 1]},
        {"kind": "label", "names": ["a", "b"], "counts": [1]},
    ],
)
def test_json_that_it_did_not_write_is_refused(saved: dict[str, Any]) -> None:
    with pytest.raises(FieldError):
        load(saved)
