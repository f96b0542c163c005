"""How like texts are, by their runs of characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

BESIDE = " = "
"""Between the two names of an example that a text shows, as `en cow = vache`; one of a single name begins so."""

_CANDIDATES = 200  # groups that are compared again with what is left of a question
_DECAY = 0.5  # of a run, for each example that holds it
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
    for _, rows in _compared(*_vectors(known), asked):
        yield from rows


def most_alike(
    known: Sequence[str], asked: Sequence[str], groups: tuple[Sequence[Any], Sequence[Any]], most: int = 1
) -> list[list[int]]:
    """The places of the known texts that are most like each that is asked, of other groups: the most alike first.

        of each other group the first by `likenesses`; of these the first, then again and again the one most like
        what is asked where a run counts half as much for each time that it is held by what was found

    So that together they hold more of what is asked: feature decay algorithms (Biçici & Yuret 2011, "Instance selection
    for machine translation using feature decay algorithms", algorithm 1, with its decay by exponent of 0.5).

    Args:
        known, asked: texts.
        groups: a value of each known text, and of each that is asked: those of equal value are not looked at.
        most: how many places at most, each of another group.

    Returns:
        Of texts equally alike the first comes first; none that has no run in common.

    Example:
        >>> most_alike(["red apple", "red rose", "cow"], ["red apple", "fly"], (["a", "r", "c"], ["a", "f"]), 2)
        [[1], []]
    """
    if not any(len(text.strip()) > 1 for text in known):
        return [[] for _ in asked]
    runs, learned = _vectors(known)
    found: list[list[int]] = []
    for vectors, rows in _compared(runs, learned, asked):
        for place, row in enumerate(rows):
            order = (-row).argsort(kind="stable").tolist()
            alike = (known for known in order if row[known] > 0)
            near = list(islice(_of_other_groups(alike, groups[0], groups[1][len(found)]), _CANDIDATES))
            found.append([near[each] for each in _decaying(vectors[[place]], learned[near], most)])
    return found


def _vectors(known: Sequence[str]) -> tuple[Any, Any]:
    """What makes vectors of texts, and those of the known ones, a row each."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

    runs = TfidfVectorizer(analyzer="char", ngram_range=(2, 4))
    return runs, runs.fit_transform(known).tocsr()


def _compared(runs: Any, learned: Any, asked: Sequence[str]) -> Iterator[tuple[Any, NDArray[np.float64]]]:
    """Blocks of vectors of texts that are asked, and how like each known text is. (rows, runs), (rows, known)"""
    columns, rows = learned.T.tocsr(), max(1, _CELLS // learned.shape[0])
    for start in range(0, len(asked), rows):
        vectors = runs.transform(asked[start : start + rows]).tocsr()
        yield vectors, (vectors @ columns).toarray()


def _decaying(asked: Any, near: Any, most: int) -> Iterator[int]:
    """The rows of `near` most like what is left of `asked`, of which each that is found leaves less."""
    left, free = asked.toarray()[0], np.ones(near.shape[0], dtype=bool)
    for _ in range(min(most, near.shape[0])):
        place = int(np.where(free, near @ left, -1).argmax())
        yield place
        free[place] = False
        left[near.indices[near.indptr[place] : near.indptr[place + 1]]] *= _DECAY


def _of_other_groups(places: Iterable[int], groups: Sequence[Any], own: Any) -> Iterator[int]:
    """Of each group but one's own the first place."""
    seen = {own}
    for place in places:
        if groups[place] not in seen:
            seen.add(groups[place])
            yield place
