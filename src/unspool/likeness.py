"""How like texts are, by their runs of characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

BESIDE = " = "
"""Between the two names of an example that a text shows, as `en cow = vache`; one of a single name begins so."""

_CANDIDATES = 200
_DECAY = 0.5
_CELLS = 4_000_000  # likenesses held at once: about 100 MB with scipy's indices


def without_examples(lines: Iterable[str]) -> str:
    """What there is to compare of a text: its lines but for examples, which are of other things, and empty ones.

    Example:
        >>> without_examples(["en calf", "en cow = vache", "", "= veau", "it vitello"])
        'en calf\\nit vitello'
    """
    return "\n".join(line for line in lines if line and BESIDE not in f" {line}")


def likenesses(known: Sequence[str], asked: Sequence[str]) -> Iterator[NDArray[np.float64]]:
    """For each text that is asked, how like each known text is: the cosine of TF-IDF of runs of 2 to 4 characters.

        TfidfVectorizer(analyzer="char", ngram_range=(2, 4))   of scikit-learn: lower case, rows of length 1

    Found in blocks, so that memory grows with the texts, not with the product of their numbers; time grows with it.

    Args:
        known: texts, one of at least two characters among them.
        asked: texts.

    Raises:
        ValueError: no known text has two characters.

    Example:
        >>> [row.argmax().item() for row in likenesses(["red apple", "cow"], ["apples", "cows"])]
        [0, 1]
    """
    runs, learned = _vectors(known)
    for _, rows in _compared(runs, learned.T.tocsr(), asked):
        yield from rows


def most_alike(
    known: Sequence[str], asked: Sequence[str], groups: tuple[Sequence[Any], Sequence[Any]], most: int = 1
) -> list[list[int]]:
    """The places of known texts that are like each that is asked, of other groups: the most alike, then what adds most.

        of each other group the first by `likenesses`, 200 groups at most, or `most`: what may be chosen
        again and again the choice most like what is asked, where a run that is asked for counts half as much for
        each text chosen before that holds it

    So that few texts hold much of what is asked, and not the same part of it several times. Feature decay algorithms
    (Biçici & Yuret 2011, "Instance selection for machine translation using feature decay algorithms") decay so, but
    choose from all sentences, for all that are asked together, by runs of words: what is to serve one question is among
    its most alike, and a text that holds a run twice shows it no better.

    Args:
        known, asked: texts.
        groups: a value of each known text, and of each that is asked: those of equal value are not looked at.
        most: how many places at most, each of another group.

    Returns:
        For each that is asked. Of texts equally like what is left of it the one that was more alike at first comes
        first, then the first one; none is told that has no run in common.

    Raises:
        ValueError: other than one group for each text.

    Example:
        >>> most_alike(["red apple", "red apples", "cow"], ["red apple, cow", "fly"], (["a", "b", "c"], ["d", "d"]), 2)
        [[0, 2], []]
    """
    if (len(known), len(asked)) != (len(groups[0]), len(groups[1])):
        raise ValueError(f"`groups` must be {len(known)} and {len(asked)} values, but are {[len(g) for g in groups]}")
    if not any(len(text.strip()) > 1 for text in known):
        return [[] for _ in asked]
    runs, learned = _vectors(known)
    candidates = most if most == 1 else max(most, _CANDIDATES)
    found: list[list[int]] = []
    for vectors, rows in _compared(runs, learned.T.tocsr(), asked):
        for number, row in enumerate(rows):
            order = (-row).argsort(kind="stable").tolist()
            alike = (place for place in order if row[place] > 0)
            near = list(islice(_of_other_groups(alike, groups[0], groups[1][len(found)]), candidates))
            chosen = near if most == 1 else [near[each] for each in _decaying(vectors[[number]], learned[near], most)]
            found.append(chosen)
    return found


def _vectors(known: Sequence[str]) -> tuple[Any, Any]:
    """What makes vectors of texts, and those of the known ones. (known, runs), sparse"""
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

    runs = TfidfVectorizer(analyzer="char", ngram_range=(2, 4))
    return runs, runs.fit_transform(known).tocsr()


def _compared(runs: Any, columns: Any, asked: Sequence[str]) -> Iterator[tuple[Any, NDArray[np.float64]]]:
    """Blocks of vectors of what is asked, and how like it each known text is. (rows, runs), (rows, known)

    Args:
        columns: vectors of the known texts. (runs, known), sparse
    """
    rows = max(1, _CELLS // columns.shape[1])
    for start in range(0, len(asked), rows):
        vectors = runs.transform(asked[start : start + rows]).tocsr()
        yield vectors, (vectors @ columns).toarray()


def _decaying(vector: Any, choices: Any, most: int) -> Iterator[int]:
    """Which choices are most like what is left of a vector, of which each that is chosen leaves less.

    Args:
        vector: (1, runs), sparse.
        choices: (choices, runs), sparse.
    """
    left, free = vector.toarray()[0], np.ones(choices.shape[0], dtype=bool)
    for _ in range(min(most, choices.shape[0])):
        chosen = int(np.where(free, choices @ left, -1).argmax())
        yield chosen
        free[chosen] = False
        left[choices.indices[choices.indptr[chosen] : choices.indptr[chosen + 1]]] *= _DECAY


def _of_other_groups(places: Iterable[int], groups: Sequence[Any], own: Any) -> Iterator[int]:
    """Of each group but one's own the first place."""
    seen = {own}
    for place in places:
        if groups[place] not in seen:
            seen.add(groups[place])
            yield place
