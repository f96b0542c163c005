"""Averages against the loops they stand for."""

import copy

import pytest
import torch
from torch import Tensor, nn

from unspool.errors import TrainingError
from unspool.training import Averages, LastMean, MovingAverage


def walk(model: nn.Module, averages: Averages, steps: int, every: int = 1) -> list[dict[str, Tensor]]:
    """Random weights at each step; what they were."""
    went = []
    for step in range(1, steps + 1):
        for parameter in model.parameters():
            nn.init.normal_(parameter)
        averages.update(model)
        if step % every == 0:
            averages.snapshot(model)
        went.append({name: value.detach().clone() for name, value in model.named_parameters()})
    return went


def test_a_moving_average_is_its_loop() -> None:
    model, averages = nn.Linear(3, 2).double(), MovingAverage(0.8)
    went = walk(model, averages, 60)
    for name, average in averages.weights().items():
        expected = went[0][name].clone()
        for number, weights in enumerate(went, start=1):
            decay = min(0.8, (1 + number) / (10 + number))
            expected = decay * expected + (1 - decay) * weights[name]
        assert torch.allclose(average, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("steps", [2, 3, 11, 30])
def test_the_mean_of_the_last_is_that_of_the_last_validations(steps: int) -> None:
    model, averages = nn.Linear(3, 2).double(), LastMean(4)
    went = walk(model, averages, steps, every=3)
    snapshots = went[2::3][-4:]
    assert bool(averages.weights()) == bool(snapshots)
    for name, average in averages.weights().items():
        expected = sum(weights[name] for weights in snapshots) / len(snapshots)
        assert torch.allclose(average, torch.as_tensor(expected), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "averages", [Averages(), MovingAverage(0.9), LastMean(2)], ids=lambda each: type(each).__name__
)
def test_applied_swaps_and_gives_back_even_after_an_error(averages: Averages) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    model[0].bias.requires_grad_(False)
    walk(model, averages, 5)
    own = copy.deepcopy(model.state_dict())
    with averages.applied(model):
        for name, average in averages.weights().items():
            assert torch.equal(model.state_dict()[name], average)
            assert not torch.equal(average, own[name])
    with pytest.raises(ZeroDivisionError), averages.applied(model):
        raise ZeroDivisionError
    assert all(torch.equal(value, own[name]) for name, value in model.state_dict().items())


def test_tied_weights_are_averaged_once_and_stay_tied() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    averages = MovingAverage(0.9)
    walk(model, averages, 4)
    assert sorted(averages.weights()) == ["0.bias", "0.weight", "1.bias"]
    with averages.applied(model):
        assert torch.equal(model[1].weight, averages.weights()["0.weight"])


def test_averages_go_on_without_touching_what_they_were_loaded_from() -> None:
    for make in (lambda: MovingAverage(0.9), lambda: LastMean(3)):
        model = nn.Linear(2, 2)
        torch.manual_seed(0)
        whole: Averages = make()
        walk(model, whole, 5)
        saved = copy.deepcopy(whole.state_dict())
        kept = copy.deepcopy(saved)
        resumed: Averages = make()
        resumed.load_state_dict(saved, model)
        state = torch.get_rng_state()
        walk(model, whole, 5)
        torch.set_rng_state(state)
        walk(model, resumed, 5)
        assert all(torch.equal(value, resumed.weights()[name]) for name, value in whole.weights().items())
        assert str(saved) == str(kept)


def test_mistakes_are_named() -> None:
    with pytest.raises(TrainingError, match=r"`decay` of a moving average must be above 0 and below 1, but is 1\.0"):
        MovingAverage(1.0)
    with pytest.raises(TrainingError, match="`count` of checkpoints to average must be at least 1, but is 0"):
        LastMean(0)
