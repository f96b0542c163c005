"""From a memory to a sequence, one step at a time or, in training, all steps at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unspool.cells import Cell
from unspool.layers.attention import Attention, Context
from unspool.models.bridge import Bridge
from unspool.models.encoder import Encoded, floating
from unspool.ragged import Ragged
from unspool.randomness import using
from unspool.state import State, exportable, leaves, map_leaves, select
from unspool.unrolling import unroll


class Decoded(NamedTuple):
    """A step's output.

    Fields:
        output: (rows, output_size).
        weights: (rows, time), where attention looked; None without attention.
    """

    output: Tensor
    weights: Tensor | None


class Attended(NamedTuple):
    """The outputs of all steps of given inputs.

    Fields:
        outputs: (total, output_size).
        weights: (total, time), where attention looked; None without attention.
    """

    outputs: Ragged
    weights: Ragged | None


@exportable
class FedState(NamedTuple):
    """cell: the recurrent cell's state. fed: (rows, output_size), the last output, which the next step reads."""

    cell: State
    fed: Tensor


@exportable
class LocatedState(NamedTuple):
    """cell, fed: as of `FedState`. looked: (rows, time), the weights of all steps so far, added up."""

    cell: State
    fed: Tensor
    looked: Tensor


class Decoder(nn.Module):
    """A recurrent cell that reads an encoder's memory.

    `start` gives the state before the first step and the context, which no step changes. Rows of a state stand in
    groups: with 3 sequences and 15 rows, rows 0 to 4 read the first sequence's memory, and so on; so that a beam needs
    one copy of it.

    Args:
        cell: the recurrence over embedded tokens.
        bridge: from the encoder's end to the cell's initial state.
        attention: how the memory is read at each step, with queries as wide as the cell's outputs; None to read
            nothing, so that the initial state, a vector of fixed width, is all the decoder knows.
        output_size: width of an output; with attention, or where it is not the cell's own, the outputs are

            output = tanh(W [summary; cell's output])

    Reference:
        Luong et al. (2015), equation 5; without attention, Sutskever et al. (2014).
    """

    def __init__(self, cell: Cell, bridge: Bridge, attention: Attention | None, output_size: int | None = None) -> None:
        super().__init__()
        self.cell, self.bridge, self.attention = cell, bridge, attention
        width = int(cell.output_size)  # type: ignore[arg-type]
        self.output_size = output_size or width
        read = attention.output_size if attention is not None else 0
        combining = attention is not None or self.output_size != width
        self.combine = nn.Linear(read + width, self.output_size) if combining else None

    def start(self, encoded: Encoded) -> tuple[State, Context | None]:
        """The state before the first step, one row a sequence, and the context."""
        batch = encoded.memory
        nothing = batch.values.new_zeros(0, int(self.cell.input_size))  # type: ignore[arg-type]
        state = self._initial(Ragged(nothing, torch.zeros_like(batch.lengths), batch.ids))
        context = None if self.attention is None else self.attention.prepare(batch)
        return _bridged(state, self.bridge(encoded)), context

    def _initial(self, nothing: Ragged) -> State:
        """The state before the bridge, for sequences of no steps."""
        return self.cell.initial_state_for(nothing)

    def attend(self, outputs: Ragged, context: Context | None) -> Attended:
        """The decoder's outputs from the cell's, all steps at once. (total, cell's width) -> (total, output_size)"""
        if self.attention is None or context is None:
            return Attended(outputs.map(self._combined), None)
        summaries, weights = self.attention.read(outputs, context)
        return Attended(outputs.map(self._combined, summaries), weights)

    def _combined(self, output: Tensor, *summary: Tensor) -> Tensor:
        return output if self.combine is None else torch.tanh(self.combine(torch.cat([*summary, output], 1)))

    def read(self, output: Tensor, context: Context | None, *looked: Tensor) -> Decoded:
        """The same for one step's rows; some attention asks where these have looked so far, (rows, time)."""
        if self.attention is None or context is None:
            return Decoded(self._combined(output), None)
        groups = context.mask.shape[0]
        grouped = [each.unflatten(0, (groups, -1) if groups else (0, 1)) for each in (output, *looked)]
        summary, weights = self.attention(grouped[0], context, *grouped[1:])
        return Decoded(self._combined(output, summary.flatten(0, 1)), weights.flatten(0, 1))

    def step(self, x: Tensor, state: State, context: Context | None) -> tuple[Decoded, State]:
        """One step. x: (rows, embedding_size) -> (rows, output_size), and the new state"""
        output, state = self.cell(x, state)
        return self.read(output, context), state

    def stepper(self, rows: int) -> Any:
        """`step` for many steps of that many rows without gradients: the cell's weights are packed once."""
        cell = self.cell.stepper(rows)

        def step(x: Tensor, state: State, context: Context | None) -> tuple[Decoded, State]:
            output, state = cell(x, state)
            return self.read(output, context), state

        return step

    def forced(self, inputs: Ragged, state: State, context: Context | None) -> Attended:
        """All steps of given inputs. (total, embedding_size) -> (total, output_size)"""
        return self.attend(unroll(self.cell, inputs, state).outputs, context)


