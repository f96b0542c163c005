"""Files that rows name and that can't be read: found, each with its reason, and their rows left out."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from unspool import cache
from unspool.data.stamps import digest
from unspool.data.stored import batches_of
from unspool.data.tables import Stream, Table, store
from unspool.data.workers import MAY_PASS, Workers
from unspool.errors import FieldError, MissingPackageError

_PIECE = 256  # files looked at before the next names are read


def broken(table: Table, column: str, field: Any, asked: Any) -> dict[int, str]:
    """The rows whose files can't be read, with the reason why, which names the file.

    Every file is read once, however many rows name it, and looked at again only if it has changed since, or if what
    the system said of it may pass.

    Args:
        table: the rows.
        column: names files; values that are no texts, such as lists of numbers, are passed over.
        field: a `Field` that `reads_files`; it need not be fitted.
        asked: plain values that determine what the field does.

    Raises:
        MissingPackageError: no file can be read before a package is installed.
    """
    files = list(dict.fromkeys(value for value in table.column(column) if isinstance(value, str)))

    def write(folder: Path) -> None:
        found = dict(_reasons(files, field))
        passing = [file for file, error in found.items() if MAY_PASS in getattr(error, "__notes__", ())]
        told = {file: str(error) for file, error in found.items() if file not in passing}
        (folder / "reasons.json").write_text(json.dumps({"told": told, "passing": passing}), encoding="utf-8")

    entry = cache.entry("broken", cache.key("broken files", table.key, files, digest(files), asked), write)
    kept = json.loads((entry / "reasons.json").read_text(encoding="utf-8"))
    reasons = kept["told"] | {file: str(error) for file, error in _reasons(kept["passing"], field)}
    values = enumerate(table.column(column)) if reasons else ()
    return {row: reasons[value] for row, value in values if isinstance(value, str) and value in reasons}


def without(table: Table, rows: Collection[int]) -> Table:
    """A table of all rows but these."""
    if not rows:
        return table
    kept = np.ones(len(table), dtype=bool)
    kept[list(rows)] = False

    def batches() -> Iterator[Any]:
        end = 0
        for batch in batches_of(table):
            begin, end = end, end + len(batch)
            yield batch.filter(pa.array(kept[begin:end]))

    return store(Stream(["without", table.key, sorted(rows)], batches, table.origin))


def _reasons(files: list[str], field: Any) -> Iterator[tuple[str, FieldError]]:
    with Workers(field, "check") as workers:
        for start in range(0, len(files), _PIECE):
            piece = files[start : start + _PIECE]
            for file, found in zip(piece, workers.each(piece, left=len(files) - start), strict=True):
                if isinstance(found, MissingPackageError):
                    raise found
                if isinstance(found, FieldError):
                    yield file, found
