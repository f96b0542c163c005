"""Normalisation of what convolutions give: of each step, or of each sequence, by itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from unspool.errors import BatchError, CellError
from unspool.padded import Padded
from unspool.ragged import Ragged

_FLAT = 1e-5  # added to variances, as of torch's own normalisation


class _Norm(nn.Module):
    """What both normalisations by groups of channels have: a gain and a bias a channel.

    Args:
        channels: of an input step.
        groups: how many groups the channels form, a divisor of theirs.

    Raises:
        CellError: channels that don't form as many groups.
    """

    def __init__(self, channels: int, groups: int = 8) -> None:
        super().__init__()
        if groups < 1 or channels % groups:
            raise CellError(f"`groups` must divide the {channels} channels, but is {groups}")
        self.channels, self.groups = channels, groups
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def _check(self, inputs: Ragged | Padded) -> None:
        features = tuple(inputs.values.shape[1 if isinstance(inputs, Ragged) else 2 :])
        if features[:1] != (self.channels,):
            raise BatchError(f"`inputs` must have steps of {self.channels} channels for `{self}`, but has {features}")

    def extra_repr(self) -> str:
        return f"{self.channels}, groups={self.groups}"


class StepNorm(_Norm):
    """Group normalisation of each step by itself: neither neighbours nor other steps leave a trace.

    Mean and variance are those of a group of channels over the whole picture. With one group, a step that is a vector
    gets layer normalisation.

    Args:
        channels: of an input step.
        groups: how many groups the channels form, a divisor of theirs.

    Raises:
        CellError: channels that don't form as many groups.

    Example:
        >>> StepNorm(16)(Ragged(torch.randn(9, 16, 8, 6), lengths=[4, 5]))
        Ragged(values=(9, 16, 8, 6), lengths=[4, 5])

    Reference:
        Wu & He (2018); one group over a vector, Ba et al. (2016).
    """

    causal = True

    def forward(self, inputs: Ragged | Padded) -> Ragged | Padded:
        """(…, channels, *space) -> the same"""
        self._check(inputs)
        # Not `F.group_norm`, which refuses a batch of one step whose groups are single numbers, but not one of two.
        return step_by_step(lambda steps: torch.group_norm(steps, self.groups, self.weight, self.bias), inputs)


class SequenceNorm(_Norm):
    """Group normalisation of each sequence by itself: neighbours leave no trace, but its own steps do.

    Mean and variance are those of a group of channels over the whole picture and all steps, so that a step in which
    much happens stays larger than a still one; `StepNorm` makes them alike. Not causal, since a mean waits for the end.

    Args:
        channels: of an input step.
        groups: how many groups the channels form, a divisor of theirs.

    Raises:
        CellError: channels that don't form as many groups.

    Example:
        >>> SequenceNorm(16)(Ragged(torch.randn(9, 16, 8, 6), lengths=[4, 5]))
        Ragged(values=(9, 16, 8, 6), lengths=[4, 5])

    Reference:
        Wu & He (2018), over time as over space.
    """

    causal = False

    def forward(self, inputs: Ragged | Padded) -> Ragged | Padded:
        """(…, channels, *space) -> the same"""
        self._check(inputs)
        if isinstance(inputs, Padded):
            return self(Ragged.from_padded(inputs)).to_padded(max_length=inputs.max_length)  # type: ignore[no-any-return]
        rows = inputs.layout.on(inputs.device, "rows")
        grouped = inputs.map(lambda values: values.unflatten(1, (self.groups, -1)).flatten(2))
        centred = grouped.values - grouped.map(_mean).mean().index_select(0, rows)
        variance = grouped.with_values(centred.square()).map(_mean).mean()
        scaled = centred * (variance + _FLAT).rsqrt().index_select(0, rows)
        like = (-1, *[1] * (inputs.values.dim() - 2))
        return inputs.with_values(
            scaled.reshape(inputs.values.shape) * self.weight.reshape(like) + self.bias.reshape(like)
        )


def _mean(values: Tensor) -> Tensor:
    return values.mean(-1, keepdim=True)


def step_by_step(function: Callable[[Tensor], Tensor], inputs: Ragged | Padded) -> Ragged | Padded:
    """A function of all steps at once, (n, *features) -> (n, *features), over the real steps of sequences."""
    if isinstance(inputs, Ragged):
        return inputs.map(function)
    batch, time, *features = inputs.values.shape
    steps = function(inputs.masked().values.reshape(batch * time, *features))
    return inputs.with_values(steps.reshape(batch, time, *steps.shape[1:])).masked()
