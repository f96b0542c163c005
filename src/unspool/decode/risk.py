"""Minimum Bayes risk: of several outputs the one that is most like all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import mul

from unspool.errors import DecodingError


def by_risk(
    texts: Sequence[str], scores: Sequence[float], likeness: Callable[[Sequence[str]], Sequence[Sequence[float]]]
) -> list[int]:
    """The places of the different outputs for one input, by what they are expected to reach: the best first.

        expected(y) = Σ_z p(z) likeness(y, z),    p = softmax(scores)

    The most probable output is often too short, or an odd one beside many that agree; this one is not.

    Args:
        texts: outputs, as a search or several drawings found them.
        scores: log-probabilities, in nats, up to a constant: not what a search ranks by, which evens out lengths; equal
            ones where texts were drawn, which are there as often as they are probable.
        likeness: of each of different texts to each of them as its reference, (texts, references); the more alike, the
            higher: `unspool.metrics.chrf_among`.

    Returns:
        Of each text the first place; of texts that are expected to be as good, too, the first comes first.

    Raises:
        DecodingError: not one score a text.

    Example:
        >>> from unspool.metrics import chrf_among
        >>> by_risk(["vache", "the red apple", "a red apple"], [-1.0, -1.1, -1.2], chrf_among)
        [1, 2, 0]

    Reference:
        Kumar & Byrne (2004), over a list of the best; Eikema & Aziz (2020), over samples.
    """
    if len(texts) != len(scores):
        raise DecodingError(f"`scores` must be one a text, {len(texts)}, but are {len(scores)}")
    best, first, chances = max(scores, default=0.0), dict[str, int](), dict[str, float]()
    for place, (text, score) in enumerate(zip(texts, scores, strict=True)):
        first.setdefault(text, place)
        chances[text] = chances.get(text, 0.0) + (1.0 if score == best else math.exp(score - best))
    if len(first) == 1:
        return [0]
    rows = zip(chances, likeness(list(chances)), strict=True)
    expected = {one: math.fsum(map(mul, chances.values(), map(float, row))) for one, row in rows}
    return sorted(first.values(), key=lambda place: (-expected[texts[place]], place))
