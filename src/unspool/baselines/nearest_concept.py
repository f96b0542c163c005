"""What the concept that is most alike is called in the language asked for."""

from collections import defaultdict
from collections.abc import Sequence

from unspool.baselines.examples import check
from unspool.baselines.nearest import nearest
from unspool.errors import DataError
from unspool.nearest import choices


def nearest_concept(questions: Sequence[str], answers: Sequence[str], asked: Sequence[str]) -> list[str]:
    r"""The name, in the asked language, of the known concept whose names in all other languages are most alike.

        for each language asked for, over the concepts known in it:
            text(concept) = its names in the other languages, in the order of the languages, a line each
            nearest(texts of known concepts, their names, texts of concepts asked)

    So all that is known of the concept asked for is used: its other names. Where no two concepts have the same name, no
    answer can be right to the letter; it is a baseline for measures of overlap, such as chrF.

    Args:
        questions: of the training part: a language in the last line, a concept in those before it.
        answers: what the concept is called in that language.
        asked: each is answered by itself. A concept without a name in another language gets the first name of all.

    Raises:
        DataError: no training rows, columns of unequal lengths, no strings, a question without two lines, fewer than
            two languages, or a language asked for that has no name.

    Example:
        >>> questions = ["🍎\nen", "🍎\nfr", "🍏\nen", "🍏\nfr", "🐄\nen", "🐄\nfr", "🍅\nen"]
        >>> answers = ["red apple", "pomme rouge", "green apple", "pomme verte", "cow", "vache", "red tomato"]
        >>> nearest_concept(questions, answers, ["🍅\nfr"])
        ['pomme rouge']
    """
    check(questions, answers, asked)
    concepts, languages = zip(*map(_parts, questions), strict=True)
    pairs = [_parts(each) for each in asked]
    known: dict[str, dict[str, str]] = defaultdict(dict)
    for concept, language, name in zip(concepts, languages, answers, strict=True):
        known[concept][language] = name
    there = sorted(set(languages))
    if len(there) < 2:
        raise DataError(f"`questions` must be of two or more languages, but all are of {there[0]!r}")
    names: dict[tuple[str, str], str] = {}
    for language in sorted({language for _, language in pairs}):
        if language not in there:
            raise DataError(f"`{language}` is no language of the training part; {choices(language, there)}")
        texts = {concept: _others(names_of, language) for concept, names_of in known.items()}
        named = [concept for concept in known if language in known[concept]]
        wanted = sorted({concept for concept, other in pairs if other == language})
        found = nearest(
            [texts[concept] for concept in named],
            [known[concept][language] for concept in named],
            [texts.get(concept, "") for concept in wanted],
        )
        names |= {(concept, language): name for concept, name in zip(wanted, found, strict=True)}
    return [names[pair] for pair in pairs]


def _parts(question: str) -> tuple[str, str]:
    """The concept and the language of a question."""
    concept, separator, language = question.rpartition("\n")
    if not separator:
        raise DataError(f"a question must be a concept and, in its last line, a language, but is {question!r}")
    return concept, language


def _others(names: dict[str, str], language: str) -> str:
    """The names in all languages but one."""
    return "\n".join(name for other, name in sorted(names.items()) if other != language)
