"""Texts with tokens of slots in place of the values of their dialogue acts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from unspool import acts
from unspool.data.tables import Stream
from unspool.errors import DataError, FieldError
from unspool.nearest import choices

_VERSION = 1  # raised when `acts.delexicalise` gives other texts, so that tables in the cache are made again


def delexicalised(streams: Mapping[str, Stream], columns: Mapping[str, str] | None) -> dict[str, Stream]:
    """The same rows of each part, some texts as `acts.delexicalise` writes them.

    Args:
        streams: by part.
        columns: for each column of texts, that of its acts.

    Raises:
        DataError: when read: a column that is not there, or is no text; an act that can't be read, with its row.
    """
    return {part: _written_anew(stream, dict(columns)) if columns else stream for part, stream in streams.items()}


def _written_anew(stream: Stream, columns: dict[str, str]) -> Stream:
    def batches() -> Iterator[Any]:
        begin = 0
        for batch in stream.batches():
            changed = batch
            for text, act in columns.items():
                place, rows = _texts(batch, text, stream.origin)
                given = _texts(batch, act, stream.origin)[1]
                new = [
                    _without_values(*pair, f"row {row} of {stream.origin}")
                    for row, pair in enumerate(zip(given, rows, strict=True), begin)
                ]
                changed = changed.set_column(place, text, pa.array(new, pa.string()))
            begin += len(batch)
            yield changed

    return Stream([stream.identity, "delexicalise", _VERSION, columns], batches, stream.origin)


def _texts(batch: Any, name: str, origin: str) -> tuple[int, list[str]]:
    """The place of a column, and its values."""
    if name not in batch.schema.names:
        raise DataError(
            f"`{name}` of `delexicalise` is no column of {origin} that is taken; {choices(name, batch.schema.names)}"
        )
    place = batch.schema.names.index(name)
    values = batch.column(place).to_pylist()
    if strangers := [value for value in values if not isinstance(value, str)]:
        raise DataError(
            f"`{name}` of `delexicalise` must be a column of texts, but {origin} has {strangers[0]!r} in it"
        )
    return place, values


def _without_values(act: str, text: str, where: str) -> str:
    try:
        return acts.delexicalise(act, text)
    except FieldError as error:
        raise DataError(f"{where}: {error}") from error
