"""`Padded` holds sequences in a rectangle: what lies past a length is never seen, and comes out as zero."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck
from torch.utils import _pytree as pytree

from unspool import Padded

TIME = 5
LENGTHS = st.lists(st.integers(0, TIME), min_size=1, max_size=6)
FEATURES = st.sampled_from([(), (1,), (3,), (2, 3)])
drawn = settings(deadline=None, derandomize=True, max_examples=40)


def rectangle(lengths: list[int], features: tuple[int, ...] = (3,), padding: float = torch.nan) -> Tensor:
    """Random steps in float64, with `padding` past each length."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(len(lengths), TIME, *features, generator=generator, dtype=torch.float64)
    for row, length in zip(values, lengths, strict=True):
        row[length:] = padding
    return values


def padded(lengths: list[int], features: tuple[int, ...] = (3,), padding: float = torch.nan) -> Padded:
    """The same rectangle as a batch, with ids 10, 11, 12, … so that an id is not its place."""
    return Padded(rectangle(lengths, features, padding), lengths, torch.arange(len(lengths)) + 10)


def real(batch: Padded) -> list[Tensor]:
    """The real steps of each row."""
    return [row[:length] for row, length in zip(batch.values, batch.lengths.tolist(), strict=True)]


def padding_of(batch: Padded) -> Tensor:
    """Everything past the lengths, in one row of numbers."""
    rows = zip(batch.values, batch.lengths.tolist(), strict=True)
    return torch.cat([row[length:].flatten() for row, length in rows])


def assert_same(parts: list[Tensor], expected: list[Tensor]) -> None:
    for part, other in zip(parts, expected, strict=True):
        torch.testing.assert_close(part, other, rtol=0, atol=0)


class TestMaking:
    @pytest.mark.parametrize("lengths", [[3, 0], (3, 0), torch.tensor([3, 0], dtype=torch.int32)])
    def test_lengths_become_int64(self, lengths):
        batch = Padded(torch.zeros(2, TIME), lengths)
        assert batch.lengths.tolist() == [3, 0]
        assert batch.lengths.dtype == torch.int64

    def test_ids_count_from_zero_where_none_are_given(self):
        assert Padded(torch.zeros(2, TIME), [3, 0]).ids.tolist() == [0, 1]

    def test_it_is_as_wide_as_its_rectangle(self):
        batch = padded([2, 1, 0])
        assert batch.batch_size == 3
        assert batch.max_length == TIME
        assert batch.device.type == "cpu"

    def test_it_is_frozen(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            padded([1]).values = torch.zeros(1, TIME)

    def test_it_says_its_shape_and_lengths(self):
        assert repr(padded([3, 0])) == "Padded(values=(2, 5, 3), lengths=[3, 0])"

    def test_it_is_a_pytree_of_values_lengths_and_ids(self):
        batch = padded([2, 1])
        leaves, structure = pytree.tree_flatten(batch)
        assert [leaf is part for leaf, part in zip(leaves, (batch.values, batch.lengths, batch.ids), strict=True)]
        assert pytree.tree_unflatten(leaves, structure).ids.tolist() == [10, 11]


class TestMask:
    @drawn
    @given(LENGTHS)
    def test_it_is_true_where_a_step_is_real(self, lengths):
        expected = [[time < length for time in range(TIME)] for length in lengths]
        mask = padded(lengths).mask
        assert mask.dtype == torch.bool
        assert mask.tolist() == expected

    def test_it_lies_where_the_values_lie(self):
        assert Padded(torch.empty(2, TIME, device="meta"), [3, 0]).mask.device.type == "meta"


class TestMasked:
    @drawn
    @given(LENGTHS, FEATURES, st.sampled_from([0, -1.5, torch.inf]))
    def test_padding_becomes_the_value_and_nothing_else_changes(self, lengths, features, value):
        batch = padded(lengths, features)
        masked = batch.masked(value)
        assert_same(real(masked), real(batch))
        assert (padding_of(masked) == value).all()
        assert masked.ids.tolist() == batch.ids.tolist()

    def test_padding_becomes_zero_unless_told(self):
        assert (padding_of(padded([2, 0]).masked()) == 0).all()

    def test_whole_numbers_stay_whole(self):
        tokens = Padded(torch.full((2, 3), 7), [1, 3]).masked(-1)
        assert tokens.values.tolist() == [[7, -1, -1], [7, 7, 7]]
        assert tokens.values.dtype == torch.int64


class TestReversed:
    @drawn
    @given(LENGTHS, FEATURES)
    def test_it_turns_each_sequence_round_within_its_length(self, lengths, features):
        batch = padded(lengths, features)
        turned = batch.reversed()
        assert_same(real(turned), [part.flip(0) for part in real(batch)])
        assert turned.lengths.tolist() == lengths
        assert turned.ids.tolist() == batch.ids.tolist()

    @drawn
    @given(LENGTHS, FEATURES)
    def test_padding_stays_at_the_end_and_becomes_zero(self, lengths, features):
        assert (padding_of(padded(lengths, features).reversed()) == 0).all()

    @drawn
    @given(LENGTHS)
    def test_twice_is_the_batch_with_zeros_in_its_padding(self, lengths):
        batch = padded(lengths)
        torch.testing.assert_close(batch.reversed().reversed().values, batch.masked().values, rtol=0, atol=0)


class TestSteps:
    @drawn
    @given(LENGTHS, FEATURES, st.integers(0, 7), st.integers(0, 7))
    def test_they_are_a_slice_of_every_sequence(self, lengths, features, start, stop):
        batch = padded(lengths, features)
        piece = batch.steps(start, stop)
        assert_same(real(piece), [part[start:stop] for part in real(batch)])
        assert piece.max_length == len(range(TIME)[start:stop])
        assert piece.ids.tolist() == batch.ids.tolist()


class TestSelect:
    @drawn
    @given(st.data())
    def test_it_takes_the_rows_named_in_their_order(self, data):
        lengths = data.draw(LENGTHS)
        batch = padded(lengths)
        rows = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=8))
        for named in (rows, torch.tensor(rows)):
            chosen = batch.select(named)
            assert_same(real(chosen), [real(batch)[row] for row in rows])
            assert chosen.ids.tolist() == [10 + row for row in rows]

    @pytest.mark.parametrize("mask", [[True, False, True], torch.tensor([True, False, True])])
    def test_a_mask_keeps_the_order(self, mask):
        chosen = padded([1, 2, 3]).select(mask)
        assert chosen.lengths.tolist() == [1, 3]
        assert chosen.ids.tolist() == [10, 12]

    def test_no_row_may_be_named(self):
        chosen = padded([1, 2, 3]).select([])
        assert chosen.values.shape == (0, TIME, 3)
        assert chosen.batch_size == 0


