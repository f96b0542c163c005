"""What a metric returns, and what it is given."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from unspool.errors import DataError

Metric: TypeAlias = "Callable[[Sequence[str], Sequence[Sequence[str]]], Score]"


class Score(NamedTuple):
    """The result of a metric.

    Fields:
        value: the figure; of 100, where it is a share.
        name: the metric's, as in `unspool.metrics.METRICS`.
        better: whether "higher" or "lower" is.
        details: what the figure was made of, as plain numbers.
        signature: how it was computed, to report beside it: sacrebleu's own, or one line of ours in its form.

    Example:
        >>> print(Score(36.2, "bleu", "higher", {}, "nrefs:1|case:mixed"))
        bleu 36.20 (higher is better; nrefs:1|case:mixed)
    """

    value: float
    name: str
    better: Literal["higher", "lower"]
    details: dict[str, Any]
    signature: str

    def __str__(self) -> str:
        return f"{self.name} {self.value:.2f} ({self.better} is better; {self.signature})"


def check(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """One hypothesis at least, strings, each with one reference at least.

    Raises:
        DataError: anything else.
    """
    for name, rows in (("hypotheses", hypotheses), ("references", references)):
        if isinstance(rows, str) or not isinstance(rows, Sequence):
            raise DataError(f"`{name}` must be a list with an entry for each sequence, but is a {type(rows).__name__}")
    if not hypotheses:
        raise DataError("`hypotheses` must hold at least one sequence to score, but is empty")
    if len(hypotheses) != len(references):
        raise DataError(
            f"`references` must have an entry for each of the {len(hypotheses)} hypotheses, but has {len(references)}"
        )
    for row, (hypothesis, known) in enumerate(zip(hypotheses, references, strict=True)):
        if not isinstance(hypothesis, str):
            raise DataError(f"`hypotheses` must be strings, but row {row} is {hypothesis!r} ({_kind(hypothesis)})")
        if isinstance(known, str) or not isinstance(known, Sequence):
            raise DataError(
                "`references` must be a list of references for each hypothesis, "
                f"but row {row} is {known!r} ({_kind(known)}); use `[[reference] for reference in references]`"
            )
        if not known:
            raise DataError(f"`references` must hold at least one for each hypothesis, but row {row} has none")
        if strangers := [each for each in known if not isinstance(each, str)]:
            raise DataError(f"`references` must be strings, but row {row} has {strangers[0]!r} ({_kind(strangers[0])})")


def _kind(value: object) -> str:
    return type(value).__name__


def references_in_words(references: Sequence[Sequence[str]]) -> str:
    """The first part of a signature, as sacrebleu writes it: `nrefs:1`, or `nrefs:var` where rows have several."""
    numbers = {len(known) for known in references}
    return f"nrefs:{numbers.pop() if len(numbers) == 1 else 'var'}"
