"""What a part of the data asks: its inputs, and the right answers to each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, repeat
from typing import Any, NamedTuple

from unspool.data import Table
from unspool.errors import DataError
from unspool.tasks import Task
from unspool.tasks.asking import key_of


class Questions(NamedTuple):
    """The inputs of a part, and the right answers to each."""

    inputs: list[Any]
    answers: list[list[Any]]


def questions(table: Table, task: Task, limit: int | None = None) -> Questions:
    """What to ask, in the order of the rows: the different inputs of a table with all outputs that stand beside each,
    then those of inputs that are alike; or where a question has one right answer, every row.

    Args:
        limit: the most questions, evenly from the first row on; None: all.
    """
    rows = zip(inputs_of(table, task), table.column(task.target), strict=True)
    if not task.many_answers:
        chosen = [(question_of(task, values), answer) for values, answer in _spread(rows, len(table), limit)]
        return Questions([each for each, _ in chosen], [[task.as_text(each, answer)] for each, answer in chosen])
    known: dict[Any, list[tuple[Any, Any]]] = {}
    asked_once: dict[Any, tuple[Any, ...]] = {}
    for values, answer in rows:
        known.setdefault(key_of(task.alike(values)), []).append((key_of(values), answer))
        asked_once.setdefault(key_of(values), values)

    def right(values: tuple[Any, ...]) -> list[Any]:
        own = key_of(values)
        return [answer for _, answer in sorted(known[key_of(task.alike(values))], key=lambda row: row[0] != own)]

    chosen_once = _spread(asked_once.values(), len(asked_once), limit)
    inputs = [question_of(task, values) for values in chosen_once]
    answers = [
        [task.as_text(each, answer) for answer in right(values)]
        for each, values in zip(inputs, chosen_once, strict=True)
    ]
    return Questions(inputs, answers)


def inputs_of(table: Table, task: Task) -> Iterator[tuple[Any, ...]]:
    """The values of the columns that are read, row by row: none of each row where nothing is read."""
    columns = [table.column(name) for name in task.sources]
    yield from zip(*columns, strict=True) if columns else repeat((), len(table))


def question_of(task: Task, values: tuple[Any, ...]) -> Any:
    """What is asked where these are the values: the value of a single column, or all by the names of their columns."""
    return values[0] if len(values) == 1 else dict(zip(task.sources, values, strict=True))


def column_of_questions(table: Table, task: Task, column: str) -> list[str]:
    """A column's value for each question, as text; of a question with several rows, the first one's."""
    values = map(str, table.column(column))
    if not task.many_answers:
        return list(values)
    first: dict[Any, str] = {}
    for question, value in zip(inputs_of(table, task), values, strict=True):
        first.setdefault(key_of(question), value)
    return list(first.values())


def as_json(value: Any) -> str:
    """A raw value as JSON; what JSON does not know, as a decimal number, by its text."""
    return json.dumps(value, ensure_ascii=False, default=str)


def part_of(tables: Mapping[str, Table], part: str) -> Table:
    """The table of a part.

    Raises:
        DataError: there is none.
    """
    if part not in tables:
        raise DataError(f"`part` must be one that there is ({', '.join(tables)}), but is {part!r}")
    return tables[part]


def _spread(rows: Iterable[Any], count: int, limit: int | None) -> list[Any]:
    """So many of the rows, evenly over all: rows may stand in an order, of which the beginning tells little."""
    if limit is None or limit >= count:
        return list(rows)
    places = {turn * count // limit for turn in range(limit)}
    return [row for place, row in enumerate(islice(rows, max(places) + 1)) if place in places]
