"""Sequences at another pace."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unspool.errors import CellError, RandomnessError
from unspool.layers import Pace
from unspool.ragged import Ragged
from unspool.randomness import using

LENGTHS = [40, 1, 0, 90, 2]


def ramps(lengths: list[int] = LENGTHS) -> Ragged:
    """Features that rise from 0 to 1 over each sequence, and their squares."""
    lines = [torch.linspace(0, 1, length, dtype=torch.float64) for length in lengths]
    values = torch.cat(lines)
    return Ragged(torch.stack([values, values**2], 1), lengths, torch.arange(len(lengths)))


def test_a_line_is_a_line_at_any_pace_from_its_first_step_to_its_last() -> None:
    layer = Pace(0.3)
    seen = set()
    for step in range(20):
        with using(seed=1, step=step):
            found = layer(ramps())
        for length, sequence in zip(LENGTHS, found.split(), strict=True):
            if length > 1:
                np.testing.assert_allclose(sequence[:, 0], np.linspace(0, 1, len(sequence)), atol=1e-12)
            assert (len(sequence) > 0) == (length > 0)
            assert length / 1.3 - 0.5 <= len(sequence) <= length / 0.7 + 0.5
        seen.add(int(found.lengths[3]))
    assert len(seen) > 10
    assert min(seen) < 80 < 100 < max(seen)


def test_values_between_steps_are_those_of_numpy() -> None:
    with using(seed=0, step=3):
        found = Pace(0.4)(ramps())
    for given, sequence in zip(ramps().split(), found.split(), strict=True):
        if len(sequence) > 1:
            at = np.linspace(0, len(given) - 1, len(sequence))
            np.testing.assert_allclose(sequence[:, 1], np.interp(at, np.arange(len(given)), given[:, 1]), atol=1e-12)


def test_a_pace_belongs_to_the_example_and_not_to_its_neighbours() -> None:
    with using(seed=0, step=0):
        together, alone = Pace(0.3)(ramps()), Pace(0.3)(ramps().select([3]))
    assert torch.equal(together.split()[3], alone.values)


def test_evaluation_hears_the_sequence_itself() -> None:
    given = ramps()
    assert Pace(0.3).eval()(given) is given


def test_training_needs_draws() -> None:
    with pytest.raises(RandomnessError):
        Pace(0.3)(ramps())


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_is_from_0_to_below_1(share: float) -> None:
    with pytest.raises(CellError, match=f"`share` must be from 0 to below 1, but is {share}"):
        Pace(share)
