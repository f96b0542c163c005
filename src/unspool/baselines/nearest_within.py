"""The answer to the question that looks most alike among those that ask for the same."""

from collections import defaultdict
from collections.abc import Sequence

from unspool.baselines.examples import check
from unspool.baselines.nearest import nearest
from unspool.errors import DataError
from unspool.likeness import without_examples
from unspool.nearest import choices


def nearest_within(questions: Sequence[str], answers: Sequence[str], asked: Sequence[str]) -> list[str]:
    r"""The answer to the nearest training question with the same first line, such as a language that is asked for.

        of the training questions with the first line of the one asked:
            nearest(their other lines, their answers, the other lines of the one asked)

    Lines that show examples, as `en cow = vache`, are of other questions, and are left out. Where nothing stands in the
    other lines of the training questions with this first line, the answer is that of the first.

    Args:
        questions: of the training part; what is asked for in the first line, what is known in those below it.
        answers: to them.
        asked: each is answered by itself.

    Raises:
        DataError: no training rows, columns of unequal lengths, no strings; a first line that no training
            question has.

    Example:
        >>> questions = ["en\nfr pomme rouge", "fr\nen red apple", "en\nfr vache", "fr\nen cow"]
        >>> nearest_within(questions, ["red apple", "pomme rouge", "cow", "vache"], ["fr\nen red tomato"])
        ['pomme rouge']
    """
    check(questions, answers, asked)
    groups: dict[str, list[int]] = defaultdict(list)
    for row, question in enumerate(questions):
        groups[_parts(question)[0]].append(row)
    wanted: dict[str, list[int]] = defaultdict(list)
    for row, question in enumerate(asked):
        wanted[_parts(question)[0]].append(row)
    found: dict[int, str] = {}
    for first, rows in wanted.items():
        if first not in groups:
            raise DataError(f"`{first}` is the first line of no training question; {choices(first, sorted(groups))}")
        known = groups[first]
        texts = [_parts(questions[row])[1] for row in known]
        others = [_parts(asked[row])[1] for row in rows]
        try:
            told = nearest(texts, [answers[row] for row in known], others)
        except DataError:  # nothing in them to be near to
            told = [answers[known[0]]] * len(rows)
        found |= zip(rows, told, strict=True)
    return [found[row] for row in range(len(asked))]


def _parts(question: str) -> tuple[str, str]:
    """The first line of a question, and the others without examples."""
    first, *others = question.split("\n")
    return first, without_examples(others)
