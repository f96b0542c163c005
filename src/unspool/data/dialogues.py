"""Dialogues as replies: a row for each turn that answers another, with what was said before it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from unspool.data.tables import Stream, Table, store
from unspool.errors import DataError

COLUMNS = ("history", "turn")
_ROWS = 4096  # made at a time


def replies(table: Table, *, turns: str = "turns", history: int = 3) -> Table:
    """The replies of dialogues: of each turn but the first one row, in order.

        {"turns": ["Hi!", "Hello.", "Do you like rain?"], "topic": "weather"}

            history                  turn                 topic
            Hi!                      Hello.               weather
            Hi!⏎Hello.               Do you like rain?    weather

    Runs of blanks and line ends within a turn become one blank; a turn without text is passed over. The other columns
    of a dialogue stand beside each of its replies.

    Args:
        table: a row a dialogue.
        turns: the column that lists what was said, texts in their order.
        history: the most turns before a reply that are kept, the last ones; a line each, joined by `\\n`.

    Raises:
        DataError: no such column, or one that does not list texts; other columns called `history` or `turn`; a history
            of no turn; not one reply.

    Example:
        >>> table = Table.from_rows([{"turns": ["Hi!", "Hello.", "Do you like rain?"]}])
        >>> list(replies(table, history=1))
        [{'history': 'Hi!', 'turn': 'Hello.'}, {'history': 'Hello.', 'turn': 'Do you like rain?'}]
    """
    table.check_columns([turns])
    others = [name for name in table.columns if name != turns]
    if taken := [name for name in COLUMNS if name in others]:
        raise DataError(
            f"`{taken[0]}` must not be a column of dialogues, since it is one of their replies, but {table.origin} has "
            f"it; rename it by `columns`, as in `{{their_{taken[0]}: {taken[0]}}}`"
        )
    if not isinstance(history, int) or isinstance(history, bool) or history < 1:
        raise DataError(f"`history` must be a whole number of at least 1, but is {history!r}")

    schema = pa.schema([(name, pa.string()) for name in COLUMNS] + [table.schema.field(name) for name in others])

    def batches() -> Iterator[Any]:
        rows = _replies(table, turns, history)
        while piece := list(islice(rows, _ROWS)):
            yield pa.RecordBatch.from_pylist(piece, schema)

    return store(Stream(["replies", table.key, turns, history], batches, table.origin))


def _replies(table: Table, turns: str, history: int) -> Iterator[dict[str, Any]]:
    found = False
    for number, row in enumerate(table):
        said = _texts(row.pop(turns), number, turns, table.origin)
        for place in range(1, len(said)):
            found = True
            yield {"history": "\n".join(said[max(0, place - history) : place]), "turn": said[place], **row}
    if not found:
        raise DataError(f"`{turns}` of {table.origin} must hold a reply, but no dialogue has two turns")


def _texts(value: Any, row: int, column: str, origin: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(turn, str) for turn in value):
        raise DataError(
            f"row {row} of `{column}` in {origin} must be a list of texts, what was said turn by turn, but is {value!r}"
        )
    return [text for turn in value if (text := " ".join(turn.split()))]
