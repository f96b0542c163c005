"""What went up goes on going up."""

import re
from collections.abc import Sequence

from unspool.arrays import is_reference
from unspool.baselines.examples import check
from unspool.errors import DataError

_UP, _DOWN = "up", "down"
_LAST = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)[\s\])]*$")


def repeat(questions: Sequence[str], answers: Sequence[str], asked: Sequence[str]) -> list[str]:
    """The last movement once more: "up" where the last number of a question is above 0, else "down".

    Args:
        questions: of the training part; nothing is learned from them.
        answers: to them, "up" and "down".
        asked: series as texts, such as "[[0.3, 1.2], [0.1, -0.7]]", which end with the last movement.

    Raises:
        DataError: no training rows, not as many answers as questions, no strings; answers of other names; a question
            that does not end with a number.

    Example:
        >>> repeat(["[1.5]", "[-2.0]"], ["up", "down"], ["[[0.3, 1.2], [0.1, -0.7]]", "[0.1]"])
        ['down', 'up']
    """
    check(questions, answers, asked)
    if strangers := sorted(set(answers) - {_UP, _DOWN}):
        raise DataError(f"`answers` must be {_UP} or {_DOWN} to repeat a movement, but one is {strangers[0]!r}")
    found = []
    for row, text in enumerate(asked):
        last = None if is_reference(text) else _LAST.search(text)
        if last is None:
            raise DataError(f"`asked` must end with a number, the last movement, but row {row} ends in {text[-20:]!r}")
        found.append(_UP if float(last[1]) > 0 else _DOWN)
    return found
