"""How exact a mean is whose rows come in groups that share their luck."""

import math
from collections.abc import Hashable, Sequence

import numpy as np

from unspool.errors import DataError


def clustered_error(values: Sequence[float], groups: Sequence[Hashable]) -> float:
    """The standard error of the mean of values, of which those of one group are not independent.

        √(G / (G - 1) · Σ over groups of (Σ within of (value - mean))²) / number of values

    Stocks of one day rise and fall together: 3,720 movements of 63 days say little more than 63 would. With a group for
    each value it is the usual standard error.

    Args:
        values: such as 1 where an answer is right and 0 where it is wrong.
        groups: one for each value, such as its day.

    Raises:
        DataError: not as many groups as values, or fewer than two groups.

    Reference:
        Liang and Zeger (1986); Cameron and Miller (2015), A practitioner's guide to cluster-robust inference.

    Example:
        >>> alone, together = [0, 1, 2, 3], ["mon", "mon", "tue", "tue"]
        >>> round(clustered_error([1, 1, 0, 0], alone), 3), round(clustered_error([1, 1, 0, 0], together), 3)
        (0.289, 0.5)
    """
    if len(values) != len(groups):
        raise DataError(f"`groups` must be one for each of the {len(values)} values, but are {len(groups)}")
    places: dict[Hashable, int] = {}
    numbers = [places.setdefault(group, len(places)) for group in groups]
    if len(places) < 2:
        raise DataError(f"`groups` must be at least two to tell how exact a mean is, but are {len(places)}")
    found = np.asarray(values, dtype=np.float64)
    sums = np.bincount(numbers, found - found.mean())
    return math.sqrt(len(sums) / (len(sums) - 1) * float(sums @ sums)) / len(found)
