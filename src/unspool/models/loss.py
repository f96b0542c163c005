"""The loss of sequences of classes, as sums."""

from torch import Tensor
from torch.nn import functional as F


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0) -> Tensor:
    """Negative log-likelihood of targets, summed: in nats.

        (1 - smoothing) · (-log p[target]) + smoothing · mean over classes (-log p)

    Args:
        logits: (n, classes).
        targets: (n,) class numbers.
        smoothing: share of the probability spread evenly over all classes, from 0 to below 1.

    Reference:
        Szegedy et al. (2016), section 7.
    """
    return F.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)
