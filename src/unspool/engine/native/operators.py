"""A compiled cell over a ragged batch, as a function that autograd knows."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from unspool.engine.native import compiler
from unspool.engine.native.emit import Program
from unspool.errors import EngineError

_NUMBERS = {torch.float32: "float", torch.float64: "double"}
_LONGS = ("batch", "total", "input", "threads", "reversed", "output_stride", "given_stride")
_POINTERS = (
    *("offsets", "order", "x", "weight_input", "bias_input", "parameters", "from_input", "initial", "fields", "final"),
    *("tape", "given", "to_final", "to_x", "to_weight_input", "to_bias_input", "to_weight_hidden", "to_bias_hidden"),
    *("to_input", "to_hidden", "to_initial", "sums", "taps", "packed_input", "packed"),
)


class Call(ctypes.Structure):
    """`Call` of recurrence.hpp."""

    _fields_ = [*((name, ctypes.c_int64) for name in _LONGS), *((name, ctypes.c_void_p) for name in _POINTERS)]


_forked = False


def _after_fork() -> None:
    global _forked
    _forked = True


os.register_at_fork(after_in_child=_after_fork)


def threads() -> int:
    """How many threads may run: PyTorch's number; one in a forked child, where OpenMP's threads were left behind."""
    return 1 if _forked else torch.get_num_threads()


class _Spaces(threading.local):
    """Memory that a call needs and no one sees after it, kept for the next call: fresh memory costs a page fault for
    every 4 KB, a tenth of a training step."""

    KEPT = 64 * 2**20  # bytes; what is larger comes and goes

    def __init__(self) -> None:
        self._held: dict[tuple[str, torch.dtype], Tensor] = {}

    def of(self, role: str, rows: int, width: int, dtype: torch.dtype) -> Tensor:
        """(rows, width) of anything; the same memory for every call with this role."""
        count = rows * width
        if count * dtype.itemsize > self.KEPT:
            return torch.empty(rows, width, dtype=dtype)
        held = self._held.get((role, dtype))
        if held is None or len(held) < count:
            with torch.inference_mode(False):
                held = self._held[role, dtype] = torch.empty(count + count // 4, dtype=dtype)
        return held[:count].view(rows, width)


_spaces = _Spaces()


@dataclass(frozen=True)
class Native:
    """A compiled cell.

    Fields:
        program: what was compiled.
        dtype: of all its numbers.
        widths: of the state's fields.
        gates, hidden_gates: widths of the products with the input and with the hidden state.
        halves: whether products are of bfloat16 numbers, summed in float.
    """

    program: Program
    dtype: torch.dtype
    widths: tuple[int, ...]
    gates: int
    hidden_gates: int
    halves: bool = False

    def __post_init__(self) -> None:
        library = self.library
        if library.unspool_size_of_call() != ctypes.sizeof(Call):
            raise EngineError("the compiled cell was made for another version of Unspool; empty its cache")

    @cached_property
    def library(self) -> ctypes.CDLL:
        return compiler.load(self.program.source, _NUMBERS[self.dtype], self.halves)

    def space(self, role: str, batch: Batch, width: int | None = None) -> Tensor:
        """Working memory, (total, width); as wide as the gates if not said."""
        return _spaces.of(role, batch.total, self.gates if width is None else width, self.dtype)

    def call(self, function: str, batch: Batch, **given: Any) -> None:
        """Call into the library. Tensors go as pointers, lists of tensors as arrays of them."""
        alive, fields = [], batch.sizes()
        for name, value in given.items():
            if isinstance(value, Tensor):
                value = value.data_ptr()
            elif isinstance(value, list):
                pointers = (ctypes.c_void_p * max(len(value), 1))(*[None if v is None else v.data_ptr() for v in value])
                alive.append(pointers)
                value = ctypes.addressof(pointers)
            fields[name] = value
        call = Call(**fields)
        if getattr(self.library, function)(ctypes.byref(call)):
            raise MemoryError("not enough memory for a step of a recurrence")


@dataclass(frozen=True)
class Batch:
    """The sequences of a call: (batch + 1,) offsets, and their order from the longest to the shortest."""

    offsets: Tensor
    order: Tensor
    total: int
    backward_in_time: bool

    def sizes(self) -> dict[str, Any]:
        return {
            "batch": len(self.order),
            "total": self.total,
            "threads": threads(),
            "reversed": int(self.backward_in_time),
            "offsets": self.offsets.data_ptr(),
            "order": self.order.data_ptr(),
        }


@dataclass(frozen=True)
class Steps:
    """What a run leaves: by field the states after every step (the outputs first; the others only for a gradient), the
    final states, the tape, and the gates' products with the input where the gradient reads them again."""

    fields: list[Tensor | None]
    final: list[Tensor]
    tape: Tensor | None
    from_input: Tensor | None


