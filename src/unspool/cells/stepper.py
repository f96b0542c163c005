"""A gated cell for many single steps: weights packed once, products into buffers made once."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from unspool.errors import StateError
from unspool.state import State, map_leaves

offers: list[Callable[[Any, int], Callable[[Tensor, State], tuple[Tensor, State]] | None]] = []
"""Faster steppers than `GatedStepper`: an engine adds a function `(cell, batch_size) -> stepper, or None`."""


def check_rows(x: Tensor, most: int) -> None:
    """Raise a `StateError` where there are more rows than a stepper was made for."""
    if x.shape[0] > most:
        raise StateError(
            f"`x` must have at most the {most} rows that this stepper was made for, but has {x.shape[0]}; "
            f"make another: `cell.stepper({x.shape[0]})`"
        )


class Product:
    """`x weight^T + bias`, always into the same memory, from the weights as they are now.

    Args:
        weight: (out, in).
        bias: (out,), or None for zero.
        rows: the most that an `x` has.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, rows: int) -> None:
        self._transposed = weight.detach().t().contiguous()
        self._bias = weight.new_zeros(len(weight)) if bias is None else bias.detach().clone()
        self.result = self._transposed.new_empty(rows, len(weight))

    def __call__(self, x: Tensor) -> Tensor:
        result = self.result[: len(x)]
        return torch.addmm(self._bias, x.to(result.dtype), self._transposed, out=result)


class GatedStepper:
    """`(x, state) -> (output, state)` without gradients, for up to a number of rows.

    Only what the cell's `update` itself makes is new at each step. Weights changed afterwards are not seen: make a new
    stepper. Other parameters that `update` uses are read at each step.

    Args:
        from_input: the input's product.
        from_hidden: the hidden state's, or None where no gate is fed by it.
        updated: both products and the state -> output and new state.
    """

    def __init__(
        self,
        from_input: Product,
        from_hidden: Product | None,
        updated: Callable[[Tensor, Tensor | None, State], tuple[Tensor, State]],
    ) -> None:
        self._from_input, self._from_hidden, self._updated = from_input, from_hidden, updated
        buffers = [product.result for product in (from_input, from_hidden) if product is not None]
        self._reused = {buffer.untyped_storage().data_ptr() for buffer in buffers}

    @torch.no_grad()
    def __call__(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One step. x: (rows, input_size) -> (rows, output_size), and the new state"""
        rows = len(self._from_input.result)
        check_rows(x, rows)
        from_hidden = None if self._from_hidden is None else self._from_hidden(state[0])
        _, new = self._updated(self._from_input(x), from_hidden, state)
        new = map_leaves(self._kept, new)
        return new[0], new

    def _kept(self, leaf: Tensor) -> Tensor:
        """A copy of what lies in a buffer that the next step overwrites; anything else as it is."""
        return leaf.clone() if leaf.untyped_storage().data_ptr() in self._reused else leaf
