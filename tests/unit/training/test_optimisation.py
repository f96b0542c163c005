"""Learning rates against their formulas, and what is decayed."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from unspool.errors import TrainingError
from unspool.training import Schedule, adamw

STEPS = 40


def rates(schedule: Schedule, steps: int = STEPS) -> list[float]:
    return [schedule.rate(step, step / STEPS) for step in range(steps + 1)]


@pytest.mark.parametrize("warmup", [0, 1, 8])
@pytest.mark.parametrize("final", [0.0, 0.25])
def test_rates_are_those_of_the_formulas(warmup: int, final: float) -> None:
    peak = max(warmup - 1, 0)  # the step with the highest rate
    for step in range(STEPS + 1):
        warm = (step + 1) / warmup if step < warmup else None
        u = (step - peak) / (STEPS - peak)
        expected = {
            "constant": 3.0,
            "linear": 3.0 * (1 - (1 - final) * u),
            "cosine": 3.0 * (final + (1 - final) * math.cos(math.pi * u / 2) ** 2),
            "inverse-sqrt": 3.0 * math.sqrt(max(warmup, 1) / (step + 1)),
        }
        for decay, value in expected.items():
            schedule: Any = Schedule(3.0, warmup=warmup, decay=decay, final=final)  # type: ignore[arg-type]
            assert rates(schedule)[step] == pytest.approx(3.0 * warm if warm else value), (decay, step)


def test_a_plateau_waits_then_falls_as_pytorch_does_and_no_further_than_said() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([weight], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=1, threshold=0, min_lr=0.2)
    ours = Schedule(1.0, decay="plateau", factor=0.5, patience=2, final=0.2)
    best = math.inf
    for value in [5.0, 4.0, 4.0, 4.5, 3.0, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5]:
        theirs.step(value)
        ours.validated(improved=value < best)
        best = min(best, value)
        assert ours.rate(100, 0.5) == optimiser.param_groups[0]["lr"]
    assert ours.rate(100, 0.5) == 0.2


@pytest.mark.parametrize("decay", ["linear", "plateau"])
def test_a_schedule_goes_on_where_it_was(decay: Any) -> None:
    whole, cut = Schedule(1.0, warmup=5, decay=decay, patience=1), Schedule(1.0, warmup=5, decay=decay, patience=1)
    for schedule in (whole, cut):
        for step in range(9):
            schedule.rate(step, step / STEPS)
        schedule.validated(improved=False)
    resumed = Schedule(1.0, warmup=5, decay=decay, patience=1)
    resumed.load_state_dict(cut.state_dict())
    assert [whole.rate(step, step / STEPS) for step in range(9, 20)] == [
        resumed.rate(step, step / STEPS) for step in range(9, 20)
    ]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "decay": (
        {"decay": "cosin"},
        "`decay` must be one of constant, linear, cosine, inverse-sqrt, plateau, but is 'cosin' (nearest: `cosine`)",
    ),
    "learning_rate": ({"learning_rate": 0.0}, "`learning_rate` of a schedule must be above 0, but is 0.0"),
    "warmup": ({"warmup": -1}, "`warmup` of a schedule must be 0 or more, but is -1"),
    "final": ({"final": 1.5}, "`final` of a schedule must be from 0 to 1, but is 1.5"),
    "factor": ({"factor": 1.0}, "`factor` of a schedule must be above 0 and below 1, but is 1.0"),
    "patience": ({"patience": 0}, "`patience` of a schedule must be at least 1, but is 0"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name: str) -> None:
    settings, message = MISTAKES[name]
    with pytest.raises(TrainingError) as error:
        Schedule(**settings)
    assert str(error.value) == message


def test_biases_and_gains_are_not_decayed() -> None:
    model = nn.Sequential(nn.Embedding(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    model[2].weight.requires_grad_(False)
    optimiser = adamw(model, learning_rate=0.1, weight_decay=0.5)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimiser.step()
    after = model.state_dict()
    assert torch.allclose(after["0.weight"], before["0.weight"] * (1 - 0.1 * 0.5))
    assert all(torch.equal(after[name], before[name]) for name in before if name != "0.weight")


def test_a_model_with_nothing_to_learn_is_refused() -> None:
    with pytest.raises(TrainingError, match="`model` must have a parameter to learn, but has none that requires"):
        adamw(nn.Flatten())
