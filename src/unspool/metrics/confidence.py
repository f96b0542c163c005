"""How far a figure depends on which sequences happened to be in the test set."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from unspool.errors import DataError
from unspool.metrics import (
    captions,
    classes,
    correlation,
    diversity,
    edits,
    forecasts,
    numbers,
    overlap,
    places,
    rouge,
    slots,
)
from unspool.metrics.score import Metric, Score, check

_Counts = Callable[..., Any]  # of a metric's arguments: for each sequence, what sums are made of


class Interval(NamedTuple):
    """A score with the range in which 95 of 100 resampled test sets lie.

    Fields:
        score: the metric on the test set itself.
        low, high: the 2.5th and the 97.5th percentile of its value over the samples.
        samples: how many were drawn.

    Example:
        >>> print(Interval(Score(36.2, "bleu", "higher", {}, "nrefs:1"), 35.0, 37.5, 1000))
        bleu 36.20, 95 % within 35.00 to 37.50 (1000 bootstrap samples; higher is better; nrefs:1)
    """

    score: Score
    low: float
    high: float
    samples: int

    def __str__(self) -> str:
        score = self.score
        return (
            f"{score.name} {score.value:.2f}, 95 % within {self.low:.2f} to {self.high:.2f} "
            f"({self.samples} bootstrap samples; {score.better} is better; {score.signature})"
        )


def confidence(
    metric: Metric,
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    samples: int = 1000,
    seed: int = 0,
    *,
    inputs: Sequence[str] | None = None,
) -> Interval:
    """A metric's 95 % confidence interval, by the bootstrap: test sets of the same size drawn with replacement.

        for _ in range(samples):
            rows = as many as there are, at random, some twice, some never
            values.append(metric(hypotheses[rows], references[rows]).value)

    The metrics of this package are sums over sequences, so they count each sequence once and only sum anew; a metric of
    one's own is called for each sample, as written. How rare the words of `cider` are is told by the whole test set.

    Args:
        metric: one of `unspool.metrics`, or any function with the same arguments and result.
        hypotheses: as the metric takes them.
        references: as the metric takes them.
        samples: how many test sets to draw.
        seed: the same one draws the same sets, for every metric: two systems can be compared on them.
        inputs: of a metric that `reads_inputs`, one for each hypothesis.

    Raises:
        DataError: what the metric can't score, no samples, or a metric of how different texts are: samples hold some
            twice, so that all would score lower than the texts themselves.

    Reference:
        Efron & Tibshirani (1993), the percentile interval; for BLEU, Koehn (2004).

    Example:
        >>> confidence(edits.exact_match, ["a", "b", "c", "d"], [["a"], ["b"], ["c"], ["x"]])  # doctest: +ELLIPSIS
        Interval(score=Score(value=75.0, ...), low=25.0, high=100.0, samples=1000)
    """
    score, values = resampled(metric, hypotheses, references, samples, seed, inputs)
    low, high = np.percentile(scored(values), [2.5, 97.5])
    return Interval(score, float(low), float(high), samples)


def resampled(
    metric: Metric,
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    samples: int,
    seed: int,
    inputs: Sequence[str] | None,
) -> tuple[Score, NDArray[np.float64]]:
    """A metric's score, and its value on each of the test sets that are drawn: see `confidence`. -> …, (samples,)

    It is NaN of a test set that has nothing to score, as rows without any label.
    """
    if not isinstance(samples, int) or samples < 1:
        raise DataError(f"`samples` must be at least 1, but is {samples!r}")
    if metric in (diversity.distinct_1, diversity.distinct_2):
        raise DataError(
            f"`{metric.__name__}` has no interval: it counts what is different in all texts together, and samples hold "
            "texts twice"
        )
    check(hypotheses, references)
    more = () if inputs is None else (inputs,)
    score = metric(hypotheses, references, *more)
    rows = len(hypotheses)
    generator = np.random.default_rng(seed)
    drawn = (generator.integers(rows, size=rows) for _ in range(samples))
    summed = _summed(metric)
    if summed is None:
        columns = (hypotheses, references, *more)
        values = [
            _or_nan(lambda rows: metric(*([column[i] for i in rows] for column in columns)).value, chosen)
            for chosen in drawn
        ]
    else:
        counting, total = summed
        counts = np.asarray(counting(hypotheses, references, *more))
        values = [_or_nan(lambda rows: total(counts[rows].sum(0).tolist()), chosen) for chosen in drawn]
    return score, np.array(values, dtype=np.float64)


def scored(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Those of the samples' values that are some.

    Raises:
        DataError: none is.
    """
    found = values[~np.isnan(values)]
    if not len(found):
        raise DataError(f"`references` must have more to score than they do: none of {len(values)} samples has any")
    return found


