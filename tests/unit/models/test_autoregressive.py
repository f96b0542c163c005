"""Labels of a step that go together: likelihoods that sum to one, draws that follow them, and no look ahead."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from unspool.errors import DecodingError, ModelError
from unspool.models import AutoregressiveEmission
from unspool.randomness import Drawing, Draws, using

SHAPES = [(1, 3), (4, 1), (5, 3), (6, 16)]  # labels and hidden units, more of the one and of the other
every = pytest.mark.parametrize(("features", "hidden"), SHAPES)


def emission(features: int = 5, hidden: int = 7, spread: float = 1.5) -> AutoregressiveEmission:
    """In float64, with weights that are far from none."""
    torch.manual_seed(0)
    made = AutoregressiveEmission(4, features, hidden).double()
    with torch.no_grad():
        for weight in (made.entry, made.exit, made.direct):
            weight.copy_(spread * torch.randn_like(weight))
    return made


def parameters_of(made: AutoregressiveEmission, rows: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(rows, made.output.out_features, dtype=torch.float64)


def draws(rows: int, *, position: int = 0) -> Draws:
    with using(seed=0, step=0):
        key = Drawing().draws_for(torch.arange(rows), torch.device("cpu"), active=True).key
    return Draws(key, torch.full((rows,), position))


def all_steps(features: int) -> Tensor:
    return torch.tensor(list(product([0.0, 1.0], repeat=features)), dtype=torch.float64)


def oracle(made: AutoregressiveEmission, parameters: Tensor, step: Tensor) -> float:
    """-log p(step), label by label and unit by unit, from the docstring: unit k sees the first m_k labels."""
    features, hidden = made.step_size, made.hidden_size
    numbers = [each.detach().numpy() for each in (parameters, made.entry, made.exit, made.direct, step)]
    told, entry, exit_, direct, x = numbers
    total = 0.0
    for i in range(features):
        score = told[i] + sum(direct[i, j] * x[j] for j in range(i))
        for k in range(hidden):
            seen = k * features // hidden
            if seen <= i:  # counted from 0, the label i stands after i others
                score += exit_[i, k] * math.tanh(told[features + k] + sum(entry[k, j] * x[j] for j in range(seen)))
        total += float(np.logaddexp(0, -score if x[i] else score))
    return total


@every
def test_the_likelihood_is_the_chain_of_its_labels(features: int, hidden: int) -> None:
    made = emission(features, hidden)
    parameters = parameters_of(made, 9)
    target = all_steps(features)[torch.randint(2**features, (9,))]
    expected = torch.tensor([oracle(made, *row) for row in zip(parameters, target, strict=True)], dtype=torch.float64)
    torch.testing.assert_close(made.per_step(parameters, target), expected)
    torch.testing.assert_close(made.loss(parameters, target), expected.sum())
    single = made.float().per_step(parameters.float(), target.float())
    torch.testing.assert_close(single.double(), expected, rtol=1e-4, atol=1e-4)


@every
def test_the_probabilities_of_all_steps_sum_to_one(features: int, hidden: int) -> None:
    made, steps = emission(features, hidden), all_steps(features)
    for parameters in parameters_of(made, 5):
        mass = (-made.per_step(parameters.expand(len(steps), -1), steps)).exp().sum()
        assert float(mass.detach()) == pytest.approx(1.0, abs=1e-12)


def test_a_label_depends_on_all_before_it_and_on_none_after() -> None:
    made = emission(6, 12)
    told = parameters_of(made, 1)[0].detach()
    slopes = torch.autograd.functional.jacobian(
        lambda x: made.scores(told.unsqueeze(0), x.unsqueeze(0))[0], torch.full((6,), 0.5, dtype=torch.float64)
    )
    assert torch.equal(slopes.ne(0), torch.ones(6, 6).tril(-1).bool())


def test_without_weights_labels_are_told_each_by_itself() -> None:
    made = emission(spread=0.0)
    parameters, target = parameters_of(made, 6), all_steps(5)[:6]
    alone = torch.distributions.Bernoulli(logits=parameters[:, :5])
    torch.testing.assert_close(made.per_step(parameters, target), -alone.log_prob(target).sum(1))


def test_gradients_are_those_of_finite_differences() -> None:
    made = emission(4, 6)
    parameters, target = parameters_of(made, 3).requires_grad_(), all_steps(4)[[3, 8, 15]]
    weights = [made.entry, made.exit, made.direct]

    def loss(told: Tensor, *given: Tensor) -> Tensor:
        named = dict(zip(("entry", "exit", "direct"), given, strict=True))
        return torch.func.functional_call(made, named, (told, target), strict=False)

    made.forward = made.loss  # type: ignore[method-assign]  # what `functional_call` calls
    assert torch.autograd.gradcheck(loss, (parameters, *(each.detach().requires_grad_() for each in weights)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1e4, 1e25])
def test_the_loss_and_its_gradients_are_finite_however_large_the_parameters(size: float, dtype: torch.dtype) -> None:
    made = emission().float()
    parameters = parameters_of(made, 50).sign().mul(size).to(dtype).requires_grad_()
    loss = made.loss(parameters, torch.randint(2, (50, 5)).float())
    loss.backward()
    assert loss.isfinite()
    assert all(each.grad.isfinite().all() for each in (parameters, made.entry, made.exit, made.direct))  # type: ignore[union-attr]


def test_a_row_that_is_no_number_spoils_no_other() -> None:
    made, target = emission(), all_steps(5)[[7, 9, 30]]
    whole = parameters_of(made, 3).requires_grad_()
    made.per_step(whole, target)[[0, 2]].sum().backward()
    broken = whole.detach().clone()
    broken[1] = math.nan
    broken.requires_grad_()
    found = made.per_step(broken, target)
    found[[0, 2]].sum().backward()
    assert torch.equal(found[[0, 2]], made.per_step(whole, target)[[0, 2]])
    assert found[1].isnan()
    assert whole.grad is not None
    assert broken.grad is not None
    assert torch.equal(broken.grad[[0, 2]], whole.grad[[0, 2]])


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_drawn_steps_come_as_often_as_they_are_probable(temperature: float) -> None:
    rows, made = 100_000, emission(4, 6)
    parameters = parameters_of(made, 1)
    drawn = made.sample(parameters.expand(rows, -1), draws(rows), temperature)
    places = (drawn @ torch.tensor([8.0, 4.0, 2.0, 1.0]).double()).long()
    shares = torch.bincount(places, minlength=16).double() / rows
    steps = all_steps(4)
    scores = made.scores(parameters.expand(16, -1), steps) / temperature
    expected = torch.where(steps > 0, scores, -scores).sigmoid().prod(1)
    torch.testing.assert_close(shares, expected.detach(), rtol=0, atol=0.006)


def test_the_colder_the_closer_to_the_best() -> None:
    made = emission(8, 20)
    parameters = parameters_of(made, 30)
    best = made.best(parameters)
    for cold in (1e-9, 1e-320):
        assert torch.equal(made.sample(parameters, draws(30), cold), best)
    assert torch.equal(made.scores(parameters, best) > 0, best > 0)


def test_a_draw_depends_on_seed_example_and_step_alone() -> None:
    made = emission(20, 32).float()
    parameters = parameters_of(made, 1).float().expand(8, -1)
    drawn = made.sample(parameters, draws(8))
    assert (drawn.dtype, drawn.shape) == (torch.float32, (8, 20))
    key, position = draws(8)
    assert torch.equal(made.sample(parameters[:1], Draws(key[5:6], position[5:6]))[0], drawn[5])
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(made.sample(parameters, draws(8, position=1)), drawn)
    assert not made.ended(drawn).any()
    assert torch.equal(made.fed(drawn), drawn)


def test_masks_are_not_saved_and_come_back() -> None:
    made = emission()
    assert sorted(made.state_dict()) == ["direct", "entry", "exit", "output.bias", "output.weight"]
    again = AutoregressiveEmission(4, 5, 7).double()
    again.load_state_dict(made.state_dict())
    parameters, target = parameters_of(made, 4), all_steps(5)[:4]
    assert torch.equal(again.per_step(parameters, target), made.per_step(parameters, target))


@pytest.mark.parametrize(
    ("mistake", "kind", "message"),
    [
        (lambda: AutoregressiveEmission(4, 0), ModelError, "`features` of a step must be at least 1, but is 0"),
        (lambda: AutoregressiveEmission(4, 3, 0), ModelError, "`hidden_size` must be at least 1, but is 0"),
        (
            lambda: AutoregressiveEmission(4, 3, 2).per_step(torch.zeros(3, 5), torch.zeros(3, 4)),
            ModelError,
            "`target` must be steps of shape (3, 3), one for each row of `parameters`, but has shape (3, 4)",
        ),
        (
            lambda: AutoregressiveEmission(4, 3, 2).sample(torch.zeros(1, 5), draws(1), 0.0),
            DecodingError,
            "`temperature` must be above 0 and finite, but is 0.0; `best` gives the likeliest step",
        ),
    ],
)
def test_a_mistake_is_named(mistake: object, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as error:
        mistake()  # type: ignore[operator]
    assert str(error.value) == message
