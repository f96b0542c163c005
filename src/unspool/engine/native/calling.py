"""How a compiled cell is called: what it is told, and how many threads it has."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, islice
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unspool.engine.native import compiler, memory
from unspool.engine.native.emit import Program, apart
from unspool.errors import EngineError

_NUMBERS = {torch.float32: "float", torch.float64: "double"}

with torch.inference_mode(False):  # wherever this is first imported
    NOTHING = torch.empty(0, device="cpu")
"""Among several tensors, one that is not there: its address is 0."""


class Told(NamedTuple):
    """What a call is told of a run, beside its batch: numbers, tensors or None, and several tensors each."""

    input: int
    reversed: int = 0
    adds: int = 0
    output_stride: int = 0
    given_stride: int = 0
    x: Tensor | None = None
    weight_input: Tensor | None = None
    bias_input: Tensor | None = None
    from_input: Tensor | None = None
    tape: Tensor | None = None
    given: Tensor | None = None
    to_x: Tensor | None = None
    to_weight_input: Tensor | None = None
    to_bias_input: Tensor | None = None
    to_weight_hidden: Tensor | None = None
    to_bias_hidden: Tensor | None = None
    to_input: Tensor | None = None
    to_hidden: Tensor | None = None
    sums: Tensor | None = None
    packed_input: Tensor | None = None
    packed: Tensor | None = None
    parameters: Sequence[Tensor] = ()
    initial: Sequence[Tensor] = ()
    fields: Sequence[Tensor] = ()
    final: Sequence[Tensor] = ()
    to_final: Sequence[Tensor] = ()
    to_initial: Sequence[Tensor] = ()
    taps: Sequence[Tensor] = ()
    to_vectors: Sequence[Tensor] = ()


_SINGLE, _SEVERAL = Told._fields.index("x"), Told._fields.index("parameters")


class Call(ctypes.Structure):
    """`Told` of recurrence.cpp: the batch and what it is told of a run, one word a field, be it number or address."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("batch", "total", "threads", "lengths", *Told._fields)]


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
        return compiler.load(self.program.source, _NUMBERS[self.dtype], self.halves, beside=compiler.LOOP)

    def space(self, role: str, batch: Batch, width: int | None = None) -> Tensor:
        """Working memory for (total, width); as wide as the gates if not said."""
        return memory.space(role, batch.total * apart(self.gates if width is None else width), self.dtype)

    def call(self, function: str, batch: Batch, *runs: Told) -> None:
        """Call into the library, for several runs at once. Tensors go as pointers, several as arrays of these."""
        told: tuple[tuple[Any, ...], ...] = runs
        several = [tensors for run in told for tensors in run[_SEVERAL:]]
        *places, count = accumulate(map(len, several), initial=len(runs) * len(Call._fields_))
        start, place = _words.start(count), iter(places)
        words: list[int] = []
        for run in told:
            words += batch.words()
            words += run[:_SINGLE]
            words += [0 if one is None else one.data_ptr() for one in run[_SINGLE:_SEVERAL]]
            words += [start + 8 * first for first in islice(place, len(run) - _SEVERAL)]
        words += map(Tensor.data_ptr, chain.from_iterable(several))
        _words.write(words)
        if getattr(self.library, function)(ctypes.c_void_p(start), ctypes.c_int64(len(runs))):
            raise MemoryError("not enough memory for a step of a recurrence")


class Batch(NamedTuple):
    """The sequences of a call: (batch,) lengths, and their sum."""

    lengths: Tensor
    total: int

    @property
    def size(self) -> int:
        return self.lengths.shape[0]

    def words(self) -> tuple[int, ...]:
        return self.lengths.shape[0], self.total, threads(), self.lengths.data_ptr()
