"""`Table`: rows of named columns in an Arrow file, memory-mapped, so that their number does not matter."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from unspool import cache
from unspool.errors import DataError
from unspool.nearest import choices


class Table:
    """Rows of named columns, read at random from a memory-mapped file. Made by `load`, `read` and `from_rows`.

    Fields:
        columns: the names.
        key: a name for the contents; equal for equal data read in the same way.
        origin: where they are from, for people.

    Example:
        >>> table = Table.from_rows([{"word": "a", "phones": "AH"}, {"word": "be", "phones": "B IY"}])
        >>> len(table), table[1], list(table.column("word"))
        (2, {'word': 'be', 'phones': 'B IY'}, ['a', 'be'])
    """

    def __init__(self, arrow: Any, key: str, origin: str, path: Path | None = None) -> None:
        self._batches: list[Any] = arrow.to_batches()
        self._ends = np.cumsum([len(batch) for batch in self._batches], dtype=np.int64)
        self.schema = arrow.schema
        self.columns: tuple[str, ...] = tuple(arrow.schema.names)
        self.key, self.origin, self._path = key, origin, path

    @classmethod
    def open(cls, path: Path, origin: str | None = None) -> Table:
        """The table in an Arrow file that `store` wrote, perhaps for files that lie elsewhere now: at `origin`."""
        try:
            arrow = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            about = {name.decode(): value.decode() for name, value in (arrow.schema.metadata or {}).items()}
            return cls(arrow, about["unspool.key"], origin or about["unspool.origin"], path)
        except (pa.ArrowInvalid, OSError, KeyError) as error:
            raise DataError(
                f"`{path}` must be a table of this cache, but can't be read ({error}); delete it"
            ) from error

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]], *, origin: str = "memory") -> Table:
        """A table of rows that are in memory; all of the same columns, each column of one type."""
        given = [dict(row) for row in rows]
        for number, row in enumerate(given):
            if row.keys() != given[0].keys():
                raise DataError(
                    f"`rows` must have the same columns, but row 0 has {list(given[0])} and row {number} {list(row)}"
                )
        try:
            arrow = pa.Table.from_pylist(given)
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise DataError(f"`rows` must have columns of one type each, but do not: {error}") from error
        plain = [sorted(row.items()) for row in arrow.to_pylist()]  # else long arrays would be shown in part
        content = hashlib.sha256(repr(plain).encode(errors="replace"))
        return cls(arrow, content.hexdigest()[:32], origin)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, row: int) -> dict[str, Any]:
        if not -len(self) <= row < len(self):
            raise IndexError(f"`row` must be below the {len(self)} of this table, but is {row}")
        row = row + len(self) if row < 0 else row
        number = int(np.searchsorted(self._ends, row, side="right"))
        batch = self._batches[number]
        found: dict[str, Any] = batch.slice(row - (int(self._ends[number]) - len(batch)), 1).to_pylist()[0]
        return found

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self._batches:
            yield from batch.to_pylist()

    def column(self, name: str) -> Column:
        """The values of a column: can be iterated over again and again, and holds no more than a piece at a time."""
        self.check_columns([name])
        return Column(self, name)

    def check_columns(self, names: Iterable[str]) -> None:
        """Raise a `DataError` where one of these is no column."""
        for name in names:
            if name not in self.columns:
                raise DataError(f"`{name}` is no column of {self.origin}; {choices(name, self.columns)}")

    def arrays(self, name: str) -> Iterator[Any]:
        """A column as Arrow arrays, piece by piece."""
        return (batch.column(name) for batch in self._batches)

    def __reduce__(self) -> Any:
        if self._path is not None:
            return Table.open, (self._path, self.origin)  # another process maps the same file
        return Table, (pa.Table.from_batches(self._batches, self.schema), self.key, self.origin)

    def __repr__(self) -> str:
        return f"Table({', '.join(self.columns)}: {len(self)} rows of {self.origin})"


class Column:
    """The values of one column of a `Table`, in the order of its rows."""

    def __init__(self, table: Table, name: str) -> None:
        self.table, self.name = table, name

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Any]:
        for piece in self.pieces():
            yield from piece

    def pieces(self) -> Iterator[list[Any]]:
        """The values in lists of a few thousand."""
        return (array.to_pylist() for array in self.table.arrays(self.name))


class Stream(NamedTuple):
    """Rows that can be read once or again, piece by piece, before they are a `Table`.

    Fields:
        identity: plain values that determine what is read: names, sizes and times of files, options.
        batches: reads from the beginning: Arrow record batches of a few megabytes at most, of the same columns.
        origin: where they are from, for people.
    """

    identity: Any
    batches: Callable[[], Iterator[Any]]
    origin: str


Cut = Callable[[Any], Mapping[str, NDArray[np.bool_]]]  # of a record batch: which of its rows belong to each part


def store(stream: Stream) -> Table:
    """A stream as a memory-mapped table in the cache: read in bounded memory, and only if it is not there yet."""
    return store_cut(stream, lambda rows: {"rows": np.ones(len(rows), dtype=bool)}, None)["rows"]


def store_cut(stream: Stream, cut: Cut, cut_by: Any) -> dict[str, Table]:
    """A stream as one table for each part that `cut` names.

    Args:
        stream: what to read.
        cut: which rows of a record batch belong to which part; the same parts for every batch.
        cut_by: plain values that determine what `cut` does.
    """
    key = cache.key("table", stream.identity, cut_by)
    folder = cache.entry("tables", key, lambda folder: _write(stream, folder, key, cut))
    return {path.stem: Table.open(path, stream.origin) for path in sorted(folder.glob("*.arrow"))}


def _write(stream: Stream, folder: Path, key: str, cut: Cut) -> None:
    """Begin again with a wider schema whenever a column turns out to need one, as where 1 is followed by 2.5."""
    schema: Any = None
    while True:
        fitting = _write_as(schema, stream, folder, key, cut)
        if fitting is None:
            return
        schema = fitting


def _write_as(schema: Any, stream: Stream, folder: Path, key: str, cut: Cut) -> Any:
    """Write all and return None, or stop at a batch that does not fit into the schema and return one that takes it."""
    writers: dict[str, Any] = {}
    with ExitStack() as closing:
        batches = stream.batches()
        first = next(batches, None)
        if first is None:
            raise DataError(f"{stream.origin} must hold at least one row, but is empty")
        schema = schema or first.schema.remove_metadata()
        for batch in itertools.chain([first], batches):
            fitting, rows = _fitted(schema, batch, stream.origin)
            if not fitting.equals(schema):
                return fitting
            for part, chosen in cut(rows).items():
                if part not in writers:
                    about = {"unspool.key": f"{key}.{part}", "unspool.origin": stream.origin}
                    path = str(folder / f"{part}.arrow")
                    writers[part] = closing.enter_context(pa.ipc.new_file(path, schema.with_metadata(about)))
                writers[part].write_table(rows.filter(pa.array(chosen)))
    return None


def _fitted(schema: Any, batch: Any, origin: str) -> tuple[Any, Any]:
    """The schema that takes both, and the batch as a table of it."""
    rows = pa.Table.from_batches([batch]).replace_schema_metadata(None)
    if schema.equals(rows.schema):
        return schema, rows
    try:
        wider = pa.unify_schemas([schema, rows.schema], promote_options="permissive")
        return wider, rows.select(wider.names).cast(wider)
    except (pa.ArrowException, KeyError) as error:
        raise DataError(f"a column of {origin} must hold values of one type, but does not: {error}") from error
