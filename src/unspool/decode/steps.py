"""Steps that are no tokens, drawn one after another."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from unspool.decode.hypothesis import limits
from unspool.decode.rollout import check_opening
from unspool.models import Emission, StepWriter
from unspool.models.encoder import Encoded
from unspool.ragged import Ragged
from unspool.randomness import Drawing, Draws, using
from unspool.state import select


class Written(NamedTuple):
    """What was written for an example.

    Fields:
        steps: (length, features), as their field decodes them; what was given among them.
        nats: the negative log-likelihood of the steps that were written, in nats.
        complete: whether the emission ended it, rather than the limit.
    """

    steps: Tensor
    nats: float
    complete: bool


@torch.no_grad()
def write_steps(
    model: StepWriter,
    encoded: Encoded,
    *,
    max_length: int | Tensor,
    opening: Ragged | None = None,
    best: bool = False,
    temperature: float = 1.0,
    seed: int = 0,
) -> list[Written]:
    """A sequence for each vector, step by step until it ends or is as long as it may be.

    What is drawn depends on the seed, the example's id and the position alone.

    Args:
        model: in evaluation mode.
        encoded: the vectors, from the model.
        max_length: the most steps, for all or one number each; what is given among them.
        opening: (total, features), steps that are given and gone on from, one sequence for each vector.
        best: whether to take the most probable step rather than to draw one.
        temperature, seed: of drawing: see `Emission.sample`.

    Returns:
        One for each vector, in order.

    Raises:
        DecodingError: a `max_length` or a temperature out of range, not one opening a vector.
    """
    size, device = encoded.memory.batch_size, encoded.memory.device
    limit = limits(max_length, size).to(device)
    with using(seed=seed, step=0):
        keys = Drawing().draws_for(encoded.memory.ids, device, active=True).key
    state, context = model.start(encoded)
    if opening is not None:
        check_opening(opening, size)
    rows = torch.arange(size, device=device)
    fed = encoded.memory.values.new_zeros(size, model.emission.step_size)
    found: list[list[Tensor]] = [[] for _ in range(size)]
    nats, complete = torch.zeros(size, dtype=torch.float64), [False] * size
    time = 0
    rows = rows[limit > 0]
    fed, state = fed[rows], select(state, rows)
    context = None if context is None else select(context, rows)
    while len(rows):
        decoded, state = model.decoder.step(model.read(fed), state, context)
        told = model.emission(decoded.output)
        draws = Draws(keys[rows], torch.full_like(rows, time))
        steps = model.emission.best(told) if best else model.emission.sample(told, draws, temperature)
        known = _given(steps, opening, rows, time)
        cost = model.emission.per_step(told, steps).double().cpu()
        ends = model.emission.ended(steps)
        for row, step, nat, end in zip(rows.tolist(), steps.cpu(), cost.where(~known, 0.0), ends.tolist(), strict=True):
            found[row].append(step)
            nats[row] += nat
            complete[row] = end
        time += 1
        stay = (~ends & (time < limit[rows])).nonzero().flatten()
        fed = model.emission.fed(steps)
        if len(stay) < len(rows):
            rows, fed, state = rows[stay], fed[stay], select(state, stay)
            context = None if context is None else select(context, stay)
    return [
        Written(torch.stack(each) if each else _no_steps(model.emission), float(nats[row]), complete[row])
        for row, each in enumerate(found)
    ]


def _no_steps(emission: Emission) -> Tensor:
    """(0, features)"""
    return emission.best(emission.output.weight.new_zeros(0, emission.output.out_features)).cpu()


def _given(steps: Tensor, opening: Ragged | None, rows: Tensor, time: int) -> Tensor:
    """Put what is given at a time into the rows' steps, in place. (rows,) on the CPU, where it was."""
    if opening is None:
        return torch.zeros(len(rows), dtype=torch.bool)
    known = opening.lengths[rows.cpu()] > time
    begins = opening.layout.offsets[rows.cpu()][known].to(opening.device)
    steps[known.to(steps.device)] = opening.values[begins + time].to(steps)
    return known
