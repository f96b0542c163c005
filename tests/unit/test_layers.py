"""Cells of cells and both directions: states given and taken, checks of what is inside."""

import pytest
import torch

from unspool import Bidirectional, Dropout, Layers, Padded, Ragged, Residual, Stack, TimeConvolution, cells, unroll
from unspool.errors import StateError
from unspool.layers import BothStates
from unspool.state import map_leaves


def batch(lengths: list[int], width: int = 3) -> Ragged:
    torch.manual_seed(0)
    return Ragged(torch.randn(sum(lengths), width, dtype=torch.float64), lengths)


def random_state(cell: cells.Cell, rows: int) -> object:
    return map_leaves(torch.randn_like, cell.initial_state(rows))


@pytest.mark.parametrize("static", [False, True])
def test_each_direction_starts_from_its_own_state_and_reads_its_own_way(static: bool) -> None:
    inputs = batch([4, 0, 2])
    ahead, back = cells.LSTM(3, 4).double(), cells.GRU(3, 2).double()
    state = BothStates(random_state(ahead, 3), random_state(back, 3))
    given: Ragged | Padded = inputs.to_padded(float("nan")) if static else inputs
    outputs, final = Bidirectional(ahead, back)(given, state)
    flat = Ragged.from_padded(outputs) if isinstance(outputs, Padded) else outputs
    for row, sequence in enumerate(inputs.split()):
        alone = Ragged(sequence, [len(sequence)])
        forward = unroll(ahead, alone, map_leaves(lambda leaf, row=row: leaf[row : row + 1], state.forward))
        backward = unroll(
            back,
            Ragged(sequence.flip(0), [len(sequence)]),
            map_leaves(lambda leaf, row=row: leaf[[row]], state.backward),
        )
        expected = torch.cat([forward.outputs.values, backward.outputs.values.flip(0)], 1)
        torch.testing.assert_close(flat.split()[row], expected)
        torch.testing.assert_close(final.forward.memory[row], forward.final.memory[0])
        torch.testing.assert_close(final.backward.hidden[row], backward.final.hidden[0])


def test_layers_carry_states_and_pass_over_layers_without_one() -> None:
    inputs = batch([6, 0, 3])
    layers = Layers(TimeConvolution(3, 3, 3, causal=True), cells.GRU(3, 4), cells.LSTM(4, 2)).double()
    none = layers(inputs)
    assert none.final[0] is None
    state = (None, random_state(layers.layers[1], 3), random_state(layers.layers[2], 3))
    outputs, final = layers(inputs, state)
    between = unroll(layers.layers[1], layers.layers[0](inputs), state[1])
    last = unroll(layers.layers[2], between.outputs, state[2])
    torch.testing.assert_close(outputs.values, last.outputs.values)
    torch.testing.assert_close(final[1:], (between.final, last.final))


def test_a_chain_is_causal_where_all_its_layers_are() -> None:
    past, future = TimeConvolution(3, 3, 3, causal=True), TimeConvolution(3, 3, 3)
    assert Layers(past, cells.GRU(3, 4)).causal
    assert not Layers(past, future).causal
    assert not Layers(cells.GRU(3, 3), Bidirectional(cells.GRU(3, 4), cells.GRU(3, 4))).causal
    assert not Layers(cells.GRU(3, 3), torch.nn.Identity()).causal, "a layer that does not say is not"
    assert Stack(cells.GRU(3, 3)).causal


def test_a_state_is_checked_however_deep_its_cell_lies() -> None:
    wrong = cells.HiddenState(torch.zeros(2, 5, dtype=torch.float64))
    for cell, state in (
        (Residual(cells.GRU(3, 3)), wrong),
        (Stack(Residual(cells.GRU(3, 3))), (wrong,)),
        (Stack(Stack(cells.GRU(3, 3))), ((wrong,),)),
    ):
        with pytest.raises(StateError, match=r"`hidden` in the state of `GRU\(3, 3\)` must be \(batch, 3\)"):
            unroll(cell.double(), batch([2, 1]), state)


def test_a_stack_numbers_its_own_dropout() -> None:
    stack = Stack(Dropout(0.5), cells.GRU(3, 3), Dropout(0.5))
    assert [part.layer for part in stack.modules() if isinstance(part, Dropout)] == [0, 1]


def test_a_stack_takes_inputs_of_its_first_cell() -> None:
    assert Stack(cells.GRU(3, 4), cells.GRU(4, 5)).input_size == 3
    assert Residual(cells.GRU(3, 3)).input_size == 3
