"""A run's drawings, looked at by a classifier of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unspool import data
from unspool.data import Table
from unspool.fields import RowsField
from unspool.metrics import RECOGNITIONS, Score
from unspool.ragged import Ragged
from unspool.tasks import Prediction, Task


def recognition(name: str, task: Task, train: Table, part: Table, drawn: Sequence[Prediction]) -> Score:
    """A metric of `RECOGNITIONS`, of one drawing for each row of a part.

    Args:
        train: what the classifier learns from.
        part: what was asked for, and real pictures of it.
        drawn: in the order of its rows.
    """
    target = task.fields[task.target]
    assert isinstance(target, RowsField)
    pixels = np.stack([target.encode(np.asarray(each.text, np.uint8)).numpy().reshape(-1) for each in drawn])
    (column,) = task.sources
    asked, known = ([str(each) for each in table.column(column)] for table in (part, train))
    return RECOGNITIONS[name](pixels, _pictures(part, task), asked, _pictures(train, task), known)


def _pictures(table: Table, task: Task) -> NDArray[Any]:
    """Those of a table, as the network knows them. -> (examples, pixels)"""
    encoded = data.encode(table, {task.target: task.fields[task.target]})
    rows = encoded.batch(np.arange(len(encoded)))[task.target]
    assert isinstance(rows, Ragged)
    return rows.values.numpy().reshape(len(encoded), -1)
