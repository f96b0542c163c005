"""Noise in training that belongs to the example: dropout and zoneout, as cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from unspool.cells.base import Cell
from unspool.cells.gated import GatedCell
from unspool.errors import CellError, StateError
from unspool.padded import Padded
from unspool.ragged import Ragged
from unspool.randomness import Drawing, Draws, keep
from unspool.state import State, described, exportable


def _check_rate(rate: float, name: str = "rate") -> float:
    if not 0 <= rate < 1:
        raise CellError(f"`{name}` must be from 0 to below 1, but is {rate}")
    return rate


class Dropout(Drawing, Cell):
    """Features dropped in training, the rest scaled up to keep their mean; in evaluation, the input itself.

    By default a sequence drops the same features at all its steps (variational), which costs next to nothing;
    `elementwise` draws anew at each step. Which ones depends on (seed, step, example, layer, position) alone: see
    `unspool.randomness`.

    Args:
        rate: the share of features dropped, from 0 to below 1.
        elementwise: a mask for every step rather than one for every sequence.

    Raises:
        CellError: another rate.
        RandomnessError: in training, when run outside of `unspool.randomness.using`.

    Reference:
        Srivastava et al. (2014); one mask a sequence, Gal & Ghahramani (2016).
    """

    def __init__(self, rate: float, *, elementwise: bool = False) -> None:
        super().__init__()
        self.rate, self.elementwise = _check_rate(rate), elementwise

    @property
    def _active(self) -> bool:
        return self.training and self.rate > 0

    def initial_state(
        self, batch_size: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Draws:
        """Keys for the examples 0, 1, 2, …; `unspool.unroll` takes the ids of its inputs."""
        return self.draws_for(torch.arange(batch_size), torch.device(device or "cpu"), active=self._active)

    def initial_state_for(self, inputs: Ragged | Padded) -> Draws:
        return self.draws_for(inputs.ids, inputs.device, active=self._active)

    def forward(self, x: Tensor, state: Draws) -> tuple[Tensor, Draws]:
        after = Draws(state.key, state.position + 1)
        if not self._active:
            return x, after
        return x * self._scale(state, x.shape[1:], x.dtype), after

    def over_time(self, inputs: Ragged | Padded, state: Draws) -> tuple[Ragged | Padded, Draws]:
        lengths = inputs.lengths.to(inputs.device)
        after = Draws(state.key, state.position + lengths)
        if isinstance(inputs, Padded):
            inputs = inputs.masked()
        if not self._active:
            return inputs, after
        return inputs.with_values(inputs.values * self._scales(inputs, state)), after

    def _scale(self, draws: Draws, features: torch.Size, dtype: torch.dtype) -> Tensor:
        """What to multiply rows of features with: 0, or 1 / (1 - rate). Draws of (n,) -> (n, *features)"""
        if not self.elementwise:
            draws = Draws(draws.key, torch.zeros_like(draws.position))
        kept = keep(draws, features.numel(), self.rate)
        return kept.reshape(len(kept), *features).to(dtype) / (1 - self.rate)

    def _scales(self, inputs: Ragged | Padded, state: Draws) -> Tensor:
        """The same for all steps of a batch, of the shape of its values or one that broadcasts to it."""
        dtype = inputs.values.dtype
        if isinstance(inputs, Ragged):
            rows = inputs.layout.on(inputs.device, "rows")
            features = inputs.values.shape[1:]
            if not self.elementwise:
                return self._scale(state, features, dtype).index_select(0, rows)
            times = inputs.layout.on(inputs.device, "steps")
            return self._scale(Draws(state.key[rows], state.position[rows] + times), features, dtype)
        batch, time, *_ = inputs.values.shape
        features = inputs.values.shape[2:]
        if not self.elementwise:
            return self._scale(state, features, dtype).unsqueeze(1)
        positions = state.position.unsqueeze(1) + torch.arange(time, device=inputs.device)
        draws = Draws(state.key.unsqueeze(1).expand(batch, time).flatten(), positions.flatten())
        return self._scale(draws, features, dtype).reshape(inputs.values.shape)

    def extra_repr(self) -> str:
        return f"{self.rate}, elementwise=True" if self.elementwise else f"{self.rate}"


@exportable
class ZoneoutState(NamedTuple):
    """cell: the state of the cell inside. draws: where the next step's masks come from."""

    cell: State
    draws: Draws


