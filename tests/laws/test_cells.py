"""The laws of unrolling, for every cell in every combinator on every engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from laws.roster import CELLS, COMBINATORS, STATIC, SUBJECTS, Subject, able, made
from laws.sequences import answers, assert_same, batch_of, lengths_drawn, random_state, stepwise
from safetensors.torch import load_file, save_file

from unspool import Ragged, engine, randomness, unroll
from unspool.errors import EngineError
from unspool.state import leaves, map_leaves, select

every_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=str)
every_static = pytest.mark.parametrize("subject", STATIC, ids=str)


@pytest.fixture(autouse=True)
def _seeded() -> Any:
    with randomness.using(seed=5, step=2):
        yield


@contextmanager
def running_on(subject: Subject) -> Iterator[None]:
    """Within, the subject's engine runs, and at the end it did and no other."""
    with engine.using(subject.engine), engine.recording() as ran:
        yield
    assert set(ran) == {subject.engine}


def on_its_engine(subject: Subject, cell: Any, inputs: Ragged, state: Any) -> Any:
    """`answers` of the unroll on the subject's engine."""
    with running_on(subject):
        return answers(cell, inputs, state)


@every_subject
@lengths_drawn()
def test_dynamic_equals_stepwise(subject: Subject, lengths: list[int]) -> None:
    cell, inputs = made(subject), batch_of(lengths, subject.features)
    state = random_state(cell, inputs)
    if not sum(lengths):
        outputs, final = unroll(cell, inputs, state)
        assert outputs.lengths.tolist() == lengths
        for (_, before), (_, after) in zip(leaves(state), leaves(final), strict=True):
            assert torch.equal(before, after)
        return
    got, expected = on_its_engine(subject, cell, inputs, state), answers(cell, inputs, state, run=stepwise)
    assert_same(got[0], expected[0])
    assert_same(got[1], expected[1])


@every_static
@lengths_drawn()
def test_static_equals_dynamic(subject: Subject, lengths: list[int]) -> None:
    cell, inputs = made(subject), batch_of(lengths, subject.features)
    state = random_state(cell, inputs)
    got = answers(cell, inputs.to_padded(max_length=inputs.max_length + 1), state)
    expected = on_its_engine(subject, cell, inputs, state)
    assert_same(got[0], expected[0])
    assert_same(got[1], expected[1])


@every_static
@lengths_drawn(1)
def test_nan_in_padding_changes_nothing_and_outputs_are_zero_there(subject: Subject, lengths: list[int]) -> None:
    cell, inputs = made(subject), batch_of(lengths, subject.features)
    state = random_state(cell, inputs)
    width = inputs.max_length + 2
    clean, poisoned = (inputs.to_padded(value, max_length=width) for value in (0.0, float("nan")))
    assert_same(answers(cell, poisoned, state)[0], answers(cell, clean, state)[0], rtol=0, atol=0)
    assert_same(answers(cell, poisoned, state)[1], answers(cell, clean, state)[1], rtol=0, atol=0)
    outputs = unroll(cell, poisoned, state).outputs
    assert not outputs.values[~outputs.mask].any()


@every_subject
@lengths_drawn(1)
def test_permuting_a_batch_permutes_its_results(subject: Subject, lengths: list[int]) -> None:
    cell, inputs = made(subject), batch_of(lengths, subject.features)
    state = random_state(cell, inputs)
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(3))
    with running_on(subject):
        outputs, final = unroll(cell, inputs, state)
        moved, moved_final = unroll(cell, inputs.select(order), select(state, order))
    expected = outputs.select(order)
    assert torch.equal(moved.lengths, expected.lengths)
    assert torch.equal(moved.ids, expected.ids)
    assert_same([moved.values, *each(moved_final)], [expected.values, *each(select(final, order))])


@every_subject
@lengths_drawn(1)
def test_a_batch_of_one_equals_that_row(subject: Subject, lengths: list[int]) -> None:
    cell, inputs = made(subject), batch_of(lengths, subject.features)
    state = random_state(cell, inputs)
    with running_on(subject):
        outputs, final = unroll(cell, inputs, state)
        for row in range(len(lengths)):
            alone, alone_final = unroll(cell, inputs.select([row]), select(state, [row]))
            assert_same([alone.values, *each(alone_final)], [outputs.select([row]).values, *each(select(final, [row]))])


@every_subject
@lengths_drawn(1)
def test_two_pieces_equal_the_whole_when_the_state_is_carried(subject: Subject, lengths: list[int]) -> None:
    cell, inputs = made(subject), batch_of(lengths, subject.features)
    state = random_state(cell, inputs)
    with running_on(subject):
        whole, final = unroll(cell, inputs, state)
        first, between = unroll(cell, inputs.steps(0, 2), state)
        second, end = unroll(cell, inputs.steps(2, 9), between)
    assert_same([Ragged.join([first, second]).values, *each(end)], [whole.values, *each(final)])


