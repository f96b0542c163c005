"""Normalisation of each sequence by itself. That of each step is tried with the convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unspool.errors import BatchError, CellError
from unspool.layers import SequenceNorm, convolutions
from unspool.ragged import Ragged


def clips(lengths: list[int], channels: int = 6, *space: int) -> Ragged:
    generator = torch.Generator().manual_seed(0)
    values = 2 + 3 * torch.randn(sum(lengths), channels, *space, generator=generator, dtype=torch.float64)
    return Ragged(values, lengths)


@pytest.mark.parametrize("space", [(), (4, 3)])
@pytest.mark.parametrize("groups", [1, 3])
def test_a_sequence_is_normalised_as_torch_does_it_over_time_and_space(space: tuple[int, ...], groups: int) -> None:
    given = clips([5, 0, 1, 7], 6, *space)
    layer, oracle = SequenceNorm(6, groups).double(), nn.GroupNorm(groups, 6).double()
    with torch.no_grad():
        for ours, theirs in ((layer.weight, oracle.weight), (layer.bias, oracle.bias)):
            theirs.copy_(ours.copy_(torch.randn(6)))
    for sequence, found in zip(given.split(), layer(given).split(), strict=True):
        if len(sequence):
            wanted = oracle(sequence.transpose(0, 1).unsqueeze(0)).squeeze(0).transpose(0, 1)
            torch.testing.assert_close(found, wanted)


def test_a_step_in_which_more_happens_stays_larger() -> None:
    given = clips([8])
    loud = given.with_values(given.values * torch.where(torch.arange(8) == 3, 10.0, 1.0).unsqueeze(1).double())
    found = SequenceNorm(6, 1).double()(loud).values.abs().mean(1)
    assert found[3] > 3 * found[torch.arange(8) != 3].max()


def test_blocks_of_convolutions_normalise_what_they_are_asked_to() -> None:
    blocks = convolutions((6,), [8], norm="sequence")
    assert isinstance(blocks.blocks[0].norm, SequenceNorm)
    assert not blocks.causal
    with pytest.raises(CellError, match='`norm` must be "steps" or "sequence", but is "batch"'):
        convolutions((6,), [8], norm="batch")


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(CellError, match="`groups` must divide the 6 channels, but is 4"):
        SequenceNorm(6, 4)
    with pytest.raises(BatchError, match=r"must have steps of 6 channels for `SequenceNorm\(6, gro"):
        SequenceNorm(6, 2)(clips([3], 5).map(torch.Tensor.float))
