"""How much of a summary's words are in its reference, and the other way round: ROUGE, by rouge-score."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from unspool.metrics.score import Score, check, references_in_words


def rouge_1(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """ROUGE-1: the F1 of the words that hypothesis and reference share, the mean over sequences, of 100.

        F1 = 2 · precision · recall / (precision + recall),
        precision = shared words / words of the hypothesis,    recall = shared words / words of the reference

    Words are runs of the letters a to z and digits, lower-cased, those of more than three letters stemmed by Porter's
    rules, as papers on summaries in English do it; other letters are no words here.

    Args:
        hypotheses: plain text.
        references: one or several for each; of several the one with the highest F1 counts.

    Returns:
        From 0 to 100. `details`: precision and recall, means of 100 too.

    Raises:
        DataError: no hypotheses, or not as many rows of references.

    Reference:
        Lin (2004), computed by the package rouge-score.

    Example:
        >>> print(rouge_1(["a library for sorting"], [["sorted lists library"]]))  # doctest: +ELLIPSIS
        rouge_1 57.14 (higher is better; nrefs:1|case:lc|stem:porter|score:f1|average:mean|version:...)
    """
    return _mean("rouge_1", hypotheses, references)


def rouge_2(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """ROUGE-2: the same of pairs of neighbouring words.

    Args, Returns, Raises: as `rouge_1`.

    Example:
        >>> round(rouge_2(["a sorting library"], [["sorting library"]]).value, 2)
        66.67
    """
    return _mean("rouge_2", hypotheses, references)


def rouge_l(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """ROUGE-L: the same of the longest sequence of words that both have in this order, with or without others between.

    A text counts as one sentence, whatever its line ends.

    Args, Returns, Raises: as `rouge_1`.

    Example:
        >>> round(rouge_l(["a library for sorting"], [["sorted lists library"]]).value, 2)
        28.57
    """
    return _mean("rouge_l", hypotheses, references)


def rouge_shares(name: str, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Any:
    """For each sequence: F1, precision and recall, from 0 to 1, and 1. (rows, 4)"""
    check(hypotheses, references)
    kind = name.replace("_", "").replace("l", "L")
    scorer = _scorer(kind)
    found = [scorer.score_multi(known, said)[kind] for said, known in zip(hypotheses, references, strict=True)]
    return np.array([(each.fmeasure, each.precision, each.recall, 1) for each in found])


@cache
def _scorer(kind: str) -> Any:
    # Imported here since it takes seconds: it brings all of nltk for a stemmer.
    from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]
    from rouge_score.tokenizers import DefaultTokenizer  # type: ignore[import-untyped]

    return RougeScorer([kind], tokenizer=DefaultTokenizer(use_stemmer=True))


def _mean(name: str, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    f1, precision, recall, rows = rouge_shares(name, hypotheses, references).sum(0).tolist()
    details = {"precision": 100 * precision / rows, "recall": 100 * recall / rows}
    signature = f"{references_in_words(references)}|case:lc|stem:porter|score:f1|average:mean"
    return Score(100 * f1 / rows, name, "higher", details, f"{signature}|version:{version('rouge-score')}")
