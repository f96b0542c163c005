"""Answers measured by the metrics that a recipe names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from unspool.fields import Field, LabelsField
from unspool.metrics import METRICS, OF_LABELS, Score


def scores(
    metrics: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    inputs: Sequence[Any],
    target: Field,
) -> list[Score]:
    """The metrics of these names; those that say so (`reads_inputs`) see what was asked, too.

    Args:
        target: the field of what is told: of labels it says what stands between two.
    """
    found = []
    for name in metrics:
        metric = metric_of(name, target)
        more = [inputs] if getattr(metric, "reads_inputs", False) else []
        found.append(metric(hypotheses, references, *more))
    return found


def metric_of(name: str, target: Field) -> Any:
    """The metric of that name; one of labels reads them as the field separates them."""
    metric: Any = METRICS[name]
    if isinstance(target, LabelsField) and name in OF_LABELS:
        return partial(metric, separator=target.separator)
    return metric
