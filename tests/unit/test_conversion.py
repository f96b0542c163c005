"""Sequences go to rectangles, packed sequences, nested tensors and lists, and come back the same, gradients too."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils import rnn

from unspool import Padded, Ragged
from unspool.errors import BatchError

LENGTHS = st.lists(st.integers(0, 5), max_size=6)
NONE_EMPTY = st.lists(st.integers(1, 5), min_size=1, max_size=6)
FEATURES = st.sampled_from([(), (1,), (3,), (2, 3)])
drawn = settings(deadline=None, derandomize=True, max_examples=40)
prototype = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage:UserWarning")


def sequences(lengths: list[int], features: tuple[int, ...] = (3,)) -> list[Tensor]:
    """Random sequences in float64 that want gradients."""
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randn(length, *features, generator=generator, dtype=torch.float64) for length in lengths]
    return [draw.requires_grad_() for draw in draws]


def ragged(lengths: list[int], features: tuple[int, ...] = (3,)) -> Ragged:
    """The same sequences as a batch, with ids 10, 11, 12, … so that an id is not its place."""
    parts = sequences(lengths, features)
    values = torch.cat(parts).detach() if parts else torch.empty(0, *features, dtype=torch.float64)
    return Ragged(values, lengths, torch.arange(len(lengths)) + 10)


def weights(shape: torch.Size) -> Tensor:
    """A different weight for each number, so that a gradient says where it went."""
    return torch.arange(1, shape.numel() + 1, dtype=torch.float64).reshape(shape)


def assert_same(ours: Ragged | Padded, other: Ragged | Padded) -> None:
    assert ours.lengths.tolist() == other.lengths.tolist()
    assert ours.ids.tolist() == other.ids.tolist()
    torch.testing.assert_close(ours.values, other.values, rtol=0, atol=0)


def assert_holds(batch: Ragged, parts: list[Tensor]) -> None:
    """The batch is exactly these sequences, and gradients come to each of them."""
    split = batch.split()
    assert batch.ids.tolist() == list(range(len(parts)))
    assert batch.lengths.dtype == torch.int64
    for ours, part in zip(split, parts, strict=True):
        torch.testing.assert_close(ours, part, rtol=0, atol=0)
    gradients = torch.autograd.grad((batch.values * weights(batch.values.shape)).sum(), parts)
    expected = weights(batch.values.shape).split([len(part) for part in parts])
    assert all(torch.equal(ours, other) for ours, other in zip(gradients, expected, strict=True))


class TestFromPadded:
    @drawn
    @given(LENGTHS, FEATURES, st.integers(0, 3), st.sampled_from(["lengths", "list", "mask", "Padded"]))
    def test_it_keeps_the_real_steps(self, lengths, features, room, way):
        batch = ragged(lengths, features)
        values = torch.full((len(lengths), max(lengths, default=0) + room, *features), torch.nan, dtype=torch.float64)
        for row, part in zip(values, batch.split(), strict=True):
            row[: len(part)] = part
        mask = torch.arange(values.shape[1]) < batch.lengths.unsqueeze(1)
        told = {"lengths": {"lengths": batch.lengths}, "list": {"lengths": lengths}, "mask": {"mask": mask}}
        rectangle = Padded(values, lengths, batch.ids)
        found = (
            Ragged.from_padded(rectangle) if way == "Padded" else Ragged.from_padded(values, **told[way], ids=batch.ids)
        )
        assert_same(found, batch)

    @pytest.mark.parametrize(
        "told", [{"lengths": [2, 0, 4]}, {"mask": torch.arange(4) < torch.tensor([[2], [0], [4]])}]
    )
    def test_gradients_reach_real_steps_only(self, told):
        values = torch.full((3, 4, 2), torch.nan, dtype=torch.float64)
        values[0, :2], values[2] = 1.0, 2.0
        found = Ragged.from_padded(values.requires_grad_(), **told)
        gradient = torch.autograd.grad((found.values.square() * weights(found.values.shape)).sum(), values)[0]
        expected = torch.zeros(3, 4, 2, dtype=torch.float64)
        expected[0, :2] = 2 * weights(torch.Size([6, 2]))[:2]
        expected[2] = 4 * weights(torch.Size([6, 2]))[2:]
        assert torch.equal(gradient, expected)

    def test_whole_numbers_stay_whole(self):
        found = Ragged.from_padded(torch.tensor([[5, 6, -1], [7, -1, -1]]), lengths=[2, 1])
        assert found.values.tolist() == [5, 6, 7]
        assert found.values.dtype == torch.int64

    def test_a_rectangle_without_time_or_rows_holds_empty_sequences(self):
        assert Ragged.from_padded(torch.empty(2, 0, 3), [0, 0]).lengths.tolist() == [0, 0]
        assert Ragged.from_padded(torch.empty(2, 0, 3), mask=torch.empty(2, 0, dtype=torch.bool)).batch_size == 2
        assert Ragged.from_padded(torch.empty(0, 4, 3), []).values.shape == (0, 3)

    @pytest.mark.parametrize("mask", [torch.ones(2, 2, dtype=torch.bool), torch.arange(4) < torch.tensor([[2], [3]])])
    def test_a_mask_of_another_rectangle_is_refused(self, mask):
        with pytest.raises(BatchError):
            Ragged.from_padded(torch.zeros(2, 3, 1), mask=mask)

    @pytest.mark.parametrize(
        "told",
        [{"lengths": [1, 1]}, {"mask": torch.ones(2, 3, dtype=torch.bool)}, {"ids": torch.tensor([5, 6])}],
        ids=lambda told: next(iter(told)),
    )
    def test_what_a_padded_batch_says_already_is_not_said_twice(self, told):
        with pytest.raises(BatchError):
            Ragged.from_padded(Padded(torch.zeros(2, 3, 1), [3, 2]), **told)


class TestToPadded:
    @drawn
    @given(LENGTHS, FEATURES, st.sampled_from([0, -1.5, torch.nan]), st.one_of(st.none(), st.integers(5, 7)))
    def test_it_pads_with_the_value_to_the_width(self, lengths, features, value, max_length):
        batch = ragged(lengths, features)
        rectangle = batch.to_padded(value, max_length=max_length)
        width = max(lengths, default=0) if max_length is None else max_length
        expected = torch.full((len(lengths), width, *features), float(value), dtype=torch.float64)
        for row, part in zip(expected, batch.split(), strict=True):
            row[: len(part)] = part
        torch.testing.assert_close(rectangle.values, expected, rtol=0, atol=0, equal_nan=True)
        assert rectangle.lengths.tolist() == lengths
        assert rectangle.ids.tolist() == batch.ids.tolist()

    @drawn
    @given(LENGTHS.filter(len), FEATURES)
    def test_it_is_what_torch_pads(self, lengths, features):
        parts = sequences(lengths, features)
        ours = Ragged.from_list(parts).to_padded().values
        theirs = rnn.pad_sequence(parts, batch_first=True)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
        gradients = [torch.autograd.grad((values * weights(values.shape)).sum(), parts) for values in (ours, theirs)]
        assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))

    @drawn
    @given(LENGTHS, FEATURES, st.integers(5, 7))
    def test_pad_then_unpad_is_identity(self, lengths, features, width):
        batch = ragged(lengths, features)
        assert_same(Ragged.from_padded(batch.to_padded(torch.nan, max_length=width)), batch)

    @drawn
    @given(LENGTHS, FEATURES)
    def test_unpad_then_pad_is_the_rectangle_with_zeros_in_its_padding(self, lengths, features):
        rectangle = ragged(lengths, features).to_padded(torch.nan)
        assert_same(Ragged.from_padded(rectangle).to_padded(), rectangle.masked())

    def test_there_and_back_is_differentiable(self):
        values = ragged([3, 0, 2]).values.requires_grad_()
        assert torch.autograd.gradcheck(
            lambda values: Ragged.from_padded(Ragged(values, [3, 0, 2]).to_padded(torch.nan)).values, values
        )


class TestPacked:
    @drawn
    @given(NONE_EMPTY, FEATURES, st.booleans(), st.booleans())
    def test_from_packed_keeps_the_order_before_sorting(self, lengths, features, sort, batch_first):
        lengths = sorted(lengths, reverse=True) if sort else lengths
        parts = sequences(lengths, features)
        rectangle = rnn.pad_sequence(parts, batch_first=batch_first)
        packed = rnn.pack_padded_sequence(rectangle, torch.tensor(lengths), batch_first, enforce_sorted=sort)
        assert_holds(Ragged.from_packed(packed), parts)

    @drawn
    @given(NONE_EMPTY, FEATURES, st.booleans())
    def test_from_packed_takes_pack_sequence(self, lengths, features, sort):
        lengths = sorted(lengths, reverse=True) if sort else lengths
        parts = sequences(lengths, features)
        assert_holds(Ragged.from_packed(rnn.pack_sequence(parts, enforce_sorted=sort)), parts)

    def test_from_packed_takes_ids(self):
        packed = rnn.pack_sequence([torch.zeros(1), torch.zeros(3)], enforce_sorted=False)
        assert Ragged.from_packed(packed, ids=torch.tensor([7, 8])).ids.tolist() == [7, 8]

    @drawn
    @given(NONE_EMPTY, FEATURES, st.booleans())
    def test_torch_unpacks_what_to_packed_packs(self, lengths, features, batch_first):
        parts = sequences(lengths, features)
        unpacked, found = rnn.pad_packed_sequence(Ragged.from_list(parts).to_packed(), batch_first)
        plain = rnn.pad_sequence(parts, batch_first)
        assert found.tolist() == lengths
        torch.testing.assert_close(unpacked, plain, rtol=0, atol=0)
        gradients = [torch.autograd.grad((values * weights(plain.shape)).sum(), parts) for values in (unpacked, plain)]
        assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))

    @drawn
    @given(NONE_EMPTY, FEATURES)
    def test_there_and_back_is_identity(self, lengths, features):
        batch = ragged(lengths, features)
        assert_same(Ragged.from_packed(batch.to_packed(), ids=batch.ids), batch)

    @drawn
    @given(st.permutations([1, 2, 3, 4, 5]))
    def test_to_packed_is_torchs_own_where_no_lengths_tie(self, lengths):
        ours = ragged(lengths).to_packed()
        theirs = rnn.pack_sequence(ragged(lengths).split(), enforce_sorted=False)
        for field in ("data", "batch_sizes", "sorted_indices", "unsorted_indices"):
            assert torch.equal(getattr(ours, field), getattr(theirs, field)), field

    def test_a_torch_network_reads_it(self):
        network = torch.nn.GRU(3, 4, dtype=torch.float64)
        batch = ragged([2, 5, 1, 2])
        outputs = Ragged.from_packed(network(batch.to_packed())[0])
        for ours, part in zip(outputs.split(), batch.split(), strict=True):
            torch.testing.assert_close(ours, network(part)[0], rtol=0, atol=1e-12)


@prototype
class TestNested:
    @pytest.mark.parametrize("layout", [torch.jagged, torch.strided], ids=["jagged", "strided"])
    @drawn
    @given(lengths=LENGTHS.filter(len), features=FEATURES)
    def test_from_nested_takes_both_layouts(self, layout, lengths, features):
        parts = sequences(lengths, features)
        assert_holds(Ragged.from_nested(torch.nested.as_nested_tensor(parts, layout=layout)), parts)

    @drawn
    @given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=5), FEATURES)
    def test_from_nested_skips_the_gaps_of_a_jagged_tensor(self, spans, features):
        lengths = [length for length, _ in spans]
        roomy = sequences([length + gap for length, gap in spans], features)
        offsets = torch.tensor([0, *(len(part) for part in roomy)]).cumsum(0)
        nested = torch.nested.nested_tensor_from_jagged(torch.cat(roomy), offsets, torch.tensor(lengths))
        batch = Ragged.from_nested(nested)
        parts = [part[:length] for part, length in zip(roomy, lengths, strict=True)]
        assert all(torch.equal(*pair) for pair in zip(batch.split(), parts, strict=True))
        for gradient, length in zip(torch.autograd.grad(batch.values.sum(), roomy), lengths, strict=True):
            assert (gradient[:length] == 1).all()
            assert (gradient[length:] == 0).all()

    def test_from_nested_takes_a_narrowed_rectangle(self):
        values = torch.arange(15.0).reshape(3, 5)
        starts, lengths = torch.tensor([0, 1, 2]), torch.tensor([2, 3, 1])
        batch = Ragged.from_nested(torch.nested.narrow(values, 1, starts, lengths, layout=torch.jagged))
        assert [part.tolist() for part in batch.split()] == [[0, 1], [6, 7, 8], [12]]

    def test_from_nested_shares_memory_with_a_jagged_tensor(self):
        nested = ragged([2, 0, 1]).to_nested()
        assert Ragged.from_nested(nested).values.data_ptr() == nested.values().data_ptr()

    def test_from_nested_takes_ids(self):
        assert Ragged.from_nested(ragged([2, 0]).to_nested(), ids=torch.tensor([7, 8])).ids.tolist() == [7, 8]

    @pytest.mark.parametrize("lengths", [None, [2, 1], [2, 2]], ids=["contiguous", "with gaps", "with equal gaps"])
    def test_from_nested_refuses_what_is_ragged_in_another_dimension(self, lengths):
        lengths = None if lengths is None else torch.tensor(lengths)
        offsets = torch.tensor([0, 3, 6])
        nested = torch.nested.nested_tensor_from_jagged(torch.zeros(4, 6), offsets, lengths, jagged_dim=2)
        with pytest.raises(BatchError):
            Ragged.from_nested(nested)

    @drawn
    @given(LENGTHS.filter(len), FEATURES)
    def test_torch_unbinds_what_to_nested_makes(self, lengths, features):
        parts = sequences(lengths, features)
        nested = Ragged.from_list(parts).to_nested()
        assert nested.layout == torch.jagged
        assert all(torch.equal(*pair) for pair in zip(nested.unbind(), parts, strict=True))
        gradients = torch.autograd.grad((nested * nested).values().sum(), parts)
        assert all(torch.equal(gradient, 2 * part) for gradient, part in zip(gradients, parts, strict=True))

    @drawn
    @given(LENGTHS, FEATURES)
    def test_there_and_back_is_identity(self, lengths, features):
        batch = ragged(lengths, features)
        assert_same(Ragged.from_nested(batch.to_nested(), ids=batch.ids), batch)

    def test_it_pads_to_the_longest_length_only(self):
        assert ragged([3, 0, 2]).to_nested().to_padded_tensor(0.0).shape == (3, 3, 3)

    def test_to_nested_shares_memory(self):
        batch = ragged([2, 0, 1])
        assert batch.to_nested().values().data_ptr() == batch.values.data_ptr()


class TestFromList:
    @drawn
    @given(LENGTHS.filter(len), FEATURES)
    def test_it_is_the_sequences(self, lengths, features):
        parts = sequences(lengths, features)
        assert_holds(Ragged.from_list(parts), parts)

    def test_it_takes_ids_and_a_tuple(self):
        batch = Ragged.from_list((torch.zeros(2, 1), torch.zeros(1, 1)), ids=torch.tensor([7, 8]))
        assert batch.ids.tolist() == [7, 8]

    @drawn
    @given(LENGTHS.filter(len), FEATURES)
    def test_split_undoes_it(self, lengths, features):
        batch = ragged(lengths, features)
        assert_same(Ragged.from_list(batch.split(), ids=batch.ids), batch)
