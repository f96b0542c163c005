"""What files hold, as rows: tables, lines, trees, stories, acts, arrays, drawings, music; one piece at a time.

    csv      quoted as by a spreadsheet; every value is a text
    tsv      split at tabs, nothing quoted; every value is a text
    jsonl    an object a line; a column's values are of one kind
    parquet  as its schema says
    lines    a text a line; several files side by side, one a column, are one table
    trees    a tree in brackets a line, as of the Stanford Sentiment Treebank; every phrase is a row
    babi     stories and questions, as of the bAbI tasks; every question is a row
    emoji    names of emoji, a column a language (TSV); every name is a row
    acts     a JSON array of dialogue acts with their sentences, as of RNNLG; every act is a row
    sphinx   transcriptions of recordings, as of AN4; every line is a row that names a file
    arrays   a `.npz` file; every index of its arrays is a row, which refers to those of more dimensions
    strokes  a `.npz` file of drawings by part, as of sketch-rnn; every drawing is a row
    mnist    pictures and their classes, as of MNIST: an idx file, or lines of pixels (`.csv`); every picture is a row
    chorales a JSON object of music by part, as of the JSB chorales; every piece is a row
    prices   daily prices of stocks (CSV), a file each or together; every day is a row, with the days before it
    files    in a folder: every file that fits a pattern is a row, and what stands in its name are columns

All but Parquet and `.npz` may be compressed (`.gz`). Blank lines are passed over; in a file of lines one is an empty
text.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from unspool.data import acts, babi, emoji, mnist, sphinx, trees
from unspool.data.array_rows import array_batches
from unspool.data.chorales import chorale_batches
from unspool.data.jsonlines import json_rows
from unspool.data.lines import check_file, lines
from unspool.data.prices import price_batches
from unspool.data.separated import separated_rows
from unspool.data.strokes import stroke_batches
from unspool.data.tables import Stream, Table, store
from unspool.errors import DataError
from unspool.nearest import choices

Columns = Sequence[str] | Mapping[str, str] | None

FORMATS = (
    *("csv", "tsv", "jsonl", "parquet", "lines"),
    *("trees", "babi", "emoji", "acts", "sphinx", "arrays", "strokes", "mnist", "chorales", "prices", "files"),
)
_BY_SUFFIX = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".txt": "lines",
}
_OWN_COLUMNS = {
    "trees": (trees.COLUMNS, trees.tree_rows),
    "babi": (babi.COLUMNS, babi.babi_rows),
    "emoji": (emoji.COLUMNS, emoji.emoji_rows),
    "acts": (acts.COLUMNS, acts.act_rows),
    "sphinx": (sphinx.COLUMNS, sphinx.sphinx_rows),
}
"""Formats of which every file has the same columns of texts, and how their rows are read."""
_BATCHES: dict[str, Callable[[Path, Sequence[str] | None], Iterator[Any]]] = {
    "arrays": array_batches,
    "strokes": stroke_batches,
    "mnist": mnist.mnist_batches,
    "chorales": chorale_batches,
    "prices": price_batches,
}
"""Formats whose values are more than texts, and how record batches of them are read, given which columns to take."""
_BESIDE = {"sphinx": sphinx.beside, "mnist": mnist.beside}
"""Formats of which a file alone does not determine its rows, and what else does."""
_ROWS, _CHARACTERS = 4096, 1 << 21  # a piece is full when it has either


def read(
    path: str | Path | Mapping[str, str | Path],
    *,
    format: str | None = None,
    columns: Columns = None,
    header: bool | None = None,
) -> Table:
    """One file as a table, or several parallel files of lines, as `{"de": "a.de.gz", "en": "a.en.gz"}`.

    Args:
        path: the file, or for each column its file.
        format: one of `FORMATS` but "files"; left out, the suffix tells, but never one of those after "lines".
        columns: which columns to take, or `{ours: theirs}` to rename them as well. For a CSV or TSV file without a
            header, the names of all its columns in their order; for a file of lines, the one name (else "text").
        header: whether the first line of a CSV or TSV file names its columns. Left out, it does, unless `columns` is a
            list with names that the first line does not hold.

    Returns:
        A table with at least one row.

    Raises:
        DataError: a file that is missing, empty, not UTF-8, cut short or not of its format, always with the line; a
            column that is not there; parallel files of unequal numbers of lines.
    """
    return store(stream_of(path, format=format, columns=columns, header=header))


def stream_of(
    path: str | Path | Mapping[str, str | Path],
    *,
    format: str | None = None,
    columns: Columns = None,
    header: bool | None = None,
) -> Stream:
    """What `read` reads, not yet read. The file is looked at for its size and time only."""
    if isinstance(path, Mapping):
        if format not in (None, "lines"):
            raise DataError(f'`format` of parallel files must be "lines", but is {format!r}')
        files = {column: Path(file) for column, file in path.items()}
        return Stream(
            ["parallel", {column: _stamp(file) for column, file in files.items()}],
            lambda: _batches(parallel_rows(list(files.values())), list(files)),
            ", ".join(f"`{file}`" for file in files.values()),
        )
    file = Path(path)
    if format == "files":
        raise DataError(f"`format` files is of a folder that `load` reads, not of one file, but `path` is `{file}`")
    check_file(file)
    kind = _format_of(file, format)
    options = dict(columns) if isinstance(columns, Mapping) else list(columns) if columns is not None else None
    identity = ["file", _stamp(file), kind, options, header]
    if kind in _BESIDE:
        identity.append(_BESIDE[kind](file))
    return Stream(identity, lambda: _read(file, kind, options, header), f"`{file}`")


def joined(streams: Sequence[Stream]) -> Stream:
    """Several streams one after another, as those of the shards of a part."""
    if len(streams) == 1:
        return streams[0]

    def batches() -> Iterator[Any]:
        names = None
        for stream in streams:
            for batch in stream.batches():
                names = names or batch.schema.names
                if batch.schema.names != names:
                    raise DataError(
                        f"{stream.origin} must have the columns of {streams[0].origin}, {', '.join(names)}, "
                        f"but has {', '.join(batch.schema.names)}; name those to take in `columns`"
                    )
                yield batch

    origin = f"{streams[0].origin} and {len(streams) - 1} more files"
    return Stream(["joined", [stream.identity for stream in streams]], batches, origin)


def rows_stream(
    identity: Any, rows: Callable[[], Iterable[Sequence[str]]], columns: Sequence[str], origin: str
) -> Stream:
    """A stream of rows that a function makes: `rows()` gives tuples of texts, one a column."""
    return Stream(identity, lambda: _batches(rows(), columns), origin)


def _stamp(file: Path) -> list[Any]:
    check_file(file)
    stat = file.stat()
    return [str(file.resolve()), stat.st_size, stat.st_mtime_ns]


def _format_of(file: Path, format: str | None) -> str:
    if format is None:
        suffix = Path(file.stem).suffix if file.suffix == ".gz" else file.suffix
        if suffix not in _BY_SUFFIX:
            raise DataError(
                f"`{file}` must end in {', '.join(_BY_SUFFIX)} (or one of these and .gz) to tell its format; "
                f"otherwise say `format`, one of {', '.join(FORMATS)}"
            )
        return _BY_SUFFIX[suffix]
    if format not in FORMATS:
        raise DataError(f"`{format}` is no format; {choices(format, FORMATS)}")
    return format


def _read(file: Path, kind: str, columns: Any, header: bool | None) -> Iterator[Any]:
    if kind == "parquet":
        return _parquet(file, columns)
    if kind == "jsonl":
        return json_rows(file, columns, _ROWS, _CHARACTERS)
    if kind in _BATCHES:
        return _of_batches(file, kind, columns)
    if kind == "lines":
        name = one_name(columns)
        return _batches(parallel_rows([file]), [name])
    names, rows = (
        _own_rows(file, kind, columns) if kind in _OWN_COLUMNS else separated_rows(file, kind, columns, header)
    )
    return _batches(rows, names)


def _own_rows(file: Path, kind: str, columns: Any) -> tuple[list[str], Iterator[Sequence[str]]]:
    """The names of the columns, and the rows, of a format that has columns of its own."""
    known, rows = _OWN_COLUMNS[kind]
    chosen = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns or known}
    for name in chosen.values():
        if name not in known:
            raise DataError(f"`{name}` is no column of `{file}`; {choices(name, known)}")
    places = [known.index(name) for name in chosen.values()]
    return list(chosen), ([row[place] for place in places] for row in rows(file))


def _of_batches(file: Path, kind: str, columns: Any) -> Iterator[Any]:
    """Record batches of a format that makes such, with the columns that are taken."""
    taken = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns or ()}
    for batch in _BATCHES[kind](file, list(dict.fromkeys(taken.values())) or None):
        known = batch.schema.names
        if strangers := [name for name in taken.values() if name not in known]:
            raise DataError(f"`{strangers[0]}` is no column of `{file}`; {choices(strangers[0], known)}")
        names = taken or {name: name for name in known}
        yield pa.RecordBatch.from_arrays([batch.column(name) for name in names.values()], list(names))


def one_name(columns: Any) -> str:
    """The name of the only column of a file of lines."""
    names = list(columns) if columns is not None else ["text"]
    if len(names) != 1:
        raise DataError(
            f"`columns` must name one column for a file of lines, but names {', '.join(names) or 'none'}; for parallel "
            'files give one a column, or a pattern as "train.{column}.gz"'
        )
    return str(names[0])


def parallel_rows(files: Sequence[Path]) -> Iterator[tuple[str, ...]]:
    """The lines of several files side by side."""
    readers = [lines(file) for file in files]
    number = 0
    while True:
        row = [next(reader, None) for reader in readers]
        if all(line is None for line in row):
            return
        if any(line is None for line in row):
            at = {file: line is not None for file, line in zip(files, row, strict=True)}
            shorter = ", ".join(f"`{file}`" for file, more in at.items() if not more)
            longer = ", ".join(f"`{file}`" for file, more in at.items() if more)
            raise DataError(
                f"parallel files must have equally many lines, but {shorter} ends after line {number} and {longer} "
                "goes on"
            )
        number += 1
        yield tuple(line.rstrip("\r\n") for line in row if line is not None)


def _batches(rows: Iterable[Sequence[str]], names: Sequence[str]) -> Iterator[Any]:
    """Rows of texts as record batches, each full after some rows or some characters."""
    piece: list[Sequence[str]] = []
    characters = 0
    for row in rows:
        piece.append(row)
        characters += sum(map(len, row))
        if len(piece) >= _ROWS or characters >= _CHARACTERS:
            yield _texts(piece, names)
            piece, characters = [], 0
    if piece:
        yield _texts(piece, names)


def _texts(piece: list[Sequence[str]], names: Sequence[str]) -> Any:
    return pa.RecordBatch.from_arrays([pa.array(texts, pa.string()) for texts in zip(*piece, strict=True)], list(names))


def _parquet(file: Path, columns: Any) -> Iterator[Any]:
    try:
        with contextlib.closing(pq.ParquetFile(file)) as parquet:
            chosen = dict(columns) if isinstance(columns, dict) else {name: name for name in columns or []}
            known = parquet.schema_arrow.names
            for name in chosen.values():
                if name not in known:
                    raise DataError(f"`{name}` is no column of `{file}`; {choices(name, known)}")
            chosen = chosen or {name: name for name in known}
            for batch in parquet.iter_batches(_ROWS, columns=list(chosen.values())):
                yield pa.RecordBatch.from_arrays([batch.column(name) for name in chosen.values()], list(chosen))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"`{file}` must be a Parquet file, but can't be read: {error}") from error
