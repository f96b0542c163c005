"""Layers that change time: convolution and pooling over the steps of each sequence."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unspool.errors import BatchError, CellError
from unspool.layout import Layout
from unspool.padded import Padded
from unspool.ragged import Ragged


class TimeConvolution(nn.Module):
    """A convolution over time, sequence by sequence; a stride shortens the lengths.

    Before its first and after its last step a sequence is continued with zeros, whatever its neighbours in the batch.
    Output step `s` is centred on input step `s · stride`, or ends there if `causal`; a sequence of length `n` becomes
    one of length ⌈n / stride⌉.

    Args:
        input_size: features of an input step.
        output_size: features of an output step.
        kernel_size: steps that an output sees; odd, unless causal.
        stride: input steps from one output to the next.
        causal: whether an output sees no later input than its own.

    Example:
        >>> TimeConvolution(3, 6, kernel_size=5, stride=2)(Ragged(torch.randn(9, 3), lengths=[4, 5]))
        Ragged(values=(5, 6), lengths=[2, 3])
    """

    def __init__(
        self, input_size: int, output_size: int, kernel_size: int, *, stride: int = 1, causal: bool = False
    ) -> None:
        super().__init__()
        _check_at_least_one(kernel_size=kernel_size, stride=stride)
        if not causal and kernel_size % 2 == 0:
            raise CellError(
                f"`kernel_size` must be odd, so that it has a centre, but is {kernel_size}; or set `causal`"
            )
        self.input_size, self.output_size = input_size, output_size
        self.kernel_size, self.stride, self.causal = kernel_size, stride, causal
        like = nn.Conv1d(input_size, output_size, kernel_size)
        self.weight, self.bias = like.weight, like.bias

    @property
    def _before(self) -> int:
        """How many steps before its own an output sees."""
        return self.kernel_size - 1 if self.causal else self.kernel_size // 2

    def forward(self, inputs: Ragged | Padded) -> Ragged | Padded:
        """(…, input_size) -> (…, output_size), with lengths divided by the stride, rounded up."""
        features = tuple(inputs.values.shape[1 if isinstance(inputs, Ragged) else 2 :])
        if features != (self.input_size,):
            raise BatchError(f"`inputs` must have {self.input_size} features a step for `{self}`, but has {features}")
        if isinstance(inputs, Padded):
            return self._over_rectangle(inputs)
        windows = _windows(inputs, self.kernel_size, self.stride, self._before)
        return windows.map(lambda seen: F.linear(seen.flatten(1), self.weight.transpose(1, 2).flatten(1), self.bias))

    def _over_rectangle(self, inputs: Padded) -> Padded:
        after = self.kernel_size - 1 - self._before
        room = self.kernel_size if inputs.max_length == 0 else 0  # a convolution must fit once, if only to be cut off
        channels = F.pad(inputs.masked().values.transpose(1, 2), (self._before, after + room))
        outputs = F.conv1d(channels, self.weight, self.bias, self.stride).transpose(1, 2)
        outputs = outputs[:, : -(-inputs.max_length // self.stride)]
        return Padded(outputs, -(-inputs.lengths // self.stride), inputs.ids).masked()

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.output_size}, {self.kernel_size}, stride={self.stride}, causal={self.causal}"


class TimePooling(nn.Module):
    """Steps taken together, `size` at a time; what is left at a sequence's end makes one more.

    Args:
        size: input steps to an output step.
        reduction: "max" or "mean", of the steps that there are.

    Example:
        >>> TimePooling(2)(Ragged(torch.tensor([[1.0], [5.0], [2.0]]), lengths=[3])).values.T
        tensor([[5., 2.]])
    """

    causal = False  # an output waits for the last of its steps

    def __init__(self, size: int, *, reduction: str = "max") -> None:
        super().__init__()
        _check_at_least_one(size=size)
        if reduction not in ("max", "mean"):
            raise CellError(f'`reduction` must be "max" or "mean", but is "{reduction}"')
        self.size, self.reduction = size, reduction

    def forward(self, inputs: Ragged | Padded) -> Ragged | Padded:
        """(…, *features) -> (…, *features), with lengths divided by the size, rounded up."""
        if isinstance(inputs, Padded):
            pooled = self(Ragged.from_padded(inputs))
            width = -(-inputs.max_length // self.size)
            return pooled.to_padded(max_length=width)  # type: ignore[no-any-return]
        groups = Layout(_shortened(inputs.layout.lengths, self.size))
        left = (inputs.layout.lengths[groups.rows] - groups.steps * self.size).clamp(max=self.size)
        flat = Ragged(inputs.values, left)
        pooled = flat.max() if self.reduction == "max" else flat.mean()
        return Ragged(pooled, groups.lengths, inputs.ids)

    def extra_repr(self) -> str:
        return f"{self.size}, reduction={self.reduction!r}"


def _check_at_least_one(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise CellError(f"`{name}` must be at least 1, but is {size}")


def _shortened(lengths: Tensor, stride: int) -> Tensor:
    """⌈lengths / stride⌉"""
    return -(-lengths // stride)


def _windows(inputs: Ragged, size: int, stride: int, before: int) -> Ragged:
    """Every window of `size` steps that starts `before` ahead of each `stride`-th step. Values (n, size, *features)"""
    layout = inputs.layout
    outputs = Layout(_shortened(layout.lengths, stride))
    times = (outputs.steps * stride - before).unsqueeze(1) + torch.arange(size)
    inside = (times >= 0) & (times < layout.lengths[outputs.rows].unsqueeze(1))
    index = torch.where(inside, layout.offsets[:-1][outputs.rows].unsqueeze(1) + times, layout.total)
    outside = inputs.values.new_zeros(1, *inputs.values.shape[1:])
    seen = torch.cat([inputs.values, outside]).index_select(0, index.flatten().to(inputs.device))
    return Ragged(seen.unflatten(0, index.shape), outputs.lengths, inputs.ids)
