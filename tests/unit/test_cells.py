"""How cells begin, and what a cell of one's own needs."""

import pytest
import torch

from unspool import Ragged, cells, unroll
from unspool.cells import Cell, GatedCell, HiddenState


@pytest.mark.parametrize("name", ["Elman", "GRU", "ResetBeforeGRU", "LSTM", "PeepholeLSTM", "CoupledLSTM", "SCLSTM"])
def test_recurrent_weights_begin_orthogonal_gate_by_gate(name: str) -> None:
    cell = getattr(cells, name)(5, 16)
    for block in cell.weight_hidden.split(16):
        torch.testing.assert_close(block @ block.T, torch.eye(16), atol=1e-5, rtol=0)


def test_recurrent_maps_begin_orthogonal_too() -> None:
    weight = cells.ProjectedLSTM(5, 16, projection_size=4).projection.weight
    torch.testing.assert_close(weight @ weight.T, torch.eye(4), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "name", ["LSTM", "PeepholeLSTM", "CoupledLSTM", "ProjectedLSTM", "SCLSTM", "MinLSTM", "ConvLSTM"]
)
def test_forget_gates_begin_at_one_and_every_other_bias_at_zero(name: str) -> None:
    cell = getattr(cells, name)(5, 8)
    for gate, bias in zip(cell.gates, cell.bias_input.split([cell.widths[g] for g in cell.gates]), strict=True):
        assert (bias == (1.0 if gate in ("forget", "reading") else 0.0)).all()
    assert cell.bias_hidden is None or not cell.bias_hidden.any()


def test_a_layer_normalised_forget_gate_begins_at_one_as_well() -> None:
    cell = cells.LayerNormLSTM(5, 8)
    assert cell.norm_input.bias.tolist() == [0.0] * 8 + [1.0] * 8 + [0.0] * 16


def test_input_weights_keep_within_glorots_bound() -> None:
    weight = cells.GRU(50, 30).weight_input
    assert 0.9 * (6 / 80) ** 0.5 < weight.abs().max() <= (6 / 80) ** 0.5


def test_parameters_can_be_drawn_again() -> None:
    cell = cells.LayerNormLSTM(5, 8)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.fill_(9.0)
    cell.reset_parameters()
    assert all(parameter.abs().max() <= 1 for parameter in cell.parameters())


def test_states_begin_at_zero_where_and_as_the_weights_are() -> None:
    state = cells.SCLSTM(3, 4, meaning_size=2).bfloat16().initial_state(5)
    assert [tuple(leaf.shape) for leaf in state] == [(5, 4), (5, 4), (5, 2)]
    assert all(leaf.dtype == torch.bfloat16 and not leaf.any() for leaf in state)
    asked = cells.GRU(3, 4).initial_state(5, device="meta", dtype=torch.float64)
    assert (asked.hidden.device.type, asked.hidden.dtype) == ("meta", torch.float64)


@pytest.mark.filterwarnings("ignore:.* runs on a slower engine")
def test_gates_may_differ_in_width_and_some_may_see_no_hidden_state() -> None:
    class Odd(GatedCell):
        gates = ("one", "other")
        hidden_gates = ("other",)
        State = HiddenState

        def __init__(self) -> None:
            super().__init__(3, 4, widths={"one": 8})

        def update(self, from_input, from_hidden, state):
            half = from_input.one.unflatten(1, (2, 4)).mean(1)
            return HiddenState(torch.tanh(half + from_input.other + from_hidden.other))

    cell = Odd()
    assert cell.weight_input.shape == (12, 3)
    assert cell.weight_hidden.shape == (4, 4)
    assert unroll(cell, Ragged(torch.randn(5, 3), [2, 3])).outputs.values.shape == (5, 4)


def test_a_cell_of_whole_numbers_needs_no_floating_input() -> None:
    class Embedded(Cell):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(10, 4)
            self.inner = cells.GRU(4, 4)

        def initial_state(self, batch_size, *, device=None, dtype=None):
            return self.inner.initial_state(batch_size, device=device, dtype=dtype)

        def forward(self, x, state):
            return self.inner(self.table(x), state)

    outputs, final = unroll(Embedded(), Ragged(torch.tensor([1, 2, 3]), [1, 0, 2]))
    torch.testing.assert_close(outputs.last()[[0, 2]], final.hidden[[0, 2]])


def test_a_convolutional_cell_takes_images_of_any_size() -> None:
    cell = cells.ConvLSTM(2, 3)
    for size in ((4, 5), (1, 1)):
        outputs, final = unroll(cell, Ragged(torch.randn(5, 2, *size), [2, 0, 3]))
        assert outputs.values.shape == (5, 3, *size)
        assert final.memory.shape == (3, 3, *size)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "PeepholeLSTM", "MinGRU"])
def test_a_stepper_takes_no_rows(name: str) -> None:
    cell = getattr(cells, name)(3, 4)
    output, state = cell.stepper(2)(torch.zeros(0, 3), cell.initial_state(0))
    assert output.shape == (0, 4)
    assert all(leaf.shape[0] == 0 for leaf in state)
