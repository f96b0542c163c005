"""Parts of files that hold parts of their own, and of folders whose files are rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unspool.data import chorales, strokes
from unspool.data.files import FILE, Pattern, from_path
from unspool.data.parts import part_streams, patterns_of
from unspool.data.selection import theirs
from unspool.data.sources import Columns, joined, rows_stream
from unspool.data.stored import stored
from unspool.data.tables import Stream
from unspool.errors import DataError
from unspool.nearest import choices

Parts = Mapping[str, str | Sequence[str] | None] | None

_PART = "part"
_HELD: dict[str, Callable[[Path], list[str]]] = {"strokes": strokes.parts_of, "chorales": chorales.parts_of}
"""Formats of which a file has a column `part`, and which parts are in it."""
_NAME_FILES = ("files", "sphinx")


def streams_of(
    path: Path, parts: Parts, *, format: str | None, columns: Columns, header: bool | None
) -> dict[str, Stream]:
    """What each part is read from, as of `part_streams`, for every format.

    * "files": each part has patterns with names in them; or `path` is such a pattern, and all is "train". The column
      `file` is as seen from `folder_of(path)`, so that a cut by it is the same wherever the files are.
    * "prices": a folder alone is all of its CSV files, which are to be cut by dates.
    * "strokes" and "chorales": a file alone has the parts that it holds; where `parts` name files, a part has the rows
      of its files that are of this part.
    """
    if format == "files":
        return _of_files(path, parts, columns)
    if format == "prices" and path.is_dir() and not patterns_of(path, parts):
        parts = {"train": "*.csv*"}
    if format not in _HELD:
        return part_streams(path, parts, format=format, columns=columns, header=header)
    streams = part_streams(path, parts, format=format, columns=_with_part(columns), header=header)
    if not any(parts.values() if parts else ()):
        streams = dict.fromkeys(_HELD[format](path), stored(streams["train"]))
    return {part: _of_part(stream, part, _PART in theirs(columns)) for part, stream in streams.items()}


def folder_of(path: Path, format: str | None) -> Path:
    """The folder that names of files are seen from."""
    if path.is_dir():
        return path
    return from_path(path)[0] if format == "files" else path.parent


def naming_files(format: str | None, columns: Columns) -> list[str]:
    """The columns, as we call them, that name files by what their format is."""
    if format not in _NAME_FILES:
        return []
    return [ours for ours, name in (theirs(columns) or {FILE: FILE}).items() if name == FILE]


def _with_part(columns: Columns) -> Columns:
    if isinstance(columns, Mapping):
        return {_PART: _PART, **columns}
    return list(dict.fromkeys([*columns, _PART])) if columns is not None else None


def _of_part(stream: Stream, part: str, kept: bool) -> Stream:
    """The rows of a part, without the column that says so unless it is asked for."""
    import pyarrow.compute as pc  # type: ignore[import-untyped]

    def batches() -> Iterator[Any]:
        found = False
        for batch in stream.batches():
            rows = batch.filter(pc.equal(batch.column(_PART), part))
            found = found or len(rows) > 0
            if len(rows):
                yield rows if kept else rows.drop_columns([_PART])
        if not found:
            raise DataError(f"`{part}` must have a row in {stream.origin}, but has none there")

    return Stream([stream.identity, _PART, part, kept], batches, stream.origin)


def _of_files(path: Path, parts: Parts, columns: Columns) -> dict[str, Stream]:
    named = patterns_of(path, parts)
    if not named:
        folder, pattern = from_path(path)
        return {"train": _files(folder, pattern, "path", columns)}
    return {
        part: joined([_files(path, pattern, f"parts.{part}", columns) for pattern in patterns])
        for part, patterns in named.items()
    }


def _files(folder: Path, text: str, subject: str, columns: Columns) -> Stream:
    pattern = Pattern(text)
    taken = theirs(columns) or {name: name for name in pattern.columns}
    for name in taken.values():
        if name not in pattern.columns:
            raise DataError(f'`{name}` is no column of "{text}"; {choices(name, pattern.columns)}')
    rows = list(pattern.rows(folder))
    if not rows:
        raise pattern.nothing(folder, subject)
    places = [pattern.columns.index(name) for name in taken.values()]
    names = hashlib.sha256("\n".join(row[0] for row in rows).encode(errors="surrogateescape")).hexdigest()
    return rows_stream(
        ["files", text, taken, names],
        lambda: ([row[place] for place in places] for row in rows),
        list(taken),
        f"`{folder / text}`",
    )
