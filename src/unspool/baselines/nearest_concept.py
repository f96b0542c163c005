"""What the concept that is most alike is called in the language asked for."""

from collections import defaultdict
from collections.abc import Sequence

from unspool.baselines.examples import check_strings
from unspool.baselines.nearest import nearest
from unspool.errors import DataError
from unspool.nearest import choices


def nearest_concept(
    concepts: Sequence[str], languages: Sequence[str], names: Sequence[str], asked: Sequence[tuple[str, str]]
) -> list[str]:
    """The name, in the asked language, of the known concept whose names in all other languages are most alike.

        for each language asked for, over the concepts known in it:
            text(concept) = its names in the other languages, in the order of the languages, a line each
            nearest(texts of known concepts, their names, texts of concepts asked)

    So all that is known of the concept asked for is used: its other names. Where no two concepts have the same name, no
    answer can be right to the letter; it is a baseline for measures of overlap, such as chrF.

    Args:
        concepts, languages, names: of the training part, a row a name.
        asked: a concept and a language each; answered by itself. A concept without a name in another language gets
            the first name of all.

    Raises:
        DataError: no training rows, columns of unequal lengths, no strings, fewer than two languages, or a language
            asked for that has no name.

    Example:
        >>> concepts = ["🍎", "🍏", "🍎", "🍏", "🐄", "🐄"]
        >>> languages = ["en", "en", "fr", "fr", "en", "fr"]
        >>> names = ["red apple", "green apple", "pomme rouge", "pomme verte", "cow", "vache"]
        >>> nearest_concept([*concepts, "🍅"], [*languages, "en"], [*names, "red tomato"], [("🍅", "fr")])
        ['pomme rouge']
    """
    check_strings(concepts=concepts, languages=languages, names=names)
    if not len(concepts) == len(languages) == len(names):
        raise DataError(
            f"`concepts`, `languages` and `names` must have an entry a row, but have {len(concepts)}, {len(languages)} "
            f"and {len(names)}"
        )
    if not concepts:
        raise DataError("`concepts` must hold at least one training row, but is empty")
    known: dict[str, dict[str, str]] = defaultdict(dict)
    for concept, language, name in zip(concepts, languages, names, strict=True):
        known[concept][language] = name
    there = sorted(set(languages))
    if len(there) < 2:
        raise DataError(f"`languages` must be two or more, so that one tells of another, but all are {there[0]!r}")
    answers: dict[tuple[str, str], str] = {}
    for language in sorted({language for _, language in asked}):
        if language not in there:
            raise DataError(f"`{language}` is no language of the training part; {choices(language, there)}")
        texts = {concept: _others(names_of, language) for concept, names_of in known.items()}
        named = [concept for concept in known if language in known[concept]]
        wanted = sorted({concept for concept, other in asked if other == language})
        found = nearest(
            [texts[concept] for concept in named],
            [known[concept][language] for concept in named],
            [texts.get(concept, "") for concept in wanted],
        )
        answers |= {(concept, language): name for concept, name in zip(wanted, found, strict=True)}
    return [answers[concept, language] for concept, language in asked]


def _others(names: dict[str, str], language: str) -> str:
    """The names in all languages but one."""
    return "\n".join(name for other, name in sorted(names.items()) if other != language)
