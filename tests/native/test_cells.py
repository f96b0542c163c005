"""Values and gradients of the native engine equal the plain Python loop's, whatever the cell, the batch and the call.

Everything that any engine must hold runs on `reference` too, which tries the tests themselves.
"""

import copy
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
import torch
from native.cells_nobody_tuned_for import (
    ALL,
    DECLINED,
    EITHER,
    FUNCTIONS,
    KNOWN,
    MIXING,
    RARE,
    SOME,
    TAKEN,
    Elementwise,
    Swapped,
    functions,
    made,
)
from native.naive import (
    NATIVE,
    Answers,
    answers,
    assert_close,
    assert_identical,
    batch,
    declining_aloud,
    expected,
    gradients_of,
    on,
    rowless_variance,
    upstream,
    without_native,
)
from torch import nn

from unspool import Ragged, cells, engine, unroll
from unspool.cells import GatedCell
from unspool.engine import native
from unspool.engine.native import emit, forms, halves
from unspool.errors import EngineError

pytestmark = [rowless_variance, declining_aloud]

BATCHES = {
    "any order": [4, 0, 7, 1, 7, 2],
    "one row": [9],
    "one step": [1],
    "ties": [3] * 5,
    "rising": [0, 1, 2, 3, 4, 5, 6],
    "past a tile": [2, 1, 3] * 11 + [0, 12],
    "zero lengths": [0, 0, 0],
    "empty": [],
}
UNEVEN = BATCHES["any order"]
DTYPES = [torch.float64, torch.float32]

# Enough to try a test itself on the plain loop: two stages, three widths, odd parameters, buffers.
FEW = ["LSTM", "TwoStages", "ThreeFields", "ManyShapes", "SomeGates", "Buffers"]


def cases(names: Iterable[str], plain: Iterable[str]) -> list[Any]:
    """Cells on the native engine, and those on the plain loop."""
    native = [pytest.param(name, "native", marks=without_native, id=f"{name}-native") for name in names]
    return native + [pytest.param(name, "reference", id=f"{name}-reference") for name in plain]


every_case = pytest.mark.parametrize(("name", "ran"), cases(SOME, FEW))
every_engine = pytest.mark.parametrize("ran", [NATIVE, "reference"])
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def check(ran: str, cell: GatedCell, inputs: Ragged, state: Any, **options: Any) -> None:
    """The engine gives what the plain Python loop gives."""
    got = answers(on(ran), cell, inputs, state, **options)
    assert_close(got, expected(cell, inputs, state, **options), inputs.values.dtype)


def vector_cells() -> set[type[GatedCell]]:
    found = {thing for _, thing in inspect.getmembers(cells, inspect.isclass) if issubclass(thing, GatedCell)}
    return found - {cells.GatedCell, cells.LinearCell, cells.ConvLSTM}


def test_every_cell_of_vectors_is_tried() -> None:
    assert {type(make()) for make in KNOWN.values()} == vector_cells()


def test_every_function_is_tried() -> None:
    tried = [made(name) for name in [*TAKEN, *EITHER]]
    assert {f for cell in tried if isinstance(cell, Elementwise) for f in cell.functions} == {*FUNCTIONS, *RARE}


@pytest.mark.parametrize(("name", "ran"), cases([*KNOWN, *TAKEN], [*KNOWN, *TAKEN]))
def test_values_and_gradients_equal_the_plain_python_loop(name: str, ran: str) -> None:
    check_batches(name, torch.float64, ran)


@pytest.fixture
def as_for_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells are compiled anew, with no other flags than the project's own."""
    monkeypatch.delenv("UNSPOOL_CXXFLAGS")
    monkeypatch.setattr(forms, "_of_cells_alike", {})


@pytest.mark.usefixtures("as_for_users")
@every_case
def test_values_and_gradients_in_float32_equal_the_plain_python_loop(name: str, ran: str) -> None:
    check_batches(name, torch.float32, ran)


def check_batches(name: str, dtype: torch.dtype, ran: str) -> None:
    cell = made(name, dtype)
    for lengths in BATCHES.values() if ran == "native" else (UNEVEN, [9], [0, 0], []):
        check(ran, cell, *batch(cell, lengths, dtype))


