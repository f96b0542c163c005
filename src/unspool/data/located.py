"""Columns that name files: where these are, and that they are there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from unspool.data.stamps import line, stamps
from unspool.data.stored import batches_of
from unspool.data.tables import Stream, Table, store
from unspool.errors import DataError
from unspool.nearest import choices

_NAMED = 3  # missing files that a message names


def located(tables: Mapping[str, Table], folders: Mapping[str, Path]) -> dict[str, Table]:
    """Tables whose columns name files by their absolute paths; the key of each tells the sizes and times of its files.

        folders={"image": Path("/data/flickr/images")}:   1000268201.jpg   →   /data/flickr/images/1000268201.jpg

    To be called after parts are cut, so that a part does not depend on where the data are.

    Args:
        tables: by part.
        folders: for each column that names files, the folder they are seen from; absolute paths stay.

    Raises:
        DataError: no such column, one that is no text; files that are not there, with their names and number.
    """
    return {part: _located(table, folders) if folders else table for part, table in tables.items()}


def _located(table: Table, folders: Mapping[str, Path]) -> Table:
    told = hashlib.sha256()
    for column, folder in folders.items():
        for each in _found(table, column, folder):
            told.update(line(*each))

    def batches() -> Iterator[Any]:
        for batch in batches_of(table):
            for column, folder in folders.items():
                names = batch.column(column).to_pylist()
                paths = [None if name is None else _path(folder, name) for name in names]
                batch = batch.set_column(table.columns.index(column), column, pa.array(paths, pa.string()))
            yield batch

    where = {column: os.path.abspath(folder) for column, folder in folders.items()}
    return store(Stream(["located", table.key, where, told.hexdigest()], batches, table.origin))


def _found(table: Table, column: str, folder: Path) -> Iterator[tuple[str, int, int]]:
    """Each file that a column names, once, with its size and time; of a folder, those of its files, too."""
    if column not in table.columns:
        raise DataError(
            f"`{column}` of `files` is no column of {table.origin} that is taken; {choices(column, table.columns)}"
        )
    names = dict.fromkeys(name for name in table.column(column) if name is not None)
    missing = []
    for name in names:
        if not isinstance(name, str):
            raise DataError(
                f"`{column}` of `files` must be a column of names of files, but {table.origin} has {name!r} in it"
            )
        path = _path(folder, name)
        if not os.path.exists(path):  # a file, or a folder of pictures
            missing.append(name)
            continue
        yield from stamps(path)
    if missing:
        more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
        raise DataError(
            f"`{column}` of {table.origin} must name files in `{folder}`, but {len(missing):,} of {len(names):,} are "
            f"not there: {', '.join(missing[:_NAMED])}{more}"
        )


def _path(folder: Path, name: str) -> str:
    return os.path.abspath(folder / name)
