"""Which of many texts is most like another, by their words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_CELLS = 4_000_000  # likenesses held at once


def most_alike(
    known: Sequence[str], asked: Sequence[str], groups: tuple[Sequence[Any], Sequence[Any]]
) -> list[int | None]:
    """The place of the known text that is most like each that is asked, of another group.

        TfidfVectorizer(token_pattern=what blanks divide, sublinear_tf=True)   of scikit-learn
        argmax over known texts of another group of the cosine

    Args:
        known, asked: texts.
        groups: a value of each known text, and of each that is asked: those of equal value are not looked at.

    Returns:
        Of texts equally alike the first; None where all are of one group, or none has a word in common.

    Example:
        >>> most_alike(["red apple", "red rose", "cow"], ["red apple", "owl"], (["a", "r", "c"], ["a", "o"]))
        [1, None]
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

    words = TfidfVectorizer(token_pattern=r"(?u)\S+", sublinear_tf=True)
    if not any(text.strip() for text in known):
        return [None] * len(asked)
    columns = words.fit_transform(known).T.tocsr()
    of_known, of_asked = (_objects(values) for values in groups)
    found: list[int | None] = []
    rows = max(1, _CELLS // len(known))
    for start in range(0, len(asked), rows):
        likeness = (words.transform(asked[start : start + rows]) @ columns).toarray()
        likeness[of_asked[start : start + rows, None] == of_known] = 0
        best = likeness.argmax(1)
        found += [int(place) if row[place] > 0 else None for row, place in zip(likeness, best, strict=True)]
    return found


def _objects(values: Sequence[Any]) -> Any:
    made = np.empty(len(values), dtype=object)
    made[:] = list(values)
    return made
