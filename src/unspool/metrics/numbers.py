"""Numbers that were told, beside those that are right: how far apart they are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from unspool.errors import DataError
from unspool.metrics.forecasts import Numbers, number_that_came, read_number
from unspool.metrics.score import Score, check


def mean_absolute_error(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """The mean distance of numbers from the right ones, in their unit.

        mean over rows of |y - told|

    The median of what may come makes it smallest.

    Args:
        hypotheses: texts of numbers, one each.
        references: exactly one number for each, as text.

    Returns:
        From 0. `details`: rows, a count.

    Raises:
        DataError: no hypotheses, not as many rows of references, more than one in a row; what is no finite number.

    Example:
        >>> print(mean_absolute_error(["1.0", "2"], [["1"], ["5"]]))
        mae 1.50 (lower is better; nrefs:1)
    """
    return _score("mae", mean_of(distance_sums(hypotheses, references).sum(0).tolist()), hypotheses)


def root_mean_squared_error(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """The root of the mean squared distance of numbers from the right ones, in their unit; few large ones count most.

        √(mean over rows of (y - told)²)

    The mean of what may come makes it smallest.

    Args, Returns, Raises: as `mean_absolute_error`.

    Example:
        >>> print(root_mean_squared_error(["1.0", "2"], [["1"], ["5"]]))
        rmse 2.12 (lower is better; nrefs:1)
    """
    return _score("rmse", root_of(square_sums(hypotheses, references).sum(0).tolist()), hypotheses)


def distance_sums(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Numbers:
    """For each row: how far its number is from the right one, and 1. (rows, 2)"""
    distances = np.abs(_errors(hypotheses, references))
    return np.stack([distances, np.ones(len(distances))], 1)


def square_sums(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Numbers:
    """For each row: the square of that, and 1. (rows, 2)"""
    return distance_sums(hypotheses, references) ** 2


def mean_of(sums: Sequence[float]) -> float:
    """The mean of summed `distance_sums`."""
    return sums[0] / sums[1]


def root_of(sums: Sequence[float]) -> float:
    """The root of the mean of summed `square_sums`."""
    return math.sqrt(mean_of(sums))


def _score(name: str, value: float, hypotheses: Sequence[str]) -> Score:
    return Score(value, name, "lower", {"rows": len(hypotheses)}, "nrefs:1")


def _errors(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Numbers:
    check(hypotheses, references)
    told = [read_number(text) for text in hypotheses]
    if None in told:
        row = told.index(None)
        raise DataError(f"`hypotheses` must be finite numbers, but row {row} is {hypotheses[row]!r}")
    came = [number_that_came(known, row) for row, known in enumerate(references)]
    errors: Numbers = np.array(told, np.float64) - np.array(came)
    return errors
