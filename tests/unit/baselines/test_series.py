"""Baselines of movements and of numbers."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.baselines import climatology, mean, repeat
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
    assert np.allclose(
        list(told.values()), np.quantile(numbers, levels), rtol=1e-9, atol=1e-5 * (np.std(numbers) or 1.0)
    )


def test_a_series_in_a_file_is_no_movement() -> None:
    with pytest.raises(DataError, match="`asked` must end with a number, the last movement, but row 0 ends in"):
        repeat(["1"], ["up"], ["x.npz::values::10:52"])


def test_quantiles_that_are_narrow_beside_their_mean_stay_apart() -> None:
    (told,) = climatology(["?"] * 3, ["10000000", "10000001", "10000002"], ["a"], (0.25, 0.75))
    assert json.loads(told) == {"0.25": 10000000.5, "0.75": 10000001.5}


def test_the_mean_is_told_of_everything() -> None:
    assert mean(["a", "b", "c"], ["1", "2", "6"], ["d", "e"]) == ["3.0", "3.0"]
    for told in ("up", "nan", "inf"):
        for baseline in (mean, climatology):
            with pytest.raises(DataError) as error:
                baseline(["a", "b"], ["1", told], ["c"])
            assert str(error.value) == f"`answers` must be finite numbers, but row 1 is {told!r}"
