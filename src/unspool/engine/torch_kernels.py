"""PyTorch's own recurrent kernels, called with a cell's weights."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import peek_interpreter_stack

from unspool.cells.base import Cell
from unspool.cells.elman import Elman
from unspool.cells.gated import GatedCell, HiddenState
from unspool.cells.gru import GRU
from unspool.cells.lstm import LSTM, LSTMState, ProjectedLSTM
from unspool.state import State

_KERNELS: dict[type[GatedCell], Any] = {
    LSTM: lambda cell: torch.lstm,
    ProjectedLSTM: lambda cell: torch.lstm,
    GRU: lambda cell: torch.gru,
    Elman: lambda cell: torch.rnn_tanh if cell.nonlinearity == "tanh" else torch.rnn_relu,
}
_A_STEP = ("project_input", "project_hidden", "advance", "updated", "update", "gates", "hidden_gates")


def kernel(cell: Cell) -> Any:
    """PyTorch's function that computes what this cell does, or None: a subclass that changes a step has none."""
    for known, make in _KERNELS.items():
        if _as_wide_as_torch(cell) and all(getattr(type(cell), part, None) == getattr(known, part) for part in _A_STEP):
            return make(cell)
    return None


def _as_wide_as_torch(cell: Cell) -> bool:
    """Whether every gate and field has the hidden size, but for a projection's output."""
    if not isinstance(cell, GatedCell):
        return False
    return all(
        width == cell.hidden_size or (name == "hidden" and isinstance(cell, ProjectedLSTM))
        for name, width in cell.widths.items()
    )


NO_TRANSFORMS = "it does not run inside of transforms such as `torch.func.grad`"


def inside_transform() -> bool:
    """Whether a transform of `torch.func` is at work, whose tensors are not what a function of one's own can take."""
    return peek_interpreter_stack() is not None


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """The dtype that products on a device are cast to, within `torch.autocast`; None without."""
    kind = device.type
    if kind == "cpu":  # asked often
        return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
    available = torch.amp.is_autocast_available(kind)
    return torch.get_autocast_dtype(kind) if available and torch.is_autocast_enabled(kind) else None


def refusal(cell: Cell) -> str | None:
    """Why PyTorch's kernels can't run the cell, or None."""
    if kernel(cell) is None:
        return "it runs `LSTM`, `ProjectedLSTM`, `GRU` and `Elman` only, their steps unchanged"
    return None


def weights(cell: GatedCell) -> list[Tensor]:
    """The cell's weights, as PyTorch's kernels order them."""
    found: list[Tensor | None] = [cell.weight_input, cell.weight_hidden, cell.bias_input, cell.bias_hidden]
    if isinstance(cell, ProjectedLSTM):
        found.append(cell.projection.weight)
    return [weight for weight in found if weight is not None]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without two warnings of PyTorch's that say nothing a user could do."""
    with warnings.catch_warnings():
        # cuDNN would rather have all weights in one block; copying them into one costs about the same each time.
        warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous chunk")
        warnings.filterwarnings("ignore", "LSTM with projections is not supported with oneDNN")
        yield


def call(
    cell: GatedCell, values: Tensor, running: Tensor | None, state: State, parameters: list[Tensor]
) -> tuple[Tensor, State]:
    """Run one layer.

    Args:
        values: (time, batch, input_size), or packed (total, input_size) with `running`.
        running: how many sequences run at each time, as `PackedSequence.batch_sizes`; None for a rectangle.
        state: of the cell, rows in the order of the values.
    """
    initial = [leaf.unsqueeze(0).contiguous() for leaf in state]
    before = initial if isinstance(cell, LSTM) else initial[0]
    biased, layers, dropout, bidirectional = cell.bias, 1, 0.0, False
    options: list[Any] = [parameters, biased, layers, dropout, torch.is_grad_enabled(), bidirectional]
    with _quiet() if values.is_cuda or isinstance(cell, ProjectedLSTM) else nullcontext():
        if running is None:
            outputs, *final = kernel(cell)(values, before, *options, False)
        else:
            outputs, *final = kernel(cell)(values, running, before, *options)
    leaves = [leaf.squeeze(0) for leaf in final]
    return outputs, LSTMState(*leaves) if isinstance(cell, LSTM) else HiddenState(*leaves)
