"""The answer that needs no question."""

from collections import Counter
from collections.abc import Sequence

from unspool.baselines.examples import check


def majority(questions: Sequence[str], answers: Sequence[str], asked: Sequence[str]) -> list[str]:
    """The most frequent answer of the training part, to everything.

    Args:
        questions: of the training part; they only have to be as many as the answers.
        answers: of the training part. Of those equally frequent it is the first by alphabet, so that the order of
            rows does not matter.
        asked: as many answers come back.

    Raises:
        DataError: no training rows, not as many answers as questions, or no strings.

    Example:
        >>> majority(["a", "b", "c"], ["yes", "no", "no"], ["d", "e"])
        ['no', 'no']
    """
    check(questions, answers, asked)
    counts = Counter(answers)
    return [min(counts, key=lambda answer: (-counts[answer], answer))] * len(asked)
