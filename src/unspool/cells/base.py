"""`Cell`: one step of a recurrence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unspool.errors import CellError
from unspool.padded import Padded
from unspool.ragged import Ragged
from unspool.state import State

Step = Callable[[Tensor, State], tuple[Tensor, State]]


class Cell(nn.Module):
    """One step of a recurrence: `(x, state) -> (output, state)`.

    A subclass writes `initial_state` and `forward`; `unspool.unroll` runs it over whole sequences. Each row is its
    own sequence, so a step must never mix rows. A cell whose step is a function of gates is better off as a
    `GatedCell`, which an engine can fuse.

    Example:
        >>> class Sum(Cell):
        ...     def initial_state(self, batch_size, *, device=None, dtype=None):
        ...         return torch.zeros(batch_size, 1, device=device, dtype=dtype)
        ...     def forward(self, x, state):
        ...         state = state + x
        ...         return state, state
        >>> import unspool
        >>> unspool.unroll(Sum(), Ragged(torch.ones(4, 1), lengths=[3, 1])).outputs.split()[0].T
        tensor([[1., 2., 3.]])
    """

    causal = True
    input_size: int | None = None

    def initial_state(
        self, batch_size: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> State:
        """The state before the first step: leaves of shape (batch_size, …)."""
        raise NotImplementedError(f"`{type(self).__name__}` must define `initial_state`")

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One step.

        Args:
            x: (batch, *features).
            state: as from `initial_state`, or from the step before.

        Returns:
            The output, (batch, *features), and the new state, of the same structure as the old.
        """
        raise NotImplementedError(f"`{type(self).__name__}` must define `forward`")

    def initial_state_for(self, inputs: Ragged | Padded) -> State:
        """The state that these inputs start from: `initial_state` in their batch size, device and dtype.

        A cell overrides it that needs to see more of them: their ids, to draw random masks, or the size of an image.
        """
        floating = inputs.values.is_floating_point()
        dtype = inputs.values.dtype if floating else None
        return self.initial_state(inputs.batch_size, device=inputs.device, dtype=dtype)

    def project_input(self, x: Tensor) -> Tensor:
        """The part of a step that no state enters: done for all steps at once. (n, *features) -> (n, *features)"""
        return x

    def advance(self, from_input: Tensor, state: State) -> tuple[Tensor, State]:
        """The rest of a step: `advance(project_input(x), state)` is `forward(x, state)`."""
        return self(from_input, state)  # type: ignore[no-any-return]

    def over_time(self, inputs: Ragged | Padded, state: State) -> tuple[Ragged | Padded, State] | None:
        """All steps at once, where the cell knows better than one after another; None where it does not."""
        return None

    def stepper(self, batch_size: int) -> Step:
        """This cell for many single steps without gradients, as in decoding and streaming.

        One more step is `output, state = step(x, state)`. What can be prepared once is: a gated cell's stepper keeps
        the weights as they are now.
        """
        return torch.no_grad()(self)

    def takes(self, features: Sequence[int]) -> bool:
        """Whether a step of the inputs may have this shape, without the batch."""
        return len(features) > 0 and (self.input_size is None or features[0] == self.input_size)

    def check_state(self, state: State) -> None:
        """Raise a `StateError` where a state can not be this cell's."""


def check_cells(rule: str, *cells: object) -> None:
    """Raise a `CellError` that begins with the rule where something is no cell."""
    for cell in cells:
        if not isinstance(cell, Cell):
            raise CellError(
                f"{rule} a {type(cell).__module__}.{type(cell).__name__}; "
                "`unspool.from_torch` turns the recurrent layers of torch.nn into cells"
            )


def empty_like_step(cell: Cell, from_input: Tensor, state: Any) -> Tensor:
    """The output of a step of no rows: its shape and dtype, where there is no step to take it from."""
    output, _ = cell.advance(from_input[:0], state)
    return output
