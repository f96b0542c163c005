"""What a decoder writes at a step where labels go together: pixels of a row, keys of a chord."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unspool.errors import ModelError
from unspool.models.emissions import BernoulliEmission, Emission, check_steps, check_temperature, uniforms, wide
from unspool.randomness import Draws


class AutoregressiveEmission(BernoulliEmission):
    """Several labels a step, each there or not as those before it in the step are.

        p(x) = Π_i p(x_i | x_1 … x_{i-1})
        log p(x_i = 1 | …) = log σ(s_i),    s = b + A x + V tanh(c + W x)

    With a a decoder's linear output: b, c = a. A and V W are masked so that s_i sees none of x_i and what comes after:
    hidden unit k sees the first m_k labels, and s_i those units with m_k < i; m_k are spread evenly from 0 on. So the
    likelihood is exact, and costs two products for all labels; so does drawing a step, label by label.

    No step of it ends a sequence: how many there are is known beforehand.

    Args:
        input_size: features of the decoder's output.
        features: labels of a step.
        hidden_size: hidden units.

    Raises:
        ModelError: no features or no hidden units.

    Example:
        >>> emission = AutoregressiveEmission(16, features=28, hidden_size=64)
        >>> parameters = emission(torch.randn(3, 16))
        >>> parameters.shape, emission.per_step(parameters, torch.zeros(3, 28)).shape
        (torch.Size([3, 92]), torch.Size([3]))

    Reference:
        Germain et al. (2015), MADE, equations 7 to 10, with A as they add it in section 4.3; its biases depend on the
        state as in Boulanger-Lewandowski et al. (2012), RNN-NADE. NADE (Larochelle and Murray, 2011) has all units
        anew for each label, which costs `features` times as much memory.
    """

    def __init__(self, input_size: int, features: int, hidden_size: int = 256) -> None:
        if features < 1:
            raise ModelError(f"`features` of a step must be at least 1, but is {features}")
        if hidden_size < 1:
            raise ModelError(f"`hidden_size` must be at least 1, but is {hidden_size}")
        Emission.__init__(self, input_size, features + hidden_size)
        self.step_size, self.hidden_size = features, hidden_size
        self.entry = nn.Parameter(torch.empty(hidden_size, features))
        self.exit = nn.Parameter(torch.empty(features, hidden_size))
        self.direct = nn.Parameter(torch.zeros(features, features))
        for weight in (self.entry, self.exit):
            nn.init.xavier_uniform_(weight)
        sees = torch.arange(hidden_size) * features // hidden_size  # in order, so that units that see as much are a run
        place = torch.arange(features)
        self.register_buffer("entry_mask", place < sees.unsqueeze(1), persistent=False)
        self.register_buffer("exit_mask", sees <= place.unsqueeze(1), persistent=False)
        self.register_buffer("direct_mask", place < place.unsqueeze(1), persistent=False)
        self.ends = (sees.unsqueeze(1) <= place).sum(0).tolist()

    entry_mask: Tensor
    exit_mask: Tensor
    direct_mask: Tensor

    def per_step(self, parameters: Tensor, target: Tensor) -> Tensor:
        """As of `Emission`. target: (rows, features) of 0 and 1"""
        check_steps(target, len(parameters), self.step_size)
        return super().per_step(self.scores(parameters, target), target)

    def scores(self, parameters: Tensor, steps: Tensor) -> Tensor:
        """s of each label, given those before it. (rows, parameters), (rows, features) -> (rows, features)"""
        biases, hidden = wide(parameters).split([self.step_size, self.hidden_size], 1)
        entry, exit_, direct = self._masked(hidden.dtype)
        steps = steps.to(hidden.device, hidden.dtype)
        units = (hidden + F.linear(steps, entry)).tanh()
        return wide(biases + F.linear(steps, direct) + F.linear(units, exit_))

    def sample(self, parameters: Tensor, draws: Draws, temperature: float = 1.0) -> Tensor:
        """As of `Emission`: the score of each label is divided by the temperature. -> (rows, features) of 0 and 1"""
        check_temperature(temperature)
        points = uniforms(draws, self.step_size)
        return self._one_by_one(parameters, lambda score, place: points[:, place] < (score / temperature).sigmoid())

    def best(self, parameters: Tensor) -> Tensor:
        """Each label that is likelier there than not, after those before it; not always the most probable step.

        -> (rows, features) of 0 and 1
        """
        return self._one_by_one(parameters, lambda score, place: score > 0)

    def _one_by_one(self, parameters: Tensor, there: Callable[[Tensor, int], Tensor]) -> Tensor:
        """Steps label by label. there: of (rows,) scores of a label and its place, which rows have it"""
        # In double precision, so that how many rows are drawn together does not move a score past its draw.
        scores, hidden = parameters.double().split([self.step_size, self.hidden_size], 1)
        entry, exit_, direct = self._masked(torch.float64)
        scores, steps, begin = scores.clone(), torch.zeros_like(scores), 0
        for place, end in enumerate(self.ends):
            # These units see what is written by now and no more, so that each is computed once.
            units = (hidden[:, begin:end] + F.linear(steps[:, :place], entry[begin:end, :place])).tanh()
            scores[:, place:] += F.linear(units, exit_[place:, begin:end])
            steps[:, place] = there(scores[:, place], place).to(steps.dtype)
            scores += steps[:, place : place + 1] * direct[:, place]
            begin = end
        return steps.to(parameters.dtype)

    def _masked(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        pairs = (self.entry, self.entry_mask), (self.exit, self.exit_mask), (self.direct, self.direct_mask)
        entry, exit_, direct = ((weight * mask).to(dtype) for weight, mask in pairs)
        return entry, exit_, direct
