"""The order of batches: each example once, within the budget, the same from any place."""

import itertools
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data import Cursor, Order, back_in_order, in_order
from unspool.errors import DataError

LENGTHS = st.lists(st.integers(0, 30), min_size=1, max_size=80)
BUDGETS = st.fixed_dictionaries(
    {"tokens": st.none() | st.integers(1, 60), "examples": st.none() | st.integers(1, 9), "pool": st.integers(1, 5)}
).filter(lambda budget: budget["tokens"] or budget["examples"])


def batches_of(order: Order, epoch: int) -> list[list[int]]:
    return [rows.tolist() for rows in order.epoch(epoch)]


def many(seed: int = 0, **options: Any) -> Order:
    lengths = np.random.default_rng(1).integers(1, 40, size=1000)
    return Order(lengths, **({"tokens": 200, "pool": 5} | options), seed=seed)


@given(LENGTHS, BUDGETS, st.integers(0, 3))
def test_every_example_comes_exactly_once_an_epoch(lengths: list[int], budget: dict[str, Any], epoch: int) -> None:
    batches = batches_of(Order(lengths, **budget, seed=3), epoch)
    assert sorted(itertools.chain(*batches)) == list(range(len(lengths)))
    assert all(batches)


@given(LENGTHS, BUDGETS)
def test_a_batch_keeps_to_the_budget_or_holds_one_example(lengths: list[int], budget: dict[str, Any]) -> None:
    for batch in batches_of(Order(lengths, **budget, seed=3), 0):
        tokens = sum(lengths[row] for row in batch)
        assert len(batch) == 1 or tokens <= (budget["tokens"] or tokens)
        assert len(batch) <= (budget["examples"] or len(batch))


@given(LENGTHS, BUDGETS, st.data())
def test_the_order_goes_on_the_same_from_every_saved_cursor(
    lengths: list[int], budget: dict[str, Any], draw: st.DataObject
) -> None:
    order = Order(lengths, **budget, seed=3)
    count = 2 * order.batches_in(0) + 3
    whole = [(cursor, rows.tolist()) for cursor, rows in itertools.islice(order.from_cursor(), count)]
    stop = draw.draw(st.integers(0, count - 2))
    saved = json.loads(json.dumps(whole[stop][0]))
    resumed = Order(lengths, **budget, seed=3).from_cursor(saved)
    rest = [(cursor, rows.tolist()) for cursor, rows in itertools.islice(resumed, count - stop - 1)]
    assert rest == whole[stop + 1 :]


def test_a_cursor_counts_epochs_and_batches() -> None:
    order = Order([1] * 5, examples=2, seed=0)
    cursors = [cursor for cursor, _ in itertools.islice(order.from_cursor(Cursor()), 4)]
    assert cursors == [(0, 1), (0, 2), (1, 0), (1, 1)]
    assert order.batches_in(0) == 3
    assert len(order) == 5


def test_the_order_is_a_function_of_seed_and_epoch_not_of_what_ran_before() -> None:
    np.random.seed(5)
    fresh = batches_of(many(), 7)
    used = many()
    for _ in itertools.islice(used.from_cursor((2, 1)), 300):
        np.random.random()
    assert batches_of(used, 7) == fresh


def test_epochs_and_seeds_differ() -> None:
    orders = [batches_of(many(seed), epoch) for seed in (0, 1, -1) for epoch in (0, 1)]
    assert len({json.dumps(order) for order in orders}) == 6
    # nor do they hold the same batches in another order
    assert {tuple(batch) for batch in orders[0]} != {tuple(batch) for batch in orders[1]}


GOLDEN = [[2, 4], [7], [3, 1, 6, 0], [5]]


def test_the_order_is_the_same_in_another_process_and_in_every_version() -> None:
    lengths = [3, 1, 4, 1, 5, 9, 2, 6]
    here = batches_of(Order(lengths, tokens=10, seed=11), 2)
    code = f"from unspool.data import Order; print([r.tolist() for r in Order({lengths}, tokens=10, seed=11).epoch(2)])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == here == GOLDEN


def test_a_batch_holds_similar_lengths_while_batches_are_mixed() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, size=5000)
    batches = list(Order(lengths, tokens=1000, seed=0, pool=50).epoch(0))
    spread = np.mean([lengths[rows].max() - lengths[rows].min() for rows in batches])
    means = np.array([lengths[rows].mean() for rows in batches])
    assert spread < 10  # of 99; a random batch spreads over about 90
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3