class TestTo:
    def test_it_changes_values_only(self):
        batch = padded([2, 0]).to(torch.float32)
        assert batch.values.dtype == torch.float32
        assert batch.lengths.dtype == batch.ids.dtype == torch.int64
        assert batch.ids.tolist() == [10, 11]


MOVES = {
    "masked": Padded.masked,
    "reversed": Padded.reversed,
    "steps": lambda batch: batch.steps(1, 4).masked(),
    "select": lambda batch: batch.select([1, 0, 0]).masked(),
}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
class TestEveryMove:
    def test_nan_in_padding_reaches_no_value_and_no_gradient(self, move):
        results, gradients = [], []
        for padding in (torch.nan, 0.0):
            values = rectangle([2, 0, TIME], padding=padding).requires_grad_()
            moved = move(Padded(values, [2, 0, TIME])).values
            results.append(moved.detach())
            gradients.append(torch.autograd.grad(moved.square().sum(), values)[0])
        torch.testing.assert_close(*results, rtol=0, atol=0)
        torch.testing.assert_close(*gradients, rtol=0, atol=0)
        assert (padding_of(Padded(gradients[0], [2, 0, TIME])) == 0).all()

    def test_gradients_are_right(self, move):
        values = rectangle([2, 0, TIME], padding=1.0).requires_grad_()
        assert gradcheck(lambda values: move(Padded(values, [2, 0, TIME])).values, values)

    @pytest.mark.parametrize("features", [(), (3,), (2, 3)])
    def test_a_rectangle_may_have_no_time(self, move, features):
        moved = move(Padded(torch.empty(2, 0, *features), [0, 0]))
        assert moved.max_length == 0
        assert moved.mask.shape == (moved.batch_size, 0)

    def test_the_batch_itself_stays_as_it_was(self, move):
        batch = padded([2, 0, TIME])
        move(batch)
        torch.testing.assert_close(batch.values, rectangle([2, 0, TIME]), rtol=0, atol=0, equal_nan=True)


def test_a_rectangle_may_have_no_rows():
    batch = Padded(torch.empty(0, TIME, 3), [])
    for moved in (batch, batch.masked(), batch.reversed(), batch.steps(0, TIME)):
        assert moved.values.shape == (0, TIME, 3)
        assert moved.mask.shape == (0, TIME)