def forward(
    native: Native,
    batch: Batch,
    x: Tensor,
    weights: Sequence[Tensor | None],
    parameters: Sequence[Tensor],
    initial: Sequence[Tensor],
    *,
    training: bool,
    keep: bool,
) -> Steps:
    """All steps of a cell.

    Args:
        native: the compiled cell.
        batch: the sequences.
        x: (total, input_size).
        weights: `weight_input`, `bias_input`, `weight_hidden`, `bias_hidden`, None where there is none.
        parameters: of the program, in its order.
        initial: the state, (batch, width) by field.
        training: whether there will be a gradient.
        keep: whether to keep what the gradient needs, rather than compute it again.
    """
    size, program = len(batch.order), native.program
    fields = [x.new_empty(batch.total, width) if training or k == 0 else None for k, width in enumerate(native.widths)]
    final = [x.new_empty(size, width) for width in native.widths]
    reads_again = training and program.needs_from_input and (keep or not program.tape)
    from_input = x.new_empty(batch.total, native.gates) if reads_again else native.space("gates", batch)
    tape = x.new_empty(batch.total, program.tape) if training and keep and program.tape else None
    native.call(
        "unspool_forward",
        batch,
        input=x.shape[1],
        output_stride=native.widths[0],
        x=x,
        weight_input=weights[0],
        bias_input=weights[1],
        parameters=[*parameters],
        from_input=from_input,
        initial=[*initial],
        fields=fields,
        final=final,
        tape=tape,
    )
    return Steps(fields, final, tape, from_input if reads_again else None)


