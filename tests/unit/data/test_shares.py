"""Shares of a batch: each example in one of them, their costs as equal as may be."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data import shares
from unspool.errors import DataError


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 5))
def test_every_example_is_in_one_share_in_the_order_of_the_batch(cost: list[int], count: int) -> None:
    found = shares(cost, count)
    assert len(found) == count
    assert sorted(np.concatenate(found).tolist()) == list(range(len(cost)))
    assert all((np.diff(share) > 0).all() for share in found)


@given(st.lists(st.integers(1, 30), max_size=7), st.integers(1, 3))
def test_no_share_costs_more_than_a_third_above_the_best_there_are(cost: list[int], count: int) -> None:
    dearest = max(sum(cost[place] for place in share) for share in shares(cost, count))
    ways = product(range(count), repeat=len(cost))
    best = min(max(sum(c for c, at in zip(cost, way, strict=True) if at == k) for k in range(count)) for way in ways)
    assert 3 * count * dearest <= (4 * count - 1) * best


def test_like_examples_are_dealt_out() -> None:
    assert [len(share) for share in shares(np.full(11, 7), 3)] == [4, 4, 3]


def test_there_must_be_a_share() -> None:
    with pytest.raises(DataError, match="`count` of shares must be at least 1, but is 0"):
        shares([1], 0)
