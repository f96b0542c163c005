"""A compiled cell over a ragged batch, as a function that autograd knows."""

from __future__ import annotations

import ctypes
import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from unspool.engine.native import compiler
from unspool.engine.native.emit import Program
from unspool.errors import EngineError

_NUMBERS = {torch.float32: "float", torch.float64: "double"}
_LONGS = ("batch", "total", "input", "threads", "reversed", "adds", "output_stride", "given_stride")
_POINTERS = (
    *("offsets", "order", "x", "weight_input", "bias_input", "parameters", "from_input", "initial", "fields", "final"),
    *("tape", "given", "to_final", "to_x", "to_weight_input", "to_bias_input", "to_weight_hidden", "to_bias_hidden"),
    *("to_input", "to_hidden", "to_initial", "sums", "taps", "packed_input", "packed"),
)


class Call(ctypes.Structure):
    """`Call` of recurrence.hpp: one word a field."""

    _fields_ = [*((name, ctypes.c_int64) for name in _LONGS), *((name, ctypes.c_void_p) for name in _POINTERS)]


_FIELDS = (*_LONGS, *_POINTERS)
_PLACES = {name: place for place, name in enumerate(_FIELDS)}


class _Words(threading.local):
    """Memory for what a call is told, written in one go: to set field by field costs as much as a short call."""

    def __init__(self) -> None:
        self._space: Any = None
        self._start = 0

    def start(self, count: int) -> int:
        """The address that `count` words will have."""
        if self._space is None or len(self._space) < count:
            self._space = (ctypes.c_uint64 * max(2 * count, 256))()
            self._start = ctypes.addressof(self._space)
        return self._start

    def write(self, words: list[int]) -> None:
        self._space[: len(words)] = words


