"""What a decoder writes at a step besides one token: several labels at once, or a stroke of a pen."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unspool.errors import DecodingError, ModelError
from unspool.randomness import Draws, uniform

DRAWS, LIFTS, ENDS = 0, 1, 2
"""What a pen does with a point: it draws on from there, it is lifted there, or the drawing ends there."""

_PENS = 3
_PER_COMPONENT = 6
# A drawing's offsets are whole pixels. Without a least scale a component closes in on one of them, and the likelihood
# has no limit; exp(-6) of the deviation of all offsets is finer than any screen.
_LOG_SCALE = 6.0
_CORRELATION = 0.999
_FARTHEST = 1e9  # deviations; its square, divided by what 0.999 leaves, is far below the largest float32


class Emission(nn.Module):
    """A distribution of a step, given a decoder's output.

    Args:
        input_size: features of the decoder's output.
        parameters: numbers that tell one distribution of the family from another.

    Fields:
        step_size: features of a step as it is fed back.
        output: the linear map to parameters.
    """

    step_size: int

    def __init__(self, input_size: int, parameters: int) -> None:
        super().__init__()
        self.output = nn.Linear(input_size, parameters)
        nn.init.zeros_(self.output.bias)

    def forward(self, outputs: Tensor) -> Tensor:
        """(rows, input_size) -> (rows, parameters)"""
        parameters: Tensor = self.output(outputs)
        return parameters

    def loss(self, parameters: Tensor, target: Tensor) -> Tensor:
        """Negative log-likelihood of the steps, in nats, summed: `per_step(parameters, target).sum()`. -> ()"""
        return self.per_step(parameters, target).sum()

    def per_step(self, parameters: Tensor, target: Tensor) -> Tensor:
        """Negative log-likelihood of each step, in nats.

        Args:
            parameters: (rows, parameters), from `forward`.
            target: (rows, features), steps as their field encodes them.

        Returns:
            (rows,)

        Raises:
            ModelError: steps of another shape.
        """
        raise NotImplementedError(f"`{type(self).__name__}` must define `per_step`")

    def sample(self, parameters: Tensor, draws: Draws, temperature: float = 1.0) -> Tensor:
        """A step drawn for each row.

        Args:
            parameters: (rows, parameters), from `forward`.
            draws: of (rows,): the keys of the examples under a seed, and the number of the step.
            temperature: towards 0 what `best` gives, 1 the model's own distribution.

        Returns:
            (rows, features), steps as their field decodes them.

        Raises:
            DecodingError: a temperature that is not above 0 and finite.
        """
        raise NotImplementedError(f"`{type(self).__name__}` must define `sample`")

    def best(self, parameters: Tensor) -> Tensor:
        """The step that samples tend to as the temperature falls. (rows, parameters) -> (rows, features)"""
        raise NotImplementedError(f"`{type(self).__name__}` must define `best`")

    def fed(self, steps: Tensor) -> Tensor:
        """Steps as the decoder reads them before the next one. (rows, features) -> (rows, step_size)"""
        raise NotImplementedError(f"`{type(self).__name__}` must define `fed`")

    def ended(self, steps: Tensor) -> Tensor:
        """Which steps end their sequence. (rows, features) -> (rows,) bool"""
        raise NotImplementedError(f"`{type(self).__name__}` must define `ended`")


class BernoulliEmission(Emission):
    """Several labels a step, each there or not by itself: the keys of a piano, the pixels of a row.

        log p(x) = Σ x · log σ(a) + (1 - x) · log σ(-a)

    No step of it ends a sequence: how many there are is known beforehand.

    Args:
        input_size: features of the decoder's output.
        features: labels of a step.

    Raises:
        ModelError: no features.

    Example:
        >>> emission = BernoulliEmission(16, features=88)
        >>> parameters = emission(torch.randn(3, 16))
        >>> emission.per_step(parameters, torch.zeros(3, 88)).shape, emission.best(parameters).shape
        (torch.Size([3]), torch.Size([3, 88]))

    Reference:
        Boulanger-Lewandowski et al. (2012), where it is called RNN, for music.
    """

    def __init__(self, input_size: int, features: int) -> None:
        if features < 1:
            raise ModelError(f"`features` of a step must be at least 1, but is {features}")
        super().__init__(input_size, features)
        self.step_size = features

    def per_step(self, parameters: Tensor, target: Tensor) -> Tensor:
        """As of `Emission`. target: (rows, features) of 0 and 1"""
        check_steps(target, len(parameters), self.step_size)
        scores = wide(parameters)
        return F.binary_cross_entropy_with_logits(scores, target.to(scores.dtype), reduction="none").sum(1)

    def sample(self, parameters: Tensor, draws: Draws, temperature: float = 1.0) -> Tensor:
        """As of `Emission`: scores are divided by the temperature. -> (rows, features) of 0 and 1"""
        check_temperature(temperature)
        probability = (parameters.double() / temperature).sigmoid()
        return (uniforms(draws, self.step_size) < probability).to(parameters.dtype)

    def best(self, parameters: Tensor) -> Tensor:
        """The most probable step: each label that is likelier there than not. -> (rows, features) of 0 and 1"""
        return (parameters > 0).to(parameters.dtype)

    def fed(self, steps: Tensor) -> Tensor:
        """As they are."""
        return steps

    def ended(self, steps: Tensor) -> Tensor:
        return torch.zeros(len(steps), dtype=torch.bool, device=steps.device)


class _Mixture(NamedTuple):
    """Parameters by name: (rows, components) each, but pen: (rows, 3)."""

    log_weights: Tensor
    mean_x: Tensor
    mean_y: Tensor
    log_scale_x: Tensor
    log_scale_y: Tensor
    correlation: Tensor
    pen: Tensor


class MixtureEmission(Emission):
    """A move of a pen in two directions, and what the pen does then: `DRAWS`, `LIFTS` or `ENDS`.

        p(dx, dy, pen) = Σ w[k] · N(dx, dy; μx[k], μy[k], σx[k], σy[k], ρ[k]) · q[pen]

    With a a decoder's linear output: w = softmax(a), μ = a, σ = exp(6 · tanh(a / 6)), ρ = 0.999 · tanh(a) and
    q = softmax(a). A step is (dx, dy, pen); it is fed back as (dx, dy) and the pen as one of three: `step_size` is 5.
    A sequence ends with the first step whose pen is `ENDS`.

    Args:
        input_size: features of the decoder's output.
        components: of the mixture.

    Raises:
        ModelError: no components.

    Example:
        >>> emission = MixtureEmission(16, components=20)
        >>> parameters = emission(torch.randn(2, 16))
        >>> steps = torch.tensor([[0.5, -1.0, 0.0], [0.0, 0.3, 2.0]])
        >>> parameters.shape, emission.per_step(parameters, steps).shape
        (torch.Size([2, 123]), torch.Size([2]))
        >>> emission.fed(steps)[1], emission.ended(steps)
        (tensor([0.0000, 0.3000, 0.0000, 0.0000, 1.0000]), tensor([False,  True]))

    Reference:
        Graves (2013), equations 15 to 26, with the three pens of Ha and Eck (2017). Theirs ends with a
        step of its own that moves nowhere; here the last point ends the drawing, so that a sequence is as long as its
        points. Theirs does not limit σ and ρ.
    """

    step_size = 2 + _PENS

    def __init__(self, input_size: int, components: int = 20) -> None:
        if components < 1:
            raise ModelError(f"`components` of a mixture must be at least 1, but is {components}")
        super().__init__(input_size, _PER_COMPONENT * components + _PENS)
        self.components = components

    def per_step(self, parameters: Tensor, target: Tensor) -> Tensor:
        """As of `Emission`. target: (rows, 3), dx, dy and pen"""
        check_steps(target, len(parameters), 3)
        mixture = self._named(parameters)
        offsets = target[:, :2].to(parameters.device, mixture.pen.dtype)
        across = _deviations(offsets[:, :1], mixture.mean_x, mixture.log_scale_x)
        down = _deviations(offsets[:, 1:], mixture.mean_y, mixture.log_scale_y)
        # As p(dx) · p(dy | dx): the square that equation 25 writes out would cancel where ρ is near 1.
        rest = 1 - mixture.correlation.square()
        squares = across.square() + (down - mixture.correlation * across).square() / rest
        log_volumes = math.log(2 * math.pi) + mixture.log_scale_x + mixture.log_scale_y + 0.5 * rest.log()
        moves = (mixture.log_weights - log_volumes - 0.5 * squares).logsumexp(1)
        return F.cross_entropy(mixture.pen, target[:, 2].long(), reduction="none") - moves

    def sample(self, parameters: Tensor, draws: Draws, temperature: float = 1.0) -> Tensor:
        """As of `Emission`: scores of components and pens are divided by the temperature, σ² is multiplied by it.

        Returns:
            (rows, 3), dx, dy and pen.

        Reference:
            Ha and Eck (2017). The two normal numbers are those of Box and Muller (1958).
        """
        check_temperature(temperature)
        mixture = self._named(parameters.double())
        points = uniforms(draws, 4)
        chosen = self._chosen(mixture, _drawn(mixture.log_weights, temperature, points[:, 0]))
        radius = (-2 * temperature * (1 - points[:, 1]).log()).sqrt()  # of 1 - u, which is never 0
        across, down = radius * (2 * math.pi * points[:, 2]).cos(), radius * (2 * math.pi * points[:, 2]).sin()
        down = chosen.correlation * across + (1 - chosen.correlation.square()).sqrt() * down
        x = chosen.mean_x + chosen.log_scale_x.exp() * across
        y = chosen.mean_y + chosen.log_scale_y.exp() * down
        pen = _drawn(mixture.pen, temperature, points[:, 3])
        return torch.stack([x, y, pen.double()], 1).to(parameters.dtype)

    def best(self, parameters: Tensor) -> Tensor:
        """The mean of the heaviest component, and the most probable pen. -> (rows, 3), dx, dy and pen"""
        mixture = self._named(parameters)
        chosen = self._chosen(mixture, mixture.log_weights.argmax(1))
        pen = mixture.pen.argmax(1).to(mixture.pen.dtype)
        return torch.stack([chosen.mean_x, chosen.mean_y, pen], 1).to(parameters.dtype)

    def fed(self, steps: Tensor) -> Tensor:
        """dx and dy, and a 1 for the pen. (rows, 3) -> (rows, 5)"""
        return torch.cat([steps[:, :2], F.one_hot(steps[:, 2].long(), _PENS).to(steps.dtype)], 1)

    def ended(self, steps: Tensor) -> Tensor:
        return steps[:, 2] == ENDS

    def _named(self, parameters: Tensor) -> _Mixture:
        scores = wide(parameters)
        weights, mean_x, mean_y, scale_x, scale_y, correlation, pen = scores.split(
            [self.components] * _PER_COMPONENT + [_PENS], 1
        )
        # Bounds that bend rather than cut: there is a slope back wherever training can get to.
        scale_x, scale_y = (_LOG_SCALE * (scale / _LOG_SCALE).tanh() for scale in (scale_x, scale_y))
        correlation = _CORRELATION * correlation.tanh()
        return _Mixture(weights.log_softmax(1), mean_x, mean_y, scale_x, scale_y, correlation, pen)

    @staticmethod
    def _chosen(mixture: _Mixture, component: Tensor) -> _Mixture:
        """Of one component a row: (rows,) each, but pen."""
        numbers = [each.gather(1, component.unsqueeze(1)).squeeze(1) for each in mixture[:-1]]
        return _Mixture._make([*numbers, mixture.pen])


def _deviations(offsets: Tensor, means: Tensor, log_scales: Tensor) -> Tensor:
    """How far offsets are from means, in standard deviations, as far as squares of it are finite."""
    return ((offsets - means) * (-log_scales).exp()).clamp(-_FARTHEST, _FARTHEST)


def uniforms(draws: Draws, width: int) -> Tensor:
    """Numbers from 0 to below 1. Draws of (rows,) -> (rows, width) float64

    Each step of an example takes the next `width` positions of the example's key.
    """
    place = torch.arange(width, device=draws.key.device)
    return uniform(Draws(draws.key.unsqueeze(1), draws.position.unsqueeze(1) * width + place))


def _drawn(scores: Tensor, temperature: float, points: Tensor) -> Tensor:
    """Of each row one class, by its probability. (rows, classes), (rows,) from 0 to below 1 -> (rows,) int64"""
    best = scores.max(1, keepdim=True).values  # taken away first, so that no temperature makes all of them -inf
    mass = ((scores - best) / temperature).softmax(1).cumsum(1)
    place = torch.searchsorted(mass, (points * mass[:, -1]).unsqueeze(1), right=True)
    return place.squeeze(1).clamp(max=scores.shape[1] - 1)


def wide(parameters: Tensor) -> Tensor:
    """Of no less than single precision: a likelihood of half precision is none."""
    return parameters.to(torch.promote_types(parameters.dtype, torch.float32))


def check_steps(target: Tensor, rows: int, features: int) -> None:
    if target.shape != (rows, features):
        raise ModelError(
            f"`target` must be steps of shape ({rows}, {features}), one for each row of `parameters`, "
            f"but has shape {tuple(target.shape)}"
        )


def check_temperature(temperature: float) -> None:
    if not 0 < temperature < math.inf:
        raise DecodingError(
            f"`temperature` must be above 0 and finite, but is {temperature}; `best` gives the likeliest step"
        )
