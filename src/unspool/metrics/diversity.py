"""How varied texts are, whatever is asked: a model that always says "I don't know" is found out here."""

from collections.abc import Iterable, Sequence

from unspool.fields.punctuation import split
from unspool.metrics.score import Score, check, references_in_words


def distinct_1(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """Different words for 100 words of all texts together: `distinct_2` of single words."""
    return _distinct(1, hypotheses, references)


def distinct_2(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """Different pairs of neighbouring words for 100 words of all texts together.

        100 · |{(w_i, w_{i+1}) of any hypothesis}| / Σ number of words

    Words are lower-cased and signs are words of their own (`unspool.fields.punctuation.split`), so that texts written
    with and without capitals can be compared. The more text, the lower the figure: compare only what answers the same
    questions.

    Args:
        hypotheses: texts.
        references: one or several for each. They are not compared with: the first of each are measured in the same way.

    Returns:
        From 0 to 100; 0 for texts without a word. `details`: distinct and words, two counts, and references, the figure
        that people's own texts reach.

    Raises:
        DataError: no hypotheses, or not as many rows of references.

    Reference:
        Li et al. (2016), A diversity-promoting objective function for neural conversation models, section 5.

    Example:
        >>> print(distinct_2(["I don't know.", "I don't care."], [["Yes."], ["No!"]]))
        distinct_2 62.50 (higher is better; nrefs:1|case:lc|words:signs apart)
    """
    return _distinct(2, hypotheses, references)


def _distinct(n: int, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    check(hypotheses, references)
    distinct, words = _counts(n, hypotheses)
    known, all_known = _counts(n, (each[0] for each in references))
    details = {"distinct": distinct, "words": words, "references": _share(known, all_known)}
    signature = f"{references_in_words(references)}|case:lc|words:signs apart"
    return Score(_share(distinct, words), f"distinct_{n}", "higher", details, signature)


def _counts(n: int, texts: Iterable[str]) -> tuple[int, int]:
    """Different runs of n words, and words."""
    found: set[tuple[str, ...]] = set()
    words = 0
    for text in texts:
        tokens = split(text.lower())
        words += len(tokens)
        found.update(zip(*(tokens[start:] for start in range(n)), strict=False))
    return len(found), words


def _share(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