_words = _Words()


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

    def of(self, role: str, count: int, dtype: torch.dtype) -> Tensor:
        """At least so many numbers, of anything; the same memory for every call with this role."""
        if count * dtype.itemsize > self.KEPT:
            return torch.empty(count, dtype=dtype)
        held = self._held.get((role, dtype))
        if held is None or len(held) < count:
            with torch.inference_mode(False):
                held = self._held[role, dtype] = torch.empty(count + count // 4, dtype=dtype)
        return held


_spaces = _Spaces()


@contextmanager
def fresh_spaces() -> Iterator[None]:
    """Within, no working memory is there yet, so that it can be seen how much is made; after, what there was before."""
    held, _spaces._held = _spaces._held, {}
    try:
        yield
    finally:
        _spaces._held = held


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
        """Working memory for (total, width); as wide as the gates if not said."""
        return _spaces.of(role, batch.total * (self.gates if width is None else width), self.dtype)

    def call(self, function: str, batch: Batch, *runs: dict[str, Any]) -> None:
        """Call into the library, for several runs at once. Tensors go as pointers, lists of them as arrays of these."""
        count = len(runs) * len(_FIELDS)
        words = [0] * count
        beyond = [value for run in runs for value in run.values() if type(value) is list]
        start, common = _words.start(count + sum(map(len, beyond))), batch.sizes()
        for number, run in enumerate(runs):
            first = number * len(_FIELDS)
            for name, value in (*common.items(), *run.items()):
                if value is None:
                    continue
                if type(value) is list:
                    word = start + 8 * len(words)
                    words += [0 if one is None else one.data_ptr() for one in value]
                else:
                    word = value if type(value) is int else value.data_ptr()
                words[first + _PLACES[name]] = word
        _words.write(words)
        if getattr(self.library, function)(ctypes.c_void_p(start), ctypes.c_int64(len(runs))):
            raise MemoryError("not enough memory for a step of a recurrence")


@dataclass(frozen=True)
class Batch:
    """The sequences of a call: (batch + 1,) offsets, and their order from the longest to the shortest."""

    offsets: Tensor
    order: Tensor
    total: int

    def sizes(self) -> dict[str, Any]:
        return {
            "batch": len(self.order),
            "total": self.total,
            "threads": threads(),
            "offsets": self.offsets.data_ptr(),
            "order": self.order.data_ptr(),
        }


@dataclass(frozen=True)
class Run:
    """A cell over the sequences, in one direction of time.

    Fields:
        weights: `weight_input`, `bias_input`, `weight_hidden`, `bias_hidden`, None where there is none.
        parameters: of the program, in its order.
        initial: the state, (batch, width) by field.
        reversed: whether it reads from the end.
    """

    weights: Sequence[Tensor | None]
    parameters: Sequence[Tensor]
    initial: Sequence[Tensor]
    reversed: bool = False

    @property
    def tensors(self) -> list[Tensor | None]:
        return [*self.weights, *self.parameters, *self.initial]


@dataclass(frozen=True)
class Steps:
    """What a run leaves: by field the states after every step (the outputs first; the others only for a gradient), the
    final states, the tape, and the gates' products with the input where the gradient reads them again."""

    fields: list[Tensor | None]
    final: list[Tensor]
    tape: Tensor | None
    from_input: Tensor | None

    @property
    def kept(self) -> list[Tensor | None]:
        """What the gradient needs of it."""
        return [*self.fields, self.tape, self.from_input]


def forward(
    native: Native, batch: Batch, x: Tensor, runs: Sequence[Run], *, training: bool, keep: bool
) -> tuple[Tensor, list[Steps]]:
    """All steps of a cell, or of several that have one compiled form.

    Args:
        native: the compiled cell.
        batch: the sequences.
        x: (total, input_size).
        runs: over these sequences, all at once.
        training: whether there will be a gradient.
        keep: whether to keep what the gradient needs, rather than compute it again.

    Returns:
        The outputs of all runs side by side, (total, width · runs), and what each leaves.
    """
    size, program, width = len(batch.order), native.program, native.widths[0]
    outputs = x.new_empty(batch.total, width * len(runs))
    made, calls = [], []
    for number, run in enumerate(runs):
        own = outputs[:, number * width : (number + 1) * width] if len(runs) > 1 else outputs
        fields = [own, *(x.new_empty(batch.total, rest) if training else None for rest in native.widths[1:])]
        final = [x.new_empty(size, width) for width in native.widths]
        reads_again = training and program.needs_from_input and (keep or not program.tape)
        from_input = x.new_empty(batch.total, native.gates) if reads_again else native.space(f"gates {number}", batch)
        tape = x.new_empty(batch.total, program.tape) if training and keep and program.tape else None
        calls.append(
            {
                "input": x.shape[1],
                "reversed": int(run.reversed),
                "output_stride": width * len(runs),
                "x": x,
                "weight_input": run.weights[0],
                "bias_input": run.weights[1],
                "parameters": [*run.parameters],
                "from_input": from_input,
                "initial": [*run.initial],
                "fields": fields,
                "final": final,
                "tape": tape,
            }
        )
        made.append(Steps(fields, final, tape, from_input if reads_again else None))
    native.call("unspool_forward", batch, *calls)
    return outputs, made


def backward(
    native: Native,
    batch: Batch,
    x: Tensor,
    runs: Sequence[Run],
    steps: Sequence[Steps],
    given: Tensor | None,
    to_final: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """The gradients of x and, run by run, of the weights, the parameters and the initial state; None where not needed.

    Args:
        steps: what `forward` left.
        given: gradient of the outputs.
        to_final: gradients of the final states, run by run.
        needs: of what gradients are asked, in the order they come.
    """
    program, size, width = native.program, len(batch.order), native.widths[0]
    given = x.new_zeros(1, width * len(runs)) if given is None else given.contiguous()
    to_x = torch.empty_like(x) if needs[0] else None
    found, calls = [], []
    needs, final = needs[1:], iter(to_final)
    for number, (run, left) in enumerate(zip(runs, steps, strict=True)):
        from_input = left.from_input
        if program.tape and left.tape is None:
            from_input = native.space(f"gates {number}", batch)
        to_weights = [
            torch.empty_like(weight) if weight is not None and need else None
            for weight, need in zip(run.weights, needs[:4], strict=True)
        ]
        parameters_need, needs = needs[4 : 4 + len(run.parameters)], needs[len(run.tensors) :]
        to_initial = [x.new_empty(size, rest) for rest in native.widths]
        to_input = native.space(f"to gates {number}", batch)
        separate = None if program.one_gradient else native.space(f"to hidden {number}", batch, native.hidden_gates)
        sums = x.new_zeros(size, program.sums)
        taps = [x.new_empty(batch.total, rest) for rest in program.taps]
        calls.append(
            {
                "input": x.shape[1],
                "reversed": int(run.reversed),
                "adds": int(number > 0),
                "output_stride": width * len(runs),
                "given_stride": given.stride(0) if len(given) == batch.total and batch.total > 1 else 0,
                "x": x,
                "weight_input": run.weights[0],
                "bias_input": run.weights[1],
                "parameters": [*run.parameters],
                "from_input": from_input,
                "initial": [*run.initial],
                "fields": left.fields,
                "tape": left.tape,
                "given": given[:, number * width :] if number else given,
                "to_final": [
                    x.new_zeros(size, rest) if gradient is None else gradient.contiguous()
                    for gradient, rest in zip(itertools.islice(final, len(native.widths)), native.widths, strict=True)
                ],
                "to_x": to_x,
                **dict(zip(_TO_WEIGHTS, to_weights, strict=True)),
                "to_input": to_input,
                "to_hidden": to_input if separate is None else separate,
                "to_initial": to_initial,
                "sums": sums,
                "taps": taps,
            }
        )
        found.append((to_weights, parameters_need, sums, taps, to_initial))
    native.call("unspool_backward", batch, *calls)
    gradients: list[Tensor | None] = [to_x]
    for run, (to_weights, parameters_need, sums, taps, to_initial) in zip(runs, found, strict=True):
        of_parameters = _of_parameters(native, run.parameters, parameters_need, sums, taps, batch.total)
        gradients += [*to_weights, *of_parameters, *to_initial]
    return gradients


_TO_WEIGHTS = ("to_weight_input", "to_bias_input", "to_weight_hidden", "to_bias_hidden")


class Recurrence(torch.autograd.Function):
    """`forward` with its gradient. Takes `native`, `batch`, `keep`, what describes the runs (`reversed` and the number
    of parameters of each), x and the runs' tensors; gives the outputs and the final states."""

    @staticmethod
    def forward(ctx: Any, native: Native, batch: Batch, keep: bool, kinds: Any, x: Tensor, *tensors: Any) -> Any:
        runs = _runs_of(native, kinds, iter(tensors))
        outputs, steps = forward(native, batch, x, runs, training=True, keep=keep)
        kept = [tensor for left in steps for tensor in left.kept[1:]]
        ctx.save_for_backward(x, *tensors, outputs, *kept)
        ctx.native, ctx.batch, ctx.kinds = native, batch, kinds
        ctx.set_materialize_grads(False)
        return outputs, *(leaf for left in steps for leaf in left.final)

    @staticmethod
    def backward(ctx: Any, given: Tensor | None, *to_final: Tensor | None) -> Any:
        if torch.is_grad_enabled():
            raise EngineError(
                "engine `native` has no gradients of gradients (`create_graph=True`); unroll inside "
                '`with unspool.engine.using("reference"):`'
            )
        native, (x, *saved) = ctx.native, ctx.saved_tensors
        held = iter(saved)
        runs = _runs_of(native, ctx.kinds, held)
        outputs, width, steps = next(held), native.widths[0], []
        for number in range(len(runs)):
            fields = [outputs[:, number * width :], *itertools.islice(held, len(native.widths) - 1)]
            steps.append(Steps(fields, [], next(held), next(held)))
        found = backward(native, ctx.batch, x, runs, steps, given, to_final, ctx.needs_input_grad[4:])
        return None, None, None, None, *found


def _runs_of(native: Native, kinds: Sequence[tuple[bool, int]], tensors: Iterator[Any]) -> list[Run]:
    """The runs again, from their tensors one after another."""
    return [
        Run(
            [*itertools.islice(tensors, 4)],
            [*itertools.islice(tensors, count)],
            [*itertools.islice(tensors, len(native.widths))],
            backward_in_time,
        )
        for backward_in_time, count in kinds
    ]


def _of_parameters(
    native: Native, parameters: Sequence[Tensor], needs: Sequence[bool], sums: Tensor, taps: list[Tensor], total: int
) -> list[Tensor | None]:
    """The gradients of what the update itself applies."""
    program = native.program
    summed = sums.sum(0) if program.sums else sums
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
