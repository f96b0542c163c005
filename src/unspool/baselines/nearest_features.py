"""The answer to what looks most alike to the network that the model sees by."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unspool.errors import DataError
from unspool.metrics.captions import Captions, Rarity
from unspool.metrics.overlap import tokenised

_DIGITS = 9  # in which equals are equal, however sums round

FeatureBaseline: TypeAlias = "Callable[[NDArray[Any], Sequence[Sequence[str]], NDArray[Any]], list[str]]"
"""From the features of the training part's questions, all answers to each, and the features of the questions asked:
their answers, in order."""


def nearest_features(questions: NDArray[Any], answers: Sequence[Sequence[str]], asked: NDArray[Any]) -> list[str]:
    """The answer to the training question whose features are nearest, by the cosine; of several the most usual one.

        i = argmax over training questions of cosine(questions[i], asked)
        max over answers a to question i of Σ CIDEr-D(a, r) over its other answers r

    Args:
        questions: (rows, features) of the training part, each question once. Of those equally near the first counts.
        answers: to each one or several; of those equally usual it is the first by alphabet.
        asked: (rows asked, features).

    Raises:
        DataError: no training rows, not as many lists of answers, one without an answer, or features of other sizes.

    Reference:
        Devlin et al. (2015), Exploring nearest neighbor approaches for image captioning, there of many neighbours.

    Example:
        >>> known = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> nearest_features(known, [["a dog"], ["a red car", "a car"]], np.array([[0.9, 0.1], [1.0, 4.0]]))
        ['a dog', 'a car']
    """
    _check(questions, answers, asked)
    texts = [tokenised([], [known])[1][0] for known in answers]
    rarity = Rarity(texts)
    similarities = _unit(asked) @ _unit(questions).T
    return [_most_usual(answers[place], texts[place], rarity) for place in similarities.argmax(1).tolist()]


def _most_usual(answers: Sequence[str], texts: Sequence[str], rarity: Rarity) -> str:
    captions = Captions(texts, rarity)
    values = []
    for place, text in enumerate(texts):
        likenesses = captions.likenesses(text)
        values.append(round(float(np.delete(likenesses, place).sum()), _DIGITS))
    return answers[min(range(len(answers)), key=lambda place: (-values[place], answers[place]))]


def _unit(features: NDArray[Any]) -> NDArray[np.float64]:
    rows = features.astype(np.float64)
    lengths: NDArray[np.float64] = np.linalg.norm(rows, axis=1, keepdims=True)
    found: NDArray[np.float64] = rows / np.maximum(lengths, np.finfo(np.float64).tiny)
    return found


def _check(questions: NDArray[Any], answers: Sequence[Sequence[str]], asked: NDArray[Any]) -> None:
    if not len(questions) or len(questions) != len(answers):
        raise DataError(
            f"`questions` must be at least one row of features for as many lists of `answers`, but are "
            f"{len(questions)} for {len(answers)}"
        )
    if questions.ndim != 2 or asked.shape[1:] != questions.shape[1:]:
        raise DataError(
            f"`asked` must be rows of the features of `questions`, {questions.shape[1:]}, but is of {asked.shape}"
        )
    for row, known in enumerate(answers):
        if isinstance(known, str) or not known:
            raise DataError(f"`answers` must be a list of at least one for each question, but row {row} is {known!r}")
