"""Steps beside the others of their sequence."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from unspool.errors import CellError
from unspool.layers import Deltas, Standardised
from unspool.ragged import Ragged

LENGTHS = [5, 1, 9, 0, 2]


def steps(*features: int, lengths: list[int] = LENGTHS) -> Ragged:
    generator = torch.Generator().manual_seed(0)
    return Ragged(3 + 2 * torch.randn(sum(lengths), *features, generator=generator, dtype=torch.float64), lengths)


def test_every_feature_of_a_sequence_has_mean_0_and_deviation_1() -> None:
    given = steps(4)
    for sequence, found in zip(given.split(), Standardised()(given).split(), strict=True):
        if len(sequence) > 1:
            rows = sequence.numpy()
            np.testing.assert_allclose(found, (rows - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-5), rtol=1e-9)
        else:
            assert not found.any()


def test_all_pixels_of_a_clip_have_one_deviation() -> None:
    given = steps(1, 3, 2)
    clip = given.split()[2].numpy()
    centred = clip - clip.mean(0)
    wanted = centred / np.sqrt((centred**2).mean() + 1e-5)
    np.testing.assert_allclose(Standardised()(given).split()[2], wanted, rtol=1e-9)


def test_what_never_changes_becomes_zero() -> None:
    given = steps(2)
    still = given.map(lambda values: torch.cat([values[:, :1], torch.full_like(values[:, 1:], 7.5)], 1))
    assert not Standardised()(still).values[:, 1].any()


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_changes_are_those_of_librosa(reach: int) -> None:
    given = steps(4, lengths=[9, 12])
    found = Deltas(2, reach)(given)
    assert found.values.shape == (21, 12)
    for sequence, changed in zip(given.split(), found.split(), strict=True):
        first = librosa.feature.delta(sequence.numpy(), width=2 * reach + 1, axis=0, mode="nearest")
        second = librosa.feature.delta(first, width=2 * reach + 1, axis=0, mode="nearest")
        np.testing.assert_allclose(changed, np.concatenate([sequence.numpy(), first, second], 1), atol=1e-12)


def test_changes_of_pictures_are_channels_beside_theirs() -> None:
    given = steps(2, 3, 4)
    found = Deltas()(given)
    assert found.values.shape == (17, 4, 3, 4)
    flat = Deltas()(given.map(lambda values: values.flatten(1)))
    torch.testing.assert_close(found.values[:, 2:].flatten(1), flat.values[:, 24:])


def test_a_step_alone_does_not_change() -> None:
    assert not Deltas()(steps(3)).split()[1][:, 3:].any()


@pytest.mark.parametrize(("order", "reach", "name"), [(0, 2, "order"), (1, 0, "reach")])
def test_sizes_below_1_are_refused(order: int, reach: int, name: str) -> None:
    with pytest.raises(CellError, match=f"`{name}` must be at least 1, but is 0"):
        Deltas(order, reach)