@exportable
class DeepState(NamedTuple):
    """lower, upper: the states of the cells below and above the attention."""

    lower: State
    upper: State


class DeepDecoder(Decoder):
    """A decoder with layers above its attention, so that its recurrence knows at each step what was looked at before.

        found_t = tanh(W [summary_t; cell's output]),    output_t = upper(found_t)

    That is what input feeding is for, but no step waits for another's attention: in training, the cell runs over all
    steps, then the attention, then `upper`.

    Args:
        cell: the recurrence over embedded tokens, below.
        upper: the recurrence over what was found, as wide as the cell at its input.
        bridge: to the states of both, the cell's first.
        attention: how the memory is read, with queries as wide as the cell's outputs.

    Reference:
        Wu et al. (2016), section 3: attention by the bottom layer for those above, there of the step before.
    """

    def __init__(self, cell: Cell, upper: Cell, bridge: Bridge, attention: Attention) -> None:
        super().__init__(cell, bridge, attention)
        self.upper = upper
        self.output_size = int(upper.output_size)  # type: ignore[arg-type]

    def _initial(self, nothing: Ragged) -> State:
        return DeepState(super()._initial(nothing), self.upper.initial_state_for(nothing))

    def step(self, x: Tensor, state: State, context: Context | None) -> tuple[Decoded, State]:
        return self._over(self.cell, self.upper, x, state, context)

    def _over(
        self, cell: Any, upper: Any, x: Tensor, state: DeepState, context: Context | None
    ) -> tuple[Decoded, State]:
        output, below = cell(x, state.lower)
        found = self.read(output, context)
        output, above = upper(found.output, state.upper)
        return Decoded(output, found.weights), DeepState(below, above)

    def stepper(self, rows: int) -> Any:
        cell, upper = self.cell.stepper(rows), self.upper.stepper(rows)
        return lambda x, state, context: self._over(cell, upper, x, state, context)

    def forced(self, inputs: Ragged, state: State, context: Context | None) -> Attended:
        found = super().forced(inputs, state.lower, context)
        return Attended(unroll(self.upper, found.outputs, state.upper).outputs, found.weights)


class FeedingDecoder(Decoder):
    """A decoder whose next step reads its last output beside the next token: input feeding.

        h_t = cell([x_t; output_{t-1}], h_{t-1}),    output_t = tanh(W [summary_t; h_t])

    So every step waits for the last one's attention, and training goes step by step. The cell is
    `embedding_size + output_size` wide at its input.

    Reference:
        Luong et al. (2015), section 3.3.
    """

    def start(self, encoded: Encoded) -> tuple[State, Context | None]:
        state, context = super().start(encoded)
        return FedState(state, encoded.memory.values.new_zeros(encoded.memory.batch_size, self.output_size)), context

    def step(self, x: Tensor, state: State, context: Context | None) -> tuple[Decoded, State]:
        return self._fed(self.cell, x, state, context)

    def _fed(self, cell: Any, x: Tensor, state: FedState, context: Context | None) -> tuple[Decoded, State]:
        output, after = cell(torch.cat([x, state.fed], 1), state.cell)
        decoded = self.read(output, context)
        return decoded, FedState(after, decoded.output)

    def stepper(self, rows: int) -> Any:
        cell = self.cell.stepper(rows)
        return lambda x, state, context: self._fed(cell, x, state, context)

    def forced(self, inputs: Ragged, state: State, context: Context | None) -> Attended:
        return stepwise(self, inputs.values, inputs, state, context)


