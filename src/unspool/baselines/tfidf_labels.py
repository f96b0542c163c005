"""A linear classifier for each of several labels."""

from collections.abc import Sequence

from unspool.baselines.examples import check
from unspool.errors import DataError


def tfidf_labels(
    questions: Sequence[str], answers: Sequence[str], asked: Sequence[str], *, separator: str = ","
) -> list[str]:
    r"""For every label a logistic regression on TF-IDF of words and word pairs, by scikit-learn.

        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\b\w+\b")
        LogisticRegression(solver="liblinear", class_weight="balanced", random_state=0)      one a label

    Weighed so that a label's presence counts as much as its absence: what measures of macro-F1 ask for.

    Args:
        questions: texts of the training part.
        answers: the labels of each, apart by `separator`; none in an empty one.
        asked: texts; each is answered by itself.
        separator: what stands between two labels.

    Raises:
        DataError: no training rows, not as many answers as questions, no strings, not one label, a label that all rows
            have, not one word in the questions, or no separator.

    Example:
        >>> tfidf_labels(["good fun", "so good", "so bad", "bad fun"], ["a,b", "a", "c", "b,c"], ["good", "bad fun"])
        ['a', 'b,c']
    """
    check(questions, answers, asked)
    if not separator:
        raise DataError("`separator` must be at least one character, but is empty")
    labels = [{label.strip() for label in answer.split(separator)} - {""} for answer in answers]
    names = sorted(set().union(*labels))
    if not names:
        raise DataError(f"`answers` must hold at least one label, but all {len(answers)} are empty")
    everywhere = set.intersection(*labels)
    if everywhere:
        raise DataError(f"`answers` must have labels to tell apart, but all {len(answers)} have `{min(everywhere)}`")

    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\b\w+\b")
    try:
        known = words.fit_transform(questions)
    except ValueError as error:
        raise DataError(f"`questions` must hold at least one word, but none of the {len(questions)} does") from error
    if not asked:
        return []
    texts, told = words.transform(asked), []
    for name in names:
        model = LogisticRegression(solver="liblinear", class_weight="balanced", random_state=0)
        told.append(model.fit(known, [name in each for each in labels]).predict(texts))
    return [
        separator.join(name for name, there in zip(names, row, strict=True) if there) for row in zip(*told, strict=True)
    ]


tfidf_labels.reads_separator = True  # type: ignore[attr-defined]
