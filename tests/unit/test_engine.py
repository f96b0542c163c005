"""Which engine runs, what it refuses, and what its rectangles hold."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unspool import GatedCell, Ragged, Stack, cells, engine, unroll
from unspool.engine import rectangles
from unspool.engine.choice import ENGINES
from unspool.engine.native.compiler import compiler
from unspool.errors import EngineError
from unspool.layout import Layout
from unspool.state import map_leaves


def batch(lengths: list[int], width: int = 3, dtype: torch.dtype = torch.float64) -> Ragged:
    torch.manual_seed(0)
    return Ragged(torch.randn(sum(lengths), width, dtype=dtype), lengths)


def fastest(otherwise: str) -> str:
    """The engine of a gated cell: native where there is a C++ compiler."""
    return "native" if compiler() else otherwise


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("LSTM", fastest("rectangles")),
        ("GRU", fastest("handwritten")),
        ("Elman", fastest("handwritten")),
        ("ProjectedLSTM", fastest("rectangles")),
        ("MinGRU", "scan"),
        ("MinLSTM", "scan"),
        ("PeepholeLSTM", fastest("reference")),
        ("LayerNormLSTM", fastest("reference")),
        ("CoupledLSTM", fastest("reference")),
        ("SCLSTM", fastest("reference")),
    ],
)
def test_the_fastest_engine_that_can_runs_on_the_cpu(name: str, chosen: str) -> None:
    cell = getattr(cells, name)(3, 4).double()
    with engine.recording() as ran:
        unroll(cell, batch([2, 0, 3]))
    assert ran == [chosen] == [engine.choose(cell, batch([2, 0, 3]))]


def test_on_a_gpu_packed_batches_go_to_cudnn() -> None:
    assert engine.choice._PREFERENCE["cuda"] == ("scan", "packed", "reference")


def test_every_layer_of_a_stack_is_recorded_in_its_order() -> None:
    stack = Stack(cells.LSTM(3, 4), cells.MinGRU(4, 4), cells.PeepholeLSTM(4, 4)).double()
    with engine.recording() as ran:
        unroll(stack, batch([2, 3]))
    assert ran == [fastest("rectangles"), "scan", fastest("reference")]


def test_forcing_nests_and_is_undone() -> None:
    cell, inputs = cells.LSTM(3, 4).double(), batch([2, 3])
    with engine.using("packed"):
        with engine.using("reference"):
            assert engine.choose(cell, inputs) == "reference"
        assert engine.choose(cell, inputs) == "packed"
    assert engine.choose(cell, inputs) == fastest("rectangles")


class Sigh(cells.LSTM):
    """Its `update` is its own."""

    def update(self, from_input, from_hidden, state):
        new = super().update(from_input, from_hidden, state)
        return new._replace(hidden=new.hidden / 2)


class Turned(cells.LSTM):
    """The same update, its gates in another order."""

    gates = ("forget", "input", "candidate", "output")


class Louder(cells.GRU):
    """Another projection."""

    def project_hidden(self, hidden):
        return 2 * super().project_hidden(hidden)


class Faded(cells.MinGRU):
    """Linear by name only."""

    def update(self, from_input, from_hidden, state):
        return cells.HiddenState(torch.tanh(super().update(from_input, from_hidden, state).hidden))


@pytest.mark.parametrize("kind", [Sigh, Turned, Faded])
def test_a_subclass_that_changes_an_update_is_taken_for_no_other(kind: type[GatedCell]) -> None:
    cell = kind(3, 4).double()
    explained = engine.explain(cell, batch([1]))
    able = [name for name, refusal in explained.items() if refusal is None]
    assert able == (["native", "reference"] if compiler() else ["reference"])
    assert set(explained) == set(ENGINES)


def test_a_subclass_that_changes_a_projection_runs_on_the_plain_loop() -> None:
    explained = engine.explain(Louder(3, 4).double(), batch([1]))
    assert [name for name, refusal in explained.items() if refusal is None] == ["reference"]
    assert explained["native"] == "`Louder` has projections or a step of its own"


def test_a_subclass_that_only_renames_keeps_its_engine() -> None:
    class Mine(cells.LSTM):
        pass

    explained = engine.explain(Mine(3, 4).double(), batch([1]))
    assert explained["rectangles"] is explained["packed"] is None


def test_float16_on_the_cpu_takes_the_plain_loop() -> None:
    cell, inputs = cells.LSTM(3, 4).half(), batch([3, 2], dtype=torch.float16)
    assert engine.choose(cell, inputs) == "reference"
    assert unroll(cell, inputs).outputs.values.isfinite().all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(lengths=st.lists(st.integers(0, 200), min_size=1, max_size=30).filter(any))
def test_rectangles_hold_every_step_once_and_cost_less_than_padding(lengths: list[int]) -> None:
    layout = Layout(torch.tensor(lengths))
    cut = rectangles._cut(layout)
    assert torch.equal(cut.source[cut.place], torch.arange(layout.total))
    assert (cut.source < layout.total).sum() == layout.total
    area = sum((box.stop - box.start) * box.rows for box in cut.rectangles)
    assert area == len(cut.source) == layout.total + cut.padding
    assert [box.start for box in cut.rectangles[1:]] == [box.stop for box in cut.rectangles[:-1]]
    assert [box.rows for box in cut.rectangles] == [layout.running[box.start] for box in cut.rectangles]
    whole = layout.max_length * layout.running[0]
    assert area + rectangles.CALL * (len(cut.rectangles) - 1) <= whole


def uneven(dtype: torch.dtype = torch.float64) -> Ragged:
    """A batch that is cut into several rectangles, with padding in them and an empty sequence."""
    inputs = batch([90, 3, 60, 0, 88, 31, 1, 30], dtype=dtype)
    cut = rectangles._cut(inputs.layout)
    assert len(cut.rectangles) > 1
    assert cut.padding > 0
    return inputs


@pytest.mark.parametrize("name", ["LSTM", "ProjectedLSTM", "GRU", "Elman"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_rectangles_with_padding_equal_the_plain_loop_in_values_and_gradients(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    cell, inputs = getattr(cells, name)(3, 5).to(dtype), uneven(dtype)
    state = map_leaves(torch.randn_like, cell.initial_state_for(inputs))
    found = {}
    for engine_name in ("rectangles", "reference"):
        values = inputs.values.clone().requires_grad_()
        with engine.using(engine_name):
            outputs, final = unroll(cell, inputs.with_values(values), state)
        loss = outputs.values.square().sum() + sum(leaf.square().sum() for leaf in final)
        found[engine_name] = [outputs.values, *final, *torch.autograd.grad(loss, [values, *cell.parameters()])]
    for ours, theirs in zip(*found.values(), strict=True):
        tolerance = 1e-11 if dtype == torch.float64 else 2e-5
        assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max()


def test_padding_in_a_rectangle_leaves_no_trace_even_where_running_on_would_overflow() -> None:
    cell = cells.Elman(1, 1, nonlinearity="relu")
    with torch.no_grad():
        for parameter, value in zip(cell.parameters(), (1.0, 0.0, 4.0, 0.0), strict=True):
            parameter.fill_(value)
    inputs = Ragged(torch.cat([-torch.ones(100, 1), torch.ones(1, 1)]), [100, 1])
    with engine.using("rectangles"):
        outputs, final = unroll(cell, inputs)
    outputs.values.sum().backward()
    assert final.hidden.flatten().tolist() == [0.0, 1.0]
    assert all(parameter.grad.isfinite().all() for parameter in cell.parameters())


def test_saturated_gates_pass_through_padding_untouched() -> None:
    cell = cells.LSTM(1, 1)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.fill_(1e4)
    inputs = Ragged(torch.ones(102, 1), [100, 2])
    with engine.using("rectangles"):
        fast = unroll(cell, inputs)
    with engine.using("reference"):
        plain = unroll(cell, inputs)
    torch.testing.assert_close(fast.final, plain.final)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["MinGRU", "LSTM", "GRU", "PeepholeLSTM"])
def test_what_is_not_finite_in_one_sequence_stays_there(name: str, bad: float) -> None:
    cell = getattr(cells, name)(3, 4).double()
    lengths = [20, 1, 0, 17, 40, 3]
    clean = batch(lengths)
    for ran, refusal in engine.explain(cell, clean).items():
        for row, time in ((0, 19), (0, 0), (3, 5), (4, 39)):
            if refusal is not None:
                continue
            values = clean.values.clone()
            values[int(clean.offsets[row]) + time] = bad
            poisoned = clean.with_values(values.requires_grad_())
            others = [other for other in range(len(lengths)) if other != row]
            with engine.using(ran):
                outputs, expected = unroll(cell, poisoned).outputs, unroll(cell, clean).outputs
            torch.testing.assert_close(outputs.select(others).values, expected.select(others).values)
            gradient = torch.autograd.grad(outputs.select(others).values.sum(), values)[0]
            assert poisoned.with_values(gradient).select(others).values.isfinite().all()


@pytest.mark.parametrize("shape", ["one number", "one a feature", "one a step", "all"])
def test_coefficients_of_a_linear_cell_may_broadcast(shape: str) -> None:
    class Leaky(cells.LinearCell):
        gates = ("input",)

        def __init__(self) -> None:
            super().__init__(3, 4)
            self.decay = torch.nn.Parameter(torch.tensor([0.5]) if shape == "one number" else torch.rand(4))

        def coefficients(self, from_input):
            if shape == "one a step":
                return torch.sigmoid(from_input.input[:, :1]), from_input.input
            return (self.decay.expand_as(from_input.input) if shape == "all" else self.decay), from_input.input

    torch.manual_seed(0)
    cell, inputs = Leaky().double(), batch([3, 0, 4])
    assert cell.weight_hidden is None
    found = {}
    for name in ("scan", "reference"):
        with engine.using(name):
            outputs, final = unroll(cell, inputs)
        loss = outputs.values.square().sum() + final.hidden.sum()
        found[name] = [outputs.values, *torch.autograd.grad(loss, [cell.weight_input, cell.decay], allow_unused=True)]
    torch.testing.assert_close(found["scan"], found["reference"])


def test_a_cell_of_other_widths_is_not_taken_for_torchs() -> None:
    class Narrow(cells.LSTM):
        def __init__(self) -> None:
            GatedCell.__init__(self, 3, 4, widths={"forget": 1})

    assert engine.choose(Narrow().double(), batch([2])) == fastest("reference")


def test_a_combinator_has_no_one_engine() -> None:
    with pytest.raises(EngineError) as error:
        engine.choose(Stack(cells.LSTM(3, 4)), batch([2]))
    assert str(error.value) == (
        "`choose` asks for one recurrence, but `Stack` runs its parts one by one; ask for a part, "
        "or see what ran: `with unspool.engine.recording() as ran:`"
    )


@pytest.mark.parametrize("name", ["GRU", "Elman"])
@pytest.mark.parametrize("ran", ["native", "handwritten"] if compiler() else ["handwritten"])
def test_gradients_of_gradients_are_refused_and_right_on_the_plain_loop(name: str, ran: str) -> None:
    cell = getattr(cells, name)(3, 4).double()
    inputs = batch([2, 3]).values.requires_grad_()
    with engine.using(ran):
        outputs = unroll(cell, Ragged(inputs, [2, 3])).outputs.values
    with pytest.raises(EngineError) as error:
        torch.autograd.grad(outputs.sum(), inputs, create_graph=True)
    assert str(error.value) == (
        f"engine `{ran}` has no gradients of gradients (`create_graph=True`); unroll inside "
        '`with unspool.engine.using("reference"):`'
    )
    with engine.using("reference"):
        assert torch.autograd.gradgradcheck(lambda x: unroll(cell, Ragged(x, [2, 3])).outputs.values, inputs)


def test_scans_have_gradients_of_gradients() -> None:
    cell = cells.MinGRU(3, 4).double()
    inputs = batch([2, 20]).values.requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: unroll(cell, Ragged(x, [2, 20])).outputs.values, inputs)


def test_a_parametrised_weight_is_computed_once_an_unroll_and_trained() -> None:
    class Counted(torch.nn.Module):
        calls = 0

        def forward(self, weight: torch.Tensor) -> torch.Tensor:
            Counted.calls += 1
            return 2 * weight

    for name in ("LSTM", "GRU", "PeepholeLSTM"):
        for ran in (engine.choose(getattr(cells, name)(3, 4).double(), batch([5])), "reference"):
            cell = getattr(cells, name)(3, 4).double()
            torch.nn.utils.parametrize.register_parametrization(cell, "weight_hidden", Counted())
            Counted.calls = 0
            with engine.using(ran):
                unroll(cell, batch([5, 9])).outputs.values.sum().backward()
            assert Counted.calls == 1
            assert cell.parametrizations.weight_hidden.original.grad.any()


def test_recording_ends_with_its_block() -> None:
    cell, inputs = cells.LSTM(3, 4).double(), batch([2])
    with engine.recording() as ran:
        unroll(cell, inputs)
    unroll(cell, inputs)
    assert ran == [fastest("rectangles")]


def test_autocast_to_float16_takes_the_plain_loop_on_the_cpu() -> None:
    cell, inputs = cells.LSTM(3, 4), batch([3, 2], dtype=torch.float32)
    with torch.autocast("cpu", torch.float16):
        assert engine.choose(cell, inputs) == "reference"
    with torch.autocast("cpu", torch.bfloat16):
        chosen = "native" if compiler() else "rectangles"
        assert engine.choose(cell, inputs) == engine.choose(cells.GRU(3, 4), inputs) == chosen


class Leaky(GatedCell):
    """Keeps a share of its state, which may be changed."""

    gates = ("candidate",)
    State = cells.HiddenState

    def __init__(self, rates: tuple[float, ...] | list[float]) -> None:
        super().__init__(3, 4)
        self.rates = rates

    def update(self, from_input, from_hidden, state):  # type: ignore[no-untyped-def]
        new = torch.tanh(from_input.candidate + from_hidden.candidate)
        return cells.HiddenState(self.rates[0] * state.hidden + self.rates[1] * new)


@pytest.mark.parametrize("kind", [tuple, list])
def test_several_plain_values_of_a_cell_may_be_changed_after_it_ran(kind: type) -> None:
    cell, inputs = Leaky(kind((0.5, 0.5))).double(), batch([2, 0, 3])
    unroll(cell, inputs)
    for change in (lambda: setattr(cell, "rates", kind((0.9, 0.1))), lambda: kind is list and cell.rates.reverse()):
        change()
        got = unroll(cell, inputs).outputs.values
        with engine.using("reference"):
            torch.testing.assert_close(got, unroll(cell, inputs).outputs.values)