@every_subject
def test_gradients_do_not_depend_on_how_a_batch_is_cut_into_micro_batches(subject: Subject) -> None:
    cell, inputs = subject.make(), batch_of([3, 0, 5, 1, 4, 4], subject.features)

    def gradients(*parts: list[int]) -> list[torch.Tensor]:
        """Of the sum of squared outputs over all steps, divided by their number, accumulated part by part."""
        cell.zero_grad()
        for part in parts:
            with running_on(subject):
                outputs = unroll(cell, inputs.select(part)).outputs
            (outputs.values.square().sum() / inputs.lengths.sum()).backward()
        return [parameter.grad for parameter in cell.parameters()]

    whole = gradients([0, 1, 2, 3, 4, 5])
    assert_same(gradients([4, 0], [1], [5, 2, 3]), whole)
    assert_same(gradients([5], [4], [3], [2], [1], [0]), whole)


@every_subject
def test_a_saved_cell_answers_the_same(subject: Subject, tmp_path: Path) -> None:
    cell, inputs = subject.make(), batch_of([2, 0, 3], subject.features)
    save_file(cell.state_dict(), tmp_path / "cell.safetensors")
    other = COMBINATORS[subject.combinator](CELLS[subject.cell]).double()
    other.load_state_dict(load_file(tmp_path / "cell.safetensors"))
    with running_on(subject):
        expected, got = unroll(cell, inputs), unroll(other, inputs)
    assert_same(
        [got.outputs.values, *each(got.final)], [expected.outputs.values, *each(expected.final)], rtol=0, atol=0
    )


@every_subject
def test_a_length_of_zero_returns_its_initial_state(subject: Subject) -> None:
    cell, inputs = subject.make(), batch_of([2, 0, 3], subject.features)
    state = random_state(cell, inputs)
    with running_on(subject):
        final = unroll(cell, inputs, state).final
    assert_same(each(select(final, [1])), each(select(state, [1])), rtol=0, atol=0)


@every_subject
def test_gradcheck_passes(subject: Subject) -> None:
    cell, inputs = subject.make(), batch_of([2, 0, 3, 1], subject.features)
    state = random_state(cell, inputs)
    parameters = list(cell.parameters())

    def outputs_and_final(values: Any, *_: Any) -> Any:
        with running_on(subject):
            outputs, final = unroll(cell, inputs.with_values(values), state)
        return (outputs.values, *(leaf for leaf in each(final) if leaf.is_floating_point()))

    assert torch.autograd.gradcheck(outputs_and_final, (inputs.values.requires_grad_(), *parameters), fast_mode=True)


@every_subject
def test_float32_is_close_to_float64_in_values_and_gradients(subject: Subject) -> None:
    cell, inputs = subject.make(), batch_of([4, 0, 5, 1, 5], subject.features)
    state = random_state(cell, inputs)
    expected = answers(cell, inputs, state, run=stepwise)
    single = map_leaves(lambda leaf: leaf.float() if leaf.is_floating_point() else leaf, state)
    got = on_its_engine(subject, cell.float(), inputs.to(torch.float32), single)
    for ours, theirs in zip([*got[0], *got[1]], [*expected[0], *expected[1]], strict=True):
        assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max()


@every_subject
def test_bfloat16_trains_but_in_native_code_which_says_so(subject: Subject) -> None:
    cell, inputs = subject.make().bfloat16(), batch_of([4, 0, 5, 1], subject.features, torch.bfloat16)
    if subject.engine not in able(cell, inputs):
        assert subject.engine == "native"
        with pytest.raises(EngineError, match=r"it computes in float32 or float64, .* not torch.bfloat16"):
            on_its_engine(subject, cell, inputs, cell.initial_state_for(inputs))
        return
    got = on_its_engine(subject, cell, inputs, cell.initial_state_for(inputs))
    assert all(part.dtype == torch.bfloat16 and part.isfinite().all() for part in [*got[0], *got[1]])


@every_static
def test_a_stepper_gives_what_the_cell_gives(subject: Subject) -> None:
    cell, inputs = subject.make(), batch_of([1, 1, 1], subject.features)
    mine = theirs = random_state(cell, inputs)
    step = cell.stepper(3)
    kept = []
    for number in range(4):
        x = inputs.values + number
        output, mine = step(x, mine)
        expected, theirs = cell(x, theirs)
        kept.append((output, output.clone(), expected.detach()))
        assert not output.requires_grad
        assert_same(each(mine), [leaf.detach() for leaf in each(theirs)])
    for output, as_it_was, expected in kept:
        torch.testing.assert_close(output, expected)
        assert torch.equal(output, as_it_was), "a later step wrote over an earlier output"


def each(state: Any) -> list[torch.Tensor]:
    return [leaf for _, leaf in leaves(state)]
