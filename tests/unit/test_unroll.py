"""`unroll`: pieces, extremes, dtypes, an ordinary training loop."""

import pytest
import torch
from torch import nn

from unspool import Dropout, Padded, Ragged, Residual, Stack, cells, engine, unroll
from unspool.errors import BatchError
from unspool.unrolling.pieces import STEPS

LONG = [STEPS * 2 + 5, 0, STEPS, 3]


def batch(lengths: list[int], width: int = 3, dtype: torch.dtype = torch.float64) -> Ragged:
    torch.manual_seed(0)
    return Ragged(torch.randn(sum(lengths), width, dtype=dtype), lengths)


@pytest.fixture(params=["dynamic", "static"])
def inputs(request: pytest.FixtureRequest) -> Ragged | Padded:
    ragged = batch(LONG)
    return ragged if request.param == "dynamic" else ragged.to_padded(float("nan"))


def test_each_joins_sequences_in_time() -> None:
    cell = Stack(cells.LSTM(3, 4), Residual(cells.GRU(4, 4))).double()
    whole, final = unroll(cell, batch(LONG))
    pieces, end = unroll(cell, batch(LONG), each=lambda outputs, stretch: outputs.map(lambda values: values[:, :2]))
    torch.testing.assert_close(pieces.values, whole.values[:, :2])
    torch.testing.assert_close(end, final)


def test_each_adds_up_tensors_and_sees_the_stretch_it_is_given(inputs: Ragged | Padded) -> None:
    cell = cells.GRU(3, 4).double()
    targets = inputs.with_values(torch.randn(*inputs.values.shape[:-1], 4).double())
    real = Ragged.from_padded(targets) if isinstance(targets, Padded) else targets

    def loss(outputs: Ragged | Padded, stretch: slice) -> dict[str, torch.Tensor]:
        wanted = targets.steps(stretch.start, stretch.stop)
        wrong = (outputs.values - wanted.values) ** 2
        wrong = wrong[outputs.mask] if isinstance(outputs, Padded) else wrong
        return {"total": wrong.sum(), "weight": outputs.lengths.sum()}

    found, _ = unroll(cell, inputs, each=loss)
    outputs, _ = unroll(cell, inputs)
    flat = Ragged.from_padded(outputs) if isinstance(outputs, Padded) else outputs
    torch.testing.assert_close(found["total"], ((flat.values - real.values) ** 2).sum())
    assert int(found["weight"]) == sum(LONG)
    gradients = torch.autograd.grad(found["total"], list(cell.parameters()))
    expected = torch.autograd.grad(((flat.values - real.values) ** 2).sum(), list(cell.parameters()))
    torch.testing.assert_close(gradients, expected)


def test_each_sees_one_empty_stretch_of_a_batch_without_steps() -> None:
    seen = []
    unroll(cells.GRU(3, 4).double(), batch([0, 0]), each=lambda outputs, stretch: seen.append(stretch))
    assert seen == [slice(0, 0)]


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_a_batch_without_steps_still_has_gradients_so_that_a_rank_without_work_takes_part(lengths: list[int]) -> None:
    for cell in (cells.LSTM(3, 4), cells.GRU(3, 4), cells.MinGRU(3, 4), cells.PeepholeLSTM(3, 4)):
        for inputs in (batch(lengths, dtype=torch.float32), batch(lengths, dtype=torch.float32).to_padded()):
            cell.zero_grad()
            outputs, final = unroll(cell, inputs)
            assert outputs.lengths.tolist() == lengths
            assert outputs.values.shape[-1] == 4
            assert final.hidden.shape == (len(lengths), 4)
            outputs.values.sum().backward()
            assert not any(p.grad is not None and p.grad.any() for p in cell.parameters())


@pytest.mark.parametrize("name", ["LSTM", "MinGRU"])
def test_one_sequence_of_a_hundred_thousand_steps_trains(name: str) -> None:
    torch.manual_seed(0)
    cell = getattr(cells, name)(2, 4)
    inputs = Ragged(torch.randn(100_000, 2, requires_grad=True), [100_000])
    outputs, final = unroll(cell, inputs)
    torch.testing.assert_close(outputs.values[-1:], final.hidden)
    outputs.values.mean().backward()
    assert outputs.values.isfinite().all()
    assert inputs.values.grad is not None
    assert inputs.values.grad.isfinite().all()


def test_twenty_thousand_steps_of_a_scan_stay_within_rounding_of_a_float64_loop() -> None:
    torch.manual_seed(0)
    cell, inputs = cells.MinGRU(2, 3), torch.randn(20_000, 2)
    with engine.using("scan"), torch.no_grad():
        scanned = unroll(cell, Ragged(inputs, [20_000])).outputs.values
    with engine.using("reference"), torch.no_grad():
        looped = unroll(cell.double(), Ragged(inputs.double(), [20_000])).outputs.values
    assert (scanned - looped).abs().max() < 2e-6 * looped.abs().max()


