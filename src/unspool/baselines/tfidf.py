"""A linear classifier of words and word pairs: hard to beat where word order says little."""

from collections.abc import Sequence

from unspool.baselines.examples import check
from unspool.errors import DataError


def tfidf(questions: Sequence[str], answers: Sequence[str], asked: Sequence[str]) -> list[str]:
    r"""Logistic regression on TF-IDF of words and word pairs, by scikit-learn; every other answer is a class.

        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\b\w+\b")   lower case, rows of length 1
        LogisticRegression(max_iter=1000, random_state=0)                                  l2 with C = 1, by L-BFGS

    The same rows give the same answers. L-BFGS holds about 20 numbers for each class and each word or pair: this is for
    classes, not for free text or for every combination of several labels.

    Args:
        questions: texts of the training part. A word is a run of letters and digits, also of one (scikit-learn's own
            pattern drops those); case does not matter.
        answers: the class of each.
        asked: texts; each is answered by itself.

    Raises:
        DataError: no training rows, not as many answers as questions, no strings, fewer than two classes, or not one
            word in the questions.

    Example:
        >>> tfidf(["good fun", "so good", "so bad", "bad fun"], ["yes", "yes", "no", "no"], ["Good!", "bad day"])
        ['yes', 'no']
    """
    check(questions, answers, asked)
    if len(set(answers)) < 2:
        raise DataError(
            f"`answers` must have at least two classes to tell apart, but all {len(answers)} are {answers[0]!r}; "
            "use `majority`"
        )

    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\b\w+\b")
    try:
        known = words.fit_transform(questions)
    except ValueError as error:
        raise DataError(
            f"`questions` must hold at least one word, but none of the {len(questions)} does; use `nearest`"
        ) from error
    if not asked:
        return []
    classes = sorted(set(answers))
    places = {name: place for place, name in enumerate(classes)}
    model = LogisticRegression(max_iter=1000, random_state=0).fit(known, [places[answer] for answer in answers])
    return [classes[place] for place in model.predict(words.transform(asked))]
