"""What a baseline is, and what it is given."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from unspool.errors import DataError
from unspool.metrics.forecasts import read_number

Baseline: TypeAlias = "Callable[[Sequence[str], Sequence[str], Sequence[str]], list[str]]"
"""From the questions and the answers of the training part, and the questions asked: their answers, in order."""


def check(questions: Sequence[str], answers: Sequence[str], asked: Sequence[str]) -> None:
    """One training row at least, an answer for each question, and nothing but strings.

    Raises:
        DataError: anything else.
    """
    for name, rows in {"questions": questions, "answers": answers, "asked": asked}.items():
        if isinstance(rows, str) or not isinstance(rows, Sequence):
            raise DataError(f"`{name}` must be a list of strings, but is a {type(rows).__name__}")
        for row, each in enumerate(rows):
            if not isinstance(each, str):
                raise DataError(f"`{name}` must be strings, but row {row} is {each!r} ({type(each).__name__})")
    if not questions:
        raise DataError("`questions` must hold at least one training row, but is empty")
    if len(questions) != len(answers):
        raise DataError(
            f"`answers` must have an entry for each of the {len(questions)} `questions`, but has {len(answers)}"
        )


def numbers_of(answers: Sequence[str]) -> list[float]:
    """The numbers in answers.

    Raises:
        DataError: one that is no finite number.
    """
    found = [read_number(answer) for answer in answers]
    if None in found:
        row = found.index(None)
        raise DataError(f"`answers` must be finite numbers, but row {row} is {answers[row]!r}")
    return [number for number in found if number is not None]
