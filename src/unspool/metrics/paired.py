"""Whether one system is better than another, or whether the test set happened to suit it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unspool.metrics.confidence import resampled, scored
from unspool.metrics.score import Metric, Score


class Difference(NamedTuple):
    """How much better one system is than another.

    Fields:
        ours, theirs: both scores on the test set itself.
        value: the difference between them, above 0 where ours is the better one.
        low, high: the 2.5th and the 97.5th percentile of it over the samples.
        better: the share of samples in which ours is the better one, of 100.
        samples: how many were drawn.

    Example:
        >>> ours, theirs = (Score(each, "wer", "lower", {}, "nrefs:1") for each in (20.0, 24.5))
        >>> print(Difference(ours, theirs, 4.5, 1.0, 8.0, 98.7, 1000))
        wer 20.00 against 24.50: +4.50, 95 % within +1.00 to +8.00 (1000 paired bootstrap samples, in 98.7 % better)
    """

    ours: Score
    theirs: Score
    value: float
    low: float
    high: float
    better: float
    samples: int

    def __str__(self) -> str:
        ours, theirs = self.ours, self.theirs
        return (
            f"{ours.name} {ours.value:.2f} against {theirs.value:.2f}: {self.value:+.2f}, 95 % within {self.low:+.2f} "
            f"to {self.high:+.2f} ({self.samples} paired bootstrap samples, in {self.better:.1f} % better)"
        )


def difference(
    metric: Metric,
    ours: Sequence[str],
    theirs: Sequence[str],
    references: Sequence[Sequence[str]],
    samples: int = 1000,
    seed: int = 0,
    *,
    inputs: Sequence[str] | None = None,
) -> Difference:
    """How much better one system is than another, by the paired bootstrap: both on the same test sets of those drawn.

        values = [metric(ours[rows], references[rows]).value - metric(theirs[rows], references[rows]).value
                  for rows in the samples of `confidence`]            the other way round where lower is better

    Args:
        metric: as of `confidence`.
        ours, theirs: what the systems answer, row by row.
        references: as the metric takes them.
        samples, seed: as of `confidence`.
        inputs: of a metric that `reads_inputs`.

    Raises:
        DataError: as of `confidence`; not as many answers of one as of the other.

    Reference:
        Koehn (2004), Statistical significance tests for machine translation evaluation, section 4.

    Example:
        >>> from unspool.metrics import exact_match
        >>> found = difference(exact_match, ["a", "b", "c", "d"], ["a", "x", "c", "d"], [["a"], ["b"], ["c"], ["d"]])
        >>> found.value, found.low, found.high
        (25.0, 0.0, 75.0)
    """
    found = [resampled(metric, said, references, samples, seed, inputs) for said in (ours, theirs)]
    (score, values), (other, others) = found
    sign = 1 if score.better == "higher" else -1
    same = np.isclose(values, others, rtol=1e-9, atol=1e-9 * np.abs([score.value, other.value]).max())  # as sums round
    apart = scored(np.where(same, 0.0, sign * (values - others)))
    low, high = np.percentile(apart, [2.5, 97.5])
    better = 100 * float((apart > 0).mean())
    return Difference(score, other, sign * (score.value - other.value), float(low), float(high), better, samples)
