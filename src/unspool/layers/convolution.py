"""Convolution over sequences whose steps are pictures: in space, over time, or both."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch.nn.functional as F
from torch import Tensor, nn

from unspool.errors import BatchError, CellError
from unspool.layers.dropout import Dropout
from unspool.layers.normalisation import SequenceNorm, StepNorm, step_by_step
from unspool.layers.time import TimeConvolution
from unspool.layout import Layout
from unspool.padded import Padded
from unspool.ragged import Ragged
from unspool.randomness import number_layers
from unspool.unrolling import unroll

POOLS = ("flatten", "mean", "grid")
NORMS: dict[str, type[StepNorm] | type[SequenceNorm]] = {"steps": StepNorm, "sequence": SequenceNorm}


class StepConvolution(nn.Module):
    """A convolution over the pictures of each sequence, and over its steps; strides make both smaller.

    A picture is continued with zeros beyond its edges, and a sequence before its first and after its last step,
    whatever its neighbours in the batch. Output step `s` is centred on input step `s · time_stride`, or ends there if
    `causal`; a sequence of length `n` becomes one of length ⌈n / time_stride⌉, and height and width likewise.

    Args:
        channels_in: channels of an input picture.
        channels_out: channels of an output picture.
        time: steps that an output sees; odd, unless causal. With 1, each picture is convolved by itself.
        space: height and width of what an output pixel sees, odd.
        stride: input pixels from one output pixel to the next.
        time_stride: input steps from one output to the next.
        causal: whether an output sees no later input than its own. With `time` 1 none does.

    Raises:
        CellError: a size below 1, or an even one that must be odd.

    Example:
        >>> clips = Ragged(torch.randn(9, 3, 8, 6), lengths=[4, 5])
        >>> StepConvolution(3, 16, time=3, stride=2, time_stride=2)(clips)
        Ragged(values=(5, 16, 4, 3), lengths=[2, 3])
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        time: int = 1,
        space: int = 3,
        stride: int = 1,
        time_stride: int = 1,
        causal: bool = False,
    ) -> None:
        super().__init__()
        for name, size in {"time": time, "space": space, "stride": stride, "time_stride": time_stride}.items():
            if size < 1:
                raise CellError(f"`{name}` must be at least 1, but is {size}")
        if space % 2 == 0:
            raise CellError(f"`space` must be odd, so that it has a centre, but is {space}")
        if not causal and time % 2 == 0:
            raise CellError(f"`time` must be odd, so that it has a centre, but is {time}; or set `causal`")
        self.channels_in, self.channels_out = channels_in, channels_out
        self.time, self.space, self.stride, self.time_stride = time, space, stride, time_stride
        self.causal = causal or time == 1
        like = nn.Conv3d(channels_in, channels_out, (time, space, space))
        self.weight, self.bias = like.weight, like.bias

    @property
    def _before(self) -> int:
        """How many steps before its own an output sees."""
        return self.time - 1 if self.causal else self.time // 2

    @property
    def _after(self) -> int:
        return self.time - 1 - self._before

    def forward(self, inputs: Ragged | Padded) -> Ragged | Padded:
        """(…, channels_in, height, width) -> (…, channels_out, ⌈height / stride⌉, ⌈width / stride⌉)"""
        features = tuple(inputs.values.shape[1 if isinstance(inputs, Ragged) else 2 :])
        if len(features) != 3 or features[0] != self.channels_in:
            raise BatchError(
                f"`inputs` must have steps of ({self.channels_in}, height, width) for `{self}`, but has {features}"
            )
        if isinstance(inputs, Padded):
            return self._over_rectangle(inputs)
        outputs = Layout(-(-inputs.layout.lengths // self.time_stride))
        convolved = self._over_steps if self.time == 1 else self._over_line
        return Ragged(convolved(inputs, outputs), outputs.lengths, inputs.ids)

    def _over_steps(self, inputs: Ragged, outputs: Layout) -> Tensor:
        """Each picture by itself, where none but every `time_stride`-th is seen."""
        values = inputs.values
        if self.time_stride > 1:
            seen = inputs.layout.offsets[:-1][outputs.rows] + outputs.steps * self.time_stride
            values = values.index_select(0, seen.to(inputs.device))
        return F.conv2d(values, self.weight.squeeze(2), self.bias, self.stride, self.space // 2)

    def _over_line(self, inputs: Ragged, outputs: Layout) -> Tensor:
        """All sequences on one line of time, with zeros between them as far as an output sees.

        Each begins at a multiple of `time_stride`, so that the line's outputs at its place are its own. Those in the
        zeros between belong to no one.
        """
        layout, stride = inputs.layout, self.time_stride
        rooms = -(-(layout.lengths + max(self._before, self._after)) // stride)  # in outputs
        starts = rooms.cumsum(0) - rooms
        length = self._before + int(rooms.sum()) * stride + self._after
        places = self._before + (starts * stride)[layout.rows] + layout.steps
        line = inputs.values.new_zeros(max(length, self.time), *inputs.values.shape[1:])
        line = line.index_copy(0, places.to(inputs.device), inputs.values)
        convolved = self._convolved(line.transpose(0, 1).unsqueeze(0)).squeeze(0).transpose(0, 1)
        own = starts[outputs.rows] + outputs.steps
        return convolved.index_select(0, own.to(inputs.device))

    def _over_rectangle(self, inputs: Padded) -> Padded:
        room = self.time if inputs.max_length == 0 else 0  # a convolution must fit once, if only to be cut off
        channels = F.pad(inputs.masked().values.transpose(1, 2), (0, 0, 0, 0, self._before, self._after + room))
        outputs = self._convolved(channels).transpose(1, 2)[:, : -(-inputs.max_length // self.time_stride)]
        return Padded(outputs, -(-inputs.lengths // self.time_stride), inputs.ids).masked()

    def _convolved(self, channels: Tensor) -> Tensor:
        """(batch, channels_in, time, height, width), zeros before and after included -> (batch, channels_out, …)"""
        strides, edges = (self.time_stride, self.stride, self.stride), (0, self.space // 2, self.space // 2)
        return F.conv3d(channels, self.weight, self.bias, strides, edges)

    def extra_repr(self) -> str:
        return (
            f"{self.channels_in}, {self.channels_out}, time={self.time}, space={self.space}, stride={self.stride}, "
            f"time_stride={self.time_stride}, causal={self.causal}"
        )


def regions(pictures: Ragged | Padded) -> Ragged | Padded:
    """The regions of each picture as steps, row after row, so that attention can look at one of them.

    A sequence of one picture becomes one of height · width steps; of a longer one, picture follows picture.

    Args:
        pictures: steps of (channels, height, width).

    Returns:
        Steps of (channels,), with lengths times height · width.

    Raises:
        BatchError: steps of another shape.

    Example:
        >>> regions(Ragged(torch.randn(2, 16, 4, 3), lengths=[1, 1]))
        Ragged(values=(24, 16), lengths=[12, 12])
    """
    values, ragged = pictures.values, isinstance(pictures, Ragged)
    features = tuple(values.shape[1 if ragged else 2 :])
    if len(features) != 3:
        raise BatchError(f"`pictures` must have steps of (channels, height, width), but has {features}")
    steps = values.flatten(-2).transpose(-1, -2)
    kind = Ragged if ragged else Padded
    return kind(steps.flatten(-3, -2), pictures.lengths * prod(features[1:]), pictures.ids)


class StepFeatures(nn.Module):
    """Blocks of convolution, normalisation and ReLU over the steps of sequences, and a vector for each that is left.

    `convolutions` builds one.

    Args:
        blocks: from the input on, each mapping sequences to sequences, with a `time_stride` and `causal`.
        shape: (features,) or (channels, height, width) of a step that comes out of the last block.
        pool: what becomes of a picture: "flatten" strings its pixels, "mean" takes the mean over them, "grid" makes
            each a step, as `regions` does. A vector stays as it is.
        dropout: the share of features dropped at the end, the same ones at all steps of a sequence: see `Dropout`.

    Fields:
        output_size: features of an output step.
        time_stride: input steps to one output step, or to one grid of them.
        causal: whether no output sees a later input.
    """

    def __init__(self, *blocks: nn.Module, shape: Sequence[int], pool: str = "flatten", dropout: float = 0.0) -> None:
        super().__init__()
        if pool not in POOLS:
            raise CellError(f'`pool` must be "flatten", "mean" or "grid", but is "{pool}"')
        self.blocks, self.shape, self.pool = nn.ModuleList(blocks), tuple(shape), pool
        self.output_size = prod(self.shape) if pool == "flatten" else self.shape[0]
        self.time_stride: int = prod(block.time_stride for block in blocks)  # type: ignore[misc]
        self.causal = all(block.causal for block in blocks)
        self.dropout = Dropout(dropout) if dropout else None
        number_layers(self)

    def forward(self, inputs: Ragged | Padded) -> Ragged | Padded:
        """(…, *shape of a step) -> (…, output_size), with lengths divided by `time_stride`, rounded up."""
        for block in self.blocks:
            inputs = block(inputs)
        features = inputs if len(self.shape) == 1 else self._pooled(inputs)
        return features if self.dropout is None else unroll(self.dropout, features).outputs

    def _pooled(self, inputs: Ragged | Padded) -> Ragged | Padded:
        if self.pool == "grid":
            return regions(inputs)
        if self.pool == "mean":
            return step_by_step(lambda steps: steps.mean((2, 3)), inputs)
        found = tuple(inputs.values.shape[-3:])
        if found != self.shape:
            raise BatchError(
                f"`inputs` must have pictures that end as {self.shape} to be flattened, but these end as {found}; "
                'make them one size, or choose the pool "mean"'
            )
        return step_by_step(lambda steps: steps.flatten(1), inputs)

    def extra_repr(self) -> str:
        return f"shape={self.shape}, pool={self.pool!r}"


def convolutions(
    shape: Sequence[int],
    channels: Sequence[int],
    *,
    time: int | Sequence[int] = 3,
    time_stride: int | Sequence[int] = 1,
    space: int | Sequence[int] = 3,
    space_stride: int | Sequence[int] = 2,
    causal: bool = False,
    dropout: float = 0.0,
    pool: str = "flatten",
    norm: str = "steps",
) -> StepFeatures:
    """Convolution, normalisation and ReLU, block after block, and a vector for each step that is left.

    Args:
        shape: of an input step: (channels, height, width), or (features,), over which space, its stride and the pool
            have no say.
        channels: of each block's output.
        time: steps that an output sees; one number for all blocks or one for each, as the next three.
        time_stride: steps from one output to the next.
        space: height and width of what an output pixel sees.
        space_stride: pixels from one output pixel to the next.
        causal: whether outputs see no later input than their own.
        dropout: the share of features dropped at the end, as for `StepFeatures`.
        pool: "flatten", "mean" or "grid", as for `StepFeatures`.
        norm: "steps" normalises each step by itself (`StepNorm`), "sequence" all steps of a sequence together, which
            suits what moves (`SequenceNorm`).

    Raises:
        CellError: another `norm`; a shape of two or of more than three numbers, no channels, or lists that are not one
            number a block.

    Example:
        >>> look = convolutions((3, 32, 32), [16, 32, 64], time=[1, 3, 3], time_stride=[1, 2, 1], pool="mean")
        >>> look(Ragged(torch.randn(9, 3, 32, 32), lengths=[4, 5]))
        Ragged(values=(5, 64), lengths=[2, 3])
    """
    if len(shape) not in (1, 3):
        raise CellError(f"`shape` must be (features,) or (channels, height, width), but is {tuple(shape)}")
    if norm not in NORMS:
        raise CellError(f'`norm` must be "steps" or "sequence", but is "{norm}"')
    if not channels:
        raise CellError("`channels` must name the channels of at least one block, but is empty")
    options = {"time": time, "time_stride": time_stride, "space": space, "space_stride": space_stride}
    blocks, size = [], tuple(shape)
    for wide, *sizes in zip(channels, *(_each(name, of, len(channels)) for name, of in options.items()), strict=True):
        seen, every, window, stride = sizes
        if len(shape) == 1:
            convolution: nn.Module = TimeConvolution(size[0], wide, seen, stride=every, causal=causal)
            size = (wide,)
        else:
            convolution = StepConvolution(
                size[0], wide, time=seen, space=window, stride=stride, time_stride=every, causal=causal
            )
            size = (wide, *(-(-side // stride) for side in size[1:]))
        blocks.append(_Block(convolution, NORMS[norm](wide, _groups(size)), every))
    return StepFeatures(*blocks, shape=size, pool=pool, dropout=dropout)


class _Block(nn.Module):
    """A convolution, and after it normalisation and ReLU."""

    def __init__(self, convolution: nn.Module, norm: StepNorm | SequenceNorm, time_stride: int) -> None:
        super().__init__()
        self.convolution, self.norm = convolution, norm
        self.time_stride, self.causal = time_stride, convolution.causal and norm.causal

    def forward(self, inputs: Ragged | Padded) -> Ragged | Padded:
        outputs = self.norm(self.convolution(inputs))
        return outputs.with_values(F.relu(outputs.values))  # type: ignore[no-any-return]


def _groups(shape: tuple[int, ...]) -> int:
    """At most 8 groups, of 16 numbers or more: fewer would be normalised to little more than their order."""
    channels = shape[0]
    if len(shape) == 1:
        return 1
    return next((n for n in (8, 4, 2) if channels % n == 0 and prod(shape) // n >= 16), 1)


def _each(name: str, value: int | Sequence[int], blocks: int) -> list[int]:
    values = [value] * blocks if isinstance(value, int) else list(value)
    if len(values) != blocks:
        raise CellError(f"`{name}` must be one number, or one for each of {blocks} blocks, but is {values}")
    return values
