"""`load`: the one way in, from what a recipe says to a table for each part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unspool.data.delexicalised import delexicalised
from unspool.data.dialogues import replies
from unspool.data.gathering import gathered
from unspool.data.located import located
from unspool.data.named import named_streams
from unspool.data.own_parts import folder_of, naming_files, streams_of
from unspool.data.parts import Split, tables_of
from unspool.data.periods import Periods
from unspool.data.selection import Selection, Values, theirs
from unspool.data.sources import Columns
from unspool.data.tables import Table
from unspool.data.transposing import transposed
from unspool.errors import DataError


def load(
    *,
    source: str | Sequence[str] | None = None,
    path: str | Path | None = None,
    format: str | None = None,
    columns: Columns = None,
    header: bool | None = None,
    parts: Mapping[str, str | Sequence[str] | None] | None = None,
    rows: Mapping[str, Mapping[str, Values]] | None = None,
    values: Mapping[str, Mapping[str, Values]] | None = None,
    delexicalise: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    split: Split | Mapping[str, Any] | None = None,
    periods: Periods | Mapping[str, Any] | None = None,
    dialogues: Mapping[str, Any] | None = None,
    gather: Mapping[str, Any] | None = None,
    transpose: Mapping[str, Any] | None = None,
) -> dict[str, Table]:
    """A table for each part of some data: "train", and "valid" and "test" as far as there are such.

    Everything is read once, a piece at a time, into memory-mapped files in the cache; the next call finds them.

        load(path="words.csv", split=Split(by="word"))                           # one file, cut by a hash
        load(path="pronunciations", parts={"train": "*.train", "test": "*.test"},   # a folder, a pattern a part
             format="tsv", columns=["word", "phones"], split={"by": "word", "test": 0})
        load(path="captions", columns=["de", "en"],                              # parallel files of lines
             parts={"train": "train.{column}.gz", "valid": "val.{column}.gz", "test": "test_2016.{column}.gz"})
        load(source=["multi30k", "homeassistant"], columns=["de", "en"])         # the first that can be reached
        load(path="treebank", format="trees", columns=["text", "label"],                # SST-2
             parts={"train": "train.txt", "valid": "dev.txt", "test": "test.txt"},
             rows={"all": {"label": [0, 1, 3, 4]}, "valid": {"span": "sentence"}, "test": {"span": "sentence"}},
             values={"label": {"negative": [0, 1], "positive": [3, 4]}})
        load(path="dialogues.jsonl", split={"by": "turns"}, dialogues={"turns": "turns", "history": 3})

        load(path="tasks", format="babi",                                               # bAbI, all tasks together
             parts={"train": "qa*_train.txt", "valid": "qa*_valid.txt", "test": "qa*_test.txt"})
        load(path="restaurant", format="acts", columns=["act", "text"], delexicalise={"text": "act"},   # RNNLG
             parts={"train": "train.json", "valid": "valid.json", "test": "test.json"})

        load(path="digits", format="files", parts={"train": "{digit}_{speaker}_{take}.wav"})    # a file is a row
        load(path="flickr/captions.txt", format="csv", files={"image": "images"},               # a row names a file
             split={"by": "image"})

        load(path="prices", format="prices",                                                    # a stock a file
             periods={"by": "date", "valid": "2015-08", "test": "2015-10"})

    Args:
        source: the name of a data set: one of `NAMED`, or "hub:owner/name" on the Hugging Face hub. Of several, the
            first that can be reached; a warning of the logger `unspool.data` says so if it is not the first.
        path: a file or a folder of your own; it goes before `source`. A file name with `{column}` in it stands for
            parallel files.
        format: one of `unspool.data.sources.FORMATS`; left out, each file's suffix tells, but never one of those after
            "lines". Of "files", a `{name}` in a pattern is a column, beside the column `file`. Files of "strokes" and
            "chorales" hold their own parts; where `parts` name files, a part takes what is its own in them.
        columns: which columns to take, or `{ours: theirs}`; the names of all columns for files that do not name
            them; for parallel files, what stands for `{column}`. Left out: all there are.
        header: whether the first line of CSV and TSV files names the columns; see `read`.
        parts: for each part the file in `path`, a pattern (`*` and `?`) or several; what matches is read in the order
            of its name. A `{column}` in it stands for parallel files.
        rows: for each part, or for "all", which rows to take: by column the value or values that are kept, all named
            as in the file; a column need not be one of those taken. A part's values of a column go before those of
            "all". What `split` cuts are rows of "train".
        values: names for values: by column, as named in the file, `{ours: theirs}` with one or several of theirs; what
            is not named stays as it is.
        delexicalise: columns of texts to read as `unspool.acts.delexicalise` writes them, each with the column of its
            dialogue acts, all under our names.
        files: columns that name files, under our names, each with the folder they are in, as seen from that of the
            data ("" is that itself): they then have absolute paths, and all must be there. Columns `file` of "files"
            and "sphinx" are such anyway. A cut by one is the same wherever the data are.
        split: a `Split`, or its arguments: what to cut from the training part. Left out, the cut that a named source
            comes with, if it has no parts of its own; files are then not cut.
        periods: a `Periods`, or its arguments, in place of `split`: parts cut by dates.
        dialogues: where a row is a dialogue, the arguments of `replies`: which column lists its turns, and how many of
            them are the history of a reply. Each reply is then a row, with columns `history` and `turn`. All else is
            said of dialogues: `split` keeps those of equal value together, as of the column of turns.
        gather: the arguments of `gathered`: a new column that tells what other rows of the training part say of the
            same thing.
        transpose: the arguments of `transposed`: a column of music, and how many semitones up and down the training
            part has it, too.

    Returns:
        By part, in the order train, valid, test; every table holds at least one row.

    Raises:
        DataError: files or columns that are not there, empty, or broken, with file, line and the nearest name; a cut of
            a part that there already is; a part of which no row is taken; a dialogue act that can't be read; sources
            that can't be reached.
    """
    if split is not None and periods is not None:
        raise DataError("`split` and `periods` must not both cut parts; leave one out")
    cut: Split | Periods | None = Split(**split) if isinstance(split, Mapping) else split
    cut = cut or (Periods(**periods) if isinstance(periods, Mapping) else periods)
    columns = columns or None
    selection = Selection(rows, values)
    reading = selection.reading(columns, header)
    if path is not None:
        streams = streams_of(Path(path), parts, format=format, columns=reading, header=header)
        taken = delexicalised(selection.of(streams, columns), delexicalise)
        folder = folder_of(Path(path), format)
        folders = dict.fromkeys(naming_files(format, columns), "") | dict(files or {})
        tables = located(tables_of(taken, cut), {column: folder / within for column, within in folders.items()})
        return _arranged(tables, dialogues, gather, transpose)
    names = [source] if isinstance(source, str) else list(source or ())
    if not names:
        raise DataError("`source` or `path` must say where examples come from, but neither is given")
    if parts:
        raise DataError("`parts` must name files in a folder `path`, but a source has parts of its own; leave it out")
    if files:
        raise DataError("`files` must be in a folder `path`, but a source says where its own are; leave it out")
    streams, own = named_streams(names, reading)
    taken = delexicalised(selection.of(streams, columns), delexicalise)
    return _arranged(tables_of(taken, cut or _renamed(own, columns, names)), dialogues, gather, transpose)


def _renamed(own: Split | Periods | None, columns: Columns, names: Sequence[str]) -> Split | Periods | None:
    """How sources are cut if nothing else is said, by our name of the column."""
    if own is None or own.by is None or columns is None:
        return own
    ours = {name: our for our, name in theirs(columns).items()}
    if own.by not in ours:
        known = " or ".join(f"`{name}`" for name in names)
        raise DataError(
            f"`columns` must take `{own.by}`, by which {known} is cut into parts; or say by `split` how to cut it"
        )
    return replace(own, by=ours[own.by])


def _arranged(
    tables: dict[str, Table],
    dialogues: Mapping[str, Any] | None,
    gather: Mapping[str, Any] | None,
    transpose: Mapping[str, Any] | None,
) -> dict[str, Table]:
    if dialogues is not None:
        tables = {part: replies(table, **dialogues) for part, table in tables.items()}
    if gather is not None:
        tables = gathered(tables, **gather)
    return tables if transpose is None else transposed(tables, **transpose)
