"""Files that are asked about again and again, taken from where they are encoded already."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from unspool.data import Encoded, Table
from unspool.fields import Field
from unspool.ragged import Ragged
from unspool.runs.preparing import Prepared
from unspool.tasks import Task


def reading_encoded(made: Prepared, part: str) -> Task:
    """A recipe's task, asked about a part whose files are not read again.

    A validation asks about the same files after every epoch, and to read clips takes longer than to learn from them.
    """
    task = copy.copy(made.task)
    kept: dict[str, Any] = {
        name: KeptField(field, made.tables[part], made.encoded[part], name)
        for name, field in task.fields.items()
        if name in task.sources and field.reads_files
    }
    task.fields = task.fields | kept
    return task


class KeptField:
    """A field over a column that is encoded: what stands there is not read again. All else is asked of the field.

    Args:
        field: that encoded it.
        table, encoded: the part.
        column: its name.
    """

    def __init__(self, field: Field, table: Table, encoded: Encoded, column: str) -> None:
        self._field, self._encoded, self._column = field, encoded, column
        self._rows = {value: row for row, value in enumerate(table.column(column)) if isinstance(value, str)}

    def encode(self, value: Any) -> Tensor:
        """What the field gives for a value."""
        row = self._rows.get(value) if isinstance(value, str) else None
        if row is None:
            return self._field.encode(value)
        found = self._encoded.batch([row])[self._column]
        return found.values if isinstance(found, Ragged) else found[0]

    def encode_many(self, values: Sequence[Any]) -> list[Tensor]:
        return [self.encode(value) for value in values]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._field, name)
