"""Single steps of a gated cell in native code: decoding and streaming, where the next input is not there yet."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from unspool.cells.gated import GatedCell
from unspool.cells.stepper import check_rows
from unspool.engine.native.calling import Call, Native, threads
from unspool.errors import StateError
from unspool.state import State


class NativeStepper:
    """`(x, state) -> (output, state)` without gradients, for up to a number of rows.

    Matrices are packed once: those of the gates, and those of `update`. Weights changed afterwards are not seen: make a
    new stepper. Vectors that `update` uses are read at each step. Nothing but the new state is allocated at a step.

    Args:
        cell: what is stepped.
        native: its compiled form.
        parameters: what the program takes, in its order.
        batch_size: the most rows.
    """

    def __init__(self, cell: GatedCell, native: Native, parameters: list[Tensor], batch_size: int) -> None:
        self._native, self._rows, self._state = native, batch_size, cell.State
        self._widths = (cell.input_size, *native.widths)
        weights = [cell.weight_input, cell.bias_input, *parameters]
        held = [None if weight is None else weight.detach().to(native.dtype).contiguous() for weight in weights]
        library, dtype = native.library, native.dtype
        for function in (library.unspool_packed_input, library.unspool_packed):
            function.restype = ctypes.c_int64
        sizes = (library.unspool_packed_input(ctypes.c_int64(cell.input_size)), library.unspool_packed())
        packed = [torch.empty(size + 64, dtype=torch.uint8, device="cpu") for size in sizes]
        from_input = torch.empty(batch_size, native.gates, dtype=dtype, device="cpu")
        self._call, fields = Call(), len(native.widths)
        self._before, self._after = (ctypes.c_void_p * fields)(), (ctypes.c_void_p * fields)()
        pointers = (ctypes.c_void_p * max(len(parameters), 1))(*(t.data_ptr() for t in held[2:] if t is not None))
        for name, value in {
            "input": cell.input_size,
            "weight_input": held[0],
            "bias_input": held[1],
            "parameters": pointers,
            "from_input": from_input,
            "initial": self._before,
            "final": self._after,
            # On a boundary of 64 bytes, as a vector is read.
            "packed_input": packed[0].data_ptr() + -packed[0].data_ptr() % 64,
            "packed": packed[1].data_ptr() + -packed[1].data_ptr() % 64,
        }.items():
            if isinstance(value, Tensor):
                value = value.data_ptr()
            elif isinstance(value, ctypes.Array):
                value = ctypes.addressof(value)
            setattr(self._call, name, value)
        self._alive = (held, packed, from_input, pointers)
        self._step, self._given = library.unspool_step, ctypes.byref(self._call)
        if library.unspool_pack(ctypes.byref(self._call)):
            raise MemoryError("not enough memory for the packed weights of a stepper")

    def __call__(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One step. x: (rows, input_size) -> (rows, output_size), and the new state

        Raises:
            StateError: more rows than the stepper was made for; an `x` or a state of another shape.
        """
        check_rows(x, self._rows)
        call, dtype, rows = self._call, self._native.dtype, x.shape[0]
        # What is not as the program wants it is copied, and the copies must live until the step is done.
        before, wanted = [x, *state], [(rows, width) for width in self._widths]
        if [leaf.shape for leaf in before] != wanted:
            raise StateError(
                f"`x` and the fields of `state` must be of shapes {wanted}, but are of "
                f"{[tuple(leaf.shape) for leaf in before]}"
            )
        if not rows:
            return state[0].detach().to(dtype), state
        if not all(leaf.dtype is dtype and leaf.is_contiguous() for leaf in before):
            before = [leaf.detach().to(dtype).contiguous() for leaf in before]
        after = [torch.empty_like(leaf, requires_grad=False) for leaf in before[1:]]
        for i, new in enumerate(after):
            self._before[i], self._after[i] = before[i + 1].data_ptr(), new.data_ptr()
        call.batch, call.threads, call.x = x.shape[0], threads(), before[0].data_ptr()
        if self._step(self._given):
            raise MemoryError("not enough memory for a step of a recurrence")
        return after[0], self._state(*after)
