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
from unspool.metrics import METRICS, Score
from unspool.runs.preparing import tables_of
from unspool.runs.questions import as_json, column_of_questions, part_of, questions
from unspool.runs.run import Run
from unspool.runs.scoring import scores
from unspool.tasks import Task


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
    metrics, table, groups = _told_apart(run, column, part, overrides)
    kept = kept_predictions(run, part, questions(table, run.task).inputs)
    found = {}
    for name in sorted(set(groups), key=_natural):
        rows = [row for row, group in zip(kept, groups, strict=True) if group == name]
        found[name] = list(_scores(metrics, rows, run.task))
    return found


def groups_of(run: Run, column: str, part: str = "test", overrides: Sequence[str] = ()) -> list[str]:
    """The values that `by_column` tells apart, in its order; that there are some is known before the run is evaluated.

    Args, Raises: as of `by_column`; predictions are not asked for.
    """
    return sorted(set(_told_apart(run, column, part, overrides)[2]), key=_natural)


def _told_apart(run: Run, column: str, part: str, overrides: Sequence[str]) -> tuple[list[str], Table, list[str]]:
    """The metrics of what is predicted, the part's table, and the column's value for each of its questions."""
    recipe = recipes.load(run.recipe, overrides)
    metrics = [name for name in recipe.metrics if name in METRICS]
    if not metrics:
        raise RunError(
            f"`metrics` must have one of what is predicted to tell it by `{column}`, but has "
            f"{', '.join(recipe.metrics) or 'none'}"
        )
    table = part_of(tables_of(recipe), part)
    return metrics, table, column_of_questions(table, run.task, column)


def _scores(metrics: Sequence[str], rows: Sequence[dict[str, Any]], task: Task) -> Iterator[Score]:
    told, right, asked = ([row[key] for row in rows] for key in ("prediction", "references", "input"))
    for name in metrics:
        with suppress(DataError):
            yield from scores([name], told, right, asked, task)


def kept_predictions(run: Run, part: str, asked: Sequence[Any]) -> list[dict[str, Any]]:
    """What `Run.evaluate` kept of these questions, in their order.

    Raises:
        RunError: nothing, or of others.
    """
    path = run.folder.path / "predictions" / f"{part}.jsonl"
    rows = []
    if path.exists():
        with path.open(encoding="utf-8") as lines:  # a line break in a text is not `\n` here, but may be another sign
            rows = [json.loads(line) for line in lines]
    if len(rows) != len(asked):
        raise RunError(
            f"`{path}` must hold predictions for all {len(asked)} questions, but has {len(rows)}; evaluate that part "
            "first"
        )
    for row, question in zip(rows, asked, strict=True):
        if as_json(row.get("input")) != as_json(question):
            raise RunError(
                f"`{path}` must hold predictions for these questions, but they were of others, such as "
                f"{row.get('input')!r}; evaluate that part with the same changes first"
            )
    return rows


def _natural(text: str) -> list[tuple[int, str]]:
    """A key under which the numbers in a text count as numbers."""
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in re.split(r"(\d+)", text)]
