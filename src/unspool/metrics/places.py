"""Words that stand where they should: of sentences whose every place has a meaning, such as commands of six words."""

from collections.abc import Mapping, Sequence

from unspool.metrics.edits import share
from unspool.metrics.score import Score, check, references_in_words


def word_accuracy(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """The share of the references' words that the hypotheses have at the same place, of 100.

        100 · Σ [word k of the hypothesis = word k of the reference] / Σ words of the reference

    For sentences with a place for everything, as a command, a colour, a letter and a digit: a word left out makes all
    after it wrong. Words beyond the reference's end are not looked at; `token_error_rate` counts these. Of several
    references it is the one with the fewest words wrong, and of those the shortest.

    Args:
        hypotheses: sentences, their words apart by whitespace.
        references: one or several for each.

    Returns:
        From 0 to 100. `details`: right and words, two counts; places, the same two for each place from the first on.

    Raises:
        DataError: no hypotheses, not as many rows of references, or not one word in the nearest references.

    Example:
        >>> score = word_accuracy(["bin red at f", "lay red at"], [["bin red at e"], ["lay blue at p"]])
        >>> print(score)
        word_accuracy 62.50 (higher is better; nrefs:1|unit:word|at:place)
        >>> [place["right"] for place in score.details["places"]]
        [2, 1, 2, 0]

    Reference:
        Cooke et al. (2006), An audio-visual corpus for speech perception, scores each place of its sentences by itself.
    """
    agreed = _agreed(hypotheses, references)
    longest = max(map(len, agreed))
    places = [[row[place] for row in agreed if place < len(row)] for place in range(longest)]
    counts = [{"right": sum(row), "words": len(row)} for row in places]
    right, words = (sum(place[name] for place in counts) for name in ("right", "words"))
    details = {"right": right, "words": words, "places": counts}
    signature = f"{references_in_words(references)}|unit:word|at:place"
    return Score(share(right, words), "word_accuracy", "higher", details, signature)


def word_counts(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """For each sentence: the words that are right, and the words of its nearest reference."""
    return [(sum(row), len(row)) for row in _agreed(hypotheses, references)]


def by_place(scores: Mapping[str, Sequence[Score]]) -> dict[str, list[Score]]:
    """What `word_accuracy` is at each place, where it was measured: scores called `word 1`, `word 2`, …

    Args:
        scores: by name, as of a model and its baselines.

    Example:
        >>> found = by_place({"model": [word_accuracy(["bin red"], [["bin blue"]])]})
        >>> [(score.name, score.value) for score in found["model"]]
        [('word 1', 100.0), ('word 2', 0.0)]
    """
    return {
        name: [
            Score(share(place["right"], place["words"]), f"word {number}", "higher", place, score.signature)
            for number, place in enumerate(score.details["places"], start=1)
        ]
        for name, measured in scores.items()
        for score in measured
        if score.name == "word_accuracy"
    }


def _agreed(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> list[list[bool]]:
    """For each sentence, whether each word of its nearest reference is at its place."""
    check(hypotheses, references)
    found = []
    for hypothesis, known in zip(hypotheses, references, strict=True):
        told = hypothesis.split()
        rows = [[told[k : k + 1] == [word] for k, word in enumerate(each.split())] for each in known]
        found.append(min(rows, key=lambda row: (row.count(False), len(row))))
    return found
