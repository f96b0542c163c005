"""The contenders that are always at hand: the layers of torch.nn, and ours on an engine of choice or a forced one."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial

import torch
from recurrent_problem import Contender, Problem
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from unspool import Ragged, engine, to_torch, unroll
from unspool.cells import GRU, LSTM, Elman
from unspool.engine.choice import ENGINES

_HIDDEN = 2  # where the recurrent weights are among inputs and weights of a layer of torch.nn


def padded(problem: Problem, dtype: torch.dtype = torch.float32) -> Contender | None:
    """torch.nn over the rectangle: it knows no lengths, and computes the padding."""
    layer = _layer(problem)
    if layer is None:
        return None
    x = problem.inputs.clone().requires_grad_()

    def forward() -> Tensor:
        with _precision(dtype):
            outputs: Tensor = layer(x)[0]
            return outputs

    return Contender(
        "torch-padded",
        forward,
        problem.steps,
        _training(forward, [x, *layer.parameters()], problem.gradients),
        lambda found: (problem.steps(found[0]), found[_HIDDEN]),
        dtype,
    )


def packed(problem: Problem) -> Contender | None:
    """torch.nn over a packed batch, which is packed from the rectangle at every step, as one does."""
    layer = _layer(problem)
    if layer is None:
        return None
    x = problem.inputs.clone().requires_grad_()
    gradient = pack_padded_sequence(problem.gradients, problem.lengths, enforce_sorted=False)

    def run() -> PackedSequence:
        outputs: PackedSequence = layer(pack_padded_sequence(x, problem.lengths, enforce_sorted=False))[0]
        return outputs

    return Contender(
        "torch-packed",
        run,
        lambda found: problem.steps(pad_packed_sequence(found)[0]),
        _training(lambda: run().data, [x, *layer.parameters()], gradient.data),
        lambda found: (problem.steps(found[0]), found[_HIDDEN]),
    )


def ours(
    problem: Problem, name: str = "ours", *, forced: str | None = None, dtype: torch.dtype = torch.float32
) -> Contender | None:
    """`unspool.unroll` from a `Ragged`, on the engine of choice or a forced one; None where that refuses the cell."""
    x = problem.values.clone().requires_grad_()
    if forced and engine.explain(problem.cell, Ragged(x, problem.lengths))[forced] is not None:
        return None
    cell = problem.cell

    def forward() -> Tensor:
        batch = Ragged(x, problem.lengths)  # a new one at every step: its index tables are part of the cost
        with engine.using(forced) if forced else nullcontext(), _precision(dtype):
            outputs: Ragged = unroll(cell, batch).outputs
            return outputs.values

    training = _training(forward, [x, *cell.parameters()], problem.gradient)
    names = ["values", *(name for name, _ in cell.named_parameters())]
    hidden = names.index("weight_hidden")
    return Contender(name, forward, lambda found: found, training, lambda found: (found[0], found[hidden]), dtype)


def loop(problem: Problem) -> Contender:
    """The cell in a loop over the rectangle, as one writes it in PyTorch: it computes the padding, step after step."""
    cell, x = problem.cell, problem.inputs.clone().requires_grad_()

    def forward() -> Tensor:
        state, outputs = cell.initial_state(x.shape[1]), []
        for step in x:
            output, state = cell(step, state)
            outputs.append(output)
        return torch.stack(outputs)

    training = _training(forward, [x, *cell.parameters()], problem.gradients)
    hidden = 1 + [name for name, _ in cell.named_parameters()].index("weight_hidden")
    return Contender(
        "torch-loop", forward, problem.steps, training, lambda found: (problem.steps(found[0]), found[hidden])
    )


def engines_of(contender: Contender) -> dict[str, str | None]:
    """By mode, the engine that runs a contender of ours; None for a peer."""
    found = {}
    for mode, run in contender.modes.items():
        with engine.recording() as ran:
            run()
        found[mode] = ran[0] if ran else None
    return found


def _training(run: Callable[[], Tensor], leaves: list[Tensor], gradient: Tensor) -> Callable[[], tuple[Tensor, ...]]:
    """Forward and backward: the gradients of the leaves, given that of the outputs."""
    given = cache(gradient.to)  # under autocast outputs may be of another dtype, and then are in every step

    def step() -> tuple[Tensor, ...]:
        outputs = run()
        return torch.autograd.grad(outputs, leaves, given(outputs.dtype))

    return step


def _layer(problem: Problem) -> nn.RNNBase | None:
    """The layer of torch.nn that computes what the cell does, or None."""
    if type(problem.cell) not in (LSTM, GRU, Elman):
        return None
    layer = to_torch(problem.cell)
    layer.batch_first = False  # time-major is what its kernels want: up to 5 % faster than with the transposition
    return layer


def _precision(dtype: torch.dtype) -> AbstractContextManager[None]:
    return nullcontext() if dtype == torch.float32 else torch.autocast("cpu", dtype)


# By name; the other engines that may be forced are found under their own.
CONTENDERS: dict[str, Callable[[Problem], Contender | None]] = {
    "torch-padded": padded,
    "torch-packed": packed,
    "torch-loop": loop,
    "eager-loop": partial(ours, name="eager-loop", forced="reference"),
    **{name: partial(ours, name=name, forced=name) for name in ENGINES if name != "reference"},
}
