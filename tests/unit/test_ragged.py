"""`Ragged` holds sequences one after another: each method does to every sequence what a loop over them would do."""

import copy
import dataclasses
import pickle
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck
from torch.utils import _pytree as pytree

from unspool import Ragged, cells, engine, unroll
from unspool.errors import BatchError

LENGTHS = st.lists(st.integers(0, 5), max_size=6)
FEATURES = st.sampled_from([(), (1,), (3,), (2, 3), (0,)])
drawn = settings(deadline=None, derandomize=True, max_examples=40)


def sequences(lengths: list[int], features: tuple[int, ...] = (3,)) -> list[Tensor]:
    """Random sequences in float64, always the same ones for the same lengths."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(length, *features, generator=generator, dtype=torch.float64) for length in lengths]


def one_after_another(parts: list[Tensor], features: tuple[int, ...] = (3,)) -> Tensor:
    return torch.cat(parts) if parts else torch.empty(0, *features, dtype=torch.float64)


def ragged(lengths: list[int], features: tuple[int, ...] = (3,)) -> Ragged:
    """The same sequences as a batch, with ids 10, 11, 12, … so that an id is not its place."""
    ids = torch.arange(len(lengths)) + 10
    return Ragged(one_after_another(sequences(lengths, features), features), lengths, ids)


def spelled(*lengths: int) -> Ragged:
    """Values that say where they are: sequence × 100 + step × 10."""
    return Ragged(torch.tensor([100 * i + 10 * t for i, n in enumerate(lengths) for t in range(n)]), lengths)


def assert_holds(batch: Ragged, parts: list[Tensor], ids: list[int], features: tuple[int, ...] = (3,)) -> None:
    """The batch is exactly these sequences, of these examples, in this order."""
    assert batch.lengths.tolist() == [len(part) for part in parts]
    assert batch.ids.tolist() == ids
    assert batch.values.shape[1:] == features
    torch.testing.assert_close(batch.values, one_after_another(parts, features), rtol=0, atol=0)


class TestMaking:
    @pytest.mark.parametrize(
        "lengths",
        [[3, 0, 2], (3, 0, 2), torch.tensor([3, 0, 2]), torch.tensor([3, 0, 2], dtype=torch.uint8)],
        ids=["list", "tuple", "tensor", "bytes"],
    )
    def test_lengths_become_int64_on_the_cpu(self, lengths):
        batch = Ragged(torch.zeros(5, 2), lengths)
        assert batch.lengths.tolist() == [3, 0, 2]
        assert batch.lengths.dtype == torch.int64
        assert batch.lengths.device.type == "cpu"

    def test_lengths_of_bytes_may_sum_past_a_byte(self):
        batch = Ragged(torch.zeros(300), torch.tensor([200, 100], dtype=torch.uint8))
        assert batch.offsets.tolist() == [0, 200, 300]

    @pytest.mark.parametrize("count", [3, 3000])
    def test_few_lengths_and_many_are_checked_alike(self, count):
        lengths = torch.ones(count, dtype=torch.int64)
        assert Ragged(torch.zeros(count), lengths).layout.total == count
        with pytest.raises(BatchError, match=rf"\({count - 1}\), but sums to {count};"):
            Ragged(torch.zeros(count - 1), lengths)
        lengths[1] = -1
        with pytest.raises(BatchError, match="row 1 has -1"):
            Ragged(torch.zeros(count), lengths)

    def test_ids_count_from_zero_where_none_are_given(self):
        assert Ragged(torch.zeros(3), [1, 2]).ids.tolist() == [0, 1]

    def test_ids_may_be_a_list(self):
        ids = Ragged(torch.zeros(3), [1, 2], ids=[7, 7]).ids
        assert ids.tolist() == [7, 7]
        assert ids.dtype == torch.int64

    def test_a_batch_of_none_takes_a_list_of_no_ids(self):
        assert Ragged(torch.empty(0, 2), [], ids=[]).ids.tolist() == []

    @pytest.mark.parametrize("field", ["values", "lengths", "ids"])
    def test_it_is_frozen(self, field):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(ragged([1, 2]), field, torch.zeros(3))

    def test_replacing_values_keeps_lengths_and_ids(self):
        batch = ragged([1, 2])
        assert_holds(dataclasses.replace(batch, values=-batch.values), [-part for part in sequences([1, 2])], [10, 11])

    def test_it_says_its_shape_and_lengths(self):
        assert repr(ragged([3, 0])) == "Ragged(values=(3, 3), lengths=[3, 0])"


class TestMeasures:
    @drawn
    @given(LENGTHS)
    def test_offsets_fence_each_sequence(self, lengths):
        batch, parts = ragged(lengths), sequences(lengths)
        offsets = batch.offsets.tolist()
        assert len(offsets) == len(lengths) + 1
        for part, (start, stop) in zip(parts, pairwise(offsets), strict=True):
            assert torch.equal(batch.values[start:stop], part)

    @drawn
    @given(LENGTHS)
    def test_batch_size_and_max_length_count(self, lengths):
        batch = ragged(lengths)
        assert batch.batch_size == len(lengths)
        assert batch.max_length == max(lengths, default=0)

    @pytest.mark.parametrize(
        ("lengths", "share"),
        [([4, 4], 1.0), ([4, 2], 0.75), ([4, 0, 0, 0], 0.25), ([3], 1.0), ([0, 0], 1.0), ([], 1.0)],
    )
    def test_fill_is_the_share_of_real_steps(self, lengths, share):
        assert ragged(lengths).fill == share

    def test_offsets_lie_where_the_values_lie(self):
        batch = Ragged(torch.empty(5, 2, device="meta"), [3, 0, 2])
        assert batch.device.type == "meta"
        assert batch.offsets.device.type == "meta"
        assert batch.lengths.device.type == "cpu"


class TestMap:
    @drawn
    @given(LENGTHS, FEATURES)
    def test_it_applies_to_every_sequence_alone(self, lengths, features):
        mapped = ragged(lengths, features).map(lambda values: 2 * values + 1)
        parts = [2 * part + 1 for part in sequences(lengths, features)]
        assert_holds(mapped, parts, [10 + i for i in range(len(lengths))], features)

    def test_others_come_in_order(self):
        one, two, three = (spelled(2, 1).map(lambda values, k=k: values + k) for k in (1, 2, 3))
        mapped = one.map(lambda a, b, c: 10000 * (a % 10) + 1000 * (b % 10) + c, two, three)
        assert mapped.values.tolist() == [12003, 12013, 12103]

    def test_others_may_have_other_features(self):
        widths = ragged([2, 1], (1,))
        batch = ragged([2, 1], (4,)).map(lambda values, factor: values * factor, widths)
        expected = [a * b for a, b in zip(sequences([2, 1], (4,)), sequences([2, 1], (1,)), strict=True)]
        assert_holds(batch, expected, [10, 11], (4,))

    def test_it_may_change_features_and_dtype(self):
        mapped = ragged([2, 0, 1]).map(lambda values: values.sum(1) > 0)
        assert mapped.values.dtype == torch.bool
        assert mapped.values.shape == (3,)

    def test_index_tables_are_shared_by_what_it_makes(self):
        batch = ragged([2, 0, 1])
        assert batch.map(torch.tanh).layout is batch.layout

    def test_with_values_keeps_lengths_and_ids(self):
        batch = ragged([2, 0, 1]).with_values(torch.arange(3.0))
        assert batch.lengths.tolist() == [2, 0, 1]
        assert batch.ids.tolist() == [10, 11, 12]
        assert batch.values.tolist() == [0, 1, 2]

    def test_to_changes_values_only(self):
        batch = ragged([2, 0, 1])
        for moved in (batch.to(torch.float32), batch.to(dtype=torch.float32)):
            assert moved.values.dtype == torch.float32
            assert moved.lengths.dtype == moved.ids.dtype == torch.int64
            assert moved.ids.tolist() == [10, 11, 12]

    def test_to_another_device_leaves_lengths_and_ids_on_the_cpu(self):
        moved = ragged([2, 0, 1]).to("meta")
        assert moved.values.device.type == "meta"
        assert moved.lengths.device.type == moved.ids.device.type == "cpu"


class TestReversed:
    @drawn
    @given(LENGTHS, FEATURES)
    def test_it_turns_each_sequence_round(self, lengths, features):
        parts = [part.flip(0) for part in sequences(lengths, features)]
        turned = ragged(lengths, features).reversed()
        assert_holds(turned, parts, [10 + i for i in range(len(lengths))], features)

    @drawn
    @given(LENGTHS)
    def test_twice_is_identity(self, lengths):
        batch = ragged(lengths)
        assert torch.equal(batch.reversed().reversed().values, batch.values)

    def test_steps_stay_with_their_sequence(self):
        assert spelled(3, 0, 1, 2).reversed().values.tolist() == [20, 10, 0, 200, 310, 300]


class TestSplit:
    @drawn
    @given(LENGTHS, FEATURES)
    def test_it_gives_the_sequences_back(self, lengths, features):
        parts = sequences(lengths, features)
        split = ragged(lengths, features).split()
        assert [part.shape for part in split] == [part.shape for part in parts]
        assert all(torch.equal(ours, part) for ours, part in zip(split, parts, strict=True))

    def test_the_sequences_are_views(self):
        batch = ragged([2, 1])
        batch.split()[1].zero_()
        assert batch.values[2].tolist() == [0, 0, 0]


def summary_of(name: str, part: Tensor) -> Tensor:
    """One sequence's summary, as Python would say it."""
    if len(part) == 0:
        return part.new_zeros(part.shape[1:])
    total = part[0]
    for step in part[1:]:
        total = step if name == "last" else torch.maximum(total, step) if name == "max" else total + step
    return total / len(part) if name == "mean" else total


