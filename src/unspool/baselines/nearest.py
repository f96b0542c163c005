"""The answer to the question that looks most alike."""

from collections.abc import Sequence

from unspool.baselines.examples import check
from unspool.errors import DataError
from unspool.likeness import likenesses


def nearest(questions: Sequence[str], answers: Sequence[str], asked: Sequence[str]) -> list[str]:
    """The answer to the nearest training question, by the cosine of TF-IDF of runs of 2 to 4 characters.

        answers[argmax of likenesses(questions, asked)]        unspool.likeness

    Args:
        questions: of the training part.
        answers: to them; whole sequences as well as classes.
        asked: each is answered by itself. Of questions equally near the first counts, so one that shares no run with
            any gets the first answer of all.

    Raises:
        DataError: no training rows, not as many answers as questions, no strings, or no question of two characters.

    Example:
        >>> nearest(["open the door", "play a song"], ["door", "music"], ["play me songs", "doors open"])
        ['music', 'door']
    """
    check(questions, answers, asked)
    try:
        return [answers[int(row.argmax())] for row in likenesses(questions, asked)]
    except ValueError as error:
        raise DataError(
            f"`questions` must hold one of at least two characters, but none of the {len(questions)} does; "
            "use `majority`"
        ) from error
