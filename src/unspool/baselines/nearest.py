"""The answer to the question that looks most alike."""

from collections.abc import Sequence

from unspool.baselines.examples import check
from unspool.errors import DataError

_CELLS = 4_000_000  # similarities held at once: about 100 MB with scipy's indices


def nearest(questions: Sequence[str], answers: Sequence[str], asked: Sequence[str]) -> list[str]:
    """The answer to the nearest training question, by the cosine of TF-IDF of runs of 2 to 4 characters.

        TfidfVectorizer(analyzer="char", ngram_range=(2, 4))   of scikit-learn: lower case, rows of length 1
        answers[argmax over training questions of similarity(question, asked)]

    Asked in blocks, so that memory grows with the texts, not with the product of their numbers; time grows with it.

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

    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

    characters = TfidfVectorizer(analyzer="char", ngram_range=(2, 4))
    try:
        known = characters.fit_transform(questions).T.tocsr()
    except ValueError as error:
        raise DataError(
            f"`questions` must hold one of at least two characters, but none of the {len(questions)} does; "
            "use `majority`"
        ) from error
    rows = max(1, _CELLS // len(questions))
    found: list[str] = []
    for start in range(0, len(asked), rows):
        similarities = characters.transform(asked[start : start + rows]) @ known
        found += [answers[place] for place in similarities.toarray().argmax(1).tolist()]
    return found
