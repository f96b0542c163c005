"""What a step found, as numbers, or the complaint that it is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor

from unspool.errors import TrainingError
from unspool.parallel import Group

Complaint = Callable[[str, float, Sequence[int]], TrainingError]

_SHOWN = 20  # examples in a message


def loss_of(losses: Sequence[Tensor], ids: Sequence[Sequence[int]], group: Group, complaint: Complaint) -> float:
    """The loss of a step from the shares of its parts, on all ranks.

    Args:
        losses: of this rank's parts.
        ids: which examples are in each.
        complaint: from what is no number, its value and the examples to the error.

    Raises:
        TrainingError: a share is no number; on all ranks, which say the same.
    """
    values = [loss.item() for loss in losses]
    odd = [found for found in zip(values, ids, strict=True) if not math.isfinite(found[0])]
    loss, failed = group.sum([sum(values), float(len(odd))])
    if failed:
        value, culprits = next(found for rank in group.gathered(odd) for found in rank)
        raise complaint("loss", value, culprits)
    return loss


def no_number(what: str, value: float, ids: Sequence[int], where: str, try_: str) -> TrainingError:
    """The error that says so.

    Args:
        what, value: the number that is none.
        ids: of the examples.
        where: it came up, such as "step 3, epoch 1".
        try_: what to do.
    """
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return TrainingError(
        f"`{what}` must be a finite number, but is {value} at {where}, for the examples "
        f"{', '.join(map(str, ids[:_SHOWN]))}{more}; look at them, or try {try_}; earlier checkpoints are untouched"
    )