class Zoneout(Drawing, Cell):
    """A cell whose state's features keep their old value at random in training, and their mean in evaluation.

        training:    s' = old where drawn, new elsewhere        drawn at each step, with probability `rate`
        evaluation:  s' = rate · old + (1 - rate) · new

    Args:
        cell: a `GatedCell`; its output is the first field of the state so mixed.
        rate: one rate for all fields of the state, or one by the name of a field, others 0.

    Raises:
        CellError: a cell that is not gated, a rate outside of 0 to below 1, or for an unknown field.
        RandomnessError: in training, when run outside of `unspool.randomness.using`.

    Reference:
        Krueger et al. (2017), equations 2 to 5.
    """

    def __init__(self, cell: GatedCell, rate: float | Mapping[str, float]) -> None:
        super().__init__()
        if not isinstance(cell, GatedCell):
            raise CellError(f"`cell` in a `Zoneout` must be a `GatedCell`, but is {type(cell).__name__}")
        fields = cell.State._fields
        rates = rate if isinstance(rate, Mapping) else dict.fromkeys(fields, rate)
        if unknown := rates.keys() - set(fields):
            raise CellError(f"`rate` must name fields of {list(fields)}, but names {sorted(unknown)}")
        self.cell = cell
        self.rates = [_check_rate(rates.get(field, 0.0)) for field in fields]
        self.input_size, self.output_size = cell.input_size, cell.output_size

    def initial_state(
        self, batch_size: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> ZoneoutState:
        inner = self.cell.initial_state(batch_size, device=device, dtype=dtype)
        return ZoneoutState(inner, self.draws_for(torch.arange(batch_size), inner[0].device, active=self.training))

    def initial_state_for(self, inputs: Ragged | Padded) -> ZoneoutState:
        inner = self.cell.initial_state_for(inputs)
        return ZoneoutState(inner, self.draws_for(inputs.ids, inputs.device, active=self.training))

    def project_input(self, x: Tensor) -> Tensor:
        return self.cell.project_input(x)

    def forward(self, x: Tensor, state: ZoneoutState) -> tuple[Tensor, ZoneoutState]:
        return self.advance(self.project_input(x), state)

    def advance(self, from_input: Tensor, state: ZoneoutState) -> tuple[Tensor, ZoneoutState]:
        _, new = self.cell.advance(from_input, state.cell)
        olds_news_rates = zip(state.cell, new, self.rates, strict=True)
        mixed = [self._mixed(i, *each, state.draws) for i, each in enumerate(olds_news_rates)]
        after = ZoneoutState(self.cell.State(*mixed), Draws(state.draws.key, state.draws.position + 1))
        return after.cell[0], after

    def _mixed(self, field: int, old: Tensor, new: Tensor, rate: float, draws: Draws) -> Tensor:
        if rate == 0:
            return new
        if not self.training:
            return new + rate * (old - new)
        own = Draws(draws.key + field, draws.position)  # each field draws its own masks
        taken = keep(own, new.shape[1:].numel(), rate).reshape(new.shape)
        return torch.where(taken, new, old)

    def check_state(self, state: State) -> None:
        if not isinstance(state, ZoneoutState):
            raise StateError(f"`state` of a `Zoneout` must be ZoneoutState(cell, draws), but is {described(state)}")
        self.cell.check_state(state.cell)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={rate}" for name, rate in zip(self.cell.State._fields, self.rates, strict=True))
