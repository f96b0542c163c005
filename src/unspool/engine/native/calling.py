"""How a compiled cell is called: what it is told, and how many threads it has."""

from __future__ import annotations

import ctypes
import os
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from unspool.engine.native import compiler, memory
from unspool.engine.native.emit import Program
from unspool.errors import EngineError

_NUMBERS = {torch.float32: "float", torch.float64: "double"}
_LONGS = ("batch", "total", "input", "threads", "reversed", "adds", "output_stride", "given_stride")
_POINTERS = (
    *("lengths", "x", "weight_input", "bias_input", "parameters", "from_input", "initial", "fields", "final", "tape"),
    *("given", "to_final", "to_x", "to_weight_input", "to_bias_input", "to_weight_hidden", "to_bias_hidden"),
    *("to_input", "to_hidden", "to_initial", "sums", "taps", "packed_input", "packed"),
)


class Call(ctypes.Structure):
    """`Told` of recurrence.cpp: one word a field."""

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
        return memory.space(role, batch.total * (self.gates if width is None else width), self.dtype)

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
    """The sequences of a call: (batch,) lengths, and their sum."""

    lengths: Tensor
    total: int

    @property
    def size(self) -> int:
        return self.lengths.shape[0]

    def sizes(self) -> dict[str, Any]:
        return {
            "batch": self.size,
            "total": self.total,
            "threads": threads(),
            "lengths": self.lengths.data_ptr(),
        }
