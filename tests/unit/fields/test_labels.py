"""Several labels at once, and numbers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unspool import fields
from unspool.errors import FieldError
from unspool.fields import LabelsField, NumberField


def fitted(*values: object, **more: object) -> LabelsField:
    field = LabelsField(**more)  # type: ignore[arg-type]
    field.fit(values or ("joy", "anger,joy", ""))
    return field


@given(st.sets(st.sampled_from(["anger", "joy"])))
def test_labels_come_back(labels: set[str]) -> None:
    field = fitted()
    encoded = field.encode(",".join(labels))
    assert encoded.tolist() == [float("anger" in labels), float("joy" in labels)]
    assert set(field.decode(encoded)) == labels
    again = fields.load(field.to_json())
    assert again.to_json() == field.to_json()
    assert torch.equal(again.encode(sorted(labels)), encoded)


def test_a_label_is_counted_once_a_row() -> None:
    field = fitted("joy,joy", ["anger", "joy"], "")
    assert (field.names, field.counts, field.rows) == (("anger", "joy"), (1, 2), 3)


def test_blanks_around_a_label_are_none_of_its_own() -> None:
    field = LabelsField()
    field.fit([[" joy", "love "], "joy"])
    assert (field.names, field.counts) == (("joy", "love"), (2, 1))


def test_numbers_in_the_data_have_names() -> None:
    field = fitted("1", 0, "2,1", names=["anger", "joy", "love"])
    assert field.names == ("anger", "joy", "love")
    assert field.encode("1,2").tolist() == field.encode(["love", "joy"]).tolist() == [0.0, 1.0, 1.0]
    assert field.as_text("2,0") == "anger,love"
    assert field.counts == (1, 2, 1)


def test_text_is_in_the_order_of_names_and_keeps_what_is_unknown() -> None:
    assert fitted().as_text("joy, envy, anger") == "anger,joy,envy"
    assert fitted("a|b", separator="|").as_text("b|a") == "a|b"


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: LabelsField().encode("joy"), "must be fitted before it can encode"),
        (lambda: LabelsField().fit(["", ""]), "`values` must hold at least one label, but all 2 are empty"),
        (lambda: LabelsField().fit([3.5]), "labels must be a text or a list of texts, but are 3.5"),
        (lambda: LabelsField().fit([["a", None]]), "a label must be a text, but is None"),
        (lambda: LabelsField(""), "`separator` must be at least one character"),
        (lambda: LabelsField(names=["a", "a"]), "`names` must be a list of different texts"),
        (lambda: LabelsField().fit([["New York, NY"]]), "`New York, NY` holds `,`, which stands between two labels"),
        (lambda: LabelsField(names=["a,b"]), "`names` must be texts without the `separator` ',', but one is 'a,b'"),
        (lambda: LabelsField(names=[7, 8]), "`names` must be texts without the `separator` ',', but one is 7"),  # type: ignore[list-item]
        (lambda: fitted().encode("jo"), "`jo` is no label of the training part"),
        (
            lambda: fitted("0", names=["a"]).encode("7"),
            "`7` is neither one of `names` nor the number of one, from 0 to 0",
        ),
        (lambda: fitted().decode(torch.zeros(3)), "must be a tensor of shape (2,)"),
        (lambda: LabelsField.from_json({"kind": "labels"}), "`saved` must have the keys"),
    ],
)
def test_a_mistake_is_named(mistake: object, message: str) -> None:
    with pytest.raises(FieldError) as error:
        mistake()  # type: ignore[operator]
    assert message in str(error.value)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_a_number_comes_back_and_training_numbers_have_mean_0_and_deviation_1(numbers: list[float]) -> None:
    field = NumberField()
    field.fit(numbers)
    expected = torch.tensor(numbers, dtype=torch.float64)
    assert field.mean == pytest.approx(float(expected.mean()), abs=1e-6)
    deviation = float(expected.std(correction=0))
    if deviation > 1e-3:
        assert field.deviation == pytest.approx(deviation, rel=1e-4)
    assert field.deviation > 0
    again = fields.load(field.to_json())
    for number in numbers:
        back = again.decode(field.encode(str(number)))
        assert back == pytest.approx(number, abs=1e-5 * (abs(number) + abs(field.mean) + field.deviation))


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: NumberField().fit([10**400]), "a number must be finite, but is 1000"),
        (lambda: NumberField().fit([]), "`values` must hold at least one number"),
        (lambda: NumberField().fit(["much"]), "a number must be finite, but is 'much'"),
        (lambda: NumberField().fit([float("inf")]), "a number must be finite, but is inf"),
        (lambda: NumberField().fit([True]), "a number must be finite, but is True"),
        (lambda: NumberField().encode(1), "must be fitted before it can encode"),
        (lambda: NumberField.from_json({"kind": "number", "mean": 0, "deviation": 0}), "`deviation` must be above 0"),
    ],
)
def test_a_number_that_is_none_is_named(mistake: object, message: str) -> None:
    with pytest.raises(FieldError) as error:
        mistake()  # type: ignore[operator]
    assert message in str(error.value)
