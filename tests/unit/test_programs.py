"""Programs of fixed shape: torch.export and torch.compile take what is static, and do not break on what is not."""

from typing import Any

import pytest
import torch
from torch import nn

from unspool import Bidirectional, Cell, Dropout, Padded, Ragged, Residual, Stack, Zoneout, cells, unroll

# Of torch itself: Dynamo looks at `.grad` of tensors that it traces, and export imports deprecated parts of torch.jit.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"),
]

MODELS = {
    "LSTM": lambda: cells.LSTM(3, 4),
    "LayerNormLSTM": lambda: cells.LayerNormLSTM(3, 4),
    "MinGRU": lambda: cells.MinGRU(3, 4),
    "Stack": lambda: Stack(cells.LSTM(3, 4), Dropout(0.2), Residual(cells.GRU(4, 4))),
    "Zoneout": lambda: Zoneout(cells.GRU(3, 4), 0.2),
    "Bidirectional": lambda: Bidirectional(cells.LSTM(3, 4), cells.GRU(3, 4)),
}


class Program(nn.Module):
    def __init__(self, part: Any) -> None:
        super().__init__()
        self.part = part

    def forward(self, batch: Any) -> Any:
        outputs, final = self.part(batch) if isinstance(self.part, Bidirectional) else unroll(self.part, batch)
        return outputs.values, final


def rectangle(batch: int, time: int) -> Padded:
    values = torch.randn(batch, time, 3)
    lengths = torch.randint(0, time + 1, (batch,))
    return Padded(values, lengths).masked(float("nan"))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_a_static_unroll_is_exported_and_runs_at_other_batch_sizes_lengths_and_widths(name: str, strict: bool) -> None:
    torch.manual_seed(0)
    model = Program(MODELS[name]()).eval()
    batch, time = torch.export.Dim("batch", min=1), torch.export.Dim("time", min=1)
    shapes = [[{0: batch, 1: time}, {0: batch}, {0: batch}]]
    program = torch.export.export(model, (rectangle(3, 5),), dynamic_shapes=shapes, strict=strict).module()
    with torch.no_grad():
        for size in ((7, 5), (1, 5), (4, 9), (2, 1)):
            given = rectangle(*size)
            torch.testing.assert_close(program(given), model(given))


def test_a_program_of_symbolic_width_gives_no_gradient_rather_than_half_of_one() -> None:
    batch, time = torch.export.Dim("batch", min=1), torch.export.Dim("time", min=1)
    shapes = [[{0: batch, 1: time}, {0: batch}, {0: batch}]]
    exported = torch.export.export(Program(cells.GRU(3, 4)), (rectangle(3, 5),), dynamic_shapes=shapes)
    assert not exported.module()(rectangle(3, 8))[0].requires_grad


class Total(Cell):
    """A cell that is not gated."""

    input_size = 3

    def initial_state(self, batch_size, *, device=None, dtype=None):
        return torch.zeros(batch_size, 3, device=device, dtype=dtype)

    def forward(self, x, state):
        return state + x, state + x


def test_a_cell_of_ones_own_is_exported_too() -> None:
    batch, time = torch.export.Dim("batch", min=1), torch.export.Dim("time", min=1)
    model = Program(Total()).eval()
    shapes = [[{0: batch, 1: time}, {0: batch}, {0: batch}]]
    program = torch.export.export(model, (rectangle(3, 5),), dynamic_shapes=shapes).module()
    given = rectangle(4, 9)
    torch.testing.assert_close(program(given), model(given))


def test_a_program_of_fixed_width_is_plain_operations_alone() -> None:
    batch = torch.export.Dim("batch", min=1)
    model = Program(cells.LSTM(3, 4)).eval()
    exported = torch.export.export(model, (rectangle(3, 5),), dynamic_shapes=[[{0: batch}, {0: batch}, {0: batch}]])
    calls = {str(node.target) for node in exported.graph.nodes if node.op == "call_function"}
    assert all(call.startswith("aten.") or "getitem" in call for call in calls)
    given = rectangle(6, 5)
    torch.testing.assert_close(exported.module()(given), model(given))


def test_export_saves_and_loads(tmp_path: Any) -> None:
    model = Program(cells.GRU(3, 4)).eval()
    given = rectangle(3, 5)
    torch.export.save(torch.export.export(model, (given,)), tmp_path / "gru.pt2")
    torch.testing.assert_close(torch.export.load(tmp_path / "gru.pt2").module()(given), model(given))


@pytest.fixture
def _fresh_compiler() -> Any:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.usefixtures("_fresh_compiler")
@pytest.mark.parametrize("name", ["LSTM", "Stack", "LayerNormLSTM"])
def test_compiled_models_train_on_ragged_batches_as_they_do_uncompiled(name: str) -> None:
    torch.manual_seed(0)
    model = Program(MODELS[name]()).eval()
    compiled = torch.compile(model, backend="aot_eager")
    for lengths in ([2, 3], [4, 0, 1], [1]):
        batch = Ragged(torch.randn(sum(lengths), 3), lengths)
        got, expected = compiled(batch)[0], model(batch)[0]
        torch.testing.assert_close(got, expected)
        ours = torch.autograd.grad(got.sum(), list(model.parameters()))
        theirs = torch.autograd.grad(expected.sum(), list(model.parameters()))
        torch.testing.assert_close(ours, theirs)


@pytest.mark.usefixtures("_fresh_compiler")
def test_a_model_that_makes_its_ragged_batch_inside_compiles() -> None:
    cell = cells.LSTM(3, 4)

    def model(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return unroll(cell, Ragged.from_padded(x, lengths)).outputs.mean()

    compiled = torch.compile(model, backend="aot_eager")
    for batch in (3, 5):
        x, lengths = torch.randn(batch, 6, 3), torch.randint(0, 7, (batch,))
        torch.testing.assert_close(compiled(x, lengths), model(x, lengths))


@pytest.mark.usefixtures("_fresh_compiler")
def test_a_static_unroll_compiles_into_one_graph() -> None:
    cell = cells.LSTM(3, 4)

    def model(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return unroll(cell, Padded(x, lengths)).outputs.values

    x, lengths = torch.randn(3, 4, 3), torch.tensor([4, 0, 2])
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, lengths), model(x, lengths))
