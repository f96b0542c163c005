"""The same number every time: the mean of all that came before."""

from collections.abc import Sequence
from statistics import fmean

from unspool.baselines.examples import check, numbers_of


def mean(questions: Sequence[str], answers: Sequence[str], asked: Sequence[str]) -> list[str]:
    """The mean of the training part's numbers, for everything that is asked.

    Args:
        questions: of the training part; they only have to be as many as the answers.
        answers: numbers of the training part, as texts.
        asked: as many answers come back.

    Raises:
        DataError: no training rows, not as many answers as questions, no strings, or an answer that is no finite
            number.

    Example:
        >>> mean(["a", "b"], ["1", "2"], ["c", "d"])
        ['1.5', '1.5']
    """
    check(questions, answers, asked)
    return [str(fmean(numbers_of(answers)))] * len(asked)
