"""Steps that are run again: how many, what else has a gradient, and what is refused."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unspool import Checkpointed, Dropout, Padded, Ragged, Stack, cells, engine, randomness, unroll
from unspool.cells import Cell
from unspool.errors import BatchError, CellError, EngineError
from unspool.unrolling import Plan, pieces_of, plan, within
from unspool.unrolling.budget import recurrences, shared
from unspool.unrolling.checkpointed import unroll_checkpointed
from unspool.unrolling.dynamic import unroll_dynamic
from unspool.unrolling.planning import cuts
from unspool.unrolling.schedule import runs

LENGTHS = [37, 0, 1, 64, 5, 64]


def batch(lengths: list[int] = LENGTHS) -> Ragged:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(sum(lengths), 3, generator=generator, dtype=torch.float64)
    return Ragged(values.requires_grad_(), lengths, torch.arange(len(lengths)) + 4)


def lstm() -> cells.LSTM:
    torch.manual_seed(0)
    return cells.LSTM(3, 4).double()


def same(found: Any, expected: Any) -> None:
    torch.testing.assert_close(list(found), list(expected), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("segments", "states", "tapes"),
    [(1, 1, 1), (10, 10, 1), (10, 9, 1), (10, 1, 1), (10, 3, 1), (25, 2, 1), (64, 5, 1), (10, 10, 4), (10, 10, 10)],
)
def test_exactly_as_many_segments_run_as_are_planned_and_no_more_states_are_kept(
    segments: int, states: int, tapes: int
) -> None:
    cell, inputs, ran = lstm(), batch([320, 320]), [0]

    def counting(*given: Any) -> Any:
        ran[0] += given[1].max_length
        return unroll_dynamic(*given)

    plan = Plan(segments, states, tapes)
    outputs, final = unroll_checkpointed(counting, cell, inputs, cell.initial_state(2), None, plan)
    found = torch.autograd.grad(outputs.values.sin().sum() + final.memory.sum(), [inputs.values, *cell.parameters()])
    steps = 320 // segments
    assert 320 % segments or ran[0] == plan.runs * steps
    assert abs(ran[0] - plan.runs * 320 / segments) <= plan.runs
    assert plan.runs == (runs(segments, states) if tapes == 1 else 2 * segments - tapes)
    outputs, final = unroll(cell, inputs)
    same(
        found, torch.autograd.grad(outputs.values.sin().sum() + final.memory.sum(), [inputs.values, *cell.parameters()])
    )


def test_segments_have_about_equal_steps_whatever_the_lengths() -> None:
    inputs = batch([300, 0, 100, 100, 40])
    bounds = cuts(inputs.layout, 9)
    steps = [inputs.steps(start, stop).layout.total for start, stop in pairwise(bounds)]
    assert (bounds[0], bounds[-1], sum(steps)) == (0, 300, 540)
    assert max(abs(each - 60) for each in steps) <= 4
    assert cuts(batch([3, 2]).layout, 50) == [0, 1, 2, 3]
    assert cuts(batch([0, 0]).layout, 7) == [0, 0]


@pytest.mark.parametrize("name", ["reference", "native", "rectangles", "packed"])
@pytest.mark.parametrize("memory", ["sqrt", "300KB"])
def test_each_and_all_that_it_reads_have_their_gradients(name: str, memory: str) -> None:
    """A head, a tensor that was computed before, and sums, sequences and numbers side by side."""
    cell, head = lstm(), nn.Linear(4, 2).double()
    if engine.explain(cell, batch())[name] is not None:
        pytest.skip("this machine has no compiler")
    learnt, targets = torch.randn(2, dtype=torch.float64, requires_grad=True), batch()
    weight = nn.Parameter(torch.tensor([2.0, -1.0], dtype=torch.float64))

    def gradients(memory: str | None) -> tuple[Tensor, ...]:
        inputs, context = batch(), learnt * weight

        def each(outputs: Ragged, stretch: slice) -> Any:
            wrong = head(outputs.values) * context - targets.steps(stretch.start, stretch.stop).values[:, :2]
            return {"loss": wrong.square().sum(), "shown": [outputs.map(torch.sin), None], "steps": len(wrong)}

        found, final = unroll(cell, inputs, each=each, memory=memory)
        assert found["steps"] == sum(LENGTHS)
        assert found["shown"][0].lengths.tolist() == LENGTHS
        loss = found["loss"] + found["shown"][0].last().sum() + final.memory.square().sum()
        return torch.autograd.grad(loss, [inputs.values, *cell.parameters(), *head.parameters(), learnt, weight])

    with engine.using(name):
        same(gradients(memory), gradients(None))


def test_what_only_a_late_stretch_reads_has_its_gradient() -> None:
    cell, head = lstm(), nn.Linear(4, 1).double()

    def last(outputs: Ragged, stretch: slice) -> Tensor:
        return head(outputs.last()).sum() if stretch.stop == 64 else torch.zeros((), dtype=torch.float64)

    found = unroll(cell, batch(), each=last, memory="sqrt").outputs
    with engine.using("reference"):
        early = unroll(
            cell, batch(), each=lambda o, s: o.values.sum() if s.start else head(o.values).sum(), memory="sqrt"
        )
    assert all(gradient.any() for gradient in torch.autograd.grad(found, list(head.parameters())))
    assert all(gradient.any() for gradient in torch.autograd.grad(early.outputs, list(head.parameters())))


def test_a_loss_on_early_steps_runs_nothing_after_them_back() -> None:
    cell, inputs, plain = lstm(), batch([60]), batch([60])
    unroll(cell, inputs, memory="sqrt").outputs.values[:3].sum().backward()
    unroll(cell, plain).outputs.values[:3].sum().backward()
    same([inputs.values.grad], [plain.values.grad])
    assert not inputs.values.grad[3:].any()


def test_a_gradient_may_be_asked_for_twice() -> None:
    cell, inputs = lstm(), batch()
    for memory in ("sqrt", "300KB"):
        outputs = unroll(cell, inputs, memory=memory).outputs.values
        first = torch.autograd.grad(outputs.sum(), list(cell.parameters()), retain_graph=True)
        same(torch.autograd.grad(outputs.sum(), list(cell.parameters())), first)


def test_a_state_to_start_from_has_its_gradient_and_masks_are_the_same_when_run_again() -> None:
    stack = Stack(Dropout(0.5, elementwise=True), lstm(), Dropout(0.5, elementwise=True)).train()
    with randomness.using(seed=1, step=4):
        start = stack.initial_state_for(batch())
    begun = [leaf + 0.3 for leaf in start[1]]

    def gradients(memory: str | None) -> tuple[Tensor, ...]:
        leaves = [leaf.clone().requires_grad_() for leaf in begun]
        outputs, final = unroll(stack, batch(), (start[0], type(start[1])(*leaves), start[2]), memory=memory)
        assert final[0].position.tolist() == LENGTHS
        return torch.autograd.grad(outputs.values.sum() + final[1].memory.sum(), [*leaves, *stack.parameters()])

    same(gradients("sqrt"), gradients(None))  # the seed is no longer in force: the state carries the keys


def test_autocast_is_as_it_was_when_steps_run_again() -> None:
    torch.manual_seed(0)
    cell, inputs = cells.GRU(8, 8), Ragged(torch.randn(90, 8), [60, 30])
    seen: list[tuple[bool, torch.dtype]] = []

    def each(outputs: Ragged, stretch: slice) -> Tensor:
        product = outputs.values @ torch.eye(8)
        seen.append((torch.is_autocast_enabled("cpu"), product.dtype))
        return product.square().sum()

    def gradients(memory: str | None) -> tuple[Tensor, ...]:
        with engine.using("reference"), torch.autocast("cpu", torch.bfloat16):
            loss = unroll(cell, inputs, each=each, memory=memory).outputs
        return torch.autograd.grad(loss, list(cell.parameters()))

    for found, expected in zip(gradients("sqrt"), gradients(None), strict=True):
        assert (found - expected).abs().max() < 0.02 * expected.abs().max()
    assert len(seen) == 2 * 8 - 1 + 1
    assert set(seen) == {(True, torch.bfloat16)}


@pytest.mark.parametrize("memory", ["sqrt", "100KB"])
def test_weights_that_autocast_cast_before_get_their_gradient(memory: str) -> None:
    torch.manual_seed(0)
    cell, head, inputs = cells.GRU(8, 8), nn.Linear(8, 3), Ragged(torch.randn(90, 8), [60, 30])

    def gradients(memory: str | None) -> tuple[Tensor, ...]:
        with engine.using("reference"), torch.autocast("cpu", torch.bfloat16):
            before = head(inputs.values).sum()  # from here on autocast has the weight cast
            loss = unroll(cell, inputs, each=lambda outputs, _: head(outputs.values).square().sum(), memory=memory)
            after = head(inputs.values).sum()
        return torch.autograd.grad(before + loss.outputs + after, [*cell.parameters(), *head.parameters()])

    for found, expected in zip(gradients(memory), gradients(None), strict=True):
        assert (found - expected).abs().max() < 0.02 * expected.abs().max()


def test_what_one_head_takes_is_not_taken_for_another_of_the_same_function() -> None:
    cell = lstm()

    def runs_with(width: int, cell: Cell) -> int:
        head = nn.Linear(4, width, dtype=torch.float64)
        with engine.recording() as ran:
            unroll(cell, batch(), each=lambda outputs, _: head(outputs.values).square().sum(), memory="800KB")
        return len(ran)

    assert runs_with(2, cell) == 1
    assert runs_with(2000, cell) == runs_with(2000, lstm()) > 1


def test_a_plan_of_segments_that_are_all_kept_is_kept_to() -> None:
    cell, inputs = lstm(), batch([64] * 20)
    for size in range(40, 400, 4):
        planned = plan(cell, inputs, memory=f"{size}KB")
        if planned.tapes == planned.segments > 1:
            break
    with engine.recording() as ran:
        unroll(cell, inputs, memory=f"{size}KB")
    assert len(ran) == planned.segments > 1


def test_what_fits_runs_once_and_what_has_no_gradient_too() -> None:
    cell = lstm()
    with engine.recording() as ran:
        unroll(cell, batch(), memory="1GB").outputs.values.sum().backward()
    assert len(ran) == 1
    with engine.recording() as ran, torch.no_grad():
        unroll(cell, batch(), memory="sqrt")
    assert len(ran) == 1


def test_gradients_of_gradients_and_changed_weights_are_refused() -> None:
    cell = lstm()
    outputs = unroll(cell, batch(), memory="sqrt").outputs.values
    with pytest.raises(EngineError) as error:
        torch.autograd.grad(outputs.sum(), list(cell.parameters()), create_graph=True)
    assert str(error.value) == ("`memory` gives no gradients of gradients (`create_graph=True`); unroll without it")
    outputs = unroll(cell, batch(), memory="sqrt").outputs.values
    with torch.no_grad():
        cell.weight_input += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        outputs.sum().backward()


def test_one_budget_is_shared_by_the_recurrences_of_a_model_and_holds_for_the_outermost() -> None:
    model = nn.ModuleList([Stack(lstm(), cells.GRU(4, 4).double()), nn.Sequential(lstm()), Dropout(0.1)])
    assert recurrences(model) == 2
    assert (shared("200KB", model), shared("sqrt", model), shared(None, model)) == (100 * 2**10, "sqrt", None)
    inputs = batch()
    with within("sqrt"), engine.recording() as ran:
        outputs = unroll(model[0], inputs).outputs
    assert len(ran) == 2 * 8  # both layers, in eight segments each: not in segments of segments
    outputs.values.sum().backward()
    with pytest.raises(BatchError, match="`memory` must be a number of bytes"), within("little"):
        pass


def test_a_checkpointed_cell_unrolls_a_rectangle_without_and_refuses_what_is_no_cell_or_size() -> None:
    cell = Checkpointed(lstm(), "sqrt")
    padded: Padded = batch().to_padded()
    same([unroll(cell, padded).outputs.values], [unroll(cell.cell, padded).outputs.values])
    assert repr(cell).startswith("Checkpointed(\n  memory='sqrt'")
    with pytest.raises(CellError, match=r"^`Checkpointed` must hold a cell, but got a torch"):
        Checkpointed(nn.Linear(2, 2), "sqrt")  # type: ignore[arg-type]
    with pytest.raises(
        BatchError, match=r'^`memory` must be a number of bytes, such as 200000000 or "200MB", or "sqrt"'
    ):
        Checkpointed(lstm(), "a little")


class Listening(Cell):
    """Adds to its state what it was given to listen to: no parameter of its own."""

    input_size = output_size = 3

    def __init__(self, heard: Tensor) -> None:
        super().__init__()
        self.heard = heard

    def initial_state(self, batch_size: int, *, device: Any = None, dtype: Any = None) -> Tensor:
        return torch.zeros(batch_size, 3, device=device, dtype=dtype)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = (state + x) * self.heard
        return state, state


def test_a_cell_may_read_a_tensor_that_is_no_parameter() -> None:
    source = torch.tensor([0.5, 0.9, 0.1], dtype=torch.float64, requires_grad=True)
    found, expected = (
        torch.autograd.grad(unroll(Listening(source.sin()), batch(), memory=memory).outputs.values.sum(), [source])
        for memory in ("sqrt", None)
    )
    same(found, expected)


def test_pieces_need_a_step() -> None:
    with pytest.raises(BatchError, match=r"^`steps` must be at least 1, but is 0$"):
        pieces_of(lstm(), batch(), steps=0)
