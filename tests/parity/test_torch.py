"""What `from_torch` gives is torch.nn's own module over a packed batch; `to_torch` gives the module back."""

import copy
import itertools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import unspool
from unspool import Bidirectional, Dropout, Layers, Ragged, Residual, Stack, cells, to_torch
from unspool.errors import CellError
from unspool.state import leaves

KINDS: dict[str, Callable[..., nn.RNNBase]] = {
    "LSTM": nn.LSTM,
    "LSTM, projected": lambda *sizes, **options: nn.LSTM(*sizes, proj_size=2, **options),
    "GRU": nn.GRU,
    "Elman, tanh": nn.RNN,
    "Elman, relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
}
LAYERS, DIRECTIONS, BIASES = (1, 2, 3), (False, True), (True, False)
# torch's name for a weight, and ours.
NAMES = {
    "weight_ih": "weight_input",
    "weight_hh": "weight_hidden",
    "bias_ih": "bias_input",
    "bias_hh": "bias_hidden",
    "weight_hr": "projection.weight",
}


def make(kind: str, layers: int, bidirectional: bool, bias: bool, dropout: float = 0.0) -> nn.RNNBase:
    return KINDS[kind](
        3, 5, num_layers=layers, bidirectional=bidirectional, bias=bias, dropout=dropout, batch_first=True
    )


def structures(test: Any) -> Any:
    """One test for every kind of module, number of layers, direction and bias."""
    for name, values in (("bias", BIASES), ("bidirectional", DIRECTIONS), ("layers", LAYERS), ("kind", KINDS)):
        test = pytest.mark.parametrize(name, values)(test)
    return test


class Results(NamedTuple):
    """outputs: (total, features). finals: (layers · directions, batch, features) each. gradients: by torch's names."""

    outputs: Tensor
    finals: list[Tensor]
    gradients: dict[str, Tensor]


def results_of_torch(module: nn.RNNBase, inputs: Ragged) -> Results:
    values = inputs.values.detach().clone().requires_grad_()
    padded = inputs.with_values(values).to_padded().values
    packed = pack_padded_sequence(padded, inputs.lengths, batch_first=True, enforce_sorted=False)
    packed_outputs, final = module(packed)
    padded_outputs, _ = pad_packed_sequence(packed_outputs, batch_first=True)
    outputs = torch.cat([row[:length] for row, length in zip(padded_outputs, inputs.lengths, strict=True)])
    finals = list(final) if isinstance(final, tuple) else [final]
    weighted(outputs, finals).backward()
    gradients = {name: weight.grad for name, weight in module.named_parameters()}
    return Results(outputs, finals, {"values": values.grad, **gradients})


def results_of_ours(module: nn.Module, inputs: Ragged) -> Results:
    values = inputs.values.detach().clone().requires_grad_()
    run = module if not isinstance(module, cells.Cell) else lambda batch: unspool.unroll(module, batch)
    outputs, final = run(inputs.with_values(values))
    fields = [[leaf for name, leaf in leaves(final) if name.endswith(field)] for field in (".hidden", ".memory")]
    finals = [torch.stack(field) for field in fields if field]
    weighted(outputs.values, finals).backward()
    gradients = {name: weight.grad for name, weight in by_torch_name(module).items()}
    return Results(outputs.values, finals, {"values": values.grad, **gradients})


def weighted(outputs: Tensor, finals: list[Tensor]) -> Tensor:
    """A sum whose gradient is another at every place. The weights are a wave, so that every dtype has the same."""
    parts = [part.flatten() for part in (outputs, *finals)]
    return sum((part * torch.arange(1, len(part) + 1).cos().to(part)).sum() for part in parts)


def by_torch_name(module: nn.Module) -> dict[str, Tensor]:
    """Our weights as torch names them: l0, l0_reverse, l1, …"""
    ours = [part for part in module.modules() if isinstance(part, cells.GatedCell)]
    both = any(isinstance(part, unspool.Bidirectional) for part in module.modules())
    places = itertools.product(range(len(ours)), ["", "_reverse"] if both else [""])
    return {
        f"{theirs}_l{layer}{direction}": weights[name]
        for (layer, direction), cell in zip(places, ours, strict=False)
        for weights in [dict(cell.named_parameters())]
        for theirs, name in NAMES.items()
        if name in weights
    }


def errors(ours: Results, theirs: Results) -> tuple[float, float]:
    """The largest error of outputs and final states, and of the gradients, each over the largest value."""
    assert len(ours.finals) == len(theirs.finals)
    assert ours.gradients.keys() == theirs.gradients.keys()
    ahead = zip([ours.outputs, *ours.finals], [theirs.outputs, *theirs.finals], strict=True)
    back = [(ours.gradients[name], theirs.gradients[name]) for name in theirs.gradients]
    return max(error(*pair) for pair in ahead), max(error(*pair) for pair in back)


def error(ours: Tensor, theirs: Tensor) -> float:
    assert ours.shape == theirs.shape
    largest = theirs.detach().abs().max().item() or 1.0
    return (ours - theirs).detach().abs().max().item() / largest


def batch(lengths: list[int]) -> Ragged:
    return Ragged(torch.randn(sum(lengths), 3, dtype=torch.float64), lengths)


LENGTHS = st.lists(st.integers(1, 6), min_size=1, max_size=5)
LONG = [2, 90, 1, 60, 60]  # uneven enough for rectangles to be cut


@structures
@example(lengths=LONG)
@given(lengths=LENGTHS)
@settings(max_examples=5, deadline=None, derandomize=True)
def test_from_torch_computes_what_the_module_does(kind, layers, bidirectional, bias, lengths):
    torch.manual_seed(0)
    theirs = make(kind, layers, bidirectional, bias).double()
    ours, inputs = unspool.from_torch(theirs), batch(lengths)
    ahead, back = errors(results_of_ours(ours, inputs), results_of_torch(theirs, inputs))
    assert ahead < 1e-10
    assert back < 1e-10


