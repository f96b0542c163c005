"""Which columns and rows are taken, and what they are called here: the way from a file's names to ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from unspool.data.parts import PARTS
from unspool.data.sources import Columns
from unspool.data.tables import Stream
from unspool.errors import DataError
from unspool.nearest import choices

Values = Any
"""A value, or a list of several; text, a number, true or false: compared as it is written."""

_log = logging.getLogger("unspool.data")
_EVERY = "all"
_LISTED = 100  # values of a column that are kept in mind for a message


class Selection:
    """Rows chosen by their values, and names for values. Columns and values are named as in the file.

    Args:
        rows: by part, or by "all": for each column the values that are kept, as `{"test": {"span": "sentence"}}`. A row
            is kept if all its columns fit. For a column that has both, a part's values count and not those of "all".
        values: for each column `{value here: values in the file}`; values that are not named stay as they are.

    Raises:
        DataError: an unknown part; a value with two names.
    """

    def __init__(
        self,
        rows: Mapping[str, Mapping[str, Values]] | None = None,
        values: Mapping[str, Mapping[str, Values]] | None = None,
    ) -> None:
        self.rows = {
            part: {column: _texts(kept) for column, kept in columns.items()} for part, columns in (rows or {}).items()
        }
        self.values = {column: _by_value(column, names) for column, names in (values or {}).items()}
        for part in self.rows:
            if part not in (_EVERY, *PARTS):
                raise DataError(f"`{part}` is no part to choose rows of; {choices(part, [_EVERY, *PARTS])}")

    def __bool__(self) -> bool:
        return any(self.rows.values()) or bool(self.values)

    def reading(self, columns: Columns, header: bool | None = None) -> Columns:
        """What to read for these columns: under the file's names, with the columns that rows are chosen by."""
        if columns is None or not self:
            return columns
        taken = list(theirs(columns).values())
        for name in self.values:
            if name not in taken:
                raise DataError(f"`values` must be of columns that are taken, but has `{name}`; {choices(name, taken)}")
        # Where a file names nothing, `columns` lists all there are, and one more would be taken for another.
        more = [] if header is False else [name for part in self.rows.values() for name in part]
        names = dict.fromkeys([*taken, *more])
        return {name: name for name in names} if isinstance(columns, Mapping) else list(names)

    def of(self, streams: Mapping[str, Stream], columns: Columns) -> dict[str, Stream]:
        """Each part's chosen rows and columns under our names, of streams of `reading(columns)`.

        Raises:
            DataError: rows are chosen of a part without files. When read: a column that is not there; no row is left.
        """
        if not self:
            return dict(streams)
        for part in self.rows:
            if part not in (_EVERY, *streams):
                raise DataError(
                    f"`rows` must be of parts with files of their own, {', '.join(streams)}, but has `{part}`; what "
                    "`split` cuts are rows of `train`"
                )
        found = {}
        for part, stream in streams.items():
            rows = _kept(stream, {**self.rows.get(_EVERY, {}), **self.rows.get(part, {})}, part)
            found[part] = chosen(_renamed(rows, self.values), columns)
        return found


def theirs(columns: Columns) -> dict[str, str]:
    """The file's name of each column, by ours."""
    return dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns or ()}


def chosen(stream: Stream, columns: Columns) -> Stream:
    """Some columns of a stream, under our names."""
    names = theirs(columns)
    if not names:
        return stream

    def batches() -> Iterator[Any]:
        for batch in stream.batches():
            arrays = [_column(batch, name, stream.origin) for name in names.values()]
            yield pa.RecordBatch.from_arrays(arrays, list(names))

    return Stream([stream.identity, names], batches, stream.origin)


def _kept(stream: Stream, keep: dict[str, list[str]], part: str) -> Stream:
    """The rows whose columns have one of these values each."""
    if not keep:
        return stream

    def batches() -> Iterator[Any]:
        total = left = 0
        wanted = {column: frozenset(values) for column, values in keep.items()}
        others: dict[str, dict[Any, None]] = {column: {} for column in keep}  # of columns of which no value fits yet
        for batch in stream.batches():
            fit = np.ones(len(batch), dtype=bool)
            for column, values in wanted.items():
                found = _column_texts(batch, column, stream.origin)
                fits = np.array([text in values for text in found], dtype=bool)
                if fits.any():
                    others.pop(column, None)
                elif column in others and len(others[column]) < _LISTED:
                    others[column].update(dict.fromkeys(found))
                fit &= fits
            total, left = total + len(fit), left + int(fit.sum())
            if fit.any():
                yield batch.filter(pa.array(fit))
        if total and not left:
            raise DataError(f"`rows` must leave a row of `{part}`, but {_why_none(keep, others, total, stream.origin)}")
        _log.info("left out %d of %d rows of %s", total - left, total, stream.origin)

    return Stream([stream.identity, "rows", keep], batches, stream.origin)


def _why_none(keep: dict[str, list[str]], others: dict[str, dict[Any, None]], total: int, origin: str) -> str:
    if not others:
        asked = " and ".join(f"`{column}` {' or '.join(values)}" for column, values in keep.items())
        return f"none of the {total} of {origin} has {asked} at once"
    column, found = next(iter(others.items()))
    where = "among the first values " if len(found) >= _LISTED else ""
    there = choices(keep[column][0], (value for value in found if value is not None))
    return f"`{column}` of {origin} is never {' or '.join(keep[column])}; {where}{there}"


def _renamed(stream: Stream, values: dict[str, dict[str, str]]) -> Stream:
    """The same rows with other names for some values; a column with such is text."""
    if not values:
        return stream

    def batches() -> Iterator[Any]:
        for batch in stream.batches():
            for column, names in values.items():
                texts = _column_texts(batch, column, stream.origin)
                place = batch.schema.names.index(column)
                new = pa.array([names.get(text, text) if text is not None else None for text in texts], pa.string())
                batch = batch.set_column(place, column, new)
            yield batch

    return Stream([stream.identity, "values", values], batches, stream.origin)


def _column(batch: Any, name: str, origin: str) -> Any:
    if name not in batch.schema.names:
        raise DataError(f"`{name}` is no column of {origin}; {choices(name, batch.schema.names)}")
    return batch.column(name)


def _column_texts(batch: Any, name: str, origin: str) -> list[str | None]:
    return [None if value is None else _text(value) for value in _column(batch, name, origin).to_pylist()]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _texts(values: Values) -> list[str]:
    """Values as texts, each once and in one order, so that the same choice has the same key in the cache."""
    several = values if isinstance(values, Sequence) and not isinstance(values, str) else [values]
    if not several:
        raise DataError("`rows` and `values` must name a value for each of their columns, but one has an empty list")
    return sorted({_text(value) for value in several})


def _by_value(column: str, names: Mapping[str, Values]) -> dict[str, str]:
    found: dict[str, str] = {}
    for ours, values in names.items():
        for value in _texts(values):
            if value in found:
                raise DataError(
                    f"`values` must give a value one name, but calls `{value}` of `{column}` {found[value]} and {ours}"
                )
            found[value] = ours
    return found
