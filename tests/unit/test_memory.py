"""Unrolling in a budget of memory: the gradients of the plain way, in as many runs as the dynamic programme says."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

import unspool
from unspool import Ragged, cells, randomness
from unspool.cells import Cell
from unspool.errors import BatchError
from unspool.unrolling import pieces_of, plan, within
from unspool.unrolling.budget import as_bytes
from unspool.unrolling.schedule import ahead, runs

LENGTHS = [37, 0, 1, 64, 5, 64]
CELLS: dict[str, Callable[[], Cell]] = {
    "LSTM": lambda: cells.LSTM(3, 4),
    "GRU": lambda: cells.GRU(3, 4),
    "MinGRU": lambda: cells.MinGRU(3, 4),
    "Stack": lambda: unspool.Stack(cells.LSTM(3, 4), unspool.Dropout(0.4), unspool.Residual(cells.GRU(4, 4))),
}


def batch(lengths: list[int] = LENGTHS) -> Ragged:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(sum(lengths), 3, generator=generator, dtype=torch.float64)
    return Ragged(values.requires_grad_(), lengths, torch.arange(len(lengths)))


def made(name: str) -> Cell:
    torch.manual_seed(0)
    return CELLS[name]().double()


def gradients(cell: Cell, inputs: Ragged, memory: int | str | None, *, last: bool = False) -> list[Tensor]:
    """Of a loss on every step's output, or on the final state alone: of the inputs and of all weights."""
    with randomness.using(seed=3, step=0):
        outputs, final = unspool.unroll(cell, inputs, memory=memory)
        ends = torch.stack(
            [
                leaf.double().square().sum()
                for leaf in tree_leaves(final)
                if torch.is_tensor(leaf) and leaf.is_floating_point()
            ]
        ).sum()
        weights = torch.linspace(-1, 1, outputs.values.numel(), dtype=torch.float64).view_as(outputs.values)
        loss = ends if last else ends + (outputs.values * weights).sum()
        return list(torch.autograd.grad(loss, [inputs.values, *cell.parameters()], allow_unused=True))


@pytest.mark.parametrize("last", [False, True], ids=["every step", "last state"])
@pytest.mark.parametrize("memory", ["sqrt", "150KB", "400KB"])
@pytest.mark.parametrize("name", CELLS)
def test_gradients_are_those_of_the_plain_way(name: str, memory: str, last: bool) -> None:
    cell = made(name)
    with unspool.engine.using("reference"):
        plain, found = (gradients(cell, batch(), each, last=last) for each in (None, memory))
    for one, other in zip(plain, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-10, atol=1e-12)


def test_the_fastest_engine_gives_them_too() -> None:
    cell = made("LSTM")
    for one, other in zip(gradients(cell, batch(), None), gradients(cell, batch(), "sqrt"), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-10, atol=1e-12)


class Counted(cells.GRU):
    """A GRU that counts its steps."""

    steps = 0

    def update(self, *args: Any) -> Any:
        type(self).steps += 1
        return super().update(*args)


@pytest.mark.parametrize("memory", ["sqrt", "24KB", "48KB"])
def test_as_many_steps_run_as_the_plan_says(memory: str) -> None:
    cell, inputs = Counted(3, 4).double(), batch([200])
    with unspool.engine.using("reference"):
        told = plan(cell, inputs, memory=memory)
        Counted.steps = 0
        gradients(cell, inputs, None, last=True)
        plain, Counted.steps = Counted.steps, 0
        gradients(cell, inputs, memory, last=True)
    longest = -(-200 // told.segments)
    assert 1 < told.segments <= 200
    assert abs(Counted.steps / plain * told.segments - told.runs) <= longest
    assert Counted.steps > plain


@cache
def counted_out(segments: int, states: int) -> int:
    """C(n, m) by trying every place of the next state."""
    if segments <= 1:
        return segments
    if states == 1:
        return segments * (segments + 1) // 2
    return min(y + counted_out(segments - y, states - 1) + counted_out(y, states) for y in range(1, segments))


@pytest.mark.parametrize("states", [1, 2, 3, 5, 9])
def test_the_closed_form_is_the_dynamic_programme(states: int) -> None:
    for segments in range(1, 60):
        assert runs(segments, states) == counted_out(segments, states)
        if states > 1 and segments > 1:
            y = ahead(segments, states)
            assert y + counted_out(segments - y, states - 1) + counted_out(y, states) == counted_out(segments, states)


def test_a_budget_holds_for_all_that_runs_within() -> None:
    cell = made("GRU")
    plain = gradients(cell, batch(), None)
    with within("40KB"):
        found = gradients(cell, batch(), None)
    for one, other in zip(plain, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-10, atol=1e-12)


def test_stretches_are_the_whole_but_gradients_end_where_they_begin() -> None:
    cell, inputs = made("LSTM"), batch([7, 4])
    whole = unspool.unroll(cell, inputs).outputs
    found = list(pieces_of(cell, inputs, steps=3))
    assert [(stretch.start, stretch.stop) for stretch, _ in found] == [(0, 3), (3, 6), (6, 7)]
    joined = Ragged.join([outputs for _, (outputs, _) in found])
    torch.testing.assert_close(joined.values, whole.values)
    (seen,) = torch.autograd.grad(found[1][1].outputs.values.sum(), [inputs.values])
    touched = [rows.any(1).nonzero().flatten().tolist() for rows in seen.split([7, 4])]
    assert touched == [[3, 4, 5], [3]]


@pytest.mark.parametrize("memory", ["much", 0, True, "12 parsecs", 1.5])
def test_what_is_no_budget_is_named(memory: object) -> None:
    with pytest.raises(BatchError, match=r"^`memory` must be a number of bytes, such as 200000000 or \"200MB\", or"):
        as_bytes(memory)  # type: ignore[arg-type]


def test_too_little_memory_says_how_much_it_takes() -> None:
    with pytest.raises(BatchError, match=r"^`memory` must be at least [\d,]+ bytes for one time step of these 6 seq"):
        unspool.unroll(made("LSTM"), batch(), memory=1)


def test_a_rectangle_takes_no_budget() -> None:
    with pytest.raises(BatchError, match=r"^`memory` must be left out for a `Padded`"):
        unspool.unroll(made("LSTM"), batch().to_padded(), memory="sqrt")