def test_batches_come_close_to_filling_the_budget() -> None:
    lengths = np.random.default_rng(0).integers(1, 40, size=5000)
    sizes = [lengths[rows].sum() for rows in Order(lengths, tokens=1000, seed=0).epoch(0)]
    assert np.mean(sizes) > 950


def test_several_columns_cost_their_sum() -> None:
    source, target = [1, 2, 3, 4], [9, 8, 7, 6]
    assert {len(rows) for rows in Order([source, target], tokens=20, seed=0).epoch(0)} == {2}
    assert {len(rows) for rows in Order(np.array(source), tokens=20, seed=0).epoch(0)} == {4}


def test_of_two_columns_little_would_be_padding_within_a_batch() -> None:
    rng = np.random.default_rng(0)
    source = rng.integers(5, 40, size=20_000)
    target = np.maximum(source + rng.integers(-8, 9, size=20_000), 1)
    batches = Order([source, target], tokens=2000, seed=0).epoch(0)
    rectangles = sum(len(rows) * (source[rows].max() + target[rows].max()) for rows in batches)
    assert (source + target).sum() / rectangles > 0.88  # where the pool is sorted by the sum, it is 0.855


def test_dropped_examples_never_come() -> None:
    lengths = np.array([5, 50, 5, 60])
    order = Order(lengths, examples=3, seed=0, drop=lengths > 20)
    assert sorted(itertools.chain(*batches_of(order, 0))) == [0, 2]


def test_examples_of_length_zero_are_batched_within_the_budget() -> None:
    assert max(map(len, batches_of(Order([0] * 100, tokens=10, seed=0), 0))) == 10


@given(st.lists(st.integers(0, 30), max_size=60), BUDGETS)
def test_in_order_holds_each_once_longest_first_and_results_come_back(
    lengths: list[int], budget: dict[str, Any]
) -> None:
    del budget["pool"]
    batches = in_order(np.array(lengths, dtype=np.int32), **budget)
    rows = [row for batch in batches for row in batch.tolist()]
    assert [lengths[row] for row in rows] == sorted(lengths, reverse=True)
    assert sorted(rows) == list(range(len(lengths)))
    assert back_in_order(batches, [[f"row {row}" for row in batch] for batch in batches]) == [
        f"row {row}" for row in range(len(lengths))
    ]


MISTAKES = {
    "no budget": (
        lambda: Order([1]),
        "`tokens` or `examples` must say how large a batch may be, but neither is given",
    ),
    "a budget of nothing": (lambda: Order([1], tokens=0), "`tokens` must be at least 1, but is 0"),
    "no pool": (lambda: Order([1], tokens=1, pool=0), "`pool` must be at least 1 batch, but is 0"),
    "no examples": (
        lambda: Order([], tokens=1),
        "`lengths` must hold at least one example that is not dropped, but holds none",
    ),
    "all dropped": (
        lambda: Order([1, 2], tokens=1, drop=[True, True]),
        "`lengths` must hold at least one example that is not dropped, but holds none",
    ),
    "columns of different sizes": (
        lambda: Order([[1, 2], [1]], tokens=1),
        "`lengths` must be equally many in each column, but are 2 and 1",
    ),
    "lengths that are no whole numbers": (
        lambda: Order([1.5], tokens=1),
        "`lengths` must be whole numbers, one an example, but has shape (1,) of float64",
    ),
    "a mask of another size": (
        lambda: Order([1, 2], tokens=1, drop=[True]),
        "`drop` must be 2 bools, one an example, but has shape (1,) of bool",
    ),
    "a cursor past the epoch": (
        lambda: next(Order([1, 2], examples=1).from_cursor((0, 2))),
        "`cursor` must be a place in this order, but is (0, 2); a cursor fits the data, budget, seed and pool that it "
        "was saved with",
    ),
    "a cursor that is none": (
        lambda: next(Order([1, 2], examples=1).from_cursor((0, -1))),
        "`cursor` must be a place in this order, but is (0, -1); a cursor fits the data, budget, seed and pool that it "
        "was saved with",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named(case: str) -> None:
    mistake, message = MISTAKES[case]
    with pytest.raises(DataError) as error:
        mistake()
    assert str(error.value) == message