def _or_nan(value: Callable[[NDArray[np.int64]], float], chosen: NDArray[np.int64]) -> float:
    try:
        return value(chosen)
    except DataError:
        return math.nan


def _summed(metric: Metric) -> tuple[_Counts, Callable[[list[int]], float]] | None:
    """For a metric that is a function of sums over sequences: what to count of each, and the function of the sums."""
    if isinstance(metric, partial):
        known = not metric.args and metric.keywords.keys() == {"separator"}
        return _summed_by_class(metric.func, **metric.keywords) if known else None
    if metric in _EDITS:
        return _EDITS[metric], lambda sums: edits.share(*sums)
    if metric is edits.exact_match:
        return edits.sequence_counts, lambda sums: edits.share(sums[1] - sums[0], sums[1])
    if metric is overlap.bleu:
        return _by_sacrebleu(overlap.bleu_counter())
    if metric is overlap.bleu_lowercased:
        return _by_sacrebleu(overlap.bleu_counter(lowercase=True))
    if metric in (overlap.bleu_tokenised, overlap.bleu_tokenised_single):
        most = 1 if metric is overlap.bleu_tokenised_single else None
        counts, value = _by_sacrebleu(overlap.tokenised_counter())
        return lambda said, known: counts(*overlap.tokenised(said, known, most)), value
    if metric is overlap.bleu_tokenised_words:
        counts, value = _by_sacrebleu(overlap.tokenised_counter(1))
        return lambda said, known: counts(*overlap.tokenised(said, known)), value
    if metric is overlap.chrf:
        return _by_sacrebleu(overlap.chrf_counter())
    if metric in (rouge.rouge_1, rouge.rouge_2, rouge.rouge_l):
        name = metric.__name__
        return lambda *rows: rouge.rouge_shares(name, *rows), lambda sums: edits.share(sums[0], sums[3])
    return _PAIRS.get(metric) or _summed_by_class(metric)


_EDITS: dict[Metric, _Counts] = {
    edits.word_error_rate: edits.sequence_counts,
    edits.token_error_rate: edits.edit_counts,
    edits.spoken_word_error_rate: edits.edit_counts,
    edits.character_error_rate: edits.character_counts,
    places.word_accuracy: places.word_counts,
}
"""Shares of what was edited, or is right at its place: what is counted of each sequence."""


_PAIRS: dict[Metric, tuple[_Counts, Callable[[list[int]], float]]] = {
    slots.slot_error: (slots.slot_counts, slots.error_of),
    captions.cider: (captions.cider_rows, numbers.mean_of),
    forecasts.pinball: (forecasts.loss_sums, forecasts.mean_of),
    forecasts.coverage_error: (forecasts.below_sums, forecasts.error_of),
    numbers.mean_absolute_error: (numbers.distance_sums, numbers.mean_of),
    numbers.root_mean_squared_error: (numbers.square_sums, numbers.root_of),
}
"""Of slots, captions, quantiles and numbers: what is counted of each row, and the function of the sums."""


def _summed_by_class(metric: Metric, separator: str = ",") -> tuple[_Counts, Callable[[list[int]], float]] | None:
    """The same, for the metrics of classes, and of labels with a separator between two."""
    if metric is classes.macro_f1:
        return lambda *rows: classes.class_counts(*classes.one_class(*rows)), classes.macro_of
    if metric is correlation.mcc:
        return correlation.pair_counts, correlation.correlation_of
    if metric not in _LABELS:
        return None
    (counting, total), apart = _LABELS[metric], partial(classes.several_labels, separator=separator)
    return lambda *rows: counting(*apart(*rows)), total


_LABELS: dict[Any, tuple[_Counts, Callable[[list[int]], float]]] = {
    classes.macro_f1_labels: (classes.class_counts, classes.macro_of),
    classes.micro_f1_labels: (classes.label_counts, classes.micro_of),
    classes.subset_accuracy: (classes.row_counts, lambda sums: edits.share(*sums)),
}
"""Of several labels: what is counted of each row's, and the function of the sums."""


def _by_sacrebleu(
    counter: BLEU | CHRF,
) -> tuple[_Counts, Callable[[list[int]], float]]:
    # sacrebleu's public bootstrap takes its seed from the environment only and gives no percentiles; these two methods
    # are what it calls itself. A test compares them with the public score.
    def counts(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Any:
        return counter._extract_corpus_statistics(hypotheses, overlap.streams(references))

    return counts, lambda sums: float(counter._compute_score_from_stats(sums).score)
