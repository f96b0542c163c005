"""PyTorch's padded kernels over rectangles cut from the length-sorted batch: oneDNN's LSTM without its padding.

oneDNN runs an LSTM several times as fast as the packed kernel, but takes rectangles only. Sorted from the longest to
the shortest sequence, a batch is a staircase; a few rectangles under it leave little padding, and the state of the
rows that still run goes from one to the next.

Padding inside a rectangle leaves no trace. A row that has ended must keep its memory while the rectangle runs on:
its padding steps set one more input feature, whose weights shut the input gate and open the forget gate entirely, so
that `memory' = 1 · memory + 0 · candidate`, exactly, forward and backward. A ReLU network, which could grow without
bound, is shut the same way. The output is read at the last real step.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from unspool.cells.base import Cell
from unspool.cells.elman import Elman
from unspool.cells.gated import GatedCell
from unspool.cells.lstm import LSTM
from unspool.engine import torch_kernels
from unspool.engine.ends import own_ends
from unspool.layout import Layout, inverse
from unspool.ragged import Ragged
from unspool.state import State, concat, select

CALL = 100  # what a call of a kernel costs beyond its steps, in row-steps: 60 to 170 were measured from H64 to H512
SHUT = 1e30  # a pre-activation whose sigmoid is exactly 1, and that of its negative exactly 0, as is its ReLU


@dataclass(frozen=True)
class Rectangle:
    """Steps `start` to `stop` of the `rows` longest sequences."""

    start: int
    stop: int
    rows: int


@dataclass(frozen=True)
class Cut:
    """The rectangles of a batch.

    Fields:
        rectangles: in the order of time.
        source: (area,) the step that each place of the rectangles, time-major, holds; `total` for padding.
        place: (total,) the place that holds each step.
    """

    rectangles: list[Rectangle]
    source: Tensor
    place: Tensor

    @property
    def padding(self) -> int:
        return len(self.source) - len(self.place)


def refusal(cell: Cell, inputs: Ragged) -> str | None:
    """Why this engine can't run the cell, or None."""
    if (torch_kernels.autocast_dtype(inputs.device) or inputs.values.dtype) == torch.float16:
        return "oneDNN has no float16 LSTM on most processors; bfloat16 is as fast"
    return torch_kernels.refusal(cell)


def run(cell: Cell, inputs: Ragged, state: State) -> tuple[Ragged, State]:
    """One call of a kernel a rectangle."""
    assert isinstance(cell, GatedCell)
    layout = inputs.layout
    cut = layout.once("rectangles", lambda: _cut(layout))
    parameters = torch_kernels.weights(cell)
    shut = _shut(cell) if cut.padding else {}
    if shut:
        parameters[0] = torch.cat([parameters[0], _flag_weights(cell, shut)], 1)
    source = cut.source.to(inputs.device)
    values = _with_padding_step(inputs.values, flag=bool(shut)).index_select(0, source)
    areas = [(box.stop - box.start) * box.rows for box in cut.rectangles]
    state, size = select(state, layout.order), layout.batch_size
    outputs, ended = [], []
    for box, block in zip(cut.rectangles, values.split(areas), strict=True):
        if box.rows < size:
            ended.append(select(state, slice(box.rows, size)))
            state, size = select(state, slice(0, box.rows)), box.rows
        output, state = torch_kernels.call(cell, block.unflatten(0, (-1, box.rows)), None, state, parameters)
        outputs.append(output.flatten(0, 1))
    final = select(concat([state, *reversed(ended)]), layout.rank)
    steps = inputs.with_values(torch.cat(outputs).index_select(0, cut.place.to(inputs.device)))
    return steps, final._replace(hidden=own_ends(steps, final.hidden)) if cut.padding else final


def _with_padding_step(values: Tensor, *, flag: bool) -> Tensor:
    """The values and one step of padding after them: zeros, and 1 in the feature that flags it, if there is one."""
    extended = F.pad(values, (0, int(flag), 0, 1))
    if flag:
        extended[-1, -1] = 1.0
    return extended


def _shut(cell: GatedCell) -> dict[str, float]:
    """By gate, the pre-activations that hold a row still once it has ended; none where it may run on."""
    if isinstance(cell, LSTM):
        return {"input": -SHUT, "forget": SHUT}
    return {"hidden": -SHUT} if isinstance(cell, Elman) and cell.nonlinearity == "relu" else {}


def _flag_weights(cell: GatedCell, shut: dict[str, float]) -> Tensor:
    """The weights of the feature that flags padding. (rows of `weight_input`, 1)"""
    columns = [cell.weight_input.new_full((cell.widths[gate], 1), shut.get(gate, 0.0)) for gate in cell.gates]
    return torch.cat(columns)


def _cut(layout: Layout) -> Cut:
    """Cut the staircase, and say where each step goes."""
    running = torch.tensor(layout.running, device="cpu")
    ends = _ends(running)
    rectangles = [Rectangle(start, stop, layout.running[start]) for start, stop in pairwise([0, *ends])]
    sources = []
    lengths = layout.lengths[layout.order]
    offsets = layout.offsets[:-1][layout.order]
    for box in rectangles:
        times = torch.arange(box.start, box.stop, device="cpu").unsqueeze(1)
        real = times < lengths[: box.rows]
        sources.append(torch.where(real, offsets[: box.rows] + times, layout.total).flatten())
    source = torch.cat(sources)
    holds = source < layout.total
    return Cut(rectangles, source, holds.nonzero().squeeze(1)[inverse(source[holds])])


def _ends(running: Tensor) -> list[int]:
    """Where rectangles end: cut at the best place while that saves more padding than a call costs."""

    def ends(start: int, stop: int) -> list[int]:
        cuts = torch.arange(start + 1, stop, device="cpu")
        saved = (stop - cuts) * (running[start] - running[cuts])
        if not len(cuts) or int(saved.max()) <= CALL:
            return [stop]
        best = int(cuts[saved.argmax()])
        return ends(start, best) + ends(best, stop)

    return ends(0, len(running))
