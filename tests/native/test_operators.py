"""The engine as operators of `torch.library`."""

from typing import Any

import pytest
import torch
from native.naive import without_native
from torch._subclasses import FakeTensorMode

from unspool import Padded, Ragged, cells, engine, unroll
from unspool.cells import GatedCell
from unspool.engine import native
from unspool.engine.native.library import name_of, recurrence

pytestmark = without_native

# A bias or none; one gradient for both projections or two; parameters of the update: vectors, matrices.
CELLS = [
    lambda: cells.LSTM(5, 7),
    lambda: cells.GRU(3, 4),
    lambda: cells.LayerNormLSTM(4, 6),
    lambda: cells.SCLSTM(3, 4),
    lambda: cells.LayerNormLSTM(4, 128),  # whose gates' rows lie apart
]


def arguments(cell: GatedCell, *, keep: bool) -> tuple[Any, ...]:
    made = native.compiled(cell)
    assert isinstance(made, native.Native)
    batch = Ragged(torch.randn(9, cell.input_size), [4, 0, 5])
    parameters = [native._tensor(cell, name).detach().requires_grad_() for name in made.program.parameters]
    weights = [cell.weight_input, cell.bias_input, cell.weight_hidden, cell.bias_hidden]
    held = [weight.detach().requires_grad_() for weight in weights if weight is not None]
    initial = [torch.randn(3, width).requires_grad_() for width in made.widths]
    return (
        name_of(made),
        batch.values.requires_grad_(),
        held,
        [weight is not None for weight in weights],
        parameters,
        initial,
        batch.lengths,
        keep,
    )


@pytest.mark.parametrize("make", CELLS)
@pytest.mark.parametrize("keep", [True, False])
def test_pytorch_finds_nothing_wrong_with_the_operator(make: Any, keep: bool) -> None:
    torch.manual_seed(0)
    torch.library.opcheck(recurrence, arguments(make(), keep=keep))


@pytest.mark.parametrize("make", CELLS)
def test_an_operator_gives_the_same_numbers_each_time_in_what_no_one_reads_too(make: Any) -> None:
    torch.manual_seed(0)
    given = arguments(make(), keep=True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    try:
        torch.use_deterministic_algorithms(True)  # fresh memory is full of NaN
        found = recurrence(*given)
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(tensor.isfinite().all() for tensor in found)


def test_an_unroll_of_fake_tensors_gives_the_shapes_of_a_real_one() -> None:
    cell, batch = cells.LSTM(3, 4), Ragged(torch.randn(5, 3), [2, 3])
    with engine.using("native"):
        real = unroll(cell, batch)
        with FakeTensorMode(allow_non_fake_inputs=True) as mode:
            fake = unroll(cell, batch.with_values(mode.from_tensor(batch.values)))
    assert fake.outputs.values.shape == real.outputs.values.shape
    assert [leaf.shape for leaf in fake.final] == [leaf.shape for leaf in real.final]


def test_an_exported_program_holds_no_operator_of_the_engine() -> None:
    class Program(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = cells.LSTM(3, 4)

        def forward(self, batch: Padded) -> torch.Tensor:
            return unroll(self.cell, batch).outputs.values

    program = torch.export.export(Program().eval(), (Padded(torch.randn(2, 5, 3), torch.tensor([5, 2])),))
    assert not [node for node in program.graph.nodes if "unspool" in str(node.target)]