@pytest.mark.parametrize("name", ["last", "sum", "mean", "max"])
class TestSummaries:
    @drawn
    @given(lengths=LENGTHS, features=FEATURES)
    def test_they_equal_a_loop_over_each_sequence(self, name, lengths, features):
        parts = sequences(lengths, features)
        expected = [summary_of(name, part) for part in parts]
        expected = torch.stack(expected) if expected else torch.empty(0, *features, dtype=torch.float64)
        torch.testing.assert_close(getattr(ragged(lengths, features), name)(), expected, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("features", [(), (3,), (2, 3)])
    def test_all_lengths_zero_gives_zeros(self, name, features):
        summary = getattr(Ragged(torch.empty(0, *features), [0, 0]), name)()
        assert torch.equal(summary, torch.zeros(2, *features))

    def test_largest_and_last_may_be_negative(self, name):
        batch = Ragged(torch.tensor([-3.0, -1.0]), [2, 0])
        assert getattr(batch, name)().tolist() == [{"sum": -4, "mean": -2, "max": -1, "last": -1}[name], 0]

    @pytest.mark.parametrize("lengths", [[3, 0, 2], [0, 0, 4], [0, 3, 0], [1, 1], [0, 0]])
    def test_gradients_are_right(self, name, lengths):
        values = ragged(lengths).values.requires_grad_()
        assert gradcheck(lambda values: getattr(Ragged(values, lengths), name)(), values)

    def test_nan_in_one_sequence_stays_there(self, name):
        values = torch.tensor([torch.nan, 1.0, 2.0, torch.inf], requires_grad=True)
        summary = getattr(Ragged(values, [0, 1, 0, 2, 0, 1]), name)()
        neighbours = summary[torch.tensor([0, 2, 3, 4])]
        assert neighbours.tolist() == [0, 0, {"sum": 3, "mean": 1.5, "max": 2, "last": 2}[name], 0]
        gradient = torch.autograd.grad(neighbours.sum(), values)[0]
        assert gradient.isfinite().all()
        assert gradient[0] == gradient[3] == 0

    def test_values_may_be_laid_out_in_any_way(self, name):
        batch = ragged([3, 0, 2], (4,))
        turned = batch.with_values(batch.values.t().contiguous().t())
        assert not turned.values.is_contiguous()
        torch.testing.assert_close(getattr(turned, name)(), getattr(batch, name)(), rtol=0, atol=0)


@pytest.mark.parametrize(("name", "expected"), [("sum", [12, 0, 5]), ("max", [9, 0, 5]), ("last", [9, 0, 5])])
def test_whole_numbers_have_whole_summaries(name, expected):
    summary = getattr(Ragged(torch.tensor([3, 9, 5]), [2, 0, 1]), name)()
    assert summary.tolist() == expected
    assert summary.dtype == torch.int64


class TestSteps:
    @drawn
    @given(LENGTHS, FEATURES, st.integers(0, 6), st.integers(0, 6))
    def test_they_are_a_slice_of_every_sequence(self, lengths, features, start, stop):
        parts = [part[start:stop] for part in sequences(lengths, features)]
        piece = ragged(lengths, features).steps(start, stop)
        assert_holds(piece, parts, [10 + i for i in range(len(lengths))], features)

    @drawn
    @given(LENGTHS, FEATURES, st.lists(st.integers(0, 6), max_size=4))
    def test_cut_anywhere_and_join_is_identity(self, lengths, features, cuts):
        batch = ragged(lengths, features)
        fences = [0, *sorted(cuts), 6]
        joined = Ragged.join([batch.steps(start, stop) for start, stop in pairwise(fences)])
        ids = [10 + i for i in range(len(lengths))]
        assert_holds(joined, sequences(lengths, features), ids, features)

    @drawn
    @given(LENGTHS, st.integers(1, 3))
    def test_join_puts_each_sequences_pieces_one_after_another(self, lengths, pieces):
        batch = ragged(lengths)
        turned = [batch, batch.reversed(), batch.map(torch.neg)][:pieces]
        parts = [torch.cat([p, p.flip(0), -p][:pieces]) for p in sequences(lengths)]
        assert_holds(Ragged.join(turned), parts, batch.ids.tolist())

    def test_a_start_before_the_first_step_is_refused(self):
        with pytest.raises(BatchError):
            ragged([2, 3]).steps(-1, 2)

    def test_pieces_may_have_lengths_of_their_own(self):
        joined = Ragged.join([spelled(1, 0, 2), spelled(0, 2, 1)])
        assert joined.lengths.tolist() == [1, 2, 3]
        assert joined.values.tolist() == [0, 100, 110, 200, 210, 200]


class TestSelect:
    @drawn
    @given(st.data())
    def test_it_takes_the_sequences_named_in_their_order(self, data):
        lengths = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=6))
        features = data.draw(FEATURES)
        rows = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=8))
        parts = sequences(lengths, features)
        for named in (rows, torch.tensor(rows, dtype=torch.int64)):
            chosen = ragged(lengths, features).select(named)
            assert_holds(chosen, [parts[row] for row in rows], [10 + row for row in rows], features)

    @drawn
    @given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=6))
    def test_a_mask_keeps_the_order(self, marked):
        lengths, mask = [length for length, _ in marked], [kept for _, kept in marked]
        rows = [row for row, kept in enumerate(mask) if kept]
        parts = sequences(lengths)
        for named in (mask, torch.tensor(mask)):
            assert_holds(ragged(lengths).select(named), [parts[row] for row in rows], [10 + row for row in rows])

    def test_indices_count_from_the_end_where_negative(self):
        assert spelled(1, 2, 3).select([-1, -3]).values.tolist() == [200, 210, 220, 0]

    def test_a_repeated_row_keeps_its_id(self):
        assert ragged([1, 2]).select([1, 1, 0]).ids.tolist() == [11, 11, 10]

    def test_the_empty_sequences_can_be_dropped(self):
        batch = ragged([0, 2, 0, 1])
        chosen = batch.select(batch.lengths > 0)
        assert chosen.lengths.tolist() == [2, 1]
        assert chosen.ids.tolist() == [11, 13]
        assert torch.equal(chosen.values, batch.values)

    @pytest.mark.parametrize("mask", [[True, False], [True] * 4], ids=["short", "long"])
    def test_a_mask_of_another_batch_is_refused(self, mask):
        with pytest.raises((BatchError, IndexError)):
            ragged([1, 2, 3]).select(mask)

    def test_indices_that_are_no_whole_numbers_are_refused(self):
        with pytest.raises((BatchError, IndexError)):
            ragged([1, 2, 3]).select(torch.tensor([0.7, 1.2]))

    @pytest.mark.parametrize("row", [3, -4])
    def test_an_index_past_the_batch_is_refused(self, row):
        with pytest.raises((BatchError, IndexError)):
            ragged([1, 2, 3]).select([row])


