"""A compiled cell over a ragged batch, as a function that autograd knows."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unspool.engine.native import memory
from unspool.engine.native.calling import NOTHING, Batch, Native, Told, threads
from unspool.engine.native.emit import apart
from unspool.errors import EngineError


class Run(NamedTuple):
    """A cell over the sequences, in one direction of time.

    Fields:
        weights: `weight_input`, `bias_input`, `weight_hidden`, `bias_hidden`, None where there is none.
        parameters: of the program, in its order.
        initial: the state, (batch, width) by field; `NOTHING` for zeros.
        reversed: whether it reads from the end.
    """

    weights: Sequence[Tensor | None]
    parameters: Sequence[Tensor]
    initial: Sequence[Tensor]
    reversed: bool = False

    @property
    def tensors(self) -> list[Tensor | None]:
        return [*self.weights, *self.parameters, *self.initial]


class Steps(NamedTuple):
    """What a run leaves: by field the states after every step (the outputs first; the others only for a gradient), the
    final states, the tape, and the gates' products with the input where the gradient reads them again."""

    fields: list[Tensor]
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
    size, program, width = batch.size, native.program, native.widths[0]
    outputs = memory.kept(x, batch.total, width * len(runs))
    made, calls = [], []
    for number, run in enumerate(runs):
        own = outputs[:, number * width : (number + 1) * width] if len(runs) > 1 else outputs
        others = native.widths[1:]
        fields = [
            own,
            *([memory.kept(x, batch.total, each) for each in others] if training else [NOTHING] * len(others)),
        ]
        final = [x.new_empty(size, width) for width in native.widths]
        reads_again = training and program.needs_from_input and (keep or not program.tape)
        gates = f"gates {number}"
        from_input = memory.kept(x, batch.total, apart(native.gates)) if reads_again else native.space(gates, batch)
        tape = memory.kept(x, batch.total, program.tape) if training and keep and program.tape else None
        calls.append(
            Told(
                input=x.shape[1],
                reversed=int(run.reversed),
                output_stride=width * len(runs),
                x=x,
                weight_input=run.weights[0],
                bias_input=run.weights[1],
                from_input=from_input,
                tape=tape,
                parameters=run.parameters,
                initial=run.initial,
                fields=fields,
                final=final,
            )
        )
        made.append(Steps(fields, final, tape, from_input if reads_again else None))
    native.call("unspool_forward", batch, *calls)
    return outputs, made


class _Room(NamedTuple):
    """Memory for the gradients of a run.

    Fields:
        to_weights: None where not needed.
        to_initial: by field of the state; None where not needed.
        to_vectors: that the update applies; `NOTHING` where not needed.
        taps: what the gradients of its matrices are made of.
    """

    to_weights: list[Tensor | None]
    to_initial: list[Tensor | None]
    to_vectors: list[Tensor]
    taps: list[Tensor]

    @staticmethod
    def of(native: Native, batch: Batch, x: Tensor, run: Run, needs: Sequence[bool]) -> _Room:
        program, size = native.program, batch.size
        asked = zip(program.parameters, run.parameters, needs[4:], strict=False)
        of = {name: parameter for name, parameter, need in asked if need}
        return _Room(
            [
                _room_for(weight) if weight is not None and need else None
                for weight, need in zip(run.weights, needs[:4], strict=True)
            ],
            [
                x.new_empty(size, width) if need else None
                for width, need in zip(native.widths, needs[-len(native.widths) :], strict=True)
            ],
            [x.new_empty(of[name].shape) if name in of else NOTHING for name in program.vectors],
            [memory.kept(x, batch.total, width) for width in program.taps],
        )


def _room_for(weight: Tensor) -> Tensor:
    return memory.kept(weight, *weight.shape) if weight.dim() == 2 else torch.empty_like(weight)


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
    program, width = native.program, native.widths[0]
    given = x.new_zeros(1, width * len(runs)) if given is None else given.contiguous()
    to_x = memory.kept(x, *x.shape) if needs[0] else None
    rooms, calls, asked = [], [], []
    needs, final = needs[1:], iter(to_final)
    for number, (run, left) in enumerate(zip(runs, steps, strict=True)):
        again = bool(program.tape) and left.tape is None
        to_input = native.space(f"to gates {number}", batch)
        separate = None if program.one_gradient else native.space(f"to hidden {number}", batch, native.hidden_gates)
        room = _Room.of(native, batch, x, run, needs[: len(run.tensors)])
        rooms.append(room)
        asked.append(needs[4 : 4 + len(run.parameters)])
        needs = needs[len(run.tensors) :]
        calls.append(
            Told(
                input=x.shape[1],
                reversed=int(run.reversed),
                adds=int(number > 0),
                output_stride=width * len(runs),
                given_stride=given.stride(0) if given.shape[0] == batch.total and batch.total > 1 else 0,
                x=x,
                weight_input=run.weights[0],
                bias_input=run.weights[1],
                from_input=native.space(f"gates {number}", batch) if again else left.from_input,
                tape=left.tape,
                given=given[:, number * width :] if number else given,
                to_x=to_x,
                to_weight_input=room.to_weights[0],
                to_bias_input=room.to_weights[1],
                to_weight_hidden=room.to_weights[2],
                to_bias_hidden=room.to_weights[3],
                to_input=to_input,
                to_hidden=to_input if separate is None else separate,
                sums=memory.space(f"sums {number}", batch.size * program.sums, native.dtype),
                parameters=run.parameters,
                initial=run.initial,
                fields=left.fields,
                to_final=[
                    NOTHING if gradient is None else gradient.contiguous()
                    for gradient in itertools.islice(final, len(native.widths))
                ],
                to_initial=[NOTHING if gradient is None else gradient for gradient in room.to_initial],
                taps=room.taps,
                to_vectors=room.to_vectors,
            )
        )
    native.call("unspool_backward", batch, *calls)
    gradients: list[Tensor | None] = [to_x]
    for run, room, of in zip(runs, rooms, asked, strict=True):
        own = _of_parameters(native, run.parameters, of, room, batch.total)
        gradients += [*room.to_weights, *own, *room.to_initial]
    return gradients


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
    native: Native, parameters: Sequence[Tensor], needs: Sequence[bool], room: _Room, total: int
) -> list[Tensor | None]:
    """The gradients of what the update itself applies."""
    program, taps = native.program, room.taps
    vectors = dict(zip(program.vectors, room.to_vectors, strict=True))
    found: list[Tensor | None] = []
    for name, parameter, need in zip(program.parameters, parameters, needs, strict=True):
        gradient = vectors.get(name) if need else None
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
