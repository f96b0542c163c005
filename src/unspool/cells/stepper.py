"""A gated cell for many single steps: weights packed once, products into buffers made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unspool.errors import StateError
from unspool.state import State, map_leaves

if TYPE_CHECKING:
    from unspool.cells.gated import GatedCell


class GatedStepper:
    """`(x, state) -> (output, state)` without gradients, for a fixed batch size.

    Both projections write into buffers made here, from weights transposed here; only what `update` itself makes is
    new at each step. Weights changed afterwards are not seen: make a new stepper.

    Args:
        cell: its weights are copied; other parameters that `update` reads are read live.
        batch_size: rows of every step.
    """

    def __init__(self, cell: GatedCell, batch_size: int) -> None:
        self._cell = cell
        self._batch_size = batch_size
        self._input = _Product(cell.weight_input, cell.bias_input, batch_size)
        weight = cell.weight_hidden
        self._hidden = None if weight is None else _Product(weight, cell.bias_hidden, batch_size)

    @torch.no_grad()
    def __call__(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One step. x: (batch_size, input_size) -> (batch_size, output_size), and the new state"""
        if x.shape[0] != self._batch_size:
            raise StateError(
                f"`x` must have the {self._batch_size} rows that this stepper was made for, but has {x.shape[0]}; "
                f"make another: `cell.stepper({x.shape[0]})`"
            )
        from_hidden = None if self._hidden is None else self._hidden(state[0])
        _, new = self._cell.updated(self._input(x), from_hidden, state)
        new = map_leaves(self._own, new)
        return new[0], new

    def _own(self, leaf: Tensor) -> Tensor:
        """A copy of what lies in a buffer that the next step overwrites; anything else as it is."""
        buffers = (self._input.result, self._hidden.result if self._hidden else self._input.result)
        storages = [buffer.untyped_storage().data_ptr() for buffer in buffers]
        return leaf.clone() if leaf.untyped_storage().data_ptr() in storages else leaf


class _Product:
    """`x weight^T + bias`, always into the same memory."""

    def __init__(self, weight: Tensor, bias: Tensor | None, rows: int) -> None:
        self._transposed = weight.detach().t().contiguous()
        self._bias = weight.new_zeros(len(weight)) if bias is None else bias.detach().clone()
        self.result = self._transposed.new_empty(rows, len(weight))

    def __call__(self, x: Tensor) -> Tensor:
        return torch.addmm(self._bias, x, self._transposed, out=self.result)
