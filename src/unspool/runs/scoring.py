"""Answers measured by the metrics that a recipe names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from unspool.fields import ActField, LabelsField
from unspool.metrics import METRICS, OF_LABELS, Score
from unspool.tasks import Task
from unspool.tasks.asking import by_column


def scores(
    metrics: Sequence[str],
    answers: Sequence[Any],
    references: Sequence[Sequence[str]],
    inputs: Sequence[Any],
    task: Task,
) -> list[Score]:
    """The metrics of these names; those that say so (`reads_inputs`) see which acts were asked for, too.

    Args:
        answers: as predictions have them: texts, or numbers.
        inputs: raw values, as they were asked.
        task: whose target says how answers are read, such as what stands between two labels.
    """
    told = list(map(str, answers))
    return [metric_of(name, task)(told, references, *acts_for(name, task, inputs)) for name in metrics]


def metric_of(name: str, task: Task) -> Any:
    """The metric of that name; one of labels reads them as the field separates them."""
    metric: Any = METRICS[name]
    target = task.fields[task.target]
    if isinstance(target, LabelsField) and name in OF_LABELS:
        return partial(metric, separator=target.separator)
    return metric


def acts_for(name: str, task: Task, inputs: Sequence[Any]) -> list[list[Any]]:
    """What a metric is given beside answers and references: the dialogue acts among the inputs, or nothing more."""
    if not getattr(METRICS[name], "reads_inputs", False):
        return []
    columns = by_column(task.sources, inputs)
    return [next((columns[each] for each in task.sources if isinstance(task.fields[each], ActField)), list(inputs))]
