"""Every cell, on every engine, is the equations of its paper: forward, at each sequence's end, and in its gradients."""

import copy
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import pytest
import torch
from engines import engines_of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from parity.oracles import ORACLES, Step, elman_relu, unrolled
from torch import Tensor

import unspool
from unspool import Ragged, cells
from unspool.state import map_leaves

BASES = {cells.Cell, cells.GatedCell, cells.LinearCell}
PUBLIC = {c.__name__ for c in vars(cells).values() if isinstance(c, type) and issubclass(c, cells.Cell)}
CONCRETE = PUBLIC - {base.__name__ for base in BASES}


class Case(NamedTuple):
    """build: a cell of so many input features, whose output has so many. image: what comes after those features."""

    build: Callable[[int, int], cells.GatedCell]
    step: Step
    image: tuple[int, ...] = ()


CASES = {name: Case(getattr(cells, name), step) for name, step in ORACLES.items()} | {
    "ProjectedLSTM": Case(lambda n, m: cells.ProjectedLSTM(n, m + 2, projection_size=m), ORACLES["ProjectedLSTM"]),
    "SCLSTM": Case(lambda n, m: cells.SCLSTM(n, m, meaning_size=m + 2), ORACLES["SCLSTM"]),
    "ConvLSTM": Case(cells.ConvLSTM, ORACLES["ConvLSTM"], image=(4, 3)),
    "ConvLSTM, kernel 5": Case(lambda n, m: cells.ConvLSTM(n, m, kernel_size=5), ORACLES["ConvLSTM"], image=(4, 3)),
    "Elman, relu": Case(lambda n, m: cells.Elman(n, m, nonlinearity="relu"), elman_relu),
    "GRU, no bias": Case(lambda n, m: cells.GRU(n, m, bias=False), ORACLES["GRU"]),
    "LSTM, no bias": Case(lambda n, m: cells.LSTM(n, m, bias=False), ORACLES["LSTM"]),
}


class Problem(NamedTuple):
    """A cell, and what it is to be run on."""

    cell: cells.GatedCell
    inputs: Ragged
    state: tuple[Tensor, ...]

    @property
    def tensors(self) -> list[Tensor]:
        """All that the result depends on: parameters, values, state."""
        return [*self.cell.parameters(), self.inputs.values, *self.state]


def problem(case: Case, lengths: Sequence[int], widths: tuple[int, int]) -> Problem:
    """Drawn at random throughout: a bias, a peephole or a state of zero would hide what it does."""
    width_in, width_out = (2, 3) if case.image else widths  # images are slow in plain NumPy
    cell = case.build(width_in, width_out).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    values = torch.randn(sum(lengths), width_in, *case.image, dtype=torch.float64, requires_grad=True)
    inputs = Ragged(values, torch.tensor(lengths, dtype=torch.int64))
    state = map_leaves(lambda leaf: torch.randn_like(leaf).requires_grad_(), cell.initial_state_for(inputs))
    return Problem(cell, inputs, state)


def oracle(
    step: Step, drawn: Problem, arrays: Sequence[np.ndarray]
) -> list[tuple[list[np.ndarray], tuple[np.ndarray, ...]]]:
    """Outputs and final state of every row, from arrays in the place of the problem's tensors."""
    names = [name for name, _ in drawn.cell.named_parameters()]
    weights, (values, *state) = dict(zip(names, arrays, strict=False)), arrays[len(names) :]
    ends = np.cumsum(drawn.inputs.lengths.numpy())
    sequences = np.split(values, ends[:-1]) if len(ends) else []
    rows = [tuple(leaf[row] for leaf in state) for row in range(len(sequences))]
    return [unrolled(step, weights, sequence, row) for sequence, row in zip(sequences, rows, strict=True)]