@pytest.mark.parametrize("name", ["LSTM", "GRU", "MinLSTM", "LayerNormLSTM"])
def test_autocast_runs_and_keeps_to_the_float32_answer(name: str) -> None:
    torch.manual_seed(0)
    cell, inputs = getattr(cells, name)(8, 8), batch([5, 0, 9, 2], 8, torch.float32)
    expected = unroll(cell, inputs).outputs.values
    for given in (inputs, inputs.to_padded(float("nan"))):
        with torch.autocast("cpu", torch.bfloat16):
            outputs = unroll(cell, given).outputs
        flat = outputs.values if isinstance(outputs, Ragged) else Ragged.from_padded(outputs).values
        assert (flat.float() - expected).abs().max() < 0.05
        flat.float().sum().backward()


def test_under_autocast_a_scan_adds_up_in_the_numbers_of_the_state() -> None:
    torch.manual_seed(0)
    cell, inputs = cells.MinLSTM(8, 8), batch([400, 3], 8, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        scanned, padded = unroll(cell, inputs).outputs, unroll(cell, inputs.to_padded()).outputs
    assert isinstance(padded, Padded)
    assert scanned.values.dtype == padded.values.dtype == torch.float32
    torch.testing.assert_close(scanned.values, Ragged.from_padded(padded).values, rtol=0, atol=1e-4)


def test_batches_are_made_and_run_on_the_cpu_whatever_device_is_the_default_one() -> None:
    cell, values = cells.LSTM(3, 4), torch.randn(9, 3)
    expected = unroll(cell, Ragged(values, [4, 0, 5])).outputs
    with torch.device("meta"):
        inputs = Ragged(values, lengths=[4, 0, 5])
        for name in ("native", "rectangles", "reference"):
            with engine.using(name):
                found = unroll(cell, inputs).outputs
            torch.testing.assert_close(found.values, expected.values, rtol=1e-5, atol=1e-5)
        assert inputs.select([2, 0]).lengths.tolist() == [5, 4]
        assert cell.stepper(1)(values[:1], cell.initial_state(1))[0].device.type == "cpu"


def test_an_ordinary_training_loop_learns_to_remember_the_first_step() -> None:
    torch.manual_seed(0)
    cell, head = Stack(cells.GRU(1, 16), Dropout(0.0)), nn.Linear(16, 1)
    optimiser = torch.optim.Adam([*cell.parameters(), *head.parameters()], lr=0.02)
    for _ in range(60):
        lengths = torch.randint(1, 12, (32,))
        inputs = Ragged(torch.randn(int(lengths.sum()), 1), lengths)
        first = inputs.values[inputs.offsets[:-1]]
        loss = (head(unroll(cell, inputs).outputs.last()) - first).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.3


@pytest.mark.parametrize("make", [cells.GRU, cells.Elman, cells.LSTM, cells.MinGRU, cells.MinLSTM])
def test_gradients_of_parameters_by_torch_func(make: type[cells.GatedCell]) -> None:
    cell, inputs = make(3, 4).double(), batch([3, 0, 2])
    parameters = {name: p.detach() for name, p in cell.named_parameters()}

    class Loss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = cell

        def forward(self, batch: Ragged) -> torch.Tensor:
            return unroll(self.cell, batch).outputs.values.sum()

    named = {f"cell.{name}": p for name, p in parameters.items()}
    found = torch.func.grad(lambda p: torch.func.functional_call(Loss(), p, (inputs,)))(named)
    expected = torch.autograd.grad(unroll(cell, inputs).outputs.values.sum(), list(cell.parameters()))
    torch.testing.assert_close(list(found.values()), list(expected))


def test_each_keeps_numbers_sequences_and_structures(inputs: Ragged | Padded) -> None:
    cell = cells.GRU(3, 4).double()
    whole, _ = unroll(cell, inputs)
    found, _ = unroll(cell, inputs, each=lambda outputs, stretch: (stretch.stop - stretch.start, [outputs, None]))
    steps, (joined, nothing) = found
    assert (steps, nothing) == (max(LONG), None)
    assert joined.lengths.tolist() == LONG
    torch.testing.assert_close(joined.values, whole.values)


def test_each_must_return_the_same_for_every_stretch() -> None:
    cell, inputs = cells.GRU(3, 4).double(), batch(LONG)
    message = (
        "`each` must return tensors, numbers or sequences, or a tuple, list or dict of them, the same for every "
        "stretch of time, but returned "
    )
    with pytest.raises(BatchError) as error:
        unroll(cell, inputs, each=lambda outputs, stretch: "loss")
    assert str(error.value) == message + "str"
    with pytest.raises(BatchError) as error:
        unroll(cell, inputs, each=lambda outputs, stretch: outputs if stretch.start else outputs.values.sum())
    assert str(error.value) == message + "Ragged and Tensor"
    with pytest.raises(BatchError) as error:
        unroll(cell, inputs, each=lambda outputs, stretch: {} if stretch.start else {"loss": outputs.values.sum()})
    assert str(error.value) == message + "dict"
