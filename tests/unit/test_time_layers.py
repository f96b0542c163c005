"""Convolution and pooling over time do to each sequence what they would do to it alone."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck

from unspool import Padded, Ragged, TimeConvolution, TimePooling
from unspool.errors import BatchError, CellError

LENGTHS = st.lists(st.integers(0, 7), max_size=5)
drawn = settings(deadline=None, derandomize=True, max_examples=8)
every_kind = example(lengths=[4, 0, 1, 7, 3, 3, 0])

CONVOLUTIONS = [
    {"kernel_size": kernel_size, "stride": stride, "causal": causal}
    for kernel_size, stride, causal in product(range(1, 6), range(1, 4), [False, True])
    if causal or kernel_size % 2
]
POOLINGS = [{"size": size, "reduction": reduction} for size, reduction in product([1, 2, 3, 9], ["max", "mean"])]


def spelled(options: dict[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items())


every_convolution = pytest.mark.parametrize("options", CONVOLUTIONS, ids=spelled)
every_pooling = pytest.mark.parametrize("options", POOLINGS, ids=spelled)


def sequences(lengths: list[int]) -> list[Tensor]:
    """Random sequences of two features in float64, always the same ones for the same lengths."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(length, 2, generator=generator, dtype=torch.float64) for length in lengths]


def ragged(lengths: list[int]) -> Ragged:
    values = torch.cat([torch.empty(0, 2, dtype=torch.float64), *sequences(lengths)])
    return Ragged(values, lengths, torch.arange(len(lengths)) + 10)


def convolution(options: dict) -> TimeConvolution:
    torch.manual_seed(0)
    return TimeConvolution(2, 3, **options).double()


LAYERS = [convolution(options) for options in CONVOLUTIONS] + [TimePooling(**options) for options in POOLINGS]
every_layer = pytest.mark.parametrize("layer", LAYERS, ids=repr)


def convolved_alone(layer: TimeConvolution, part: Tensor) -> Tensor:
    """One sequence, zeros before and after it, through torch's own convolution."""
    if len(part) == 0:
        return part.new_zeros(0, layer.output_size)
    reach = layer.kernel_size - 1
    before = reach if layer.causal else reach // 2
    channels = F.pad(part.t().unsqueeze(0), (before, reach - before))
    return F.conv1d(channels, layer.weight, layer.bias, stride=layer.stride).squeeze(0).t()


def pooled_alone(layer: TimePooling, part: Tensor) -> Tensor:
    """One sequence, group after group; the last group may be smaller."""
    groups = [part[start : start + layer.size] for start in range(0, len(part), layer.size)]
    reduced = [group.amax(0) if layer.reduction == "max" else group.sum(0) / len(group) for group in groups]
    return torch.stack(reduced) if reduced else part


def alone(layer: TimeConvolution | TimePooling, part: Tensor) -> Tensor:
    return convolved_alone(layer, part) if isinstance(layer, TimeConvolution) else pooled_alone(layer, part)


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def gradients(layer: torch.nn.Module, outputs: Tensor, inputs: Tensor) -> list[Tensor]:
    """Those of the inputs and of the parameters, of a loss that no two output numbers weigh alike in."""
    weights = torch.linspace(1, 2, outputs.numel(), dtype=torch.float64).reshape(outputs.shape)
    found = torch.autograd.grad((outputs * weights).sum(), [inputs, *layer.parameters()], materialize_grads=True)
    return list(found)


