"""Music as lists of pitches, as in the files of the JSB chorales."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from unspool.data.lines import lines
from unspool.errors import DataError

PARTS = ("train", "valid", "test")
SCHEMA = pa.schema([("notes", pa.list_(pa.list_(pa.int16()))), ("name", pa.string()), ("part", pa.string())])
_FORM = '`{"train": [[[74, 70, 65, 58], [74, 69, 65]], …], "valid": …, "test": …}`'
_SILENCE, _HIGHEST = -1, 127


def chorale_batches(file: Path, columns: Sequence[str] | None) -> Iterator[Any]:
    """A row for each piece of a JSON file with lists `train`, `valid` and `test`: record batches.

        {"train": [[[74, 70], [74, 69, 65]], …]}   →   notes [[74, 70], [74, 69, 65]], name "0", part "train"

    A piece is a list of steps, a step a list of pitches as MIDI numbers them, -1 where a voice is silent. `name` is the
    place within the part.

    Raises:
        DataError: no such file; no JSON of this form, with the part, the piece and the step.

    Reference:
        Boulanger-Lewandowski, Bengio and Vincent (2012), Modeling temporal dependencies in high-dimensional sequences.
    """
    for part, pieces in _held(file).items():
        _check(file, part, pieces)
        if pieces:
            names = [str(number) for number in range(len(pieces))]
            notes = [[list(map(int, step)) for step in piece] for piece in pieces]
            rows = {"notes": notes, "name": names, "part": [part] * len(pieces)}
            yield pa.RecordBatch.from_pydict(rows, schema=SCHEMA)


def parts_of(file: Path) -> list[str]:
    """Which parts are in a file."""
    return list(_held(file))


def _held(file: Path) -> dict[str, Any]:
    text = "".join(lines(file))
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        what = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise DataError(f"`{file}`{where}: a file must be JSON, as {_FORM}, but is not: {what}") from error
    if isinstance(found, dict) and any(part in found for part in PARTS):
        return {part: found[part] for part in PARTS if part in found}
    raise DataError(f"`{file}` must hold lists of music by part, as {_FORM}, but holds {_short(found)}")


def _check(file: Path, part: str, pieces: Any) -> None:
    if not isinstance(pieces, list):
        raise DataError(f"`{part}` in `{file}` must be a list of pieces, as {_FORM}, but is {_short(pieces)}")
    for number, piece in enumerate(pieces):
        if not isinstance(piece, list):
            raise DataError(
                f"piece {number} of `{part}` in `{file}` must be a list of steps, as `[[74, 70, 65], [74, 69]]`, but "
                f"is {_short(piece)}"
            )
        for place, step in enumerate(piece):
            if not isinstance(step, list) or not all(_is_pitch(pitch) for pitch in step):
                raise DataError(
                    f"step {place} of piece {number} of `{part}` in `{file}` must be a list of pitches from 0 to "
                    f"{_HIGHEST}, or {_SILENCE} for silence, but is {_short(step)}"
                )


def _is_pitch(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and _SILENCE <= value <= _HIGHEST and value == int(value)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text if len(text) <= 60 else text[:57] + '…'}`"