def numbers(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    return [tensor.detach().numpy() for tensor in tensors]


def run_on(engine: str, drawn: Problem) -> unspool.Unrolled:
    with unspool.engine.using(engine), unspool.engine.recording() as ran:
        result = unspool.unroll(*drawn)
    assert ran == [engine]
    return result


RUNS = [
    pytest.param(name, engine, id=f"{name} on {engine}") for name in CASES for engine in engines_of(name.split(",")[0])
]
LENGTHS = st.lists(st.integers(0, 5), max_size=5)
WIDTHS = st.sampled_from([(3, 5), (7, 1), (5, 5)])
# Long enough for three levels of a scan's chunks, and uneven enough for rectangles to be cut in two.
LONG = [150, 0, 120, 1]
SEEDS = st.integers(0, 10_000)


def test_every_cell_has_an_oracle():
    assert ORACLES.keys() == CONCRETE
    assert {type(case.build(3, 5)).__name__ for case in CASES.values()} == CONCRETE


@pytest.mark.parametrize("name", CASES)
def test_every_engine_runs_the_cells_it_is_for(name):
    refusals = unspool.engine.explain(*problem(CASES[name], lengths=[2, 1], widths=(3, 5))[:2])
    assert [engine for engine, refusal in refusals.items() if refusal is None] == engines_of(name.split(",")[0])


@example(lengths=LONG, widths=(3, 5), seed=0)
@given(lengths=LENGTHS, widths=WIDTHS, seed=SEEDS)
@settings(max_examples=30, deadline=None, derandomize=True)
@pytest.mark.parametrize(("name", "engine"), RUNS)
def test_outputs_and_final_states_are_the_papers_row_by_row(name, engine, lengths, widths, seed):
    torch.manual_seed(seed)
    case = CASES[name]
    drawn = problem(case, lengths, widths)
    assert_is_papers(run_on(engine, drawn), case.step, drawn, tolerance=1e-10)


# On the CPU, oneDNN computes float32 only: the LSTM's fast path is not run in float64.
@pytest.mark.parametrize("lengths", [[4, 0, 1, 6, 6, 2], [60, 1, 0, 1, 1]], ids=["one rectangle", "two rectangles"])
@pytest.mark.parametrize(("name", "engine"), RUNS)
def test_in_float32_they_stay_within_rounding_of_float64(name, engine, lengths):
    case = CASES[name]
    drawn = problem(case, lengths, widths=(3, 5))
    cell, inputs = copy.deepcopy(drawn.cell).float(), drawn.inputs.to(torch.float32)
    rounded = Problem(cell, inputs, map_leaves(Tensor.float, drawn.state))
    assert_is_papers(run_on(engine, rounded), case.step, drawn, tolerance=1e-5)


def assert_is_papers(ours: unspool.Unrolled, step: Step, drawn: Problem, tolerance: float) -> None:
    outputs, final = ours
    assert outputs.lengths.tolist() == drawn.inputs.lengths.tolist()
    for row, (steps, ends) in enumerate(oracle(step, drawn, numbers(drawn.tensors))):
        actual = [outputs.split()[row], *(leaf[row] for leaf in final)]
        expected = [np.reshape(steps, actual[0].shape), *ends]
        for mine, right in zip(numbers(actual), expected, strict=True):
            np.testing.assert_allclose(mine, right, rtol=tolerance, atol=tolerance)


@example(lengths=LONG, widths=(3, 5), seed=0)
@given(lengths=LENGTHS, widths=WIDTHS, seed=SEEDS)
@settings(max_examples=15, deadline=None, derandomize=True)
@pytest.mark.parametrize(("name", "engine"), RUNS)
def test_gradients_are_the_papers_in_a_random_direction(name, engine, lengths, widths, seed):
    torch.manual_seed(seed)
    case = CASES[name]
    drawn = problem(case, lengths, widths)
    outputs, final = run_on(engine, drawn)
    weighting = [torch.randn_like(leaf) for leaf in (outputs.values, *final)]
    loss = sum((w * leaf).sum() for w, leaf in zip(weighting, (outputs.values, *final), strict=True))
    gradients = torch.autograd.grad(loss, drawn.tensors, materialize_grads=True)
    direction = [torch.randn_like(tensor) for tensor in drawn.tensors]
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True))
    assert slope == pytest.approx(oracle_slope(case.step, drawn, numbers(direction), numbers(weighting)), rel=1e-6)


def oracle_slope(step: Step, drawn: Problem, direction: list[np.ndarray], weighting: list[np.ndarray]) -> float:
    """The central difference of the weighted sum of outputs and final states."""

    def loss(distance: float) -> float:
        moved = [a + distance * d for a, d in zip(numbers(drawn.tensors), direction, strict=True)]
        total = 0.0
        weights = iter(weighting[0])
        for row, (steps, ends) in enumerate(oracle(step, drawn, moved)):
            total += sum((w * output).sum() for w, output in zip(islice(weights, len(steps)), steps, strict=True))
            total += sum((w[row] * leaf).sum() for w, leaf in zip(weighting[1:], ends, strict=True))
        return float(total)

    # The worst error of the cases drawn here was 6e-9 at this size, 3e-7 at ten times and 4e-5 at a hundred times it.
    small = 1e-6
    return (loss(small) - loss(-small)) / (2 * small)
