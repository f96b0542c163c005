"""Errors of numbers, against scikit-learn's, and in a bootstrap."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error as mae_of_others  # type: ignore[import-untyped]
from sklearn.metrics import root_mean_squared_error as rmse_of_others

from unspool.errors import DataError
from unspool.metrics import METRICS, OF_NUMBERS, Score, confidence

NUMBERS = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=20))
def test_errors_are_those_of_scikit_learn(rows: list[tuple[float, float]]) -> None:
    told, came = [str(one) for one, _ in rows], [[str(other)] for _, other in rows]
    numbers = np.array(rows).T
    assert METRICS["mae"](told, came).value == pytest.approx(mae_of_others(*numbers), rel=1e-12)
    assert METRICS["rmse"](told, came).value == pytest.approx(rmse_of_others(*numbers), rel=1e-12)


@pytest.mark.parametrize("name", sorted(OF_NUMBERS))
def test_the_interval_is_that_of_the_metric_called_on_every_sample(name: str) -> None:
    chance = np.random.default_rng(0)
    told, came = chance.normal(size=(2, 30))
    rows = list(map(str, told)), [[str(each)] for each in came]
    metric: Callable[..., Score] = METRICS[name]
    fast = confidence(metric, *rows, samples=40, seed=3)
    slow = confidence(lambda *given: metric(*given), *rows, samples=40, seed=3)
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high), rel=1e-9)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((["a"], [["1"]]), "`hypotheses` must be finite numbers, but row 0 is 'a'"),
        ((["1", "nan"], [["1"], ["2"]]), "`hypotheses` must be finite numbers, but row 1 is 'nan'"),
        ((["1"], [["inf"]]), "`references` must be finite numbers, but row 0 is 'inf'"),
        ((["9" * 400], [["1"]]), "`hypotheses` must be finite numbers, but row 0 is '999"),
        ((["1"], [["1", "2"]]), "`references` must hold exactly one for each hypothesis, but row 0 has 2"),
        (([], []), "`hypotheses` must hold at least one"),
    ],
)
@pytest.mark.parametrize("name", sorted(OF_NUMBERS))
def test_what_is_no_number_is_named(name: str, rows: tuple[list[str], list[list[str]]], message: str) -> None:
    with pytest.raises(DataError) as error:
        METRICS[name](*rows)
    assert str(error.value).startswith(message)