def backward(
    native: Native,
    batch: Batch,
    x: Tensor,
    weights: Sequence[Tensor | None],
    parameters: Sequence[Tensor],
    initial: Sequence[Tensor],
    steps: Steps,
    given: Tensor | None,
    to_final: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """The gradients of x, the weights, the parameters and the initial state, in this order; None where not needed.

    Args:
        steps: what `forward` left.
        given: gradient of the outputs.
        to_final: gradients of the final state.
        needs: of what gradients are asked, in the order they come.
    """
    program, size = native.program, len(batch.order)
    from_input = steps.from_input
    if program.tape and steps.tape is None:
        from_input = native.space("gates", batch)
    x_needs, weights_need, parameters_need = needs[0], needs[1:5], needs[5 : 5 + len(parameters)]
    to_weights = [
        torch.empty_like(weight) if weight is not None and need else None
        for weight, need in zip(weights, weights_need, strict=True)
    ]
    to_initial = [x.new_empty(size, width) for width in native.widths]
    to_input = native.space("to gates", batch)
    to_hidden = to_input if program.one_gradient else native.space("to hidden gates", batch, native.hidden_gates)
    given = x.new_zeros(1, native.widths[0]) if given is None else given.contiguous()
    sums = x.new_zeros(size, program.sums)
    taps = [x.new_empty(batch.total, width) for width in program.taps]
    to_x = torch.empty_like(x) if x_needs else None
    named = ("to_weight_input", "to_bias_input", "to_weight_hidden", "to_bias_hidden")
    native.call(
        "unspool_backward",
        batch,
        input=x.shape[1],
        output_stride=native.widths[0],
        given_stride=given.stride(0) if len(given) == batch.total and batch.total > 1 else 0,
        x=x,
        weight_input=weights[0],
        bias_input=weights[1],
        parameters=[*parameters],
        from_input=from_input,
        initial=[*initial],
        fields=steps.fields,
        tape=steps.tape,
        given=given,
        to_final=[
            x.new_zeros(size, width) if gradient is None else gradient.contiguous()
            for gradient, width in zip(to_final, native.widths, strict=True)
        ],
        to_x=to_x,
        **dict(zip(named, to_weights, strict=True)),
        to_input=to_input,
        to_hidden=to_hidden,
        to_initial=to_initial,
        sums=sums,
        taps=taps,
    )
    return [
        to_x,
        *to_weights,
        *_of_parameters(native, parameters, parameters_need, sums, taps, batch.total),
        *to_initial,
    ]


class Recurrence(torch.autograd.Function):
    """`forward` with its gradient: arguments `native`, `batch`, `keep`, the number of parameters, then x, the four
    weights, the parameters and the initial state. Gives the outputs and the final state."""

    @staticmethod
    def forward(ctx: Any, native: Native, batch: Batch, keep: bool, count: int, x: Tensor, *tensors: Any) -> Any:
        weights, parameters, initial = tensors[:4], tensors[4 : 4 + count], tensors[4 + count :]
        training = any(ctx.needs_input_grad)
        steps = forward(native, batch, x, weights, parameters, initial, training=training, keep=keep)
        if training:
            ctx.save_for_backward(x, *tensors, *steps.fields, steps.tape, steps.from_input)
            ctx.native, ctx.batch, ctx.count = native, batch, count
            ctx.set_materialize_grads(False)
        return steps.fields[0], *steps.final

    @staticmethod
    def backward(ctx: Any, given: Tensor | None, *to_final: Tensor | None) -> Any:
        if torch.is_grad_enabled():
            raise EngineError(
                "engine `native` has no gradients of gradients (`create_graph=True`); unroll inside "
                '`with unspool.engine.using("reference"):`'
            )
        native, count, states = ctx.native, ctx.count, len(ctx.native.widths)
        x, *saved = ctx.saved_tensors
        weights, parameters, rest = saved[:4], saved[4 : 4 + count], saved[4 + count :]
        initial, fields, (tape, from_input) = rest[:states], rest[states : 2 * states], rest[2 * states :]
        steps = Steps(fields, [], tape, from_input)
        needs = ctx.needs_input_grad[4:]
        found = backward(native, ctx.batch, x, weights, parameters, initial, steps, given, to_final, needs)
        return None, None, None, None, *found


def _of_parameters(
    native: Native, parameters: Sequence[Tensor], needs: Sequence[bool], sums: Tensor, taps: list[Tensor], total: int
) -> list[Tensor | None]:
    """The gradients of what the update itself applies."""
    program, summed = native.program, sums.sum(0)
    found: list[Tensor | None] = []
    for name, parameter, need in zip(program.parameters, parameters, needs, strict=True):
        gradient: Tensor | None = None
        if need and name in program.vectors:
            start, width = program.vectors[name]
            gradient = summed[start : start + width].view(parameter.shape)
        for g, x in program.matrices.get(name, ()) if need else ():
            part = torch.empty_like(parameter)
            sizes = (taps[g].data_ptr(), parameter.shape[0], taps[x].data_ptr(), parameter.shape[1], total, threads())
            pointer, long = ctypes.c_void_p, ctypes.c_int64
            kinds = (pointer, pointer, long, pointer, long, long, long)
            if native.library.unspool_outer(*(k(v) for k, v in zip(kinds, (part.data_ptr(), *sizes), strict=True))):
                raise MemoryError("not enough memory for the gradient of a matrix")
            gradient = part if gradient is None else gradient + part
        found.append(gradient)
    return found