class TestConcat:
    @drawn
    @given(st.lists(LENGTHS, min_size=1, max_size=4), FEATURES)
    def test_it_is_the_sequences_of_all_batches(self, batches, features):
        parts = [part for lengths in batches for part in sequences(lengths, features)]
        ids = [10 + i for lengths in batches for i in range(len(lengths))]
        assert_holds(Ragged.concat([ragged(lengths, features) for lengths in batches]), parts, ids, features)

    @drawn
    @given(LENGTHS, LENGTHS)
    def test_select_undoes_it(self, first, second):
        both = Ragged.concat([ragged(first), ragged(second)])
        back = both.select(range(len(first), len(first) + len(second)))
        assert_holds(back, sequences(second), [10 + i for i in range(len(second))])


class TestIds:
    def test_they_travel_through_every_move(self):
        batch = Ragged(torch.arange(6.0), [3, 1, 2], ids=[40, 50, 60])
        moved = batch.select([2, 0, 1]).reversed().steps(0, 2).map(torch.exp).to(torch.float64)
        assert moved.ids.tolist() == [60, 40, 50]
        assert Ragged.concat([moved, batch]).ids.tolist() == [60, 40, 50, 40, 50, 60]
        assert Ragged.join([moved, moved]).ids.tolist() == [60, 40, 50]
        assert moved.to_padded().ids.tolist() == [60, 40, 50]
        assert Ragged.from_padded(moved.to_padded()).ids.tolist() == [60, 40, 50]


