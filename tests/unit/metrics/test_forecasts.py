"""Metrics of forecasts, the Matthews correlation, and how exact a mean of groups is: against scikit-learn and loops."""

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import matthews_corrcoef, mean_pinball_loss

from unspool.errors import DataError
from unspool.metrics import clustered_error, confidence, coverage_error, mcc, pinball

LEVELS = [0.1, 0.5, 0.9]


def forecasts(rows: int = 200, shift: float = 0.0) -> tuple[list[str], list[list[str]], np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    told = np.sort(chance.standard_normal((rows, len(LEVELS))) + shift, axis=1).round(4)
    came = chance.standard_normal(rows).round(4)
    texts = [json.dumps(dict(zip(map(str, LEVELS), row, strict=True))) for row in told.tolist()]
    return texts, [[repr(each)] for each in came.tolist()], told, came


def test_pinball_is_that_of_scikit_learn() -> None:
    texts, right, told, came = forecasts()
    known = {f"{level:g}": mean_pinball_loss(came, told[:, i], alpha=level) for i, level in enumerate(LEVELS)}
    score = pinball(texts, right)
    assert score.value == pytest.approx(np.mean(list(known.values())))
    assert score.details["by_level"] == pytest.approx(known)
    assert (score.name, score.better, score.details["rows"]) == ("pinball", "lower", 200)


def test_coverage_error_counts_what_lies_below() -> None:
    texts, right, told, came = forecasts(shift=0.5)
    below = [100 * sum(y <= q for y, q in zip(came, column, strict=True)) / len(came) for column in told.T]
    score = coverage_error(texts, right)
    assert score.value == pytest.approx(
        np.mean([abs(share - 100 * level) for share, level in zip(below, LEVELS, strict=True)])
    )
    assert list(score.details["below"].values()) == pytest.approx(below)
    inside = [low <= y <= high for y, (low, _, high) in zip(came, told, strict=True)]
    assert score.details["coverage"] == pytest.approx(100 * np.mean(inside))
    assert score.details["nominal"] == 80
    assert score.details["width"] == pytest.approx(np.mean(told[:, -1] - told[:, 0]))


def test_true_quantiles_have_the_least_pinball_and_no_coverage_error() -> None:
    came = [[str(number)] for number in range(1, 1001)]
    true, wide = json.dumps({"0.1": 100, "0.9": 900}), json.dumps({"0.1": 1, "0.9": 1000})
    assert pinball([true] * 1000, came).value < pinball([wide] * 1000, came).value
    assert coverage_error([true] * 1000, came).value == pytest.approx(0)
    assert coverage_error([wide] * 1000, came).value == pytest.approx(9.95)


@pytest.mark.parametrize("metric", [pinball, coverage_error])
def test_an_interval_is_that_of_the_metric_on_every_sample(metric: Any) -> None:
    texts, right, _, _ = forecasts(30)

    def own(told: Any, known: Any) -> Any:
        return metric(told, known)

    fast, slow = (confidence(each, texts, right, samples=40, seed=3) for each in (metric, own))
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high))
    assert fast.low < fast.score.value < fast.high


FORECAST = '{"0.1": -1, "0.9": 1}'
MISTAKES: dict[str, tuple[list[str], list[list[str]], str]] = {
    "no JSON": (
        [FORECAST, "up"],
        [["0"], ["0"]],
        '`hypotheses` must be JSON objects from levels to numbers, as {"0.1": -1.2, "0.9": 1.3}, but row 1 is \'up\'',
    ),
    "no level": (
        ['{"2": 1}'],
        [["0"]],
        '`hypotheses` must be JSON objects from levels to numbers, as {"0.1": -1.2, "0.9": 1.3}, but row 0 is '
        "'{\"2\": 1}'",
    ),
    "other levels": (
        [FORECAST, '{"0.1": 1}'],
        [["0"], ["0"]],
        "`hypotheses` must have the same levels, but row 1 has [0.1] and row 0 [0.1, 0.9]",
    ),
    "two numbers": (
        [FORECAST],
        [["0", "1"]],
        "`references` must hold exactly one for each hypothesis, but row 0 has 2; keep the number that came",
    ),
    "no number": ([FORECAST], [["nan"]], "`references` must be finite numbers, but row 0 is 'nan'"),
}


@pytest.mark.parametrize("case", MISTAKES)
@pytest.mark.parametrize("metric", [pinball, coverage_error])
def test_what_is_no_forecast_is_told(metric: Any, case: str) -> None:
    told, right, message = MISTAKES[case]
    with pytest.raises(DataError) as error:
        metric(told, right)
    assert str(error.value) == message


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=30))
def test_mcc_is_that_of_scikit_learn(rows: list[tuple[str, str]]) -> None:
    said, meant = map(list, zip(*rows, strict=True))
    known = 0.0 if len({*said, *meant}) == 1 else matthews_corrcoef(meant, said)
    assert mcc(said, [[each] for each in meant]).value == pytest.approx(100 * known)


def test_always_the_same_is_no_better_than_chance() -> None:
    score = mcc(["up"] * 10, [["up"]] * 9 + [["down"]])
    assert score.value == 0
    assert score.details == {"right": 9, "rows": 10}


def test_an_error_with_a_group_for_each_is_the_usual_one() -> None:
    values = np.random.default_rng(0).standard_normal(50)
    assert clustered_error(values.tolist(), range(50)) == pytest.approx(values.std(ddof=1) / np.sqrt(50))


def test_an_error_of_groups_is_how_far_their_means_scatter() -> None:
    chance = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 25)
    means = []
    for _ in range(400):
        shared = chance.standard_normal(40)[groups] + chance.standard_normal(1000)
        means.append(shared.mean())
        last = clustered_error(shared.tolist(), groups.tolist())
    assert last == pytest.approx(np.std(means), rel=0.3)
    assert last > 3 * clustered_error(shared.tolist(), range(1000))  # which takes all rows as independent


def test_groups_must_be_told() -> None:
    with pytest.raises(DataError) as error:
        clustered_error([1, 2], ["a"])
    assert str(error.value) == "`groups` must be one for each of the 2 values, but are 1"
    with pytest.raises(DataError) as error:
        clustered_error([1, 2], ["a", "a"])
    assert str(error.value) == "`groups` must be at least two to tell how exact a mean is, but are 1"


def test_mcc_of_many_classes_needs_no_table_of_rows_by_pairs() -> None:
    names = [f"class {number % 700}" for number in range(20_000)]
    tracemalloc.start()
    score = mcc(names, [[name] for name in names])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert score.value == pytest.approx(100)
    assert peak < 100e6
