"""Convolution over pictures does to each sequence what it would do to it alone."""

from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck

from unspool import Padded, Ragged, TimeConvolution
from unspool.errors import BatchError, CellError
from unspool.layers.convolution import StepConvolution, StepFeatures, StepNorm, convolutions, regions
from unspool.randomness import using

SHAPE = (2, 5, 4)  # odd and even sides
LENGTHS = st.lists(st.integers(0, 6), max_size=4)
drawn = settings(deadline=None, derandomize=True, max_examples=5)
every_kind = example(lengths=[4, 0, 1, 5, 2, 2, 0])

CONVOLUTIONS = [
    {"time": time, "space": space, "stride": stride, "time_stride": time_stride, "causal": causal}
    for (time, causal), (space, stride), time_stride in product(
        [(1, False), (2, True), (3, False), (3, True), (5, False)], [(1, 1), (3, 2), (5, 3)], [1, 2, 4]
    )
]


def spelled(options: dict[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items())


every_convolution = pytest.mark.parametrize("options", CONVOLUTIONS, ids=spelled)


def clips(lengths: list[int], shape: tuple[int, ...] = SHAPE) -> Ragged:
    """Random sequences in float64, always the same ones for the same lengths."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(sum(lengths), *shape, generator=generator, dtype=torch.float64)
    return Ragged(values, lengths, torch.arange(len(lengths)) + 10)


def convolution(options: dict[str, Any]) -> StepConvolution:
    torch.manual_seed(0)
    return StepConvolution(SHAPE[0], 3, **options).double()


def alone(layer: StepConvolution, clip: Tensor, *, before: int) -> Tensor:
    """One clip in explicit zeros, as many as the kernel reaches over, through torch's own convolution."""
    if len(clip) == 0:
        height, width = (-(-side // layer.stride) for side in clip.shape[2:])
        return clip.new_zeros(0, layer.channels_out, height, width)
    edge, after = layer.space // 2, layer.time - 1 - before
    time, channels, height, width = clip.shape
    zeros = clip.new_zeros(channels, before + time + after, height + 2 * edge, width + 2 * edge)
    zeros[:, before : before + time, edge : edge + height, edge : edge + width] = clip.transpose(0, 1)
    if layer.time == 1:
        pictures = zeros.transpose(0, 1)[:: layer.time_stride]
        return F.conv2d(pictures, layer.weight[:, :, 0], layer.bias, layer.stride)
    strides = (layer.time_stride, layer.stride, layer.stride)
    return F.conv3d(zeros.unsqueeze(0), layer.weight, layer.bias, strides)[0].transpose(0, 1)


def each_alone(layer: StepConvolution, options: dict[str, Any], values: Tensor, lengths: list[int]) -> list[Tensor]:
    before = options["time"] - 1 if options["causal"] else options["time"] // 2
    return [alone(layer, clip, before=before) for clip in values.split(lengths)]


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def gradients(layer: torch.nn.Module, outputs: Tensor, inputs: Tensor) -> list[Tensor]:
    """Those of the inputs and of the parameters, of a loss that no two output numbers weigh alike in."""
    weights = torch.linspace(1, 2, outputs.numel(), dtype=torch.float64).reshape(outputs.shape)
    return list(torch.autograd.grad((outputs * weights).sum(), [inputs, *layer.parameters()], materialize_grads=True))


@every_convolution
class TestConvolution:
    @drawn
    @given(lengths=LENGTHS)
    @every_kind
    def test_each_sequence_gives_what_it_gives_alone(self, options, lengths):
        layer, batch = convolution(options), clips(lengths)
        outputs = layer(batch)
        assert outputs.lengths.tolist() == [-(-length // options["time_stride"]) for length in lengths]
        assert outputs.values.shape[2:] == tuple(-(-side // options["stride"]) for side in SHAPE[1:])
        assert outputs.ids.tolist() == batch.ids.tolist()
        theirs = each_alone(layer, options, batch.values, lengths)
        for row, (ours, expected) in enumerate(zip(outputs.split(), theirs, strict=True)):
            assert_close(ours, expected)
            assert_close(layer(batch.select([row])).values, ours)

    def test_gradients_are_those_of_each_sequence_alone(self, options):
        layer, lengths = convolution(options), [4, 0, 1, 5, 2]
        inputs = clips(lengths).values.requires_grad_()
        ours = layer(Ragged(inputs, lengths)).values
        theirs = torch.cat(each_alone(layer, options, inputs, lengths))
        for one, other in zip(gradients(layer, ours, inputs), gradients(layer, theirs, inputs), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)

    def test_a_rectangle_gives_what_the_ragged_batch_gives(self, options):
        layer, batch = convolution(options), clips([4, 0, 1, 5, 2])
        rectangle = batch.to_padded(torch.nan, max_length=7)
        expected, found = layer(batch), layer(rectangle)
        assert found.lengths.tolist() == expected.lengths.tolist()
        assert found.ids.tolist() == expected.ids.tolist()
        assert_close(Ragged.from_padded(found).values, expected.values)
        assert (found.values[~found.mask] == 0).all()

    def test_nan_in_one_sequence_stays_there(self, options):
        layer, batch = convolution(options), clips([4, 2, 0, 3, 1])
        planted = batch.with_values(batch.values.index_fill(0, torch.tensor([4, 5]), torch.nan).requires_grad_())
        outputs = layer(planted)
        for row, (ours, clean) in enumerate(zip(outputs.split(), layer(batch).split(), strict=True)):
            assert torch.equal(ours, clean) if row != 1 else ours.isnan().any()
        (gradient,) = torch.autograd.grad(outputs.values.square().sum(), planted.values)
        assert gradient[4:6].isnan().any()
        assert not torch.cat([gradient[:4], gradient[6:]]).isnan().any()

    @pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]])
    def test_no_steps_give_no_steps(self, options, lengths):
        layer = convolution(options)
        outputs = layer(clips(lengths))
        assert outputs.lengths.tolist() == lengths
        assert outputs.values.shape == (0, 3, *(-(-side // options["stride"]) for side in SHAPE[1:]))
        rectangle = layer(Padded(torch.empty(len(lengths), 0, *SHAPE).double(), torch.tensor(lengths).long()))
        assert rectangle.values.shape == (len(lengths), *outputs.values.shape)

    def test_a_causal_convolution_sees_no_later_step(self, options):
        layer, batch = convolution(options), clips([6])
        changed = batch.with_values(batch.values.index_fill(0, torch.tensor([4, 5]), 9.0))
        seen = -(-4 // options["time_stride"])  # outputs that are centred on a step before the change
        same = torch.allclose(layer(batch).values[:seen], layer(changed).values[:seen], rtol=0, atol=1e-12)
        reach = 0 if layer.causal else options["time"] // 2
        assert layer.causal == (options["causal"] or options["time"] == 1)
        assert same == ((seen - 1) * options["time_stride"] + reach < 4)


class TestOneConvolution:
    @pytest.mark.parametrize("time", [1, 3])
    def test_nan_stays_where_it_is_in_the_fast_convolutions_of_float32_too(self, time):
        layer, batch = StepConvolution(16, 32, time=time), clips([3, 2, 4], (16, 12, 12)).to(torch.float32)
        planted = batch.with_values(batch.values.index_fill(0, torch.tensor([3, 4]), torch.nan))
        for row, (ours, clean) in enumerate(zip(layer(planted).split(), layer(batch).split(), strict=True)):
            assert row == 1 or torch.equal(ours, clean)

    @pytest.mark.parametrize("options", [{"time": 1}, {"time": 3, "time_stride": 2}, {"time": 2, "causal": True}])
    def test_gradients_are_right(self, options):
        layer = StepConvolution(1, 2, space=3, stride=2, **options).double()
        inputs = clips([3, 0, 1], (1, 3, 2)).values.requires_grad_()
        assert gradcheck(lambda inputs, *_: layer(Ragged(inputs, [3, 0, 1])).values, (inputs, *layer.parameters()))

    def test_its_parameters_are_those_of_torchs_convolution(self):
        torch.manual_seed(0)
        ours = StepConvolution(2, 3, time=5).state_dict()
        torch.manual_seed(0)
        theirs = torch.nn.Conv3d(2, 3, (5, 3, 3)).state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"time": 0}, "`time` must be at least 1, but is 0"),
            ({"space": -1}, "`space` must be at least 1, but is -1"),
            ({"stride": 0}, "`stride` must be at least 1, but is 0"),
            ({"time_stride": 0}, "`time_stride` must be at least 1, but is 0"),
            ({"space": 4}, "`space` must be odd, so that it has a centre, but is 4"),
            ({"time": 2}, "`time` must be odd, so that it has a centre, but is 2; or set `causal`"),
        ],
    )
    def test_sizes_that_make_none_are_refused(self, options, message):
        with pytest.raises(CellError) as error:
            StepConvolution(2, 3, **options)
        assert str(error.value) == message

    @pytest.mark.parametrize("features", [(2, 4), (3, 4, 4), (2, 4, 4, 4)])
    def test_steps_of_another_shape_are_refused(self, features):
        layer = StepConvolution(2, 3)
        for batch in (Ragged(torch.zeros(3, *features), [2, 1]), Padded(torch.zeros(2, 2, *features), [2, 1])):
            with pytest.raises(BatchError) as error:
                layer(batch)
            assert str(error.value) == (
                "`inputs` must have steps of (2, height, width) for `StepConvolution(2, 3, time=1, space=3, stride=1, "
                f"time_stride=1, causal=True)`, but has {features}"
            )


class TestNorm:
    @pytest.mark.parametrize("groups", [1, 2, 4])
    def test_a_group_of_a_step_has_mean_zero_and_variance_one(self, groups):
        batch = clips([3, 0, 2], (4, 5, 3))
        layer = StepNorm(4, groups).double()
        torch.nn.init.normal_(layer.weight)
        torch.nn.init.normal_(layer.bias)
        outputs = layer(batch).values
        for ours, step in zip(outputs, batch.values, strict=True):
            parts = [(part - part.mean()) / (part.var(correction=0) + 1e-5).sqrt() for part in step.chunk(groups)]
            assert_close(ours, torch.cat(parts) * layer.weight[:, None, None] + layer.bias[:, None, None])

    def test_one_group_of_a_vector_is_layer_normalisation(self):
        batch = clips([3, 0, 2], (6,))
        assert_close(StepNorm(6, 1).double()(batch).values, F.layer_norm(batch.values, (6,)))

    def test_nan_leaves_no_trace_in_other_steps(self):
        layer, batch = StepNorm(4, 2).double(), clips([3, 2], (4, 5, 3))
        planted = layer(batch.with_values(batch.values.index_fill(0, torch.tensor([1]), torch.nan)))
        others = torch.tensor([0, 2, 3, 4])
        assert torch.equal(planted.values[others], layer(batch).values[others])
        assert planted.values[1].isnan().all()

    def test_one_step_of_single_numbers_is_as_good_as_two(self):
        layer, batch = StepNorm(2, 2).double(), clips([1, 1], (2, 1, 1))
        assert_close(layer(batch).values, torch.zeros(2, 2, 1, 1).double())
        assert_close(layer(batch.select([1])).values, torch.zeros(1, 2, 1, 1).double())

    def test_what_does_not_fit_is_refused(self):
        with pytest.raises(CellError) as error:
            StepNorm(6, 4)
        assert str(error.value) == "`groups` must divide the 6 channels, but is 4"
        with pytest.raises(BatchError) as refused:
            StepNorm(6, 2)(Ragged(torch.zeros(2, 4, 3, 3), [2]))
        assert str(refused.value) == (
            "`inputs` must have steps of 6 channels for `StepNorm(6, groups=2)`, but has (4, 3, 3)"
        )


class TestRegions:
    def test_they_come_row_by_row_and_picture_by_picture(self):
        pictures = clips([1, 0, 2], (3, 2, 4))
        found = regions(pictures)
        assert found.lengths.tolist() == [8, 0, 16]
        assert found.ids.tolist() == [10, 11, 12]
        expected = [picture[:, y, x] for picture in pictures.values for y in range(2) for x in range(4)]
        assert torch.equal(found.values, torch.stack(expected))
        static = regions(pictures.to_padded())
        assert torch.equal(Ragged.from_padded(static).values, found.values)

    def test_vectors_have_none(self):
        with pytest.raises(BatchError) as error:
            regions(clips([2], (3,)))
        assert str(error.value) == "`pictures` must have steps of (channels, height, width), but has (3,)"


BUILT = {
    "flatten": lambda: convolutions((2, 9, 6), [4, 8], time=[1, 3], time_stride=[1, 2]),
    "mean": lambda: convolutions((2, 9, 6), [4, 8], time=3, time_stride=2, space_stride=[1, 2], pool="mean"),
    "grid": lambda: convolutions((2, 9, 6), [4, 8], time=1, space=[5, 3], pool="grid"),
    "causal": lambda: convolutions((2, 9, 6), [4], time=2, causal=True, pool="mean"),
    "vectors": lambda: convolutions((5,), [4, 6, 3], time=[5, 3, 3], time_stride=[2, 1, 2]),
}


def built(name: str) -> StepFeatures:
    torch.manual_seed(0)
    return BUILT[name]().double()


def shape_for(name: str) -> tuple[int, ...]:
    return (5,) if name == "vectors" else (2, 9, 6)


every_build = pytest.mark.parametrize("name", BUILT)


class TestStepFeatures:
    @every_build
    @drawn
    @given(lengths=LENGTHS)
    @every_kind
    def test_sizes_and_lengths_are_as_announced(self, name, lengths):
        layer = built(name)
        outputs = layer(clips(lengths, shape_for(name)))
        regions_each = 3 * 2 if name == "grid" else 1
        assert outputs.lengths.tolist() == [-(-length // layer.time_stride) * regions_each for length in lengths]
        assert outputs.values.shape[1:] == (layer.output_size,)

    def test_fields(self):
        found = {name: (built(name).output_size, built(name).time_stride, built(name).causal) for name in BUILT}
        assert found == {
            "flatten": (8 * 3 * 2, 2, False),
            "mean": (8, 4, False),
            "grid": (8, 1, True),
            "causal": (4, 1, True),
            "vectors": (3, 4, False),
        }

    @every_build
    def test_each_sequence_gives_what_it_gives_alone_and_in_a_rectangle(self, name):
        layer, batch = built(name), clips([4, 0, 1, 5], shape_for(name))
        outputs = layer(batch)
        for row, ours in enumerate(outputs.split()):
            assert_close(layer(batch.select([row])).values, ours)
        rectangle = layer(batch.to_padded(torch.nan, max_length=6))
        assert rectangle.lengths.tolist() == outputs.lengths.tolist()
        assert_close(Ragged.from_padded(rectangle).values, outputs.values)

    @every_build
    def test_nan_in_one_sequence_stays_there(self, name):
        layer, batch = built(name), clips([4, 2, 3], shape_for(name))
        planted = batch.with_values(batch.values.index_fill(0, torch.tensor([4, 5]), torch.nan))
        for row, (ours, clean) in enumerate(zip(layer(planted).split(), layer(batch).split(), strict=True)):
            assert row == 1 or torch.equal(ours, clean)

    def test_pictures_go_through_torchs_own_layers(self):
        """One picture at a time, where time has no part."""
        layer, batch = built("grid"), clips([1, 1], (2, 9, 6))
        first, second = (block.convolution for block in layer.blocks)
        for ours, picture in zip(layer(batch).split(), batch.values, strict=True):
            seen = picture.unsqueeze(0)
            seen = F.relu(F.group_norm(F.conv2d(seen, first.weight[:, :, 0], first.bias, 2, 2), 2))
            seen = F.relu(F.group_norm(F.conv2d(seen, second.weight[:, :, 0], second.bias, 2, 1), 2))
            assert_close(ours, seen[0].flatten(1).t())

    def test_vectors_go_through_convolution_layer_normalisation_and_relu(self):
        layer, batch = convolutions((5,), [4], time=3).double(), clips([4, 1], (5,))
        block = layer.blocks[0]
        assert isinstance(block.convolution, TimeConvolution)
        expected = F.relu(F.layer_norm(block.convolution(batch).values, (4,)))
        assert_close(layer(batch).values, expected)

    def test_dropout_belongs_to_the_example(self):
        layer = convolutions((2, 9, 6), [4, 8], time=1, pool="mean", dropout=0.5).double()
        batch = clips([3, 2], (2, 9, 6))
        with using(seed=0, step=0):
            together, by_itself = layer(batch), layer(batch.select([1]))
        assert_close(together.split()[1], by_itself.values)
        share = together.values / layer.eval()(batch).values
        assert set(share[~share.isnan()].round(decimals=9).tolist()) == {0.0, 2.0}
        assert_close(share[:3].nanmean(0).remainder(2), torch.zeros(8).double())  # the same features at all steps

    @pytest.mark.parametrize(
        ("made", "message"),
        [
            (
                lambda: convolutions((3, 4), [5]),
                "`shape` must be (features,) or (channels, height, width), but is (3, 4)",
            ),
            (lambda: convolutions((3,), []), "`channels` must name the channels of at least one block, but is empty"),
            (
                lambda: convolutions((3, 8, 8), [4, 4], time=[3]),
                "`time` must be one number, or one for each of 2 blocks, but is [3]",
            ),
            (
                lambda: convolutions((3, 8, 8), [4], pool="max"),
                '`pool` must be "flatten", "mean" or "grid", but is "max"',
            ),
        ],
    )
    def test_what_makes_no_blocks_is_refused(self, made, message):
        with pytest.raises(CellError) as error:
            made()
        assert str(error.value) == message

    def test_pictures_of_another_size_cannot_be_flattened_but_averaged(self):
        batch = clips([2, 1], (2, 16, 6))
        assert built("mean")(batch).values.shape == (2, 8)
        with pytest.raises(BatchError) as error:
            built("flatten")(batch)
        assert str(error.value) == (
            "`inputs` must have pictures that end as (8, 3, 2) to be flattened, but these end as (8, 4, 2); "
            'make them one size, or choose the pool "mean"'
        )
