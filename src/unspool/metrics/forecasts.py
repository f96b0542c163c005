"""Quantiles of numbers that were told before the numbers came: how near they lie, and whether they keep their word.

A forecast is a text, a JSON object from levels to numbers such as `{"0.1": -1.2, "0.5": 0.1, "0.9": 1.3}`; every
forecast has the same levels. What came is the text of a number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unspool.errors import DataError
from unspool.metrics.score import Score, check

Numbers = NDArray[np.float64]


def pinball(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """The mean pinball loss, in the unit of the numbers: half the mean absolute error where the only level is 0.5.

        mean over rows and levels of max(τ · (y - q), (τ - 1) · (y - q))

    Only the true quantiles make it smallest; so it weighs how narrow forecasts are and how often they fail at once.

    Args:
        hypotheses: quantiles, a JSON object each, all of the same levels.
        references: exactly one number for each.

    Returns:
        From 0. `details`: by_level, the mean loss of each; rows, a count.

    Raises:
        DataError: no hypotheses, not as many rows of references, more than one in a row; what is no such text.

    Reference:
        Koenker and Bassett (1978), Regression quantiles.

    Example:
        >>> print(pinball(['{"0.1": -1, "0.9": 1}'] * 2, [["0"], ["2"]]))
        pinball 0.35 (lower is better; nrefs:1|levels:0.1,0.9)
    """
    levels, told, came = _read(hypotheses, references)
    losses = _losses(levels, told, came)
    details = {"by_level": _named(levels, losses.mean(0)), "rows": len(came)}
    return Score(float(losses.mean()), "pinball", "lower", details, _signature(levels))


def coverage_error(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """How far the share of numbers at or below a quantile is from what its level says, a mean over levels, of 100.

        mean over levels τ of |100 · (rows with y ≤ q) / rows - 100 · τ|

    Args, Raises: as `pinball`.

    Returns:
        From 0 to 100. `details`: below, by level that share of 100; coverage, the share within the lowest and the
        highest quantile, nominal, what it should be, and width, how far apart these are in the mean; rows, a count.

    Reference:
        Kuleshov, Fenner and Ermon (2018), section 3.5, with differences that are not squared.

    Example:
        >>> score = coverage_error(['{"0.1": -1, "0.9": 1}'] * 2, [["0"], ["2"]])
        >>> print(score)
        coverage_error 25.00 (lower is better; nrefs:1|levels:0.1,0.9)
        >>> score.details["coverage"], score.details["nominal"], score.details["width"]
        (50.0, 80.0, 2.0)
    """
    levels, told, came = _read(hypotheses, references)
    within = (told[:, 0] <= came) & (came <= told[:, -1])
    below = 100 * _below(told, came).mean(0)
    details = {
        "below": _named(levels, below),
        "coverage": 100 * float(within.mean()),
        "nominal": round(100 * (levels[-1] - levels[0]), 9),
        "width": float((told[:, -1] - told[:, 0]).mean()),
        "rows": len(came),
    }
    error = float(np.abs(below - 100 * np.array(levels)).mean())
    return Score(error, "coverage_error", "lower", details, _signature(levels))


def loss_sums(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Numbers:
    """For each row: its mean loss over levels, and 1. (rows, 2)"""
    losses = _losses(*_read(hypotheses, references)).mean(1)
    return np.stack([losses, np.ones(len(losses))], 1)


def below_sums(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Numbers:
    """For each row: whether it is at or below each quantile, less the level; and 1. (rows, levels + 1)"""
    levels, told, came = _read(hypotheses, references)
    return np.concatenate([_below(told, came) - np.array(levels), np.ones((len(came), 1))], 1)


def mean_of(sums: Sequence[float]) -> float:
    """The loss of summed `loss_sums`."""
    return sums[0] / sums[1]


def error_of(sums: Sequence[float]) -> float:
    """The coverage error of summed `below_sums`."""
    return 100 * float(np.abs(np.array(sums[:-1]) / sums[-1]).mean())


def _losses(levels: Sequence[float], told: Numbers, came: Numbers) -> Numbers:
    ahead = came[:, None] - told
    losses: Numbers = np.maximum(np.array(levels) * ahead, (np.array(levels) - 1) * ahead)
    return losses


def _below(told: Numbers, came: Numbers) -> NDArray[np.bool_]:
    below: NDArray[np.bool_] = came[:, None] <= told
    return below


def _named(levels: Sequence[float], values: Numbers) -> dict[str, float]:
    return {str(level): float(value) for level, value in zip(levels, values, strict=True)}


def _signature(levels: Sequence[float]) -> str:
    return f"nrefs:1|levels:{','.join(map(str, levels))}"


def _read(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[list[float], Numbers, Numbers]:
    """The levels; what was told of each, (rows, levels); and what came, (rows,)."""
    check(hypotheses, references)
    told, came = [_quantiles(text, row) for row, text in enumerate(hypotheses)], []
    levels = list(told[0])
    for row, (each, known) in enumerate(zip(told, references, strict=True)):
        if list(each) != levels:
            raise DataError(
                f"`hypotheses` must have the same levels, but row {row} has {list(each)} and row 0 {levels}"
            )
        came.append(number_that_came(known, row))
    return levels, np.array([list(each.values()) for each in told]), np.array(came)


def number_that_came(known: Sequence[str], row: int) -> float:
    """The number in a row's one reference.

    Raises:
        DataError: several references, or no finite number.
    """
    if len(known) != 1:
        raise DataError(
            f"`references` must hold exactly one for each hypothesis, but row {row} has {len(known)}; "
            "keep the number that came"
        )
    number = read_number(known[0])
    if number is None:
        raise DataError(f"`references` must be finite numbers, but row {row} is {known[0]!r}")
    return number


def _quantiles(text: str, row: int) -> dict[float, float]:
    """The quantiles in a text by their levels, from the lowest on."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = None
    each = {read_number(level): read_number(value) for level, value in found.items()} if isinstance(found, dict) else {}
    told = {level: value for level, value in each.items() if level is not None and value is not None and 0 < level < 1}
    if not told or len(told) < len(found):
        raise DataError(
            f'`hypotheses` must be JSON objects from levels to numbers, as {{"0.1": -1.2, "0.9": 1.3}}, but row {row} '
            f"is {text!r}"
        )
    return dict(sorted(told.items()))


def read_number(value: object) -> float | None:
    """A finite number, or the text of one; None: it is none."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and not isinstance(value, bool) else None
