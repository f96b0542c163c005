"""What is measured, `Problem`, and one way to do it, `Contender`: it must find what ours finds before it is timed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from recurrent_shapes import Shape
from torch import Tensor, nn

from unspool import Ragged, cells

CELLS = {kind.__name__: kind for kind in (cells.LSTM, cells.GRU, cells.LayerNormLSTM, cells.PeepholeLSTM, cells.Elman)}
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1}  # of a difference's norm, over the norm


@dataclass(frozen=True)
class Problem:
    """One cell, one batch, and the gradient of its outputs that a training step starts backward from.

    Fields:
        values: (total, input_size), sequence after sequence.
        gradient: (total, hidden_size), likewise.
    """

    cell: cells.GatedCell
    lengths: Tensor
    values: Tensor
    gradient: Tensor

    @cached_property
    def inputs(self) -> Tensor:
        """The values in a rectangle, zero in the padding. (time, batch, input_size)"""
        return self._rectangle(self.values)

    @cached_property
    def gradients(self) -> Tensor:
        """The gradient in a rectangle, zero in the padding. (time, batch, hidden_size)"""
        return self._rectangle(self.gradient)

    def _rectangle(self, values: Tensor) -> Tensor:
        return Ragged(values, self.lengths).to_padded().values.transpose(0, 1).contiguous()

    def steps(self, rectangle: Tensor) -> Tensor:
        """The real steps of a rectangle. (time, batch, features) -> (total, features)"""
        return Ragged.from_padded(rectangle.transpose(0, 1), self.lengths).values

    @property
    def flops(self) -> int:
        """Of the products of the real steps, forward; a training step has three times as many."""
        cell = self.cell
        return 2 * len(cell.gates) * cell.hidden_size * (cell.input_size + cell.hidden_size) * len(self.values)


def problem_of(kind: str, shape: Shape, seed: int) -> Problem:
    """The problem that a name of `CELLS`, a shape and a seed stand for."""
    torch.manual_seed(seed)
    cell = CELLS[kind](shape.hidden, shape.hidden)
    with torch.no_grad():
        for parameter in cell.parameters():
            if parameter.dim() == 1:  # biases and peepholes start at zero: who forgot one would not be noticed
                parameter.add_(torch.empty_like(parameter).uniform_(-0.5, 0.5))
    lengths = shape.lengths(seed)
    return Problem(cell, lengths, *torch.randn(2, int(lengths.sum()), shape.hidden).unbind())


@dataclass(frozen=True)
class Contender:
    """One way to run a problem.

    Fields:
        forward: the outputs of all steps, in the contender's own form.
        outputs: that form -> (total, hidden_size).
        training: forward and backward: gradients of inputs and all weights, in its own form; None if it has none.
        gradients: that form -> the gradient of the values and that of `weight_hidden`.
        dtype: that products are computed in.
    """

    name: str
    forward: Callable[[], Any]
    outputs: Callable[[Any], Tensor]
    training: Callable[[], Any] | None = None
    gradients: Callable[[Any], tuple[Tensor, Tensor]] | None = None
    dtype: torch.dtype = torch.float32

    @property
    def modes(self) -> dict[str, Callable[[], Any]]:
        """What of it can be timed."""
        modes = {"forward": torch.no_grad()(self.forward)}
        return modes if self.training is None else {**modes, "training": self.training}

    def found_gradients(self) -> tuple[Tensor, Tensor]:
        """What a training step finds: the gradient of the values and that of `weight_hidden`."""
        assert self.training is not None
        assert self.gradients is not None
        return self.gradients(self.training())

    @property
    def column(self) -> str:
        """Its name in a table."""
        return self.name if self.dtype == torch.float32 else f"{self.name} bf16"


def check(contender: Contender, ours: Contender) -> None:
    """Raise a `ValueError` where a contender does not find what ours finds: it would be timed at something else."""
    with torch.no_grad():
        pairs = {"outputs": [side.outputs(side.forward()) for side in (contender, ours)]}
    # Layer normalisation blows up the rounding of a state near zero: to round no more than the weights to bfloat16
    # moves the gradient of a layer-norm LSTM over 100 steps by a quarter.
    if contender.training is not None and contender.dtype == torch.float32:
        found, expected = contender.found_gradients(), ours.found_gradients()
        pairs["gradients of the inputs"] = [found[0], expected[0]]
        pairs["gradients of `weight_hidden`"] = [found[1], expected[1]]
    for what, (theirs, mine) in pairs.items():
        error = float((theirs.float() - mine.float()).norm() / mine.float().norm())
        if not error <= TOLERANCE[contender.dtype]:
            raise ValueError(f"`{contender.column}` must compute what ours does, but its {what} are off by {error:.1e}")


def weights_of(cell: nn.Module) -> dict[str, Any]:
    """Every weight as a NumPy array, by its name."""
    return {name: parameter.detach().numpy() for name, parameter in cell.named_parameters()}
