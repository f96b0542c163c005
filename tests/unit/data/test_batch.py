"""Batches: columns side by side, taken apart without a trace."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unspool import Ragged
from unspool.data import Batch
from unspool.errors import BatchError

LENGTHS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20)


def batch_of(lengths: list[tuple[int, int]]) -> Batch:
    """Values spell id × 100 + step."""
    ids = torch.arange(len(lengths)) + 7

    def column(which: int) -> Ragged:
        values = [int(i) * 100 + step for i, row in zip(ids, lengths, strict=True) for step in range(row[which])]
        return Ragged(torch.tensor(values, dtype=torch.int64), [row[which] for row in lengths], ids)

    return Batch({"source": column(0), "target": column(1), "label": ids * 2}, ids)


@given(LENGTHS, st.data())
def test_select_takes_the_same_examples_of_every_column(lengths: list[tuple[int, int]], draw: st.DataObject) -> None:
    rows = draw.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=8))
    chosen = batch_of(lengths).select(rows)
    assert chosen.ids.tolist() == [row + 7 for row in rows]
    assert chosen["label"].tolist() == [2 * (row + 7) for row in rows]
    for number, name in enumerate(("source", "target")):
        found = [each.tolist() for each in chosen[name].split()] if rows else []
        assert found == [[(row + 7) * 100 + step for step in range(lengths[row][number])] for row in rows]


@given(LENGTHS, st.integers(1, 6))
def test_micro_batches_hold_each_example_once_and_cost_about_the_same(
    lengths: list[tuple[int, int]], parts: int
) -> None:
    batch = batch_of(lengths)
    pieces = batch.split(parts)
    assert len(pieces) == min(parts, len(lengths))
    assert torch.cat([piece.ids for piece in pieces]).tolist() == batch.ids.tolist()
    assert all(piece.batch_size for piece in pieces)
    assert sum(piece.tokens for piece in pieces) == batch.tokens


@given(LENGTHS.filter(lambda lengths: len(lengths) >= 6), st.integers(1, 3))
def test_no_micro_batch_costs_more_than_its_share_and_one_example(lengths: list[tuple[int, int]], parts: int) -> None:
    cost = [max(1, sum(row)) for row in lengths]
    share, largest = sum(cost) / parts, max(cost)
    for piece in batch_of(lengths).split(parts):
        of_piece = sum(cost[i - 7] for i in piece.ids.tolist())
        assert of_piece <= share + largest or piece.batch_size == 1


def test_values_move_and_lengths_stay() -> None:
    moved = batch_of([(2, 1), (0, 3)]).to("meta")
    assert moved["source"].values.device.type == moved["label"].device.type == "meta"
    assert moved["source"].lengths.device.type == moved.ids.device.type == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="pins memory where there is a GPU")
def test_without_a_gpu_nothing_is_pinned() -> None:
    batch = batch_of([(2, 1)])
    assert batch.pin() is batch


def test_a_batch_of_nothing_is_a_batch() -> None:
    empty = batch_of([(2, 1)]).select([])
    assert (empty.batch_size, empty.tokens, len(empty.split(3))) == (0, 0, 1)


def test_columns_that_do_not_belong_together_are_refused() -> None:
    ids = torch.tensor([4, 5])
    with pytest.raises(BatchError) as error:
        Batch({"word": Ragged(torch.zeros(3), [1, 2])}, ids)
    assert str(error.value) == (
        "`word` must hold the examples [4, 5], but holds [0, 1]; make it with `ids=` those of the batch"
    )
    with pytest.raises(BatchError) as error:
        Batch({"class": torch.zeros(3)}, ids)
    assert str(error.value) == "`class` must hold 2 examples, but holds 3"
    with pytest.raises(BatchError) as error:
        Batch({}, ids).split(0)
    assert str(error.value) == "`parts` must be at least 1, but is 0"
