"""Whether what was drawn is seen as what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unspool.errors import DataError
from unspool.metrics.score import Score


def recognised(
    drawings: NDArray[Any],
    pictures: NDArray[Any],
    classes: Sequence[str],
    known: NDArray[Any],
    known_classes: Sequence[str],
) -> Score:
    """The share of drawings that a classifier, which never saw one, takes for the class that was asked for.

    The classifier is a support vector machine with a Gaussian kernel on pixels. It learns from pictures alone, those of
    the training part, and shares nothing with the network that draws. How often it is right itself is reported beside:
    on real pictures of the classes that were asked for, which neither has seen.

    Args:
        drawings: (examples, pixels), one of each class in `classes`.
        pictures: (examples, pixels), real ones of the same classes.
        classes: (examples,) what was asked for.
        known: (pictures, pixels) to learn from.
        known_classes: of each of these.

    Returns:
        Of 100. `details`: the drawings recognised and their number, the same of the pictures.

    Raises:
        DataError: nothing drawn; arrays of other shapes; classes that are not one for each; fewer than two known ones.

    Reference:
        Cortes and Vapnik (1995), by scikit-learn: penalty 5, a kernel as wide as the pixels vary.

    Example:
        >>> dark, light = np.zeros((4, 9)), np.ones((4, 9))
        >>> known = np.concatenate([dark, light]), [*"aaaa", *"bbbb"]
        >>> print(recognised(np.ones((2, 9)), np.stack([dark[0], light[0]]), ["a", "b"], *known))
        recognised 50.00 (higher is better; by:svm of 8 pictures|right on real ones:100.00)
    """
    _check(drawings, pictures, classes, known, known_classes)
    from sklearn.svm import SVC  # type: ignore[import-untyped]  # half a second

    classifier = SVC(C=5.0, gamma="scale").fit(known, known_classes)
    asked = np.asarray(classes)
    seen, right = (int((classifier.predict(each) == asked).sum()) for each in (drawings, pictures))
    details = {"recognised": seen, "drawings": len(asked), "right": right, "pictures": len(asked)}
    signature = f"by:svm of {len(known):,} pictures|right on real ones:{100 * right / len(asked):.2f}"
    return Score(100 * seen / len(asked), "recognised", "higher", details, signature)


def _check(
    drawings: NDArray[Any],
    pictures: NDArray[Any],
    classes: Sequence[str],
    known: NDArray[Any],
    known_classes: Sequence[str],
) -> None:
    if not len(drawings):
        raise DataError("`drawings` must hold at least one to recognise, but are empty")
    for name, found in (("drawings", drawings), ("pictures", pictures), ("known", known)):
        if found.ndim != 2 or found.shape[1] != known.shape[-1]:
            raise DataError(
                f"`{name}` must be (examples, pixels), as many pixels as `known` has, but are {found.shape}"
            )
        if not np.isfinite(found).all():
            raise DataError(f"`{name}` must be finite numbers, but hold some that are not")
    for name, found, of, given in (
        ("drawings", drawings, "classes", classes),
        ("pictures", pictures, "classes", classes),
        ("known", known, "known_classes", known_classes),
    ):
        if len(found) != len(given):
            raise DataError(f"`{of}` must be one for each of the {len(found):,} `{name}`, but are {len(given):,}")
    if len(set(known_classes)) < 2:
        raise DataError(f"`known_classes` must be at least two to tell apart, but are {sorted(set(known_classes))}")
