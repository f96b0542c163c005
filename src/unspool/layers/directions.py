"""Both directions of time."""

from typing import NamedTuple

import torch
from torch import nn

from unspool.cells.base import Cell
from unspool.padded import Padded
from unspool.ragged import Ragged
from unspool.randomness import number_layers
from unspool.state import State, exportable
from unspool.unrolling import Unrolled, unroll, unroll_both


@exportable
class BothStates(NamedTuple):
    """forward: the state at each sequence's end. backward: the other cell's, at each sequence's beginning."""

    forward: State
    backward: State


class Bidirectional(nn.Module):
    """Two cells over the same sequences, one from the end to the beginning; their outputs side by side.

    Not a cell, since a step needs the future: it can't be stepped, streamed or truncated.

    Args:
        forward_cell: reads from the beginning.
        backward_cell: reads from the end.

    Example:
        >>> both = Bidirectional(LSTM(3, 4), LSTM(3, 4))
        >>> both(Ragged(torch.randn(5, 3), lengths=[2, 3])).outputs
        Ragged(values=(5, 8), lengths=[2, 3])

    Reference:
        Schuster & Paliwal (1997).
    """

    causal = False

    def __init__(self, forward_cell: Cell, backward_cell: Cell) -> None:
        super().__init__()
        self.forward_cell, self.backward_cell = forward_cell, backward_cell
        number_layers(self)

    def forward(self, inputs: Ragged | Padded, state: BothStates | None = None) -> Unrolled:
        """Both unrolls.

        Args:
            inputs: sequences of steps that both cells take.
            state: where each direction starts.

        Returns:
            Unrolled: outputs of both widths together, final states as `BothStates`.
        """
        before = state or BothStates(None, None)
        if isinstance(inputs, Ragged):
            both = unroll_both(self.forward_cell, self.backward_cell, inputs, tuple(before))
            if both is not None:
                return Unrolled(both.outputs, BothStates(*both.final))
        ahead, end = unroll(self.forward_cell, inputs, before.forward)
        back, beginning = unroll(self.backward_cell, inputs.reversed(), before.backward)
        axis = 1 if isinstance(inputs, Ragged) else 2
        outputs = ahead.with_values(torch.cat([ahead.values, back.reversed().values], axis))
        return Unrolled(outputs, BothStates(end, beginning))


class Layers(nn.Module):
    """Layers one after another, each a cell, a `Bidirectional`, or anything that maps sequences to sequences.

    Args:
        layers: from the input on.

    Example:
        >>> encoder = Layers(TimeConvolution(3, 6, 5, stride=2), Bidirectional(GRU(6, 4), GRU(6, 4)), GRU(8, 4))
        >>> encoder(Ragged(torch.randn(9, 3), lengths=[4, 5])).outputs
        Ragged(values=(5, 4), lengths=[2, 3])
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        number_layers(self)

    @property
    def causal(self) -> bool:
        """Whether an output depends on the past alone."""
        return all(getattr(layer, "causal", False) for layer in self.layers)

    def forward(self, inputs: Ragged | Padded, state: State = None) -> Unrolled:
        """All layers.

        Args:
            inputs: sequences that the first layer takes.
            state: a tuple of one state a layer, None where a layer starts anew or has none.

        Returns:
            Unrolled: the last layer's outputs; a tuple of final states, None for a layer that has none.
        """
        before = state or (None,) * len(self.layers)
        after: list[State] = []
        for layer, part in zip(self.layers, before, strict=True):
            if isinstance(layer, Cell):
                result: Unrolled | Ragged | Padded = unroll(layer, inputs, part)
            else:
                result = layer(inputs) if part is None else layer(inputs, part)
            inputs, final = result if isinstance(result, Unrolled) else (result, None)
            after.append(final)
        return Unrolled(inputs, tuple(after))
