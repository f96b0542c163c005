"""A batch shared out among ranks, so that each has as much to do."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import ArrayLike

from unspool.data.order import Rows
from unspool.errors import DataError


def shares(cost: ArrayLike, count: int) -> list[Rows]:
    """Shares of about equal cost: the dearest example first, each to whoever has the least so far.

    So a share has about as many examples as another, of about the same lengths, and none costs more than 4/3 of what
    the best shares would. Each keeps the order of the batch. There may be fewer examples than shares: some are empty.

    Args:
        cost: (examples,) of each example of the batch, such as its tokens.
        count: of shares, at least 1.

    Returns:
        For each share, the places of its examples in the batch; each place is in one of them.

    Raises:
        DataError: fewer than one share.

    Example:
        >>> [share.tolist() for share in shares([7, 5, 4, 4], 2)]
        [[0, 3], [1, 2]]

    Reference:
        Graham (1969), Bounds on multiprocessing timing anomalies, theorem 2.
    """
    if count < 1:
        raise DataError(f"`count` of shares must be at least 1, but is {count}")
    costs = np.asarray(cost)
    found: list[list[int]] = [[] for _ in range(count)]
    loads = [(0, share) for share in range(count)]
    for place in np.argsort(-costs, kind="stable").tolist():
        load, share = heapq.heappop(loads)
        found[share].append(place)
        heapq.heappush(loads, (load + int(costs[place]), share))
    return [np.array(sorted(each), dtype=np.int64) for each in found]
