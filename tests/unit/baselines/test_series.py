"""Baselines of movements and of numbers."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.baselines import climatology, repeat
from unspool.errors import DataError


@given(st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1), min_size=1))
def test_repeat_is_the_sign_of_the_last_number(rows: list[list[float]]) -> None:
    asked = [str([[0.5, 1.0], row]) for row in rows]
    assert repeat(["1"], ["up"], asked) == ["up" if row[-1] > 0 else "down" for row in rows]
    assert repeat(["1"], ["up"], [str(row[-1]) for row in rows]) == repeat(["1"], ["up"], asked)


def test_what_can_not_be_repeated_is_told() -> None:
    with pytest.raises(DataError) as error:
        repeat(["1", "2"], ["up", "flat"], [])
    assert str(error.value) == "`answers` must be up or down to repeat a movement, but one is 'flat'"
    with pytest.raises(DataError) as error:
        repeat(["1"], ["up"], ["[1.0]", "[]"])
    assert str(error.value) == "`asked` must end with a number, the last movement, but row 1 ends in '[]'"


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_climatology_has_the_quantiles_of_the_training_part(numbers: list[float]) -> None:
    levels = (0.05, 0.5, 0.95)
    found = climatology(["?"] * len(numbers), list(map(str, numbers)), ["a", "b"], levels)
    assert found[0] == found[1]
    told = json.loads(found[0])
    assert list(told) == ["0.05", "0.5", "0.95"]
    assert np.allclose(list(told.values()), np.quantile(numbers, levels), rtol=1e-5, atol=1e-9)


def test_climatology_is_of_numbers() -> None:
    with pytest.raises(DataError) as error:
        climatology(["a"], ["up"], [])
    assert (
        str(error.value) == "`answers` must be numbers to have quantiles, but could not convert string to float: 'up'"
    )
