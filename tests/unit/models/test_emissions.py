"""What is written at a step besides a token: likelihoods, draws, and what is fed back."""

import math

import pytest
import torch
from torch import Tensor, distributions

from unspool.errors import DecodingError, ModelError
from unspool.models.emissions import BernoulliEmission, Emission, MixtureEmission
from unspool.randomness import Drawing, Draws, using

COMPONENTS = 3


def parameters_of(emission: Emission, rows: int, spread: float = 1.0) -> Tensor:
    torch.manual_seed(0)
    return spread * torch.randn(rows, emission.output.out_features, dtype=torch.float64)


def steps(rows: int) -> Tensor:
    torch.manual_seed(1)
    return torch.cat([torch.randn(rows, 2), torch.randint(0, 3, (rows, 1)).float()], 1).double()


def oracle(parameters: Tensor) -> tuple[distributions.Distribution, distributions.Distribution]:
    """The same distribution by PyTorch: full covariances, one row after another."""
    w, mx, my, ax, ay, ar, pen = parameters.split([COMPONENTS] * 6 + [3], 1)
    sx, sy, r = torch.exp(6 * torch.tanh(ax / 6)), torch.exp(6 * torch.tanh(ay / 6)), 0.999 * torch.tanh(ar)
    covariance = torch.stack([sx * sx, r * sx * sy, r * sx * sy, sy * sy], -1).unflatten(-1, (2, 2))
    normals = distributions.MultivariateNormal(torch.stack([mx, my], -1), covariance)
    mixture = distributions.MixtureSameFamily(distributions.Categorical(logits=w), normals)
    return mixture, distributions.Categorical(logits=pen)


def draws(rows: int, *, seed: int = 0, position: int = 0) -> Draws:
    with using(seed=seed, step=0):
        key = Drawing().draws_for(torch.arange(rows), torch.device("cpu"), active=True).key
    return Draws(key, torch.full((rows,), position))


def test_labels_have_the_likelihood_of_pytorchs_distribution() -> None:
    emission = BernoulliEmission(4, 5)
    parameters = parameters_of(emission, 7)
    target = (parameters_of(emission, 7, 2.0) > 0.3).double()
    expected = -distributions.Bernoulli(logits=parameters).log_prob(target).sum(1)
    torch.testing.assert_close(emission.per_step(parameters, target), expected)
    torch.testing.assert_close(emission.loss(parameters, target), expected.sum())
    assert emission.forward(torch.zeros(7, 4)).shape == (7, 5)


def test_strokes_have_the_likelihood_of_pytorchs_distributions() -> None:
    emission = MixtureEmission(4, COMPONENTS)
    parameters, target = parameters_of(emission, 50), steps(50)
    moves, pen = oracle(parameters)
    expected = -(moves.log_prob(target[:, :2]) + pen.log_prob(target[:, 2]))
    torch.testing.assert_close(emission.per_step(parameters, target), expected)
    torch.testing.assert_close(emission.loss(parameters, target), expected.sum())
    single = emission.per_step(parameters.float(), target.float())
    torch.testing.assert_close(single.double(), expected, rtol=1e-4, atol=1e-4)


