"""A head of quantiles: they never cross, and its loss makes them those of the data."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import mean_pinball_loss

from unspool.errors import ModelError
from unspool.models import QuantilesHead

LEVELS = st.lists(st.floats(0.01, 0.99), min_size=1, max_size=7, unique_by=lambda level: round(level, 3)).map(sorted)


@given(LEVELS, st.floats(0.1, 100), st.integers(0, 100))
def test_quantiles_never_cross(levels: list[float], scale: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    told = QuantilesHead(4, levels)(scale * torch.randn(20, 4, generator=generator))
    assert told.shape == (20, len(levels))
    assert bool((told.diff() >= 0).all())


@given(LEVELS)
def test_it_begins_with_those_of_the_normal_distribution(levels: list[float]) -> None:
    told = QuantilesHead(4, levels)(torch.zeros(1, 4))[0]
    assert np.allclose(told.detach(), norm.ppf(levels), atol=1e-4)


def test_its_loss_is_the_pinball_loss() -> None:
    levels = [0.2, 0.5, 0.7, 0.95]
    scores, target = torch.randn(30, 4).double(), torch.randn(30).double()
    head = QuantilesHead(2, levels).double()
    known = [mean_pinball_loss(target, scores[:, place], alpha=level) for place, level in enumerate(levels)]
    assert float(head.loss(scores, target)) / head.weight(target) == pytest.approx(np.mean(known))
    assert float(head.loss(scores[:, :1], target.reshape(-1, 1))) > 0


def test_what_is_learned_are_the_quantiles_of_the_data() -> None:
    target = torch.distributions.Exponential(1.0).sample((1000,))  # skewed, unlike where it begins
    levels = [0.1, 0.5, 0.75, 0.9]
    head = QuantilesHead(1, levels)
    optimizer = torch.optim.Adam([head.output.bias], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        (head.loss(head(torch.zeros(1, 1)).expand(len(target), -1), target) / len(target)).backward()
        optimizer.step()
    told = head(torch.zeros(1, 1))[0].detach().numpy()
    assert np.allclose(told, np.quantile(target, levels), atol=0.05)


@pytest.mark.parametrize("levels", [[], [0.5, 0.2], [0.0], [0.5, 1.0]])
def test_levels_rise_between_0_and_1(levels: list[float]) -> None:
    with pytest.raises(ModelError) as error:
        QuantilesHead(3, levels)
    assert str(error.value) == f"`levels` must rise between 0 and 1, but are {levels}"


def test_neighbours_leave_no_trace() -> None:
    head, vectors = QuantilesHead(3, [0.1, 0.9]), torch.randn(6, 3)
    rows = [head(one) for one in vectors.split(1)]
    assert all(torch.allclose(one, other) for one, other in pairwise([torch.cat(rows), head(vectors)]))
