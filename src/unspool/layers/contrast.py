"""Steps seen beside the others of their sequence: against the mean over time, and as changes from step to step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool.errors import CellError
from unspool.padded import Padded
from unspool.ragged import Ragged

_FLAT = 1e-5  # below what deviation, squared, a sequence is constant


class Standardised(nn.Module):
    """Each sequence with mean 0 and deviation 1 over its steps: what speaker, microphone or background add is gone.

        y[t] = (x[t] - mean over s of x[s]) / deviation over s of x[s]

    Of vectors every feature has a deviation of its own; of pictures all pixels have one, since many never change. What
    never changes becomes zero. No parameters; not causal, since a mean waits for the end.

    Example:
        >>> sounds = Ragged(3 + torch.randn(9, 13), lengths=[4, 5])
        >>> Standardised()(sounds).mean().abs().max() < 1e-5
        tensor(True)

    Reference:
        Viikki and Laurila (1998), cepstral mean and variance normalisation of one utterance.
    """

    causal = False

    def forward(self, inputs: Ragged | Padded) -> Ragged | Padded:
        """(…, *features) -> the same"""
        if isinstance(inputs, Padded):
            return self(Ragged.from_padded(inputs)).to_padded(max_length=inputs.max_length)  # type: ignore[no-any-return]
        rows = inputs.layout.on(inputs.device, "rows")
        centred = inputs.with_values(inputs.values - inputs.mean().index_select(0, rows))
        variance = centred.map(torch.square).mean()
        if variance.dim() > 2:
            variance = variance.mean(tuple(range(1, variance.dim())), keepdim=True)
        return centred.map(lambda values: values * (variance + _FLAT).rsqrt().index_select(0, rows))


class Deltas(nn.Module):
    """Steps with their changes over time beside them, as more features or channels.

        d[t] = Σ_k k · (x[t + k] - x[t - k]) / (2 · Σ_k k²)        k = 1 … reach

    A sequence is continued with its first and its last step, whatever its neighbours in the batch. A second order are
    the changes of the changes.

    Args:
        order: 1 for the changes, 2 for theirs, too.
        reach: steps to each side that a change is measured over.

    Raises:
        CellError: either below 1.

    Example:
        >>> Deltas(2)(Ragged(torch.randn(9, 13), lengths=[4, 5]))
        Ragged(values=(9, 39), lengths=[4, 5])

    Reference:
        Furui (1986), dynamic features of speech: the slope of a least-squares line through 2 · reach + 1 steps.
    """

    causal = False

    def __init__(self, order: int = 1, reach: int = 2) -> None:
        super().__init__()
        for name, number in {"order": order, "reach": reach}.items():
            if number < 1:
                raise CellError(f"`{name}` must be at least 1, but is {number}")
        self.order, self.reach = order, reach

    def forward(self, inputs: Ragged | Padded) -> Ragged | Padded:
        """(…, features, *space) -> (…, (1 + order) · features, *space)"""
        if isinstance(inputs, Padded):
            return self(Ragged.from_padded(inputs)).to_padded(max_length=inputs.max_length)  # type: ignore[no-any-return]
        orders = [inputs.values]
        for _ in range(self.order):
            orders.append(self._changes(inputs.with_values(orders[-1])))
        return inputs.with_values(torch.cat(orders, 1))

    def _changes(self, inputs: Ragged) -> Tensor:
        layout = inputs.layout
        first, last = layout.offsets[:-1][layout.rows], layout.offsets[1:][layout.rows] - 1
        places = torch.arange(layout.total)
        changes = torch.zeros_like(inputs.values)
        for far in range(1, self.reach + 1):
            ahead, behind = (torch.minimum(places + far, last), torch.maximum(places - far, first))
            ahead, behind = (place.to(inputs.device) for place in (ahead, behind))
            changes = changes + far * (inputs.values.index_select(0, ahead) - inputs.values.index_select(0, behind))
        return changes / (2 * sum(far * far for far in range(1, self.reach + 1)))

    def extra_repr(self) -> str:
        return f"order={self.order}, reach={self.reach}"
