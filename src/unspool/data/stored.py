"""Streams of what a table holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from unspool.data.tables import Stream, Table, store


def stored(stream: Stream) -> Stream:
    """The same rows, read once however often they are asked for: by each of several parts, say.

    When rows are first asked for, they are written into a table in the cache.
    """
    return stream._replace(batches=lambda: batches_of(store(stream)))


def batches_of(table: Table) -> Iterator[Any]:
    """The rows of a table as record batches."""
    for arrays in zip(*map(table.arrays, table.columns), strict=True):
        yield pa.RecordBatch.from_arrays(list(arrays), list(table.columns))
