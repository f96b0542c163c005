"""What shares the threads: few sequences, whose steps are shared by columns, and both directions of a layer."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import pytest
import torch
from native.cells_nobody_tuned_for import SOME, made
from native.naive import (
    Answers,
    answers,
    assert_close,
    assert_identical,
    batch,
    expected,
    on,
    rowless_variance,
    upstream,
    without_native,
)
from torch import Tensor

from unspool import Ragged, cells, engine, layers, unroll
from unspool.cells import Cell, GatedCell

pytestmark = [without_native, rowless_variance]

# Wide enough that a team is worth it; no width that fills its vectors, and a row's mean and variance in one of them.
WIDE = {
    "LSTM": lambda: cells.LSTM(5, 101),
    "LayerNormLSTM": lambda: cells.LayerNormLSTM(5, 103),
    "ResetBeforeGRU": lambda: cells.ResetBeforeGRU(3, 129),
}


@pytest.fixture(autouse=True)
def _as_many_threads_as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize(
    "lengths", [[6], [0, 5, 0], [4, 9], [0] * 30 + [5]], ids=["one", "one of three", "two", "one of many"]
)
@pytest.mark.parametrize("recomputed", [False, True])
def test_threads_that_share_a_step_give_what_one_gives(name: str, lengths: list[int], recomputed: bool) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    cell = WIDE[name]()
    inputs, state = batch(cell, lengths, torch.float32)

    def run(threads: int) -> Answers:
        torch.set_num_threads(threads)
        if not recomputed:
            return answers(on("native"), cell, inputs, state)
        with engine.recomputing():
            return answers(on("native"), cell, inputs, state)

    alone = run(1)
    assert_close(alone, expected(cell, inputs, state), torch.float32)
    for threads in (2, 3, 5):
        assert_identical(run(threads), alone)


@pytest.mark.parametrize("name", WIDE)
def test_a_stepper_gives_what_one_thread_gives_and_what_the_cell_gives(name: str) -> None:
    torch.manual_seed(0)
    cell = WIDE[name]()
    for rows in (1, 13, 37, 74, 160):
        x, found = torch.randn(rows, cell.input_size), []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            step, state = cell.stepper(rows), cell.initial_state(rows)
            for _ in range(3):
                output, state = step(x, state)
            found.append((output, *state))
        for other in found[1:]:
            assert all(map(torch.equal, found[0], other))
        state = cell.initial_state(rows)
        for _ in range(3):
            output, state = cell(x, state)
        torch.testing.assert_close(found[0][0], output, rtol=1e-4, atol=1e-5)


def both_ways(ahead: GatedCell, back: GatedCell, inputs: Ragged, states: Any, given: Tensor, *, at_once: bool) -> Any:
    """Outputs, final states, and gradients of everything."""
    for part in (ahead, back):
        part.zero_grad()
    values = inputs.values.detach().requires_grad_()
    leaves = [leaf.detach().requires_grad_() for state in states for leaf in state]
    count = len(states[0])
    before = layers.BothStates(ahead.State(*leaves[:count]), back.State(*leaves[count:]))
    inputs = inputs.with_values(values)
    with engine.recording() as ran:
        if at_once:
            outputs, final = layers.Bidirectional(ahead, back)(inputs, before)
        else:
            one, end = unroll(ahead, inputs, before.forward)
            other, beginning = unroll(back, inputs.reversed(), before.backward)
            outputs = one.with_values(torch.cat([one.values, other.reversed().values], 1))
            final = layers.BothStates(end, beginning)
    (torch.sum(outputs.values * given) + sum((leaf**2).sum() for state in final for leaf in state)).backward()
    parameters = [p.grad for part in (ahead, back) for p in part.parameters()]
    return ran, [outputs.values, *(x for s in final for x in s), values.grad, *(x.grad for x in leaves), *parameters]


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("lengths", [[4, 0, 7, 1, 7, 2], [5], [1 + 7 * row % 23 for row in range(30)], []], ids=len)
def test_both_directions_at_once_give_what_each_gives_by_itself(name: str, lengths: list[int]) -> None:
    ahead, back = made(name), made(name)
    with torch.no_grad():
        for parameter in back.parameters():
            parameter.add_(0.1)
    inputs, state = batch(ahead, lengths, torch.float32)
    states = (state, type(state)(*(leaf + 0.5 for leaf in state)))
    given = torch.cat([upstream(ahead, inputs)["outputs"]] * 2, 1)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        ran, joint = both_ways(ahead, back, inputs, states, given, at_once=True)
        _, single = both_ways(ahead, back, inputs, states, given, at_once=False)
        assert ran == ["native", "native"]
        # Gradients of inputs and weights are sums over steps, which come in another order.
        exact = [True, *[True] * 2 * len(state), False, *[True] * 2 * len(state)]
        for a, b, same in zip_longest(joint, single, exact, fillvalue=False):
            if a is not None and same:
                assert torch.equal(a, b)
            elif a is not None:
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
        assert len(joint) == len(single) > len(exact)


@pytest.mark.parametrize(
    ("ahead", "back"),
    [
        (cells.LSTM(3, 4), cells.GRU(3, 4)),
        (cells.LSTM(3, 4), cells.LSTM(3, 5)),
        (cells.LSTM(3, 4), cells.LSTM(3, 4, bias=False)),
        (cells.LSTM(3, 4), layers.Stack(cells.LSTM(3, 4))),
    ],
    ids=["kinds", "widths", "biases", "a stack"],
)
def test_directions_that_differ_run_one_after_the_other(ahead: Cell, back: Cell) -> None:
    inputs = Ragged(torch.randn(5, 3), [2, 3])
    outputs, final = layers.Bidirectional(ahead, back)(inputs)
    one, end = unroll(ahead, inputs)
    assert torch.equal(outputs.values[:, :4], one.values)
    assert all(map(torch.equal, final.forward, end))


def test_weights_that_want_no_gradient_get_none() -> None:
    both = layers.Bidirectional(cells.LSTM(3, 4), cells.LSTM(3, 4))
    both.backward_cell.requires_grad_(False)
    both(Ragged(torch.randn(5, 3), [2, 3])).outputs.values.sum().backward()
    assert all(parameter.grad is not None for parameter in both.forward_cell.parameters())
    assert all(parameter.grad is None for parameter in both.backward_cell.parameters())