class LocatingDecoder(FeedingDecoder):
    """A feeding decoder whose attention knows where the steps before looked.

    Reference:
        Chorowski et al. (2015), section 2.2.
    """

    def start(self, encoded: Encoded) -> tuple[State, Context | None]:
        state, context = super().start(encoded)
        assert isinstance(state, FedState)
        assert context is not None
        return LocatedState(state.cell, state.fed, torch.zeros_like(context.mask.squeeze(1))), context

    def _fed(self, cell: Any, x: Tensor, state: Any, context: Context | None) -> tuple[Decoded, State]:
        output, after = cell(torch.cat([x, state.fed], 1), state.cell)
        decoded = self.read(output, context, state.looked)
        assert decoded.weights is not None
        return decoded, LocatedState(after, decoded.output, state.looked + decoded.weights)


def stepwise(
    decoder: Decoder, inputs: Tensor, like: Ragged, state: State, context: Context | None, choose: Any = None
) -> Attended:
    """All steps, one after another over the sequences that still run.

    Args:
        inputs: (total, embedding_size), or what `choose` makes of it.
        like: sequences of these lengths.
        state, context: from `start`.
        choose: called as `choose(x, last, context)` with a step's rows of `inputs`, the step before's `Decoded` (None
            at first) and their context, returns what goes into the decoder.
    """
    layout, device = like.layout, like.device
    by_time = inputs.index_select(0, layout.on(device, "time_major")).split(layout.running)
    order = layout.on(device, "order")
    state, context = select(state, order), None if context is None else select(context, order)
    steps: list[Decoded] = []
    last: Decoded | None = None
    size = layout.batch_size
    for running, x in zip(layout.running, by_time, strict=True):
        if running < size:
            rows, size = slice(0, running), running
            state, context, last = select(state, rows), select(context, rows), select(last, rows)
        last, state = decoder.step(x if choose is None else choose(x, last, context), state, context)
        steps.append(last)
    if not steps:
        dtype = next(leaf.dtype for _, leaf in leaves(state) if leaf.is_floating_point())  # type: ignore[union-attr]
        nothing = like.values.new_zeros(0, decoder.output_size, dtype=dtype)
        looked = None if context is None else like.with_values(nothing.new_zeros(0, context.mask.shape[2]))
        return Attended(like.with_values(nothing), looked)
    back = layout.on(device, "sequence_major")
    outputs, weights = (
        None if parts[0] is None else like.with_values(torch.cat(parts).index_select(0, back))
        for parts in zip(*steps, strict=True)
    )
    return Attended(outputs, weights)  # type: ignore[arg-type]


def _bridged(state: State, starts: list[dict[str, Tensor]]) -> State:
    """A state whose floating leaves are those of `starts`, layer after layer; keys of random draws stay."""
    values = iter([value for layer in starts for value in layer.values()])
    return map_leaves(
        lambda leaf: next(values) if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf, state
    )


def state_layers(cell: Cell) -> list[dict[str, int]]:
    """The floating fields of each recurrent layer of a cell and their widths, from the bottom up."""
    with using(seed=0, step=0):  # only shapes are asked for; nothing is drawn from this
        state = cell.initial_state(0)
    parts = state if type(state) is tuple else (state,)
    found = [{name: leaf.shape[1] for name, leaf in floating(part).items()} for part in parts]
    return [fields for fields in found if fields]
