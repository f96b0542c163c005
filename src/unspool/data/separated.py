"""Rows of CSV and TSV files."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unspool.data.lines import lines
from unspool.errors import DataError
from unspool.nearest import choices

Numbered = Iterator[tuple[int, list[str]]]


def separated_rows(
    file: Path, kind: str, columns: Sequence[str] | Mapping[str, str] | None, header: bool | None
) -> tuple[list[str], Iterator[list[str]]]:
    """The names of the columns, and the rows of a "csv" or "tsv" file: texts, one a column.

    Args:
        columns, header: as of `read`.
    """
    rows = _csv(file) if kind == "csv" else _tsv(file)
    first = next(rows, None)
    if first is None:
        raise DataError(f"`{file}` must hold at least one row, but is empty")
    if not _first_is_header(file, first[1], columns, header):
        return list(columns), _equal(file, list(columns), first, rows)  # type: ignore[arg-type]
    theirs = first[1]
    if len(set(theirs)) < len(theirs):
        raise DataError(f"`{file}`, line 1: a header must name different columns, but is {', '.join(theirs)}")
    chosen = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns or theirs}
    for name in chosen.values():
        if name not in theirs:
            raise DataError(f"`{name}` is no column of `{file}`; {choices(name, theirs)}")
    places = [theirs.index(name) for name in chosen.values()]
    return list(chosen), ([row[place] for place in places] for row in _equal(file, theirs, None, rows))


def _first_is_header(file: Path, first: list[str], columns: Any, header: bool | None) -> bool:
    if header is False and (columns is None or isinstance(columns, Mapping)):
        raise DataError("`columns` must be a list that names all columns where `header` is false")
    if header is not None or columns is None or isinstance(columns, Mapping):
        return header is not False
    held = [name for name in columns if name in first]
    if held and len(held) < len(columns):
        missing = next(name for name in columns if name not in first)
        raise DataError(
            f"`{missing}` is no column of `{file}`, whose line 1 looks like a header; {choices(missing, first)}; "
            "say `header: false` if it is none"
        )
    return bool(held)


def _equal(file: Path, names: list[str], first: tuple[int, list[str]] | None, rows: Numbered) -> Iterator[list[str]]:
    """The rows alone, all of as many values as there are names."""
    for number, row in [first] if first else []:
        yield _checked(file, names, number, row)
    for number, row in rows:
        yield _checked(file, names, number, row)


def _checked(file: Path, names: list[str], number: int, row: list[str]) -> list[str]:
    if len(row) == len(names):
        return row
    raise DataError(
        f"`{file}`, line {number}: a row must have a value for each of the {len(names)} columns {', '.join(names)}, "
        f"but has {len(row)}"
    )


def _tsv(file: Path) -> Numbered:
    for number, line in enumerate(lines(file), 1):
        line = line.rstrip("\r\n")
        if line:
            yield number, line.split("\t")


def _csv(file: Path) -> Numbered:
    reader = csv.reader(lines(file), strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            what = f"the row that begins here is not closed or too long ({error})"
            if "field limit" not in str(error) and "end of data" not in str(error):
                what = f"{error}"
            raise DataError(
                f"`{file}`, line {begins}: not CSV: {what}; a quote within quotes is written twice"
            ) from error
        if row:
            yield begins, row
