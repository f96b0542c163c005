"""Rows of JSON-lines files."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from unspool.data.lines import lines
from unspool.errors import DataError
from unspool.nearest import choices

_KINDS = {str: "text", int: "number", float: "number", bool: "true or false", list: "list", dict: "object"}


def json_rows(file: Path, columns: Any, rows: int, characters: int) -> Iterator[Any]:
    """Record batches of a file of one JSON object a line, each full after so many rows or characters.

    Without `columns`, every object must have the keys of the first. A value may be null.
    """
    chosen = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns or []}
    kinds: dict[str, str] = {}
    piece: list[dict[str, Any]] = []
    size, begin = 0, 1
    for number, line in enumerate(lines(file), 1):
        if line.isspace():
            continue
        found = _object(line, file, number)
        if not chosen:
            chosen = {name: name for name in found}
        row = _chosen(found, chosen, bool(columns), file, number)
        _check_kinds(row, kinds, file, number)
        begin = begin if piece else number
        piece.append(row)
        size += len(line)
        if len(piece) >= rows or size >= characters:
            yield _batch(piece, file, begin, number)
            piece, size = [], 0
    if piece:
        yield _batch(piece, file, begin, number)


def _object(line: str, file: Path, number: int) -> dict[str, Any]:
    try:
        found = json.loads(line.rstrip("\r\n"))
    except (json.JSONDecodeError, RecursionError) as error:
        where = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        what = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise DataError(f"`{file}`, line {number}: a line must be a JSON object, but is not: {what}{where}") from error
    if not isinstance(found, dict):
        kind = _KINDS.get(type(found), "null")
        raise DataError(f'`{file}`, line {number}: a line must be a JSON object, as {{"text": "…"}}, but is a {kind}')
    return found


def _chosen(found: dict[str, Any], chosen: dict[str, str], named: bool, file: Path, number: int) -> dict[str, Any]:
    try:
        row = {ours: found[theirs] for ours, theirs in chosen.items()}
    except KeyError as error:
        name = str(error.args[0])
        raise DataError(
            f"`{file}`, line {number}: `{name}` is no key of this object; {choices(name, found)}"
        ) from error
    if not named and len(found) > len(row):
        extra = next(key for key in found if key not in row)
        raise DataError(
            f"`{file}`, line {number}: objects must have the keys of the first, {', '.join(row)}, but this one has "
            f"`{extra}` as well; name those to take in `columns`"
        )
    return row


def _check_kinds(row: dict[str, Any], kinds: dict[str, str], file: Path, number: int) -> None:
    for name, value in row.items():
        if value is None:
            continue
        kind = _KINDS[type(value)]
        if kinds.setdefault(name, kind) != kind:
            raise DataError(
                f"`{file}`, line {number}: `{name}` must be a {kinds[name]}, as on the lines before, but is a {kind}"
            )


def _batch(piece: list[dict[str, Any]], file: Path, begin: int, end: int) -> Any:
    try:
        return pa.RecordBatch.from_pylist(piece)
    except (pa.ArrowException, ValueError, OverflowError) as error:  # a lone surrogate, a huge number, mixed lists
        raise DataError(f"`{file}`, lines {begin} to {end}: a value can't be kept: {error}") from error