@every_layer
class TestEveryLayer:
    @drawn
    @given(lengths=LENGTHS)
    @every_kind
    def test_each_sequence_gives_what_it_gives_alone(self, layer, lengths):
        outputs = layer(ragged(lengths))
        assert outputs.ids.tolist() == [10 + i for i in range(len(lengths))]
        for ours, part in zip(outputs.split(), sequences(lengths), strict=True):
            assert_close(ours, alone(layer, part))

    @drawn
    @given(lengths=LENGTHS.filter(any))
    @every_kind
    def test_gradients_are_those_of_each_sequence_alone(self, layer, lengths):
        inputs = ragged(lengths).values.requires_grad_()
        ours = layer(Ragged(inputs, lengths)).values
        parts = [alone(layer, part) for part in inputs.split(lengths)]
        theirs = torch.cat([inputs.new_zeros(0, ours.shape[1]), *parts])
        for one, other in zip(gradients(layer, ours, inputs), gradients(layer, theirs, inputs), strict=True):
            assert_close(one, other)

    @drawn
    @given(lengths=LENGTHS, room=st.integers(0, 3))
    @example(lengths=[4, 0, 1, 7, 3, 3, 0], room=1)
    def test_a_rectangle_gives_what_the_ragged_batch_gives(self, layer, lengths, room):
        batch = ragged(lengths)
        rectangle = batch.to_padded(torch.nan, max_length=max(batch.max_length + room, 1))
        expected, found = layer(batch), layer(rectangle)
        assert found.lengths.tolist() == expected.lengths.tolist()
        assert found.ids.tolist() == expected.ids.tolist()
        assert_close(Ragged.from_padded(found).values, expected.values)
        assert (found.values[~found.mask] == 0).all()

    def test_a_rectangle_without_time_gives_one_without_time(self, layer):
        outputs = layer(Padded(torch.empty(2, 0, 2, dtype=torch.float64), [0, 0]))
        assert outputs.max_length == 0
        assert outputs.lengths.tolist() == [0, 0]

    def test_nan_in_padding_leaves_no_trace(self, layer):
        mask = torch.arange(6) < torch.tensor([[4], [0], [1], [6]])
        real = ragged([4, 0, 1, 6]).to_padded().values
        traces = []
        for padding in (torch.nan, 0.0):
            inputs = torch.where(mask.unsqueeze(2), real, padding).requires_grad_()
            outputs = layer(Padded(inputs, [4, 0, 1, 6])).values
            traces.append([outputs, *gradients(layer, outputs, inputs)])
        for planted, clean in zip(*traces, strict=True):
            torch.testing.assert_close(planted, clean, rtol=0, atol=0)
        assert (traces[0][1][~mask] == 0).all()

    def test_nan_in_one_sequence_stays_there(self, layer):
        batch = ragged([4, 2, 0, 3])
        planted = batch.with_values(batch.values.index_fill(0, torch.tensor([4, 5]), torch.nan))
        for row, (ours, clean) in enumerate(zip(layer(planted).split(), layer(batch).split(), strict=True)):
            assert row == 1 or torch.equal(ours, clean)

    def test_gradients_are_right(self, layer):
        inputs = ragged([3, 0, 1, 4]).values.requires_grad_()
        assert gradcheck(lambda inputs: layer(Ragged(inputs, [3, 0, 1, 4])).values, inputs)

    @pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]])
    def test_no_steps_give_no_steps(self, layer, lengths):
        outputs = layer(ragged(lengths))
        assert outputs.lengths.tolist() == lengths
        assert outputs.values.shape == alone(layer, torch.empty(0, 2)).shape

    @drawn
    @given(lengths=LENGTHS)
    @every_kind
    def test_lengths_are_divided_and_rounded_up(self, layer, lengths):
        each = layer.stride if isinstance(layer, TimeConvolution) else layer.size
        assert layer(ragged(lengths)).lengths.tolist() == [-(-length // each) for length in lengths]


class TestCausality:
    @every_convolution
    def test_a_causal_output_sees_nothing_later(self, options):
        layer = convolution(options)
        batch = ragged([7])
        changed = batch.with_values(torch.cat([batch.values[:4], batch.values[4:] + 1]))
        seen = -(-4 // layer.stride)
        same = torch.equal(layer(batch).values[:seen], layer(changed).values[:seen])
        reach = 0 if layer.causal else layer.kernel_size // 2
        assert layer.causal == options["causal"]
        assert same == ((seen - 1) * layer.stride + reach < 4)

    def test_pooling_waits_for_all_its_steps(self):
        assert TimePooling(2).causal is False


class TestConvolution:
    def test_its_parameters_are_those_of_torchs_convolution(self):
        torch.manual_seed(0)
        ours = TimeConvolution(2, 3, 5).state_dict()
        torch.manual_seed(0)
        theirs = torch.nn.Conv1d(2, 3, 5).state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)

    def test_an_even_kernel_needs_a_side(self):
        with pytest.raises(CellError) as error:
            TimeConvolution(2, 3, kernel_size=4)
        assert str(error.value) == ("`kernel_size` must be odd, so that it has a centre, but is 4; or set `causal`")

    @pytest.mark.parametrize(
        "options",
        [
            {"kernel_size": 0, "causal": True},
            {"kernel_size": -1},
            {"kernel_size": 3, "stride": 0},
            {"kernel_size": 3, "stride": -1},
        ],
        ids=spelled,
    )
    def test_what_spans_no_step_is_refused_when_made(self, options):
        with pytest.raises(CellError):
            TimeConvolution(2, 3, **options)

    def test_it_says_what_it_is(self):
        assert repr(TimeConvolution(2, 3, 5, stride=2)) == "TimeConvolution(2, 3, 5, stride=2, causal=False)"

    def test_features_of_more_dimensions_are_not_taken_for_one(self):
        """A rectangle of such steps is refused, so the ragged batch is too."""
        with pytest.raises(BatchError):
            TimeConvolution(4, 3, 3)(Ragged(torch.zeros(5, 2, 2), [3, 2]))


class TestPooling:
    def test_what_is_left_over_is_a_group_of_its_own(self):
        batch = Ragged(torch.tensor([1.0, 5.0, 2.0, 7.0, 4.0, 6.0]), [3, 0, 1, 2])
        assert TimePooling(2)(batch).values.tolist() == [5, 2, 7, 6]
        assert TimePooling(2, reduction="mean")(batch).values.tolist() == [3, 2, 7, 5]

    @every_pooling
    @pytest.mark.parametrize("features", [(), (2, 3)])
    def test_it_takes_any_features(self, options, features):
        values = torch.randn(4, *features, dtype=torch.float64)
        layer = TimePooling(**options)
        assert_close(layer(Ragged(values, [4])).values, pooled_alone(layer, values))
        assert_close(layer(Padded(values.unsqueeze(0), [4])).values[0], pooled_alone(layer, values))

    def test_another_reduction_is_refused(self):
        with pytest.raises(CellError) as error:
            TimePooling(2, reduction="sum")
        assert str(error.value) == '`reduction` must be "max" or "mean", but is "sum"'

    @pytest.mark.parametrize("size", [0, -1])
    def test_a_size_of_no_step_is_refused_when_made(self, size):
        with pytest.raises(CellError):
            TimePooling(size)

    def test_it_says_what_it_is(self):
        assert repr(TimePooling(3, reduction="mean")) == "TimePooling(3, reduction='mean')"
