"""A compiled cell over a ragged batch, as a function that autograd knows."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
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
    *("to_input", "to_hidden", "to_initial", "sums", "taps"),
)


class _Call(ctypes.Structure):
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
        if library.unspool_size_of_call() != ctypes.sizeof(_Call):
            raise EngineError("the compiled cell was made for another version of Unspool; empty its cache")

    @property
    def library(self) -> ctypes.CDLL:
        return compiler.load(self.program.source, _NUMBERS[self.dtype], self.halves)

    def call(self, function: str, batch: _Batch, **given: Any) -> None:
        """Call into the library. Tensors go as pointers, lists of tensors as arrays of them."""
        call, alive = _Call(), []
        for name, value in {**batch.sizes(), **given}.items():
            if isinstance(value, Tensor):
                value = value.data_ptr()
            elif isinstance(value, (list, tuple)):
                pointers = (ctypes.c_void_p * max(len(value), 1))(*(None if v is None else v.data_ptr() for v in value))
                alive.append(pointers)
                value = ctypes.addressof(pointers)
            setattr(call, name, value)
        if getattr(self.library, function)(ctypes.byref(call)):
            raise MemoryError("not enough memory for a step of a recurrence")


@dataclass(frozen=True)
class _Batch:
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
            "offsets": self.offsets,
            "order": self.order,
        }


class Recurrence(torch.autograd.Function):
    """All steps of a cell.

    Args:
        native: the compiled cell.
        batch: the sequences.
        keep: whether to keep what the gradient needs, rather than compute it again.
        x: (total, input_size).
        weights: `weight_input`, `bias_input`, `weight_hidden`, `bias_hidden`, None where there is none.
        count: how many of the further tensors are parameters of the program; the others are the initial state.

    Returns:
        The outputs, (total, width), and the final state, (batch, width) by field.
    """

    @staticmethod
    def forward(ctx: Any, native: Native, batch: _Batch, keep: bool, count: int, x: Tensor, *tensors: Any) -> Any:
        weights, parameters, initial = tensors[:4], tensors[4 : 4 + count], tensors[4 + count :]
        training = any(ctx.needs_input_grad)
        size, program = len(batch.order), native.program
        # Gradients need all states; else only the output is kept for every step.
        fields = [
            x.new_empty(batch.total, width) if training or k == 0 else None for k, width in enumerate(native.widths)
        ]
        final = [x.new_empty(size, width) for width in native.widths]
        from_input = x.new_empty(batch.total, native.gates)
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
        if training:
            kept = from_input if program.needs_from_input and tape is not None else None
            ctx.save_for_backward(x, *tensors, *fields, tape, kept)
            ctx.native, ctx.batch, ctx.count = native, batch, count
            ctx.set_materialize_grads(False)
        return fields[0], *final

    @staticmethod
    def backward(ctx: Any, given: Tensor | None, *to_final: Tensor | None) -> Any:
        if torch.is_grad_enabled():
            raise EngineError(
                "engine `native` has no gradients of gradients (`create_graph=True`); unroll inside "
                '`with unspool.engine.using("reference"):`'
            )
        native, batch, count = ctx.native, ctx.batch, ctx.count
        program, states = native.program, len(native.widths)
        x, *saved = ctx.saved_tensors
        weights, parameters, rest = saved[:4], saved[4 : 4 + count], saved[4 + count :]
        initial, fields, (tape, from_input) = rest[:states], rest[states : 2 * states], rest[2 * states :]
        again = program.tape > 0 and tape is None
        if from_input is None and (again or program.needs_from_input):
            from_input = x.new_empty(batch.total, native.gates)
        _, _, _, _, x_needs, *needs = ctx.needs_input_grad
        size = len(batch.order)
        to_weights = [
            torch.empty_like(weight) if weight is not None and need else None
            for weight, need in zip(weights, needs, strict=False)
        ]
        to_initial = [x.new_empty(size, width) for width in native.widths]
        to_input = x.new_empty(batch.total, native.gates)
        to_hidden = to_input if program.one_gradient else x.new_empty(batch.total, native.hidden_gates)
        given = x.new_zeros(1, native.widths[0]) if given is None else given.contiguous()
        sums = x.new_zeros(size, program.sums)
        taps = [x.new_empty(batch.total, width) for width in program.taps]
        to_x = torch.empty_like(x) if x_needs else None
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
            initial=initial,
            fields=fields,
            tape=tape,
            given=given,
            to_final=[
                x.new_zeros(size, width) if gradient is None else gradient.contiguous()
                for gradient, width in zip(to_final, native.widths, strict=True)
            ],
            to_x=to_x,
            **dict(zip(("to_weight_input", "to_bias_input", "to_weight_hidden", "to_bias_hidden"), to_weights, strict=True)),
            to_input=to_input,
            to_hidden=to_hidden,
            to_initial=to_initial,
            sums=sums,
            taps=taps,
        )
        to_parameters = _of_parameters(native, parameters, needs[4 : 4 + count], sums, taps, batch.total)
        return None, None, None, None, to_x, *to_weights, *to_parameters, *to_initial


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