@every_case
def test_a_long_batch_of_many_rows_equals_the_plain_python_loop(name: str, ran: str) -> None:
    cell = made(name, torch.float64)
    check(ran, cell, *batch(cell, [40, 3, 0, 25, 1, 17, 40, 8, 8, 2, 31], torch.float64))


@pytest.mark.parametrize("lengths", [[5] * 108, [3, 1, 2, 0] * 24, [60, *[1] * 80]])
def test_more_sequences_than_a_thread_steps_at_once_are_right(lengths: list[int]) -> None:
    torch.manual_seed(0)
    cell = cells.GRU(4, 20).double()
    assert len(lengths) > 2 * emit.ROWS
    check("native", cell, *batch(cell, lengths, torch.float64))


@pytest.mark.parametrize("kind", [cells.LSTM, cells.LayerNormLSTM])
@pytest.mark.parametrize("context", [nullcontext, engine.recomputing])
def test_rows_that_would_lie_a_power_of_two_apart_and_more_steps_than_a_cache_holds_are_right(
    kind: type[GatedCell], context: Callable[[], AbstractContextManager[None]]
) -> None:
    torch.manual_seed(0)
    cell = kind(5, 128).double()
    assert emit.apart(512) > 512
    with context():
        check("native", cell, *batch(cell, [40, 33, 0, 7, 40, 21, 1, 38, 40, 40], torch.float64))


@without_native
def test_weights_that_fit_no_cache_are_read_for_more_rows_at_once_and_are_right() -> None:
    cell = cells.LSTM(1400, 96).double()
    assert cell.weight_input.nbytes > 2**22
    check("native", cell, *batch(cell, [50, 60, 0, 90, 3], torch.float64))


@every_case
def test_the_state_that_is_left_out_is_zero(name: str, ran: str) -> None:
    cell = made(name, torch.float64)
    inputs, _ = batch(cell, UNEVEN, torch.float64)
    zeros = cell.initial_state_for(inputs)
    right = expected(cell, inputs, zeros, wanted=["inputs"])

    def without_state(cell: GatedCell, inputs: Ragged, _: Any) -> Any:
        with engine.using(ran), engine.recording() as names:
            outputs, final = unroll(cell, inputs)
        assert names == [ran]
        return outputs.values, final

    assert_close(answers(without_state, cell, inputs, zeros, wanted=["inputs"]), right, torch.float64)


@pytest.mark.parametrize("ran", [NATIVE, "reference"])
def test_one_cell_may_begin_elsewhere(ran: str) -> None:
    cell = made("LSTM", torch.float64)
    inputs, state = batch(cell, UNEVEN, torch.float64)
    cell.initial_state_for = lambda inputs: state
    with engine.using(ran):
        assert torch.equal(unroll(cell, inputs).outputs.values, unroll(cell, inputs, state).outputs.values)


