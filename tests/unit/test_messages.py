"""What cells, unrolls, engines and combinators say of a mistake, word for word."""

from typing import Any

import pytest
import torch
from torch import nn

from unspool import (
    Dropout,
    Ragged,
    Residual,
    Stack,
    TimeConvolution,
    Zoneout,
    cells,
    engine,
    from_torch,
    randomness,
    unroll,
)
from unspool.cells import GatedCell, HiddenState, LSTMState
from unspool.engine.native.compiler import compiler
from unspool.errors import BatchError, CellError, EngineError, RandomnessError, StateError, UnspoolError

NATIVE = "`native` or " if compiler() else ""
LSTM = cells.LSTM(8, 16)
BATCH = Ragged(torch.zeros(5, 8), [2, 0, 3])
STATE = LSTM.initial_state(3)


class Forgetful(GatedCell):
    gates = ("update",)
    State = HiddenState

    def update(self, from_input: Any, from_hidden: Any, state: Any) -> Any:
        return from_input.update


class Nameless(GatedCell):
    pass


CASES = {
    "a layer of torch.nn": (
        lambda: unroll(nn.LSTM(8, 16), BATCH),
        CellError,
        "`cell` must be a `Cell`, but is a torch.nn.modules.rnn.LSTM; "
        "`unspool.from_torch` turns the recurrent layers of torch.nn into cells",
    ),
    "a plain tensor": (
        lambda: unroll(LSTM, torch.zeros(3, 5, 8)),
        BatchError,
        "`inputs` must be a `Ragged` or a `Padded`, but is a Tensor; use "
        "`Ragged.from_padded(x, lengths)`, or `Padded(x, lengths)` for a program of fixed shape",
    ),
    "another width": (
        lambda: unroll(LSTM, Ragged(torch.zeros(5, 7), [2, 0, 3])),
        BatchError,
        "`inputs` must have 8 features a step for `LSTM(8, 16)`, but has (7,)",
    ),
    "steps of more than a vector": (
        lambda: unroll(LSTM, Ragged(torch.zeros(5, 8, 2), [2, 0, 3])),
        BatchError,
        "`inputs` must have 8 features a step for `LSTM(8, 16)`, but has (8, 2)",
    ),
    "another device": (
        lambda: unroll(cells.LSTM(8, 16).to("meta"), BATCH),
        BatchError,
        '`inputs` must lie where `LSTM(8, 16)` does (meta), but are on cpu; use `inputs.to("meta")`, or '
        '`cell.to("cpu")`',
    ),
    "another width, static": (
        lambda: unroll(LSTM, Ragged(torch.zeros(5, 7), [2, 0, 3]).to_padded()),
        BatchError,
        "`inputs` must have 8 features a step for `LSTM(8, 16)`, but has (7,)",
    ),
    "another dtype": (
        lambda: unroll(LSTM, BATCH.to(torch.float64)),
        BatchError,
        "`inputs` must be of the dtype of `LSTM(8, 16)` (torch.float32), but is of torch.float64; "
        "use `inputs.to(torch.float32)`, or `cell.to(torch.float64)`, or `torch.autocast`",
    ),
    "a state of another batch size": (
        lambda: unroll(LSTM, BATCH, LSTM.initial_state(2)),
        StateError,
        "`state` must have the batch size of `inputs` (3), but `state.hidden` has 2; "
        "`unspool.state.select` takes the rows you want",
    ),
    "one part of a state of another batch size": (
        lambda: unroll(LSTM, BATCH, LSTMState(torch.zeros(3, 16), torch.zeros(1, 16))),
        StateError,
        "`state` must have the batch size of `inputs` (3), but `state.memory` has 1; "
        "`unspool.state.select` takes the rows you want",
    ),
    "a state of another cell": (
        lambda: unroll(LSTM, BATCH, HiddenState(torch.zeros(3, 16))),
        StateError,
        "`state` of `LSTM(8, 16)` must be LSTMState(hidden, memory), but is HiddenState(hidden)",
    ),
    "a tuple for a state": (
        lambda: unroll(LSTM, BATCH, (torch.zeros(3, 16), torch.zeros(3, 16))),
        StateError,
        "`state` of `LSTM(8, 16)` must be LSTMState(hidden, memory), but is a tuple",
    ),
    "a state of another width": (
        lambda: unroll(LSTM, BATCH, LSTMState(torch.zeros(3, 16), torch.zeros(3, 8))),
        StateError,
        "`memory` in the state of `LSTM(8, 16)` must be (batch, 16), but is (3, 8)",
    ),
    "a state of another stack": (
        lambda: unroll(Stack(LSTM), BATCH, STATE),
        StateError,
        "`state` of a `Stack` of 1 must be a tuple of 1 states, but is LSTMState(hidden, memory)",
    ),
    "an unknown engine": (
        lambda: engine.using("refrence").__enter__(),
        EngineError,
        "`refrence` is no engine; there are scan, native, handwritten, packed, rectangles, reference "
        "(nearest: `reference`)",
    ),
    "an engine that can't": (
        lambda: on("rectangles", cells.PeepholeLSTM(8, 16)),
        EngineError,
        "engine `rectangles` can't run `PeepholeLSTM(8, 16)`: it runs `LSTM`, `ProjectedLSTM`, `GRU` and `Elman` "
        f"only, their steps unchanged; {NATIVE}`reference` can",
    ),
    "a scan of what is not linear": (
        lambda: on("scan", LSTM),
        EngineError,
        "engine `scan` can't run `LSTM(8, 16)`: it runs linear recurrences only: subclasses of `LinearCell` that "
        f"leave `update` as it is; {NATIVE}`packed` or `rectangles` or `reference` can",
    ),
    "an update that forgets its state": (
        lambda: unroll(Forgetful(8, 4), BATCH),
        CellError,
        "`Forgetful.update` must return its `State`, a HiddenState, but returned Tensor",
    ),
    "a gated cell without gates": (
        lambda: Nameless(8, 4),
        CellError,
        "`Nameless` must name its `gates` and its `State`, as in "
        '`gates = ("forget", "candidate")` and `State = HiddenState`',
    ),
    "a state of another dtype": (
        lambda: unroll(LSTM, BATCH, LSTM.initial_state(3, dtype=torch.float64)),
        StateError,
        "`state` must be of the dtype of `inputs` (torch.float32), but `state.hidden` is of torch.float64; "
        "use `unspool.state.to(state, dtype=torch.float32)`",
    ),
    "a gated cell with a step of its own": (
        lambda: type("Wilful", (cells.LSTM,), {"forward": lambda self, x, state: (x, state)}),
        CellError,
        "`Wilful` must write its step as `update`, but defines `forward`, which no unroll asks",
    ),
    "gates in one string": (
        lambda: type("Mumbled", (GatedCell,), {"gates": "forget candidate", "State": HiddenState}),
        CellError,
        '`gates` of `Mumbled` must be a tuple of different names, as in `("forget", "candidate")`, '
        "but is 'forget candidate'",
    ),
    "a gate that is named twice": (
        lambda: type("Echo", (GatedCell,), {"gates": ("forget", "forget"), "State": HiddenState}),
        CellError,
        '`gates` of `Echo` must be a tuple of different names, as in `("forget", "candidate")`, '
        "but is ('forget', 'forget')",
    ),
    "a hidden gate that is none": (
        lambda: type("Lost", (GatedCell,), {"gates": ("a",), "hidden_gates": ("b",), "State": HiddenState}),
        CellError,
        "`hidden_gates` of `Lost` must be among its gates ['a'], but names ['b']",
    ),
    "a state that is no NamedTuple": (
        lambda: type("Stateless", (GatedCell,), {"gates": ("a",), "State": tuple}),
        CellError,
        "`State` of `Stateless` must be a NamedTuple class, but is <class 'tuple'>",
    ),
    "dropout without a seed": (
        lambda: unroll(Stack(Dropout(0.5), cells.GRU(8, 4)), BATCH),
        RandomnessError,
        "`Dropout` draws from a seed and a step in training, but was given none; put the step inside "
        "`with unspool.randomness.using(seed=0, step=step):`, or call `model.eval()`",
    ),
    "a stepper with other rows": (
        lambda: LSTM.stepper(3)(torch.zeros(4, 8), STATE),
        StateError,
        "`x` must have at most the 3 rows that this stepper was made for, but has 4; make another: `cell.stepper(4)`",
    ),
    "a stepper with a state of fewer rows": (
        lambda: LSTM.stepper(3)(torch.zeros(3, 8), LSTM.initial_state(1)),
        StateError,
        "`x` and the fields of `state` must be of shapes [(3, 8), (3, 16), (3, 16)], but are of [(3, 8), (1, 16), "
        "(1, 16)]",
    ),
    "a stepper with a narrower x": (
        lambda: LSTM.stepper(3)(torch.zeros(2, 7), LSTM.initial_state(2)),
        StateError,
        "`x` and the fields of `state` must be of shapes [(2, 8), (2, 16), (2, 16)], but are of [(2, 7), (2, 16), "
        "(2, 16)]",
    ),
    "an unknown nonlinearity": (
        lambda: cells.Elman(8, 4, nonlinearity="gelu"),
        CellError,
        '`nonlinearity` must be "tanh" or "relu", but is "gelu"',
    ),
    "an even kernel": (
        lambda: cells.ConvLSTM(3, 4, kernel_size=2),
        CellError,
        "`kernel_size` must be odd, so that images keep their size, but is 2",
    ),
    "a projection too wide": (
        lambda: cells.ProjectedLSTM(8, 16, projection_size=16),
        CellError,
        "`projection_size` must be from 1 to below `hidden_size` (16), but is 16",
    ),
    "a size of nothing": (
        lambda: cells.GRU(8, 0),
        CellError,
        "`input_size` and `hidden_size` must be at least 1, but are 8 and 0",
    ),
    "a residual that changes width": (
        lambda: Residual(LSTM),
        CellError,
        "`Residual` must hold a cell of equal input and output, but `LSTM(8, 16)` makes 16 of 8 features",
    ),
    "a stack of nothing": (
        lambda: Stack(),
        CellError,
        "`Stack` must hold at least one cell, but got none",
    ),
    "a stack of a layer of torch.nn": (
        lambda: Stack(nn.LSTM(8, 16)),
        CellError,
        "`Stack` must hold cells, but got a torch.nn.modules.rnn.LSTM; "
        "`unspool.from_torch` turns the recurrent layers of torch.nn into cells",
    ),
    "zoneout of a stack": (
        lambda: Zoneout(Stack(LSTM), 0.1),
        CellError,
        "`cell` in a `Zoneout` must be a `GatedCell`, but is Stack",
    ),
    "zoneout of an unknown field": (
        lambda: Zoneout(LSTM, {"memry": 0.1}),
        CellError,
        "`rate` must name fields of ['hidden', 'memory'], but names ['memry']",
    ),
    "a rate of one": (lambda: Dropout(1.0), CellError, "`rate` must be from 0 to below 1, but is 1.0"),
    "an even window": (
        lambda: TimeConvolution(3, 4, 2),
        CellError,
        "`kernel_size` must be odd, so that it has a centre, but is 2; or set `causal`",
    ),
    "a linear layer of torch.nn": (
        lambda: from_torch(nn.Linear(3, 4)),
        CellError,
        "`module` must be an `nn.LSTM`, `nn.GRU` or `nn.RNN`, but is Linear",
    ),
}


def on(name: str, cell: Any) -> Any:
    with engine.using(name):
        return unroll(cell, BATCH)


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_named_with_what_came_and_what_to_do(case: str) -> None:
    mistake, kind, message = CASES[case]
    with pytest.raises(kind) as error:
        mistake()
    assert str(error.value) == message
    assert isinstance(error.value, UnspoolError)


def test_a_forced_engine_is_released_after_an_error() -> None:
    with pytest.raises(EngineError):
        on("scan", LSTM)
    assert engine.choose(LSTM, BATCH) != "scan"
    with pytest.raises(ZeroDivisionError), randomness.using(seed=0, step=0):
        raise ZeroDivisionError
    with pytest.raises(RandomnessError):
        unroll(Dropout(0.5), BATCH)
