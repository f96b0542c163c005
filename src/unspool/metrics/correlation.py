"""How far classes that are told go with those that were meant, chance and shares of classes aside."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unspool.metrics.classes import one_class
from unspool.metrics.score import Score

Counts = NDArray[np.int64]


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
    cells, size = _cells(hypotheses, references)
    counts = np.bincount(cells, minlength=size**2)
    details = {"right": int(np.trace(counts.reshape(size, size))), "rows": int(counts.sum())}
    return Score(correlation_of(counts.tolist()), "mcc", "higher", details, "nrefs:1|of:100|undefined:0")


def pair_counts(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Counts:
    """For each row: which class was told for which; (rows, classes · classes) of 0 and 1."""
    cells, size = _cells(hypotheses, references)
    counts = np.zeros((len(cells), size**2), np.int64)
    counts[np.arange(len(cells)), cells] = 1
    return counts


def _cells(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[Counts, int]:
    """For each row the number of its pair of classes, told and meant; and how many classes there are. (rows,)"""
    said, meant = (["".join(row) for row in rows] for rows in one_class(hypotheses, references))
    places = {name: place for place, name in enumerate(sorted({*said, *meant}))}
    pairs = [places[named] * len(places) + places[true] for named, true in zip(said, meant, strict=True)]
    return np.array(pairs, np.int64), len(places)


def correlation_of(sums: Sequence[int]) -> float:
    """The correlation of summed `pair_counts`."""
    size = round(len(sums) ** 0.5)
    table = np.asarray(sums, dtype=np.float64).reshape(size, size)
    told, meant, rows = table.sum(1), table.sum(0), table.sum()
    spread = (rows**2 - told @ told) * (rows**2 - meant @ meant)
    return float(100 * (np.trace(table) * rows - told @ meant) / np.sqrt(spread)) if spread > 0 else 0.0
