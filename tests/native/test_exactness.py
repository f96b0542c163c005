"""Bit by bit: the native engine's order of summation hangs on neither threads nor neighbours."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from native.cells_nobody_tuned_for import SOME, made
from native.naive import Answers, answers, assert_identical, batch, on, rowless_variance, upstream, without_native

from unspool import Ragged, engine, unroll
from unspool.cells import GatedCell
from unspool.state import select

pytestmark = [without_native, rowless_variance]

every_taken = pytest.mark.parametrize("name", SOME)
UNEVEN = [4, 0, 7, 1, 7, 2, 12, 3, 7]
# Rows enough that two threads share them, of lengths that share them unevenly.
MANY = [1 + 7 * row % 23 for row in range(67)]


@pytest.fixture(autouse=True)
def _as_many_threads_as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def alone(name: str) -> GatedCell:
    """A cell as one thread initialises it: an orthogonal matrix made by two has other last bits."""
    torch.set_num_threads(1)
    return made(name)


def native(name: str, lengths: list[int], threads: int = 1) -> Answers:
    cell = alone(name)
    torch.set_num_threads(threads)
    return answers(on("native"), cell, *batch(cell, lengths, torch.float32))


@every_taken
@pytest.mark.parametrize(
    "lengths",
    [MANY, [0, 3, 5] * 17, UNEVEN, [9], [0, 3]],
    ids=["many rows", "many with empty ones", "uneven", "one row", "two rows"],
)
def test_one_and_two_threads_give_the_same_results_and_gradients(name: str, lengths: list[int]) -> None:
    assert_identical(native(name, lengths, threads=1), native(name, lengths, threads=2))


@every_taken
@pytest.mark.parametrize("threads", [1, 2])
def test_two_identical_calls_give_the_same_results_and_gradients(name: str, threads: int) -> None:
    first = native(name, MANY, threads)
    for _ in range(2):
        assert_identical(native(name, MANY, threads), first)


def part(name: str, rows: list[int], threads: int = 1) -> list[Answers]:
    """The answers over some rows of `UNEVEN`, row by row: values, and gradients of inputs and state."""
    cell = alone(name)
    torch.set_num_threads(threads)
    inputs, state = batch(cell, UNEVEN, torch.float32)
    given = upstream(cell, inputs)
    mine = {
        which: inputs.with_values(gradient).select(rows).values if which == "outputs" else gradient[rows]
        for which, gradient in given.items()
    }
    chosen = inputs.select(rows)
    found = answers(on("native"), cell, chosen, select(state, rows), mine)
    return [_of_row(found, chosen, row) for row in range(len(rows))]


def _of_row(found: Answers, inputs: Ragged, row: int) -> Answers:
    def own(which: str, tensor: torch.Tensor) -> torch.Tensor:
        by_step = which in ("outputs", "inputs")
        return inputs.with_values(tensor).split()[row] if by_step else tensor[row]

    values = {which: own(which, tensor) for which, tensor in found.values.items()}
    rows = {which: tensor for which, tensor in found.gradients.items() if which.split(".")[0] in ("inputs", "state")}
    return Answers(values, {which: own(which, tensor) for which, tensor in rows.items()})


@every_taken
@pytest.mark.parametrize("threads", [1, 2])
def test_a_row_alone_or_in_any_company_gives_the_same_results_and_gradients(name: str, threads: int) -> None:
    together = part(name, list(range(len(UNEVEN))), threads)
    for rows in ([6], [1], [8, 2, 4], [3, 5], [8, 7, 6, 5, 4, 3, 2, 1, 0], *([row] for row in range(len(UNEVEN)))):
        for row, alone in zip(rows, part(name, rows, threads), strict=True):
            assert_identical(alone, together[row])


@every_taken
def test_what_wants_no_gradients_has_the_same_values(name: str) -> None:
    cell = made(name)
    inputs, state = batch(cell, MANY, torch.float32)
    trained = answers(on("native"), cell, inputs, state).values
    with torch.no_grad():
        outputs, final = on("native")(cell, inputs, state)
    plain = {"outputs": outputs, **{f"final.{field}": leaf for field, leaf in final._asdict().items()}}
    assert_identical(Answers(plain, {}), Answers(trained, {}))


@every_taken
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_in_one_row_stays_there_and_does_not_vanish(name: str, bad: float) -> None:
    cell = made(name)
    clean, state = batch(cell, UNEVEN, torch.float32)
    right = unrolled(cell, clean, state, "native")
    for row, time in ((0, 3), (2, 0), (6, 5), (8, 6)):
        values = clean.values.clone()
        values[int(clean.offsets[row]) + time] = bad
        poisoned = clean.with_values(values.requires_grad_())
        found, plain = (unrolled(cell, poisoned, state, ran) for ran in ("native", "reference"))
        others = [other for other in range(len(UNEVEN)) if other != row]
        assert torch.equal(found.select(others).values, right.select(others).values)
        assert torch.equal(found.values.isnan(), plain.values.isnan())
        gradient = torch.autograd.grad(found.select(others).values.sum(), values)[0]
        assert poisoned.with_values(gradient).select(others).values.isfinite().all()


def unrolled(cell: GatedCell, inputs: Ragged, state: Any, ran: str) -> Any:
    with engine.using(ran):
        return unroll(cell, inputs, state).outputs


@every_taken
def test_gates_computed_again_give_the_same_gradients_as_those_kept(name: str) -> None:
    kept = native(name, UNEVEN)
    with engine.recomputing():
        assert_identical(native(name, UNEVEN), kept)