def test_the_density_of_strokes_sums_to_one() -> None:
    emission = MixtureEmission(4, COMPONENTS)
    parameters = parameters_of(emission, 1, 0.7)
    axis = torch.linspace(-25, 25, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    mass = 0.0
    for pen in range(3):
        points = torch.cat([grid, torch.full((len(grid), 1), float(pen), dtype=torch.float64)], 1)
        density = (-emission.per_step(parameters.expand(len(grid), -1), points)).exp()
        mass += float(density.sum()) * float(axis[1] - axis[0]) ** 2
    assert mass == pytest.approx(1.0, abs=1e-6)


def test_gradients_are_those_of_finite_differences() -> None:
    for emission, target in ((MixtureEmission(4, 2), steps(3)), (BernoulliEmission(4, 6), torch.ones(3, 6).double())):
        parameters = parameters_of(emission, 3).requires_grad_()
        assert torch.autograd.gradcheck(lambda p, e=emission, t=target: e.loss(p, t), (parameters,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1e2, 1e4, 1e12, 1e25])
def test_the_loss_of_strokes_and_its_gradients_are_finite_however_large_the_parameters(
    size: float, dtype: torch.dtype
) -> None:
    emission = MixtureEmission(4, COMPONENTS)
    parameters = parameters_of(emission, 200).sign().mul(size).to(dtype).requires_grad_()
    target = steps(200).float()
    target[:100, :2] *= 1e4
    loss = emission.loss(parameters, target)
    loss.backward()
    assert loss.isfinite()
    assert parameters.grad is not None
    assert parameters.grad.isfinite().all()


@pytest.mark.parametrize("score", [-30.0, 30.0])
def test_the_likelihood_has_a_limit_and_a_slope_where_a_component_closes_in_on_a_point(score: float) -> None:
    emission = MixtureEmission(4, 1)
    parameters = torch.tensor([[0.0, 0.5, 0.5, score, score, 3.0, 0.0, 0.0, 0.0]]).requires_grad_()
    loss = emission.loss(parameters, torch.tensor([[0.5, 0.5, 0.0]]))
    loss.backward()
    least = math.log(2 * math.pi) - 12 + 0.5 * math.log(1 - 0.999**2) + math.log(3)
    assert float(loss.detach()) > least
    assert parameters.grad is not None
    assert (parameters.grad[0, 3:5] > 0).all()


def test_drawn_strokes_are_spread_as_the_distribution_is() -> None:
    rows, emission = 200_000, MixtureEmission(4, COMPONENTS)
    parameters = parameters_of(emission, 1, 0.8)
    drawn = emission.sample(parameters.expand(rows, -1), draws(rows))
    moves, pen = oracle(parameters)
    torch.testing.assert_close(drawn[:, :2].mean(0), moves.mean[0], rtol=0, atol=0.02)
    torch.testing.assert_close(drawn[:, :2].var(0), moves.variance[0], rtol=0.02, atol=0)
    expected = moves.component_distribution
    means, weights = expected.mean[0], moves.mixture_distribution.probs[0]
    products = (weights * (expected.covariance_matrix[0, :, 0, 1] + means.prod(1))).sum() - moves.mean[0].prod()
    torch.testing.assert_close(torch.cov(drawn[:, :2].T)[0, 1], products, rtol=0, atol=0.02)
    shares = torch.bincount(drawn[:, 2].long(), minlength=3) / rows
    torch.testing.assert_close(shares.double(), pen.probs[0], rtol=0, atol=0.005)
    # Draws of a distribution have its entropy as their mean loss.
    loss = emission.per_step(parameters.expand(rows, -1), drawn).mean()
    with torch.random.fork_rng():
        others = torch.cat([moves.sample((rows,)).squeeze(1), pen.sample((rows,))], 1)
    torch.testing.assert_close(loss, emission.per_step(parameters.expand(rows, -1), others).mean(), rtol=0, atol=0.02)


def test_the_temperature_of_strokes_narrows_them() -> None:
    rows, emission = 100_000, MixtureEmission(4, 2)
    one = torch.tensor([[30.0, 0, 1, 9, 2, 9, 0.5, 0, -0.5, 0, 0.7, 0, 0.0, 1.0, 2.0]]).double()
    drawn = emission.sample(one.expand(rows, -1), draws(rows), temperature=0.25)
    sigma = torch.exp(6 * torch.tanh(torch.tensor([0.5, -0.5]).double() / 6))
    torch.testing.assert_close(drawn[:, :2].mean(0), torch.tensor([1.0, 2.0]).double(), rtol=0, atol=0.01)
    torch.testing.assert_close(drawn[:, :2].std(0), 0.5 * sigma, rtol=0.02, atol=0)
    shares = torch.bincount(drawn[:, 2].long(), minlength=3) / rows
    torch.testing.assert_close(shares, (torch.arange(3) / 0.25).softmax(0), rtol=0, atol=0.005)
    for cold in (1e-9, 1e-320):
        found = emission.sample(parameters_of(emission, 20), draws(20), temperature=cold)
        torch.testing.assert_close(found, emission.best(parameters_of(emission, 20)), rtol=0, atol=1e-3)


def test_drawn_labels_come_as_often_as_they_are_probable_and_each_by_itself() -> None:
    rows, emission = 100_000, BernoulliEmission(4, 6)
    parameters = parameters_of(emission, 1)
    for temperature in (1.0, 0.5):
        drawn = emission.sample(parameters.expand(rows, -1), draws(rows), temperature)
        torch.testing.assert_close(drawn.mean(0), (parameters[0] / temperature).sigmoid(), rtol=0, atol=0.006)
        together = torch.cov(drawn.T)
        assert float((together - together.diag().diag()).abs().max()) < 0.004
    assert torch.equal(emission.sample(parameters, draws(1), 1e-9), emission.best(parameters))


@pytest.mark.parametrize("emission", [BernoulliEmission(4, 40), MixtureEmission(4, COMPONENTS)])
def test_a_draw_depends_on_seed_example_and_step_alone(emission: Emission) -> None:
    parameters = parameters_of(emission, 1).float().expand(8, -1)
    drawn = emission.sample(parameters, draws(8))
    assert drawn.dtype == torch.float32
    assert torch.equal(emission.sample(parameters, draws(8)), drawn)
    key, position = draws(8)
    alone = emission.sample(parameters[:1], Draws(key[5:6], position[5:6]))
    assert torch.equal(alone[0], drawn[5])
    assert not torch.equal(drawn[0], drawn[1])
    for other in (draws(8, seed=1), draws(8, position=1)):
        assert not torch.equal(emission.sample(parameters, other), drawn)


def test_what_is_drawn_can_be_fed_back_and_ends_with_the_last_pen() -> None:
    strokes = MixtureEmission(4, COMPONENTS)
    drawn = strokes.sample(parameters_of(strokes, 30), draws(30))
    fed = strokes.fed(drawn)
    assert fed.shape == (30, strokes.step_size) == (30, 5)
    assert torch.equal(fed[:, :2], drawn[:, :2])
    assert torch.equal(fed[:, 2:].argmax(1).double(), drawn[:, 2])
    assert torch.equal(fed[:, 2:].sum(1), torch.ones(30).double())
    assert torch.equal(strokes.ended(drawn), drawn[:, 2] == 2)
    keys = BernoulliEmission(4, 6)
    played = keys.sample(parameters_of(keys, 3), draws(3))
    assert keys.fed(played).shape == (3, keys.step_size) == (3, 6)
    assert not keys.ended(played).any()


@pytest.mark.parametrize(
    ("mistake", "kind", "message"),
    [
        (lambda: BernoulliEmission(4, 0), ModelError, "`features` of a step must be at least 1, but is 0"),
        (lambda: MixtureEmission(4, 0), ModelError, "`components` of a mixture must be at least 1, but is 0"),
        (
            lambda: MixtureEmission(4, 2).per_step(torch.zeros(3, 15), torch.zeros(3, 5)),
            ModelError,
            "`target` must be steps of shape (3, 3), one for each row of `parameters`, but has shape (3, 5)",
        ),
        (
            lambda: BernoulliEmission(4, 2).loss(torch.zeros(3, 2), torch.zeros(3)),
            ModelError,
            "`target` must be steps of shape (3, 2), one for each row of `parameters`, but has shape (3,)",
        ),
        (
            lambda: BernoulliEmission(4, 2).sample(torch.zeros(1, 2), draws(1), 0.0),
            DecodingError,
            "`temperature` must be above 0 and finite, but is 0.0; `best` gives the likeliest step",
        ),
        (
            lambda: MixtureEmission(4, 2).sample(torch.zeros(1, 15), draws(1), math.inf),
            DecodingError,
            "`temperature` must be above 0 and finite, but is inf; `best` gives the likeliest step",
        ),
        (lambda: Emission(2, 3).best(torch.zeros(1, 3)), NotImplementedError, "`Emission` must define `best`"),
    ],
)
def test_a_mistake_is_named(mistake: object, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as error:
        mistake()  # type: ignore[operator]
    assert str(error.value) == message