# On the CPU, oneDNN computes float32 only: the LSTM's fast path is not run in float64.
@structures
@pytest.mark.parametrize("lengths", [[4, 1, 6, 6, 2], LONG], ids=["short", "long"])
def test_in_float32_it_stays_within_rounding_of_float64(kind, layers, bidirectional, bias, lengths):
    torch.manual_seed(0)
    theirs = make(kind, layers, bidirectional, bias)
    ours, inputs = unspool.from_torch(theirs), batch(lengths)
    exact = results_of_torch(copy.deepcopy(theirs).double(), inputs)
    ahead, back = errors(results_of_ours(ours, inputs.to(torch.float32)), exact)
    assert ahead < 1e-5
    assert back < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_warned_of(kind):
    ours = unspool.from_torch(make(kind, 1, bidirectional=False, bias=True))
    torch.set_warn_always(True)  # else only the first call in a process warns, and pytest makes that an error
    try:
        unspool.unroll(ours, batch([3, 1]).to(torch.float32))
    finally:
        torch.set_warn_always(False)


@structures
def test_to_torch_gives_the_module_back(kind, layers, bidirectional, bias):
    assert_comes_back(make(kind, layers, bidirectional, bias).double())


@pytest.mark.parametrize("bidirectional", DIRECTIONS)
@pytest.mark.parametrize("layers", [2, 3])
def test_to_torch_gives_dropout_between_layers_back(layers, bidirectional):
    assert_comes_back(make("GRU", layers, bidirectional, bias=True, dropout=0.25))


def assert_comes_back(module: nn.RNNBase) -> None:
    back = unspool.to_torch(unspool.from_torch(module))
    assert (repr(back), back.mode) == (repr(module), module.mode)  # nn.RNN's repr leaves its nonlinearity out
    assert list(back.state_dict()) == list(module.state_dict())
    for name, weight in module.state_dict().items():
        assert back.state_dict()[name].dtype == weight.dtype
        assert torch.equal(back.state_dict()[name], weight)


@pytest.mark.parametrize("kind", KINDS)
def test_neither_shares_memory_with_what_it_was_made_from(kind):
    module = make(kind, 1, bidirectional=False, bias=True)
    ours = unspool.from_torch(module)
    before = {name: weight.clone() for name, weight in ours.state_dict().items()}
    with torch.no_grad():
        for weight in [*module.parameters(), *unspool.to_torch(ours).parameters()]:
            weight.zero_()
    assert all(torch.equal(weight, before[name]) for name, weight in ours.state_dict().items())


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("bidirectional", DIRECTIONS)
def test_evaluation_stays_evaluation(layers, bidirectional):
    module = make("LSTM", layers, bidirectional, bias=True).eval()
    ours = unspool.from_torch(module)
    assert not any(part.training for part in ours.modules())
    assert not unspool.to_torch(ours).training


def test_from_torch_refuses_what_is_not_recurrent():
    message = "`module` must be an `nn.LSTM`, `nn.GRU` or `nn.RNN`, but is Linear"
    with pytest.raises(CellError, match=f"^{re.escape(message)}$"):
        unspool.from_torch(nn.Linear(3, 4))


UNFIT = {
    "two kinds": (
        lambda: Stack(cells.GRU(3, 4), cells.LSTM(4, 4)),
        "`module` must be of equal cells to become a layer of torch.nn, but holds LSTM(4, 4) beside GRU(3, 4)",
    ),
    "a linear layer": (
        lambda: torch.nn.Linear(4, 4),
        "`module` must be of LSTM, ProjectedLSTM, GRU or Elman cells to become a layer of torch.nn, but holds a Linear",
    ),
    "a cell that torch.nn lacks": (
        lambda: cells.LayerNormLSTM(4, 4),
        "`module` must be of LSTM, ProjectedLSTM, GRU or Elman cells to become a layer of torch.nn, "
        "but holds a LayerNormLSTM",
    ),
    "a combinator that torch.nn lacks": (
        lambda: Stack(Residual(cells.LSTM(4, 4))),
        "`module` must be of LSTM, ProjectedLSTM, GRU or Elman cells to become a layer of torch.nn, "
        "but holds a Residual",
    ),
    "two nonlinearities": (
        lambda: Stack(cells.Elman(4, 4), cells.Elman(4, 4, nonlinearity="relu")),
        "`module` must be of equal cells to become a layer of torch.nn, but holds Elman(4, 4) beside Elman(4, 4)",
    ),
    "widths that do not meet": (
        lambda: Stack(cells.LSTM(3, 4), cells.LSTM(5, 4)),
        "`module` must be of equal cells to become a layer of torch.nn, but holds LSTM(5, 4) beside LSTM(3, 4)",
    ),
    "one mask a sequence": (
        lambda: Stack(cells.LSTM(3, 4), Dropout(0.5), cells.LSTM(4, 4)),
        "`module` must drop out elementwise, at one rate between all layers or at none, to become a layer of torch.nn",
    ),
    "one direction, then two": (
        lambda: Layers(cells.LSTM(3, 4), Bidirectional(cells.LSTM(4, 4), cells.LSTM(4, 4))),
        "`module` must be of one or of two directions in all layers, to become a layer of torch.nn",
    ),
}


@pytest.mark.parametrize("what", UNFIT)
def test_to_torch_says_what_torch_has_no_layer_for(what: str) -> None:
    make, message = UNFIT[what]
    with pytest.raises(CellError) as error:
        to_torch(make())
    assert str(error.value) == message
