"""The same quantiles on every day: those of all that came before."""

from collections.abc import Sequence

import numpy as np

from unspool.baselines.examples import check, numbers_of
from unspool.fields.quantiles import as_text

LEVELS = (0.1, 0.5, 0.9)


def climatology(
    questions: Sequence[str], answers: Sequence[str], asked: Sequence[str], levels: Sequence[float] = LEVELS
) -> list[str]:
    """The quantiles of the training part's numbers, for everything that is asked.

    Args:
        questions: of the training part; they only have to be as many as the answers.
        answers: numbers of the training part, as texts.
        asked: as many answers come back.
        levels: of the quantiles; those of the recipe's field.

    Raises:
        DataError: no training rows, not as many answers as questions, no strings, or an answer that is no finite
            number.

    Reference:
        The forecast without skill that weather forecasts are measured by.

    Example:
        >>> climatology(["a", "b", "c"], ["1", "2", "6"], ["d"], [0.25, 0.5])
        ['{"0.25": 1.5, "0.5": 2.0}']
    """
    check(questions, answers, asked)
    numbers = np.array(numbers_of(answers))
    told = as_text(levels, np.quantile(numbers, levels).tolist(), float(numbers.std()) or 1.0)
    return [told] * len(asked)


climatology.reads_levels = True  # type: ignore[attr-defined]
