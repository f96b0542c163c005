"""Answers that are one of several classes, or several labels at once: F1 by scikit-learn.

A class that the hypotheses name and no reference does has no F1 of its own, since it could only be 0: it counts as a
miss of the class that was meant. A class that was never named has precision 0, not none.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from unspool.errors import DataError
from unspool.metrics.edits import share
from unspool.metrics.score import Score, check

Labels: TypeAlias = "list[frozenset[str]]"


def macro_f1(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """The mean of every class's F1, of 100: a rare class weighs as much as a frequent one.

        F1 of a class = 2 · right / (times named + times in the references)
        100 · Σ F1 of a class / number of classes in the references

    Args:
        hypotheses: the name of a class each; an empty one names none. The number of blanks in a name does not matter.
        references: exactly one for each.

    Returns:
        From 0 to 100. `details`: classes, by name the precision, recall and f1 of 100 and the support, how often it is
        in the references; confusion, by the reference's class and then the hypothesis's, how often the two met.

    Raises:
        DataError: no hypotheses, not as many rows of references, more than one in a row, or an empty one.

    Reference:
        Opitz & Burst (2019), "Macro F1 and Macro F1": the mean of F1, not F1 of mean precision and mean recall.

    Example:
        >>> print(macro_f1(["cat", "cat", "dog", "cat"], [["cat"], ["cat"], ["dog"], ["dog"]]))
        macro_f1 73.33 (higher is better; nrefs:1|average:macro|classes:references|undefined:0)
    """
    said, meant = one_class(hypotheses, references)
    classes, _ = _by_class(said, meant)
    details = {"classes": classes, "confusion": _confusion(said, meant)}
    signature = "nrefs:1|average:macro|classes:references|undefined:0"
    return Score(_mean_f1(classes), "macro_f1", "higher", details, signature)


def macro_f1_labels(hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, separator: str = ",") -> Score:
    """The mean of every label's F1, of 100, where a row has several labels or none.

    Args:
        hypotheses: labels, apart by `separator`; their order, repeats and blanks do not matter. Empty: no label.
        references: exactly one such text for each.
        separator: what stands between two labels.

    Returns:
        From 0 to 100, over the labels that the references have. `details`: classes, as `macro_f1` has them; confusion,
        by label [[rows rightly without it, wrongly with it], [wrongly without it, rightly with it]].

    Raises:
        DataError: as `macro_f1`, but rows may be empty, only not all references; or an empty separator.

    Example:
        >>> macro_f1_labels(["joy, love", "anger", ""], [["joy"], ["anger"], ["anger"]]).details["classes"]["joy"]
        {'precision': 100.0, 'recall': 100.0, 'f1': 100.0, 'support': 1}
    """
    classes, confusion = _by_class(*several_labels(hypotheses, references, separator))
    details = {"classes": classes, "confusion": confusion}
    signature = f"nrefs:1|sep:{separator}|average:macro|classes:references|undefined:0"
    return Score(_mean_f1(classes), "macro_f1_labels", "higher", details, signature)


def micro_f1_labels(hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, separator: str = ",") -> Score:
    """F1 over all labels of all rows together, of 100: frequent labels weigh most.

        100 · 2 · right / (labels in the hypotheses + labels in the references)

    Args, Raises: as `macro_f1_labels`.

    Returns:
        From 0 to 100. A label that no reference has counts too, as wrongly named. `details`: precision and recall of
        100, and what `macro_f1_labels` has.

    Example:
        >>> print(micro_f1_labels(["joy, love", "anger", ""], [["joy"], ["anger"], ["anger"]]))
        micro_f1_labels 66.67 (higher is better; nrefs:1|sep:,|average:micro|classes:all|undefined:0)
    """
    from sklearn.metrics import precision_recall_fscore_support  # type: ignore[import-untyped]

    said, meant = several_labels(hypotheses, references, separator)
    classes, confusion = _by_class(said, meant)
    named, true = _indicators(said, meant)
    precision, recall, f1, _ = precision_recall_fscore_support(true, named, average="micro", zero_division=0)
    details = {
        "precision": 100 * float(precision),
        "recall": 100 * float(recall),
        "classes": classes,
        "confusion": confusion,
    }
    signature = f"nrefs:1|sep:{separator}|average:micro|classes:all|undefined:0"
    return Score(100 * float(f1), "micro_f1_labels", "higher", details, signature)


def subset_accuracy(hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, separator: str = ",") -> Score:
    """The share of rows whose labels are all right and none too many, of 100.

    Args: as `macro_f1_labels`.

    Returns:
        From 0 to 100; a row rightly without labels is right. `details`: right and rows, two counts.

    Raises:
        DataError: as `macro_f1_labels`, but all references may be empty.

    Example:
        >>> print(subset_accuracy(["joy, love", "anger", ""], [["joy"], ["anger"], ["anger"]]))
        subset_accuracy 33.33 (higher is better; nrefs:1|sep:,|unit:row)
    """
    said, meant = several_labels(hypotheses, references, separator)
    right, rows = sum(right for right, _ in row_counts(said, meant)), len(meant)
    details = {"right": right, "rows": rows}
    return Score(share(right, rows), "subset_accuracy", "higher", details, f"nrefs:1|sep:{separator}|unit:row")


def one_class(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[Labels, Labels]:
    """The class of each hypothesis and of its reference, as sets of one; an empty hypothesis has none."""
    _check_one(hypotheses, references)
    said, meant = (
        [frozenset(_plain([text])) for text in texts] for texts in (hypotheses, [row[0] for row in references])
    )
    if frozenset() in meant:
        raise DataError(f"`references` must name a class in each row, but row {meant.index(frozenset())} is empty")
    return said, meant


def several_labels(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], separator: str = ","
) -> tuple[Labels, Labels]:
    """The labels of each hypothesis and of its reference, as sets."""
    _check_one(hypotheses, references)
    if not separator:
        raise DataError("`separator` must be at least one character, but is empty")
    said, meant = (
        [frozenset(_plain(text.split(separator))) for text in texts]
        for texts in (hypotheses, [row[0] for row in references])
    )
    return said, meant


def class_counts(said: Labels, meant: Labels) -> Any:
    """For each row: which classes of the references are right, wrongly named, missed; `(rows, 3 · classes)`."""
    places = {name: place for place, name in enumerate(_classes(meant))}
    counts = np.zeros((len(meant), 3, len(places)), np.int32)
    for row, (named, true) in enumerate(zip(said, meant, strict=True)):
        for kind, names in enumerate((named & true, named - true, true - named)):
            counts[row, kind, [places[name] for name in names if name in places]] = 1
    return counts.reshape(len(meant), -1)


def macro_of(sums: Sequence[int]) -> float:
    """The macro F1 of summed `class_counts`: the classes are those that the summed rows' references have."""
    right, wrong, missed = np.asarray(sums).reshape(3, -1)
    there = right + missed > 0
    _check_labels(bool(there.any()))
    return float(100 * (2 * right / np.maximum(2 * right + wrong + missed, 1))[there].mean())


