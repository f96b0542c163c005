"""Error rates of sequences of tokens: words wrong, phonemes wrong. Tokens are what stands between whitespace."""

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from unspool.errors import DataError
from unspool.metrics.score import Score, check, references_in_words


def word_error_rate(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """The share of whole sequences that equal no reference, of 100: the WER of pronunciation.

        100 · Σ [tokens of the hypothesis ≠ tokens of each reference] / number of hypotheses

    Not the word error rate of speech, which is `token_error_rate` where tokens are words. Tokens are compared, so that
    the number of blanks between them does not matter.

    Args:
        hypotheses: sequences, one a string, their tokens apart by whitespace.
        references: one or several for each; any of them counts as right.

    Returns:
        From 0 to 100. `details`: wrong and sequences, two counts.

    Raises:
        DataError: no hypotheses, or not as many rows of references.

    Reference:
        Yao & Zweig (2015) and others who score CMUdict's words with several pronunciations in this way.

    Example:
        >>> print(word_error_rate(["k ae t", "d ao g"], [["k ae t"], ["d ao g z", "d aa g"]]))
        wer 50.00 (lower is better; nrefs:var|unit:sequence)
    """
    wrong, sequences = _totals(sequence_counts(hypotheses, references))
    details = {"wrong": wrong, "sequences": sequences}
    return Score(share(wrong, sequences), "wer", "lower", details, f"{references_in_words(references)}|unit:sequence")


def exact_match(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """The share of whole sequences that equal a reference, of 100: 100 - `word_error_rate`.

    Args, Raises: as `word_error_rate`.

    Returns:
        From 0 to 100. `details`: right and sequences, two counts.

    Example:
        >>> exact_match(["k ae t", "d ao g"], [["k ae t"], ["d ao g z", "d aa g"]]).value
        50.0
    """
    wrong, sequences = _totals(sequence_counts(hypotheses, references))
    right = sequences - wrong
    details = {"right": right, "sequences": sequences}
    signature = f"{references_in_words(references)}|unit:sequence"
    return Score(share(right, sequences), "accuracy", "higher", details, signature)


def token_error_rate(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """Edits to the nearest reference for 100 of its tokens: the PER where tokens are phonemes.

        100 · Σ edits(hypothesis, nearest reference) / Σ length of that reference

    An edit puts in, takes out or replaces one token. Of references that are equally near it is the shortest, so that
    their order does not matter and the figure is not flattered.

    Args:
        hypotheses: sequences, one a string, their tokens apart by whitespace.
        references: one or several for each.

    Returns:
        From 0, and above 100 where hypotheses are much too long. `details`: edits and reference_tokens, two counts.

    Raises:
        DataError: no hypotheses, not as many rows of references, or not one token in the nearest references.

    Example:
        >>> print(token_error_rate(["k ae t", "d ao g"], [["k ae t"], ["d ao g z z", "d aa g"]]))
        per 16.67 (lower is better; nrefs:var|unit:token)
    """
    edits, tokens = _totals(edit_counts(hypotheses, references))
    details = {"edits": edits, "reference_tokens": tokens}
    return Score(share(edits, tokens), "per", "lower", details, f"{references_in_words(references)}|unit:token")


def spoken_word_error_rate(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """The word error rate of speech: `token_error_rate` where tokens are words, by its usual meaning.

    Example:
        >>> print(spoken_word_error_rate(["go too far"], [["go two far"]]))
        spoken_wer 33.33 (lower is better; nrefs:1|unit:word)
    """
    found = token_error_rate(hypotheses, references)
    return found._replace(name="spoken_wer", signature=found.signature.replace("unit:token", "unit:word"))


def character_error_rate(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """Edits of characters to the nearest reference for 100 of its characters, blanks among them.

    Args, Raises: as `token_error_rate`. Several blanks count as one, those at the ends as none.

    Returns:
        As of `token_error_rate`. `details`: edits and reference_characters, two counts.

    Example:
        >>> print(character_error_rate(["go too"], [["go two"]]))
        cer 16.67 (lower is better; nrefs:1|unit:character)
    """
    edits, characters = _totals(character_counts(hypotheses, references))
    details = {"edits": edits, "reference_characters": characters}
    signature = f"{references_in_words(references)}|unit:character"
    return Score(share(edits, characters), "cer", "lower", details, signature)


def sequence_counts(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """For each sequence: whether it is wrong, and 1."""
    check(hypotheses, references)
    return [
        (int(all(hypothesis.split() != each.split() for each in known)), 1)
        for hypothesis, known in zip(hypotheses, references, strict=True)
    ]


def edit_counts(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """For each sequence: the edits to its nearest reference, and the length of that reference."""
    check(hypotheses, references)
    counts = []
    for hypothesis, known in zip(hypotheses, references, strict=True):
        tokens, others = hypothesis.split(), (each.split() for each in known)
        counts.append(min((Levenshtein.distance(tokens, each), len(each)) for each in others))
    return counts


def character_counts(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """The same of characters; several blanks are one, and those at the ends none."""
    check(hypotheses, references)
    counts = []
    for hypothesis, known in zip(hypotheses, references, strict=True):
        told, others = " ".join(hypothesis.split()), (" ".join(each.split()) for each in known)
        counts.append(min((Levenshtein.distance(told, each), len(each)) for each in others))
    return counts


def share(part: float, whole: float) -> float:
    """Of 100.

    Raises:
        DataError: a whole of nothing.
    """
    if not whole:
        raise DataError("`references` must hold at least one token, but the nearest ones are all empty")
    return 100 * part / whole


def _totals(counts: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return sum(part for part, _ in counts), sum(whole for _, whole in counts)
