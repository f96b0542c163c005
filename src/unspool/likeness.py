"""How like texts are, by their runs of characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

BESIDE = " = "
"""Between the two names of an example that a text shows, as `en cow = vache`; one of a single name begins so."""

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
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

    runs = TfidfVectorizer(analyzer="char", ngram_range=(2, 4))
    columns = runs.fit_transform(known).T.tocsr()
    rows = max(1, _CELLS // len(known))
    for start in range(0, len(asked), rows):
        yield from (runs.transform(asked[start : start + rows]) @ columns).toarray()


def most_alike(
    known: Sequence[str], asked: Sequence[str], groups: tuple[Sequence[Any], Sequence[Any]], most: int = 1
) -> list[list[int]]:
    """The places of the known texts that are most like each that is asked, of other groups: the most alike first.

        known texts of another group by `likenesses`, of each group the first

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
    found: list[list[int]] = []
    for row, group in zip(likenesses(known, asked), groups[1], strict=True):
        order = (-row).argsort(kind="stable").tolist()
        alike = (place for place in order if row[place] > 0)
        found.append(list(islice(_of_other_groups(alike, groups[0], group), most)))
    return found


def _of_other_groups(places: Iterable[int], groups: Sequence[Any], own: Any) -> Iterator[int]:
    """Of each group but one's own the first place."""
    seen = {own}
    for place in places:
        if groups[place] not in seen:
            seen.add(groups[place])
            yield place
