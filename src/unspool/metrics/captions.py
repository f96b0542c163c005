"""How much of a caption people agree on: CIDEr-D."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unspool.metrics.overlap import tokenised
from unspool.metrics.score import Score, check, references_in_words

_LONGEST = 4  # words of a run
_DEVIATION = 6.0  # words by which lengths may differ
_WHOLE = 1000.0  # of a caption that is all of its references: as papers print it, 100 times what the definition gives

Run = tuple[str, ...]


def cider(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """CIDEr-D: the cosine of a caption's and its references' runs of 1 to 4 words, rare ones counting more.

        g(run) = times it comes · log(rows / rows any of whose references have it)
        of a caption c with references r_1 … r_m, the mean over n = 1 … 4 and over j of
            Σ_runs of n words min(g_c, g_j) g_j / (‖g_c‖ ‖g_j‖) · exp(-(words of c - words of r_j)² / (2 · 6²))

    Texts are taken apart as for `bleu_tokenised`: lower case, signs apart, a mark at the very end left out; no stems,
    as in the code of the COCO captions, whose tokens have no signs at all. How rare a run is, is told by the references
    given here: figures over other rows, or over fewer of them, are others.

    Args:
        hypotheses: captions.
        references: one or several for each.

    Returns:
        From 0 to 1000, the mean over rows: 100 is what the code of the COCO captions calls 1.0. A single row, whose
        runs are all in every row, scores 0.

    Raises:
        DataError: no hypotheses, or not as many rows of references.

    Reference:
        Vedantam, Zitnick & Parikh (2015), equations 3 and 4, without stems.

    Example:
        >>> print(cider(["a dog runs", "a cat"], [["a dog runs"], ["the cat sleeps"]]))
        cider 425.33 (higher is better; nrefs:1|case:lc|tok:signs apart|n:4|sigma:6|rarity:these references)
    """
    values, rows = cider_rows(hypotheses, references).sum(0).tolist()
    signature = f"{references_in_words(references)}|case:lc|tok:signs apart|n:4|sigma:6|rarity:these references"
    return Score(values / rows, "cider", "higher", {}, signature)


def cider_rows(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Any:
    """For each row: its value, and 1. (rows, 2)"""
    check(hypotheses, references)
    said, known = tokenised(hypotheses, references)
    rarity = Rarity(known)
    found = [_WHOLE * Captions(texts, rarity).likenesses(one).mean() for one, texts in zip(said, known, strict=True)]
    return np.array([(value, 1) for value in found])


class Rarity:
    """How rare runs of words are: log(rows / rows any of whose texts have them).

    Args:
        rows: texts of tokens with blanks between, as `tokenised` gives them.
    """

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        self._rows = math.log(len(rows)) if rows else 0.0
        self._with = Counter(run for texts in rows for run in set().union(*map(_runs, texts)))

    def of(self, run: Run) -> float:
        """At most that of a run in a single row, which also those have that are in none."""
        return self._rows - math.log(max(1, self._with[run]))


class Captions:
    """Texts, to tell how like each of them another one is.

    Args:
        texts: of tokens with blanks between.
        rarity: of runs of words.
    """

    def __init__(self, texts: Sequence[str], rarity: Rarity) -> None:
        self._rarity, self._lengths = rarity, np.array([len(text.split()) for text in texts])
        entries = defaultdict(list)
        for place, text in enumerate(texts):
            weights, norms = self._weighed(text)
            for run, weight in weights.items():
                if weight:
                    entries[run].append((place, weight, weight / norms[len(run)]))
        self._entries = {run: np.array(found) for run, found in entries.items()}

    def likenesses(self, text: str) -> NDArray[np.float64]:
        """From 0 to 1, for each of the texts. (texts,)"""
        weights, norms = self._weighed(text)
        found = np.zeros(len(self._lengths))
        for run, weight in weights.items():
            if run in self._entries:
                places, theirs, shares = self._entries[run].T
                found[places.astype(np.int64)] += np.minimum(theirs, weight) * shares / (norms[len(run)] * _LONGEST)
        apart = self._lengths - len(text.split())
        closeness: NDArray[np.float64] = np.exp(-(apart**2) / (2 * _DEVIATION**2))
        return found * closeness

    def _weighed(self, text: str) -> tuple[dict[Run, float], dict[int, float]]:
        """The weight of each run of a text, and the length of the vector of those of so many words."""
        weights = {run: times * self._rarity.of(run) for run, times in _runs(text).items()}
        squares: dict[int, float] = defaultdict(float)
        for run, weight in weights.items():
            squares[len(run)] += weight**2
        return weights, {length: math.sqrt(square) for length, square in squares.items()}


def _runs(text: str) -> Counter[Run]:
    words = text.split()
    return Counter(
        tuple(words[at : at + length]) for length in range(1, _LONGEST + 1) for at in range(len(words) - length + 1)
    )
