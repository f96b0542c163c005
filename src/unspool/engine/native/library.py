"""The native engine as operators of `torch.library`: for tracing, fake tensors and `torch.compile`.

Plain calls go by `operators.Recurrence`, which costs less; both run the same two functions. An exported program never
holds these operators: a cell is exported as the plain operations of its `update`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unspool.engine.native.calling import Batch, Native
from unspool.engine.native.emit import apart
from unspool.engine.native.operators import Run, Steps, backward, forward

_known: dict[str, Native] = {}


def name_of(native: Native) -> str:
    """The name by which the operators know a compiled cell: the same in every process."""
    name = hashlib.sha256(f"{native.program.source}{native.dtype}{native.halves}".encode()).hexdigest()[:16]
    _known[name] = native
    return name


@torch.library.custom_op("unspool::recurrence", mutates_args=())
def recurrence(
    cell: str,
    x: Tensor,
    weights: Sequence[Tensor],
    there: Sequence[bool],
    parameters: Sequence[Tensor],
    initial: Sequence[Tensor],
    lengths: Tensor,
    keep: bool,
) -> list[Tensor]:
    """All steps of the cell of a name: outputs, final states, the other fields' states, tape and what is read again.

    `there` says which of `weight_input`, `bias_input`, `weight_hidden` and `bias_hidden` the `weights` are.
    """
    native = _known[cell]
    run = Run(_placed(weights, there), parameters, initial)
    _, (steps,) = forward(native, Batch(lengths, len(x)), x, [run], training=True, keep=keep)
    # What no one writes is made zero: an operator's result is the same each time.
    if steps.tape is not None and native.program.gaps:
        steps.tape[:, native.program.gaps] = 0
    if steps.from_input is not None:
        steps.from_input[:, native.gates :] = 0
    rest = (steps.tape, steps.from_input)
    return [*_present(steps.fields[:1]), *steps.final, *_present(steps.fields[1:]), *_present(rest, like=x)]


def _present(tensors: Sequence[Tensor | None], like: Tensor | None = None) -> list[Tensor]:
    """An operator gives tensors: what is not there is an empty one."""
    found = []
    for tensor in tensors:
        if tensor is None:
            assert like is not None
            tensor = like.new_empty(0)
        found.append(tensor)
    return found


def _placed(weights: Sequence[Tensor], there: Sequence[bool]) -> list[Tensor | None]:
    held = iter(weights)
    return [next(held) if present else None for present in there]


@recurrence.register_fake
def _(
    cell: str,
    x: Tensor,
    weights: Sequence[Tensor],
    there: Sequence[bool],
    parameters: Sequence[Tensor],
    initial: Sequence[Tensor],
    lengths: Tensor,
    keep: bool,
) -> list[Tensor]:
    native, total, size = _known[cell], x.shape[0], lengths.shape[0]
    program = native.program
    again = program.needs_from_input and (keep or not program.tape)
    return [
        x.new_empty(total, native.widths[0]),
        *(x.new_empty(size, width) for width in native.widths),
        *(x.new_empty(total, width) for width in native.widths[1:]),
        x.new_empty(total, program.tape) if keep and program.tape else x.new_empty(0),
        x.new_empty(total, apart(native.gates)) if again else x.new_empty(0),
    ]


@torch.library.custom_op("unspool::recurrence_backward", mutates_args=())
def recurrence_backward(
    cell: str,
    x: Tensor,
    weights: Sequence[Tensor],
    there: Sequence[bool],
    parameters: Sequence[Tensor],
    initial: Sequence[Tensor],
    lengths: Tensor,
    saved: Sequence[Tensor],
    given: Tensor,
    to_final: Sequence[Tensor],
) -> list[Tensor]:
    """The gradients of x, the weights there are, the parameters and the initial state."""
    native = _known[cell]
    fields, (tape, from_input) = saved[:-2], saved[-2:]
    kept = tape.dim() > 1
    steps = Steps([*fields], [], tape if kept else None, from_input if from_input.dim() > 1 else None)
    needs = [True] * (5 + len(parameters) + len(initial))
    run = Run(_placed(weights, there), parameters, initial)
    found = backward(native, Batch(lengths, len(x)), x, [run], [steps], given, to_final, needs)
    rest = found[5 : 5 + len(parameters)]
    return [
        *(tensor for tensor in found[:5] if tensor is not None),
        *(torch.zeros_like(p) if g is None else g for g, p in zip(rest, parameters, strict=True)),
        *(tensor for tensor in found[5 + len(parameters) :] if tensor is not None),
    ]


@recurrence_backward.register_fake
def _(
    cell: str,
    x: Tensor,
    weights: Sequence[Tensor],
    there: Sequence[bool],
    parameters: Sequence[Tensor],
    initial: Sequence[Tensor],
    lengths: Tensor,
    saved: Sequence[Tensor],
    given: Tensor,
    to_final: Sequence[Tensor],
) -> list[Tensor]:
    present = [x, *weights, *parameters, *initial]
    return [torch.empty_like(tensor) for tensor in present]


def _setup(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    cell, x, weights, there, parameters, initial, lengths, _ = inputs
    ctx.cell, ctx.there, ctx.counts = cell, there, (len(weights), len(parameters), len(initial))
    states = output[0], *output[1 + len(initial) :]
    ctx.save_for_backward(x, lengths, *weights, *parameters, *initial, *states)


def _gradient(ctx: Any, given: list[Tensor | None]) -> Any:
    x, lengths, *rest = ctx.saved_tensors
    parts = []
    for count in ctx.counts:
        parts.append(rest[:count])
        rest = rest[count:]
    weights, parameters, initial = parts
    to_outputs = torch.zeros_like(rest[0]) if given[0] is None else given[0]
    to_final = [torch.zeros_like(s) if g is None else g for s, g in zip(initial, given[1:], strict=False)]
    to_x, *found = recurrence_backward(
        ctx.cell, x, weights, ctx.there, parameters, initial, lengths, rest, to_outputs, to_final
    )
    gradients = []
    for count in ctx.counts:
        gradients.append(found[:count])
        found = found[count:]
    return None, to_x, gradients[0], None, gradients[1], gradients[2], None, None


recurrence.register_autograd(_gradient, setup_context=_setup)