def label_counts(said: Labels, meant: Labels) -> list[tuple[int, int, int]]:
    """For each row: how many labels are right, wrongly named, missed."""
    return [(len(named & true), len(named - true), len(true - named)) for named, true in zip(said, meant, strict=True)]


def micro_of(sums: Sequence[int]) -> float:
    """The micro F1 of summed `label_counts`."""
    right, wrong, missed = sums
    _check_labels(right + missed > 0)
    return 100 * 2 * right / (2 * right + wrong + missed)


def row_counts(said: Labels, meant: Labels) -> list[tuple[int, int]]:
    """For each row: whether it is right, and 1."""
    return [(int(named == true), 1) for named, true in zip(said, meant, strict=True)]


def _plain(texts: Sequence[str]) -> list[str]:
    """The names in them, single blanks within, and none that are empty."""
    return [name for text in texts if (name := " ".join(text.split()))]


def _check_one(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    check(hypotheses, references)
    for row, known in enumerate(references):
        if len(known) != 1:
            raise DataError(
                f"`references` must hold exactly one for each hypothesis, but row {row} has {len(known)}; "
                "keep the one that was meant"
            )


def _check_labels(there: bool) -> None:
    if not there:
        raise DataError("`references` must hold at least one label, but all rows are empty")


def _classes(rows: Labels) -> list[str]:
    return sorted(frozenset().union(*rows))


def _indicators(said: Labels, meant: Labels) -> tuple[Any, Any]:
    """Two sparse matrices of rows × classes, of 0 and 1: the classes of the references first."""
    from sklearn.preprocessing import MultiLabelBinarizer  # type: ignore[import-untyped]

    classes = _classes(meant)
    others = sorted(frozenset(_classes(said)).difference(classes))
    # No label is empty, so the last column holds zeros: with a single column scikit-learn sees no matrix of labels.
    binarizer = MultiLabelBinarizer(classes=[*classes, *others, ""], sparse_output=True).fit(meant)
    return binarizer.transform(said), binarizer.transform(meant)


def _by_class(said: Labels, meant: Labels) -> tuple[dict[str, dict[str, float]], dict[str, list[list[int]]]]:
    """By class of the references: its scores and support; and its own confusion matrix."""
    from sklearn.metrics import multilabel_confusion_matrix, precision_recall_fscore_support

    classes = _classes(meant)
    _check_labels(bool(classes))
    named, true = _indicators(said, meant)
    columns = list(range(len(classes)))
    scored = precision_recall_fscore_support(true, named, labels=columns, average=None, zero_division=0)
    matrices = multilabel_confusion_matrix(true, named, labels=columns)
    scores = {
        name: {
            "precision": 100 * float(precision),
            "recall": 100 * float(recall),
            "f1": 100 * float(f1),
            "support": int(support),
        }
        for name, precision, recall, f1, support in zip(classes, *scored, strict=True)
    }
    return scores, {name: matrix.tolist() for name, matrix in zip(classes, matrices, strict=True)}


def _mean_f1(classes: dict[str, dict[str, float]]) -> float:
    return sum(each["f1"] for each in classes.values()) / len(classes)


def _confusion(said: Labels, meant: Labels) -> dict[str, dict[str, int]]:
    """How often each class of the references was called what; only what happened."""
    pairs = Counter((*true, "".join(named)) for named, true in zip(said, meant, strict=True))
    table: dict[str, dict[str, int]] = {}
    for (true, named), count in sorted(pairs.items()):
        table.setdefault(true, {})[named] = count
    return table