MOVES = {
    "reversed": Ragged.reversed,
    "steps": lambda batch: batch.steps(1, 3),
    "select": lambda batch: batch.select([2, 0, 0]),
    "map": lambda batch: batch.map(lambda a, b: a * b.exp(), batch),
    "concat": lambda batch: Ragged.concat([batch, batch.reversed()]),
    "join": lambda batch: Ragged.join([batch.steps(0, 2), batch.steps(1, 4)]),
    "split": lambda batch: Ragged.from_list(batch.split()),
    "with_values": lambda batch: batch.with_values(batch.values.sin()),
}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
class TestEveryMove:
    @pytest.mark.parametrize("lengths", [[3, 0, 2], [0, 0, 4], [1, 1, 1]])
    def test_gradients_reach_the_values(self, move, lengths):
        values = ragged(lengths).values.requires_grad_()
        assert gradcheck(lambda values: move(Ragged(values, lengths)).values, values)

    def test_the_batch_itself_stays_as_it_was(self, move):
        batch = ragged([3, 0, 2])
        move(batch)
        assert_holds(batch, sequences([3, 0, 2]), [10, 11, 12])

    @pytest.mark.parametrize("features", [(), (3,), (2, 3)])
    def test_sequences_may_all_be_empty(self, move, features):
        moved = move(ragged([0, 0, 0], features))
        assert set(moved.lengths.tolist()) == {0}
        assert moved.values.shape == (0, *features)


