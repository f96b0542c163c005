"""Quantiles of a number: scaled as one, told as JSON; and the last steps of a series."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from unspool.errors import FieldError
from unspool.fields import NumberField, QuantilesField, SeriesField, kinds
from unspool.metrics import pinball


def fitted(levels: Sequence[float] = (0.1, 0.5, 0.9)) -> QuantilesField:
    field = QuantilesField(levels)
    field.fit([1, 3, "5"])
    return field


def test_a_value_is_encoded_as_a_number_is() -> None:
    number = NumberField()
    number.fit([1, 3, 5])
    assert [fitted().encode(value) for value in (2, "7.5")] == [number.encode(value) for value in (2, 7.5)]
    assert (fitted().shape, fitted().kind, len(fitted([0.2, 0.4]))) == ("vector", "quantiles", 2)


def test_quantiles_are_told_in_the_unit_of_the_numbers() -> None:
    deviation = np.std([1, 3, 5])
    told = json.loads(fitted().decode(torch.tensor([-1.0, 0.0, 2.0])))
    assert list(told) == ["0.1", "0.5", "0.9"]
    assert list(told.values()) == pytest.approx([3 - deviation, 3, 3 + 2 * deviation], rel=1e-5)


def test_quantiles_that_are_narrow_beside_their_mean_stay_apart() -> None:
    field = QuantilesField([0.1, 0.9999999])
    field.fit([1e7 - 1, 1e7 + 1])
    told = json.loads(field.decode(torch.tensor([-1.0, 0.5])))
    assert told == {"0.1": 1e7 - 1, "0.9999999": 1e7 + 0.5}
    assert pinball([json.dumps(told)], [["10000000"]]).details["by_level"].keys() == told.keys()


def test_a_saved_field_is_the_same() -> None:
    field = fitted([0.05, 0.95])
    again = kinds.load(json.loads(json.dumps(field.to_json())))
    assert isinstance(again, QuantilesField)
    assert again.to_json() == field.to_json()
    assert again.decode(torch.tensor([0.1, 0.2])) == field.decode(torch.tensor([0.1, 0.2]))


@pytest.mark.parametrize("levels", [[], [0.0, 0.5], [0.5, 0.5], [0.9, 0.1], [0.5, 1.0], ["0.1", "0.9"], 0.5, "0.5"])
def test_levels_rise_between_0_and_1(levels: Any) -> None:
    with pytest.raises(FieldError) as error:
        QuantilesField(levels)
    assert str(error.value) == f"`levels` must be numbers that rise between 0 and 1, but are {levels!r}"


def test_mistakes_are_told() -> None:
    with pytest.raises(FieldError) as error:
        QuantilesField().encode(1)
    assert str(error.value) == (
        "`QuantilesField([0.1, 0.5, 0.9])` must be fitted before it can encode; call `field.fit(values)` with the "
        "training part's"
    )
    with pytest.raises(FieldError) as error:
        fitted().decode(torch.zeros(2))
    assert str(error.value) == "`encoded` must be a tensor of (3,), but is (2,)"
    with pytest.raises(FieldError) as error:
        QuantilesField.from_json({"kind": "quantiles"})
    assert str(error.value) == "`saved` must have the keys ['deviation', 'kind', 'levels', 'mean'], but has ['kind']"


def test_the_last_steps_of_a_series_are_taken_and_learned_from() -> None:
    series, cut = [[[9, 9], [1, 4], [3, 8]], [[5, 0]]], [[[1, 4], [3, 8]], [[5, 0]]]
    field, known = SeriesField(last=2), SeriesField()
    field.fit(series)
    known.fit(cut)
    assert all(torch.equal(field.encode(one), known.encode(two)) for one, two in zip(series, cut, strict=True))
    again = kinds.load(json.loads(json.dumps(field.to_json())))
    assert torch.equal(again.encode(series[0]), field.encode(series[0]))
    assert "last" not in known.to_json()
    for last in (0, 2.5, True):
        with pytest.raises(FieldError) as error:
            SeriesField(last=last)  # type: ignore[arg-type]
        assert str(error.value) == f"`last` must be a whole number of steps, at least 1, but is {last!r}"