@without_native
def test_what_stands_for_zeros_trains_wherever_it_was_made() -> None:
    code = (
        "import torch\n"
        "with torch.inference_mode():\n"
        "    import unspool\n"
        "cell = unspool.cells.LSTM(3, 4)\n"
        "unspool.unroll(cell, unspool.Ragged(torch.ones(3, 3), [1, 2])).outputs.values.sum().backward()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# What flows back, and where to


@every_case
@pytest.mark.parametrize("wanted", [["inputs"], ["state"], []], ids=lambda wanted: "-".join(wanted) or "neither")
def test_inputs_and_state_may_want_no_gradients(name: str, wanted: list[str], ran: str) -> None:
    cell = made(name, torch.float64)
    check(ran, cell, *batch(cell, UNEVEN, torch.float64), wanted=wanted)


@every_case
@pytest.mark.parametrize("frozen", ["all", "even", "odd", "the cell's own", "all but the cell's own"])
def test_frozen_parameters_get_no_gradients_and_change_no_others(name: str, frozen: str, ran: str) -> None:
    cell = made(name, torch.float64)
    usual = ("weight_input", "weight_hidden", "bias_input", "bias_hidden")
    for number, (which, parameter) in enumerate(cell.named_parameters()):
        parameter.requires_grad_(
            {
                "all": False,
                "even": number % 2 == 1,
                "odd": number % 2 == 0,
                "the cell's own": which in usual,
                "all but the cell's own": which not in usual,
            }[frozen]
        )
    check(ran, cell, *batch(cell, UNEVEN, torch.float64))


@every_case
@pytest.mark.parametrize("flowing", ["outputs", "final", "first field", "last field"])
def test_only_some_results_may_be_used(name: str, flowing: str, ran: str) -> None:
    cell = made(name, torch.float64)
    inputs, state = batch(cell, UNEVEN, torch.float64)
    given = upstream(cell, inputs)
    names = list(given)
    used = {"outputs": names[:1], "final": names[1:], "first field": names[1:2], "last field": names[-1:]}[flowing]
    check(ran, cell, inputs, state, given={which: given[which] for which in used})


@every_case
def test_gradients_of_gradients_are_right_or_refused(name: str, ran: str) -> None:
    cell = made(name, torch.float64)
    inputs, state = batch(cell, [2, 0, 3], torch.float64)
    given = upstream(cell, inputs)["outputs"]

    def penalty(run: Any) -> Any:
        values = inputs.values.clone().requires_grad_()
        outputs, _ = run(cell, inputs.with_values(values), state)
        (slope,) = torch.autograd.grad(outputs, values, given, create_graph=True)
        return torch.autograd.grad(
            (slope * slope).sum(), [values, *cell.parameters()], allow_unused=True, materialize_grads=True
        )

    with engine.using("reference"):
        right = penalty(lambda *call: (unroll(*call).outputs.values, None))
    try:
        found = penalty(on(ran))
    except EngineError as error:
        if ran != "native" or "create_graph" not in str(error):
            raise
        return
    for ours, theirs in zip(found, right, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


@every_case
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode], ids=["no_grad", "inference_mode"])
def test_values_are_the_same_without_gradients(name: str, mode: Any, ran: str) -> None:
    cell = made(name)
    inputs, state = batch(cell, UNEVEN, torch.float32)
    right = expected(cell, inputs, state)
    with mode():
        fresh = inputs.with_values(inputs.values.clone())  # under inference_mode, an inference tensor
        outputs, final = on(ran)(cell, fresh, state)
    assert not outputs.requires_grad
    values = {"outputs": outputs, **{f"final.{field}": leaf for field, leaf in final._asdict().items()}}
    assert_close(Answers(values, {}), Answers(right.values, {}), torch.float32)
    check(ran, cell, *batch(cell, UNEVEN, torch.float32))  # gradients flow again afterwards


# How tensors lie in memory