class TestPytree:
    def test_the_leaves_are_values_lengths_and_ids(self):
        batch = ragged([2, 0, 1])
        leaves, structure = pytree.tree_flatten({"x": batch})
        assert [leaf is part for leaf, part in zip(leaves, (batch.values, batch.lengths, batch.ids), strict=True)]
        assert_holds(pytree.tree_unflatten(leaves, structure)["x"], sequences([2, 0, 1]), [10, 11, 12])

    def test_mapping_leaves_gives_a_batch(self):
        mapped = pytree.tree_map_only(Tensor, lambda leaf: -leaf if leaf.is_floating_point() else leaf, ragged([2, 0]))
        assert_holds(mapped, [-part for part in sequences([2, 0])], [10, 11])

    def test_leaves_may_be_no_tensors_on_their_way(self):
        batch = ragged([2, 0, 1])
        _, structure = pytree.tree_flatten(batch)
        names = pytree.tree_unflatten(["values", "lengths", "ids"], structure)
        assert pytree.tree_leaves(names) == ["values", "lengths", "ids"]


def test_a_batch_is_pickled_copied_and_saved_without_its_tables(tmp_path):
    batch = Ragged(torch.randn(5000, 1), [5] * 1000, torch.arange(1000) * 3)
    before = len(pickle.dumps(batch))
    assert batch.layout.time_major.shape == (5000,)
    assert len(pickle.dumps(batch)) == before
    torch.save(batch, tmp_path / "batch.pt")
    for other in (pickle.loads(pickle.dumps(batch)), copy.deepcopy(batch), torch.load(tmp_path / "batch.pt")):
        assert torch.equal(other.values, batch.values)
        assert torch.equal(other.ids, batch.ids)
        assert torch.equal(other.layout.time_major, batch.layout.time_major)


def test_a_batch_does_not_change_with_the_lengths_it_was_made_from():
    lengths = torch.tensor([2, 3])
    batch = Ragged(torch.arange(5.0), lengths)
    lengths[0] = 5
    assert batch.lengths.tolist() == [2, 3]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sums_of_many_steps_in_half_precision_do_not_stop_growing(dtype):
    batch = Ragged(torch.ones(5000, dtype=dtype), [4999, 1])
    assert batch.mean().tolist() == [1, 1]
    assert batch.sum()[0].item() == pytest.approx(4999, rel=1e-2)
    assert batch.mean().dtype == batch.sum().dtype == dtype


def test_bytes_have_a_mean():
    batch = Ragged(torch.full((300,), 3, dtype=torch.uint8), [256, 44])
    assert batch.mean().shape == (2,)


def test_tables_made_in_inference_mode_serve_training_later():
    cell = cells.LSTM(2, 3)
    batch = Ragged(torch.randn(7, 2), [4, 3])
    with engine.using("rectangles"):
        with torch.inference_mode():
            unroll(cell, batch)
        unroll(cell, batch).outputs.values.sum().backward()
    assert cell.weight_input.grad is not None
