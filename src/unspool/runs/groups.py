"""A run's metrics for each value of a column by itself: each task, each domain, each language."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from unspool import recipes
from unspool.data import Table
from unspool.errors import DataError, RunError
from unspool.fields import Field
from unspool.metrics import METRICS, Score
from unspool.runs.preparing import tables_of
from unspool.runs.questions import inputs_of
from unspool.runs.run import Run
from unspool.runs.scoring import scores
from unspool.tasks import Task
from unspool.tasks.asking import key_of


def by_column(run: Run, column: str, part: str = "test", overrides: Sequence[str] = ()) -> dict[str, list[Score]]:
    """The recipe's metrics over the rows of each value of a column, from the predictions that `Run.evaluate` kept.

    Args:
        run: that was evaluated on that part.
        column: of the part's table; the model need not read it, but `data.columns` must take it.
        part: train, valid or test.
        overrides: as for that evaluation.

    Returns:
        By value, in the order of their texts: numbers in them count as numbers, so that "qa2" comes before "qa10".
        Without metrics that a value's rows alone have no figure for, as slots of acts that have none.

    Only metrics of what was predicted have values for some rows alone: not likelihoods, nor those of drawings.

    Raises:
        RunError: no such metric; no predictions, or those of other rows.
        DataError: no such column.
    """
    recipe = recipes.load(run.recipe, overrides)
    metrics = [name for name in recipe.metrics if name in METRICS]
    if not metrics:
        raise RunError(
            f"`metrics` must have one of what is predicted to tell it by `{column}`, but has "
            f"{', '.join(recipe.metrics) or 'none'}"
        )
    table = tables_of(recipe)[part]
    groups = _groups(table, run.task, column)
    kept = kept_predictions(run, part, len(groups))
    found = {}
    for name in sorted(set(groups), key=_natural):
        rows = [row for row, group in zip(kept, groups, strict=True) if group == name]
        found[name] = list(_scores(metrics, rows, run.fields[run.task.target]))
    return found


def _scores(metrics: Sequence[str], rows: Sequence[dict[str, Any]], target: Field) -> Iterator[Score]:
    told, right, asked = ([row[key] for row in rows] for key in ("prediction", "references", "input"))
    for name in metrics:
        with suppress(DataError):
            yield from scores([name], told, right, asked, target)


def _groups(table: Table, task: Task, column: str) -> list[str]:
    """The column's value for each question; of a question with several rows, the first one's."""
    values = map(str, table.column(column))
    if not task.many_answers:
        return list(values)
    first: dict[Any, str] = {}
    for question, value in zip(inputs_of(table, task), values, strict=True):
        first.setdefault(key_of(question), value)
    return list(first.values())


def kept_predictions(run: Run, part: str, count: int) -> list[dict[str, Any]]:
    """What `Run.evaluate` kept of so many questions, in their order.

    Raises:
        RunError: nothing, or of another number.
    """
    path = run.folder.path / "predictions" / f"{part}.jsonl"
    rows = []
    if path.exists():
        with path.open(encoding="utf-8") as lines:  # a line break in a text is not `\n` here, but may be another sign
            rows = [json.loads(line) for line in lines]
    if len(rows) != count:
        raise RunError(
            f"`{path}` must hold predictions for all {count} questions, but has {len(rows)}; evaluate that part first"
        )
    return rows


def _natural(text: str) -> list[tuple[int, str]]:
    """A key under which the numbers in a text count as numbers."""
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in re.split(r"(\d+)", text)]
