"""Music of the training part in other keys as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from unspool.data.tables import Stream, Table, store
from unspool.errors import DataError

_ROWS = 256  # made at a time
_HIGHEST = 127


def transposed(tables: Mapping[str, Table], *, column: str, semitones: int) -> dict[str, Table]:
    """Tables whose training part has each piece in up to 2 · `semitones` more keys, next to the piece itself.

        piece, piece + 1, …, piece + semitones, piece - 1, …, piece - semitones

    A key in which a note would leave the pitches of MIDI, 0 to 127, is left out. Negative numbers are silence in every
    key. The other parts are as they were.

    Args:
        tables: by part, with one called "train".
        column: of lists of steps, each a list of pitches.
        semitones: how far up and down.

    Raises:
        DataError: no such column; values that are no lists of lists of numbers; a number of semitones that is not from
            1 to 12.

    Example:
        >>> table = Table.from_rows([{"notes": [[60, 64], [62]]}])
        >>> [row["notes"] for row in transposed({"train": table}, column="notes", semitones=1)["train"]]
        [[[60, 64], [62]], [[61, 65], [63]], [[59, 63], [61]]]
    """
    if not 1 <= semitones <= 12:
        raise DataError(f"`semitones` must be from 1 to 12, but is {semitones}")
    train = tables["train"]
    train.check_columns([column])
    shifts = [0, *range(1, semitones + 1), *range(-1, -semitones - 1, -1)]

    def rows() -> Iterator[dict[str, Any]]:
        for number, row in enumerate(train):
            piece = _checked(row[column], f"row {number} of `{column}` in {train.origin}")
            pitches = [pitch for step in piece for pitch in step if pitch >= 0]
            for shift in shifts:
                if not pitches or 0 <= min(pitches) + shift <= max(pitches) + shift <= _HIGHEST:
                    moved = [[pitch + shift if pitch >= 0 else pitch for pitch in step] for step in piece]
                    yield {**row, column: moved}

    def batches() -> Iterator[Any]:
        left = rows()
        while piece := list(islice(left, _ROWS)):
            yield pa.RecordBatch.from_pylist(piece, train.schema.remove_metadata())

    stream = Stream(["transposed", train.key, column, semitones], batches, train.origin)
    return {**tables, "train": store(stream)}


def _checked(value: Any, where: str) -> Sequence[Sequence[int]]:
    steps = value if isinstance(value, list) else None
    if steps is None or not all(
        isinstance(step, list) and all(isinstance(pitch, int) for pitch in step) for step in steps
    ):
        short = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}…"
        raise DataError(f"{where} must be a list of steps of pitches to be transposed, but is {short}")
    return steps