def every_second(tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers, every second column of a wider tensor."""
    wide = tensor.new_full((*tensor.shape[:-1], 2 * tensor.shape[-1]), float("nan"))
    wide[..., ::2] = tensor
    return wide[..., ::2]


def transposed(tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers, column by column."""
    return tensor.t().contiguous().t()


def misaligned(tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers, one number after where an allocation begins."""
    room = torch.cat([tensor.new_full((1,), float("nan")), tensor.flatten()])
    return room[1:].view(tensor.shape)


LAYOUTS = {"every second": every_second, "transposed": transposed, "misaligned": misaligned}


@every_case
@pytest.mark.parametrize("layout", LAYOUTS)
def test_inputs_state_and_gradients_may_lie_anyhow(name: str, layout: str, ran: str) -> None:
    cell = made(name, torch.float64)
    inputs, state = batch(cell, UNEVEN, torch.float64)
    lay = LAYOUTS[layout]
    given = {which: lay(gradient) for which, gradient in upstream(cell, inputs).items()}
    check(ran, cell, inputs.with_values(lay(inputs.values)), type(state)(*map(lay, state)), given=given)


@every_case
def test_inputs_state_and_gradients_may_be_one_number_seen_many_times(name: str, ran: str) -> None:
    cell = made(name, torch.float64)
    inputs, state = batch(cell, UNEVEN, torch.float64)
    values = inputs.values[:1].expand(inputs.layout.total, -1)
    given = {which: gradient.flatten()[0].expand(gradient.shape) for which, gradient in upstream(cell, inputs).items()}
    same = type(state)(*(leaf[:1].expand(leaf.shape) for leaf in state))
    check(ran, cell, inputs.with_values(values), same, given=given)


@every_case
@pytest.mark.parametrize("layout", ["every second", "transposed"])
def test_parameters_may_lie_anyhow(name: str, layout: str, ran: str) -> None:
    cell = made(name, torch.float64)
    lay = LAYOUTS[layout]
    for parameter in cell.parameters():
        if parameter.dim() == 2 or (parameter.dim() == 1 and layout == "every second"):
            parameter.data = lay(parameter.data)
    check(ran, cell, *batch(cell, UNEVEN, torch.float64))


# What changes between two calls is seen


@contextmanager
def after_a_first_call(ran: str, cell: GatedCell, dtype: torch.dtype = torch.float64) -> Iterator[None]:
    """Run the cell, let the block change it, and check what it gives then."""
    check(ran, cell, *batch(cell, UNEVEN, dtype))
    yield
    check(ran, cell, *batch(cell, UNEVEN, next(cell.parameters()).dtype))


@every_case
def test_new_weights_are_seen_whichever_way_they_came(name: str, ran: str) -> None:
    cell = made(name, torch.float64)
    with after_a_first_call(ran, cell), torch.no_grad():
        for parameter in cell.parameters():
            parameter *= 0.8
    with after_a_first_call(ran, cell):
        for parameter in cell.parameters():
            parameter.data = 0.9 * parameter.data  # bumps no version
    with after_a_first_call(ran, cell):
        for module in cell.modules():
            for which, parameter in list(module.named_parameters(recurse=False)):
                setattr(module, which, nn.Parameter(0.9 * parameter.detach()))
    with after_a_first_call(ran, cell):
        cell.float()


@every_engine
def test_a_new_number_mode_or_buffer_is_seen(ran: str) -> None:
    cell: Any = made("Knobs", torch.float64)
    with after_a_first_call(ran, cell):
        cell.eval()
    with after_a_first_call(ran, cell):
        cell.shift.neg_()
    with after_a_first_call(ran, cell):
        cell.shift = torch.ones_like(cell.shift)
    with after_a_first_call(ran, cell):
        cell.gain = -1.5
    with after_a_first_call(ran, cell):
        cell.train()


def test_a_new_module_function_or_shape_is_seen() -> None:
    torch.manual_seed(0)
    cell: Any = Swapped(7, 9).double()
    with after_a_first_call("native", cell):
        cell.squash = nn.Sigmoid()
    with after_a_first_call("native", cell):
        cell.bend = torch.cos
    with after_a_first_call("native", cell):
        cell.gain = nn.Parameter(torch.full((9,), 1.5, dtype=torch.float64))
    with after_a_first_call("native", cell):
        cell.scale = nn.Parameter(torch.tensor([0.5], dtype=torch.float64))


@every_engine
def test_a_new_buffer_that_is_trained_gets_its_gradient(ran: str) -> None:
    cell: Any = made("Knobs", torch.float64)
    with after_a_first_call(ran, cell):
        shift = cell.shift
        del cell.shift
        cell.shift = nn.Parameter(shift)


@every_engine
def test_cells_of_one_class_and_size_are_not_taken_for_one_another(ran: str) -> None:
    batches = {}
    for function in ("gelu", "pow"):
        torch.manual_seed(0)
        cell = functions(function)().double()
        batches[function] = (cell, *batch(cell, UNEVEN, torch.float64))
    for _ in range(2):
        for case in batches.values():
            check(ran, *case)
    for nonlinearity in ("tanh", "relu"):
        cell = cells.Elman(7, 17, nonlinearity=nonlinearity).double()
        check(ran, cell, *batch(cell, UNEVEN, torch.float64))


@every_case
def test_a_copy_of_a_cell_that_ran_stands_alone(name: str, ran: str) -> None:
    cell = made(name, torch.float64)
    inputs, state = batch(cell, UNEVEN, torch.float64)
    check(ran, cell, inputs, state)
    other = copy.deepcopy(cell)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
    assert_close(
        answers(on(ran), other, inputs, state), expected(made(name, torch.float64), inputs, state), torch.float64
    )


# Runs do not disturb one another


@every_case
def test_two_runs_of_a_cell_do_not_disturb_one_another(name: str, ran: str) -> None:
    cell = made(name, torch.float64)
    found = []
    for lengths in (UNEVEN, [5, 2, 6, 1]):
        inputs, state = batch(cell, lengths, torch.float64)
        values = inputs.values.clone().requires_grad_()
        outputs, final = on(ran)(cell, inputs.with_values(values), state)
        results = {"outputs": outputs, **{f"final.{field}": leaf for field, leaf in final._asdict().items()}}
        found.append((inputs, state, results, {"inputs": values, **dict(cell.named_parameters())}))
    for inputs, state, results, of in found:
        given = upstream(cell, inputs)
        got = Answers(
            {which: tensor.detach() for which, tensor in results.items()},
            gradients_of(results, of, given, keep=True),
        )
        again = Answers(got.values, gradients_of(results, of, given))
        assert_identical(got, again)
        assert_close(got, expected(cell, inputs, state, wanted=["inputs"]), torch.float64)


@without_native
def test_parameters_of_the_same_gradient_have_memory_of_their_own() -> None:
    cell = made("LayerNormLSTM")
    inputs, state = batch(cell, UNEVEN, torch.float32)
    with engine.using("native"):
        unroll(cell, inputs, state).outputs.values.square().sum().backward()
    one, other = cell.norm_input.bias.grad, cell.norm_hidden.bias.grad
    assert one.ne(0).any()
    assert torch.equal(one, other)
    one.zero_()
    assert other.ne(0).any()


@every_case
def test_gradients_flow_from_one_run_into_the_next(name: str, ran: str) -> None:
    cell = made(name, torch.float64)
    inputs, state = batch(cell, [4, 0, 6, 1, 2], torch.float64)

    def in_pieces(cell: GatedCell, inputs: Ragged, state: Any) -> Any:
        pieces = []
        for start, stop in ((0, 2), (2, 3), (3, 6)):
            piece = inputs.steps(start, stop)
            values, state = on(ran)(cell, piece, state)
            pieces.append(piece.with_values(values))
        return Ragged.join(pieces).values, state

    assert_close(answers(in_pieces, cell, inputs, state), expected(cell, inputs, state), torch.float64)


@every_case
def test_a_run_changes_nothing_that_it_was_given(name: str, ran: str) -> None:
    cell = made(name, torch.float64)
    inputs, state = batch(cell, UNEVEN, torch.float64)
    given = upstream(cell, inputs)
    tensors = [inputs.values, *state, *given.values(), *cell.state_dict().values()]
    before = [tensor.clone() for tensor in tensors]
    answers(on(ran), cell, inputs, state, given)
    for now, then in zip(tensors, before, strict=True):
        assert torch.equal(now, then)


# What it may or must decline


def check_unforced(cell: GatedCell, inputs: Ragged, state: Any) -> str:
    """Whichever engine `choose` names runs, and gives what the plain Python loop gives."""
    with engine.recording() as ran:
        got = answers(lambda *call: (lambda u: (u.outputs.values, u.final))(unroll(*call)), cell, inputs, state)
    assert ran == [engine.choose(cell, inputs)]
    assert_close(got, expected(cell, inputs, state), inputs.values.dtype)
    return ran[0]


@pytest.mark.parametrize("name", EITHER)
def test_what_may_be_declined_is_right_either_way(name: str) -> None:
    dtype = torch.float64
    for lengths in (UNEVEN, [9], [0, 0]):
        cell = made(name, dtype)
        inputs, state = batch(cell, lengths, dtype)
        check_unforced(cell, inputs, state)
        if engine.explain(cell, inputs).get("native", "there is none") is None:
            check("native", cell, inputs, state)


@pytest.mark.parametrize("name", DECLINED)
@every_dtype
def test_what_must_be_declined_runs_on_the_plain_loop(name: str, dtype: torch.dtype) -> None:
    cell = made(name, dtype)
    for lengths in ([9], [1], *([] if name in MIXING else [UNEVEN])):
        assert check_unforced(cell, *batch(cell, lengths, dtype)) == "reference"


@pytest.mark.parametrize("name", DECLINED)
def test_a_declined_cell_gives_what_the_plain_loop_gives_bit_by_bit(name: str) -> None:
    cell = made(name)
    inputs, state = batch(cell, UNEVEN, torch.float32)
    unforced = answers(lambda *call: (lambda u: (u.outputs.values, u.final))(unroll(*call)), cell, inputs, state)
    assert_identical(unforced, answers(on("reference"), cell, inputs, state))


@without_native
@pytest.mark.parametrize("name", DECLINED)
@pytest.mark.parametrize("lengths", [UNEVEN, [9], [1, 1], [0], []], ids=str)
def test_what_must_be_declined_is_refused_with_a_reason(name: str, lengths: list[int]) -> None:
    cell = made(name)
    inputs, state = batch(cell, lengths, torch.float32)
    assert isinstance(engine.explain(cell, inputs)["native"], str)
    assert engine.choose(cell, inputs) != "native"
    with engine.using("native"), pytest.raises(EngineError, match="engine `native` can't run"):
        unroll(cell, inputs, state)


@without_native
@pytest.mark.parametrize("name", [*KNOWN, *TAKEN])
def test_what_must_be_taken_is_not_refused(name: str) -> None:
    cell = made(name, torch.float64)
    for lengths in BATCHES.values():
        assert engine.explain(cell, batch(cell, lengths, torch.float64)[0])["native"] is None


@without_native
@pytest.mark.parametrize("name", DECLINED)
def test_asking_draws_no_random_numbers_and_leaves_no_gradients(name: str) -> None:
    cell = made(name)
    inputs, _ = batch(cell, UNEVEN, torch.float32)
    before = torch.get_rng_state()
    engine.explain(cell, inputs)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in cell.parameters())


@without_native
def test_images_are_declined() -> None:
    cell = cells.ConvLSTM(3, 4)
    inputs = Ragged(torch.randn(3, 3, 2, 5), [2, 1])
    assert isinstance(engine.explain(cell, inputs)["native"], str)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "PeepholeLSTM", "LayerNormLSTM", "TwoStages"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_stays_half_on_whichever_engine(name: str, dtype: torch.dtype) -> None:
    cell = made(name, dtype)
    inputs, state = batch(cell, UNEVEN, dtype)
    outputs, final = unroll(cell, inputs, state)
    right = expected(cell, inputs, state).values
    for which, tensor in {"outputs": outputs.values, "final.hidden": final.hidden}.items():
        assert tensor.dtype == dtype
        assert (tensor.double() - right[which]).norm() <= 0.03 * right[which].norm()


@pytest.mark.parametrize("in_halves", [True, False])
@pytest.mark.parametrize("name", ["LSTM", "LayerNormLSTM", "TwoStages"])
def test_autocast_gives_what_the_plain_loop_gives_under_it(
    name: str, in_halves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halves, "pay", lambda: in_halves and halves.there())
    cell = made(name)
    inputs, state = batch(cell, UNEVEN, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        form = native.compiled(cell)
        assert isinstance(form, native.Native), form
        assert form.halves == halves.pay()
        unforced = unroll(cell, inputs, state)
        with engine.using("reference"):
            plain = unroll(cell, inputs, state)
    difference = (unforced.outputs.values.float() - plain.outputs.values.float()).norm()
    assert difference <= 0.03 * plain.outputs.values.float().norm()


def test_a_cell_first_asked_for_under_autocast_is_as_native_outside_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halves, "pay", lambda: False)
    monkeypatch.setattr(forms, "_of_cells_alike", {})
    cell = made("TwoStages")
    with torch.autocast("cpu", torch.bfloat16):
        assert isinstance(native.compiled(cell), native.Native)
    assert isinstance(native.compiled(cell), native.Native)


@pytest.mark.parametrize("name", [*KNOWN, *TAKEN])
def test_whatever_is_chosen_by_itself_is_right(name: str) -> None:
    cell = made(name, torch.float64)
    check_unforced(cell, *batch(cell, UNEVEN, torch.float64))


ALL_NAMES = [*KNOWN, *TAKEN, *EITHER, *DECLINED]


def test_no_two_cells_share_a_name() -> None:
    assert len(ALL) == len(ALL_NAMES)
