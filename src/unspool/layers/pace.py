"""Training examples heard or seen at another pace."""

from __future__ import annotations

import torch
from torch import nn

from unspool.errors import CellError
from unspool.layers.augmentation import drawn_numbers
from unspool.layout import Layout
from unspool.padded import Padded
from unspool.ragged import Ragged
from unspool.randomness import Drawing


class Pace(Drawing, nn.Module):
    """Sequences faster or slower at random in training, from beginning to end; in evaluation, the input itself.

        length' = length / pace, rounded, at least 1;    x'[s] = x at s · (length - 1) / (length' - 1)

    with x between two steps on the line that joins them. One pace is drawn for each example, from 1 - share to
    1 + share; it depends on (seed, step, example, layer) alone: see `unspool.randomness`.

    Args:
        share: how much faster or slower at most.

    Raises:
        CellError: a share that is not from 0 to below 1.
        RandomnessError: in training, when run outside of `unspool.randomness.using`.

    Example:
        >>> with unspool.randomness.using(seed=0, step=0):
        ...     Pace(0.5)(Ragged(torch.randn(90, 40), lengths=[40, 50])).values.shape[1]
        40

    Reference:
        Ko, Povey, Peddinti and Khudanpur (2015), Audio augmentation for speech recognition, who play the sound itself
        at 0.9, 1 and 1.1 times its pace, so that its pitch changes, too; here frames keep theirs.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        if not 0 <= share < 1:
            raise CellError(f"`share` must be from 0 to below 1, but is {share}")
        self.share = share

    @property
    def causal(self) -> bool:
        """Whether an output depends on the past alone: in training a step's place depends on the length."""
        return not self.training

    def forward(self, inputs: Ragged | Padded) -> Ragged | Padded:
        """(…, *features) -> (…, *features), with other lengths in training"""
        if not self.training or not self.share:
            return inputs if isinstance(inputs, Ragged) else inputs.masked()
        if isinstance(inputs, Padded):
            return self(Ragged.from_padded(inputs)).to_padded()  # type: ignore[no-any-return]
        lengths = inputs.layout.lengths
        # Drawn on the CPU, where lengths live.
        drawn = drawn_numbers(self, inputs, 1, torch.device("cpu")).squeeze(1)
        changed = (lengths / (1 + self.share * (2 * drawn - 1))).round().long().clamp(min=1)
        outputs = Layout(torch.where(lengths > 0, changed, lengths))
        scales = (lengths - 1).double() / (outputs.lengths - 1).clamp(min=1)
        places = outputs.steps * scales[outputs.rows]
        before = places.floor().long().minimum(lengths[outputs.rows] - 1)
        after = (before + 1).minimum(lengths[outputs.rows] - 1)
        starts = inputs.layout.offsets[:-1][outputs.rows]
        left, right = (inputs.values.index_select(0, (starts + each).to(inputs.device)) for each in (before, after))
        weight = (places - before).to(inputs.device, inputs.values.dtype).reshape(-1, *[1] * (left.dim() - 1))
        return Ragged(torch.lerp(left, right, weight), outputs.lengths, inputs.ids)

    def extra_repr(self) -> str:
        return f"{self.share}"
