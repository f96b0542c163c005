"""How far classes that are told go with those that were meant, chance and shares of classes aside."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unspool.metrics.classes import one_class
from unspool.metrics.score import Score

Counts = NDArray[np.int32]


def mcc(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """The Matthews correlation, of 100: 100 where all is right, 0 where it is no better than chance.

        100 · (right · rows - Σ told · meant) / √((rows² - Σ told²) · (rows² - Σ meant²))

    sums over classes of how often each is told and meant. Telling always the same is 0, however frequent it is.
    Papers mostly give it of 1.

    Args:
        hypotheses: the name of a class each; an empty one is a class of its own.
        references: exactly one for each.

    Returns:
        From -100 to 100. `details`: right and rows, two counts.

    Raises:
        DataError: no hypotheses, not as many rows of references, more than one in a row, or an empty one.

    Reference:
        Matthews (1975); for several classes, Gorodkin (2004), equation 8.

    Example:
        >>> print(mcc(["up", "up", "down", "up"], [["up"], ["up"], ["down"], ["down"]]))
        mcc 57.74 (higher is better; nrefs:1|of:100|undefined:0)
    """
    told, meant, size = _places(hypotheses, references)
    right, sums = int((told == meant).sum()), (np.bincount(each, minlength=size) for each in (told, meant))
    value = correlation_of([right, *np.concatenate(list(sums)).tolist()])
    return Score(value, "mcc", "higher", {"right": right, "rows": len(told)}, "nrefs:1|of:100|undefined:0")


def pair_counts(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Counts:
    """For each row: whether it is right, which class was told, and which was meant; (rows, 1 + 2 · classes)."""
    told, meant, size = _places(hypotheses, references)
    rows, counts = np.arange(len(told)), np.zeros((len(told), 1 + 2 * size), np.int32)
    counts[:, 0] = told == meant
    counts[rows, 1 + told] = counts[rows, 1 + size + meant] = 1
    return counts


def _places(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """The number of each row's class that was told, and of the one that was meant; and how many classes there are."""
    said, meant = (["".join(row) for row in rows] for rows in one_class(hypotheses, references))
    places = {name: place for place, name in enumerate(sorted({*said, *meant}))}
    told, true = (np.array([places[name] for name in names], np.int64) for names in (said, meant))
    return told, true, len(places)


def correlation_of(sums: Sequence[int]) -> float:
    """The correlation of summed `pair_counts`."""
    right, *each = sums
    told, meant = np.asarray(each, dtype=np.float64).reshape(2, -1)
    rows = told.sum()
    spread = (rows**2 - told @ told) * (rows**2 - meant @ meant)
    return float(100 * (right * rows - told @ meant) / np.sqrt(spread)) if spread > 0 else 0.0
