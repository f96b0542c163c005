"""Parts for training, validation and testing: from files of their own, or cut by a hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unspool.data.periods import Periods
from unspool.data.sources import Columns, joined, stream_of
from unspool.data.tables import Stream, Table, store, store_cut
from unspool.errors import DataError
from unspool.nearest import choices

PARTS = ("train", "valid", "test")
_COLUMN = "{column}"


@dataclass(frozen=True)
class Split:
    """A cut into parts by a hash of one column: rows of equal value are always in the same part.

        u = the first 8 bytes of sha256(salt + value) / 2^64
        test where u < test,  valid where u >= 1 - valid,  train otherwise

    So a row's part depends on its value alone: not on other rows, nor on their order, and changing one share moves
    nothing between the other two parts.

    Without a column it is a cut by place, for rows that go on from one to the next, as the lines of a book: the first
    ones are for training, those after them for validation, the last ones for testing.

    Args:
        by: the column. For translation the source, so that no test sentence was seen in training. None: by place.
        valid: share of the values for validation, from 0; by place, of the rows.
        test: share of the values for testing, from 0; 0 where the test part has files of its own.
        salt: another one gives another cut.

    Example:
        >>> split = Split(by="word", valid=0.2, test=0.1)
        >>> [split.part(word) for word in ("tree", "house", "cat", "leaf")]
        ['valid', 'valid', 'train', 'train']
    """

    by: str | None
    valid: float = 0.02
    test: float = 0.1
    salt: str = ""

    def __post_init__(self) -> None:
        if not (self.valid >= 0 and self.test >= 0 and self.valid + self.test < 1):
            raise DataError(
                f"`valid` and `test` must be shares from 0 that leave some to train on, but are {self.valid:g} and "
                f"{self.test:g}"
            )
        if self.by is None and self.salt:
            raise DataError(f"`salt` must be empty where rows are cut by place, but is {self.salt!r}")

    @property
    def parts(self) -> tuple[str, ...]:
        shares = {"train": 1.0, "valid": self.valid, "test": self.test}
        return tuple(part for part, share in shares.items() if share)

    def part(self, value: Any) -> str:
        """The part that rows of this value belong to."""
        digest = hashlib.sha256(f"{self.salt}{value}".encode(errors="surrogatepass")).digest()
        drawn = int.from_bytes(digest[:8], "big") / 2**64
        return "test" if drawn < self.test else "valid" if drawn >= 1 - self.valid else "train"

    def cut(self, stream: Stream) -> dict[str, Table]:
        """The parts of a stream, each at least one row."""

        tables = self._by_place(stream) if self.by is None else self._by_value(stream, self.by)
        for part, table in tables.items():
            if not len(table):
                total = sum(map(len, tables.values()))
                raise DataError(
                    f"`{part}` of {self} must get at least one row, but gets none of the {total} of {stream.origin}; "
                    f"take a larger share{'' if self.by is None else ', or another salt'}"
                )
        return {part: tables[part] for part in self.parts}

    def _by_value(self, stream: Stream, by: str) -> dict[str, Table]:
        def rows(batch: Any) -> Mapping[str, NDArray[np.bool_]]:
            if by not in batch.schema.names:
                raise DataError(f"`{by}` is no column of {stream.origin}; {choices(by, batch.schema.names)}")
            found = np.array([self.part(value) for value in batch.column(by).to_pylist()])
            return {part: found == part for part in self.parts}

        return store_cut(stream, rows, asdict(self))

    def _by_place(self, stream: Stream) -> dict[str, Table]:
        count = len(store(stream))
        ends = [count - round(count * (self.valid + self.test)), count - round(count * self.test), count]
        bounds = dict(zip(PARTS, zip([0, *ends], ends, strict=False), strict=True))
        seen = 0

        def batches() -> Iterator[Any]:
            nonlocal seen
            seen = 0
            return stream.batches()

        def rows(batch: Any) -> Mapping[str, NDArray[np.bool_]]:
            nonlocal seen
            places = np.arange(seen, seen + len(batch))
            seen += len(batch)
            return {part: (places >= bounds[part][0]) & (places < bounds[part][1]) for part in self.parts}

        return store_cut(stream._replace(batches=batches), rows, asdict(self))


def tables_of(streams: Mapping[str, Stream], split: Split | Periods | None) -> dict[str, Table]:
    """Each part's table; those that `split` gives a share are cut from the stream of "train"."""
    if split is None:
        return {part: store(stream) for part, stream in streams.items()}
    taken = [part for part in split.parts if part != "train" and part in streams]
    if taken:
        raise DataError(
            f"`split` must cut no part that there already is, but gives `{taken[0]}` a share; set `{taken[0]}: 0` in it"
        )
    tables = {part: store(stream) for part, stream in streams.items() if part != "train"} | split.cut(streams["train"])
    return {part: tables[part] for part in PARTS if part in tables}


def part_streams(
    path: Path,
    parts: Mapping[str, str | Sequence[str] | None] | None,
    *,
    format: str | None,
    columns: Columns,
    header: bool | None,
) -> dict[str, Stream]:
    """What each part is read from: a file alone is "train"; in a folder, patterns name each part's files."""
    options: dict[str, Any] = {"format": format, "columns": columns, "header": header}
    named = patterns_of(path, parts)
    if not named:
        if _COLUMN in path.name:
            return {"train": _parallel(path.parent, path.name, "path", options)}
        return {"train": stream_of(path, **options)}
    return {
        part: joined([each for pattern in patterns for each in _matching(path, pattern, part, options)])
        for part, patterns in named.items()
    }


def patterns_of(path: Path, parts: Mapping[str, str | Sequence[str] | None] | None) -> dict[str, list[str]]:
    """The patterns of each part's files, in the order of the parts; none where `parts` names none.

    Raises:
        DataError: names that are no parts, none for training, or a `path` that is no folder.
    """
    named = {part: patterns for part, patterns in (parts or {}).items() if patterns is not None}
    if not named:
        return {}
    if unknown := [part for part in named if part not in PARTS]:
        raise DataError(f"`{unknown[0]}` is no part; {choices(unknown[0], PARTS)}")
    if "train" not in named:
        raise DataError(f"`parts` must name the files of `train`, but names only {', '.join(named)}")
    if not path.is_dir():
        raise DataError(f"`path` must be a folder where `parts` names its files, but `{path}` is not")
    ordered = ((part, named[part]) for part in PARTS if part in named)
    return {part: [patterns] if isinstance(patterns, str) else list(patterns) for part, patterns in ordered}


def _matching(folder: Path, pattern: str, part: str, options: dict[str, Any]) -> list[Stream]:
    if Path(pattern).is_absolute():
        raise DataError(f"`parts.{part}` must be within `{folder}`, but is `{pattern}`; leave the folder out of it")
    if _COLUMN in pattern:
        return [_parallel(folder, pattern, f"parts.{part}", options)]
    files = sorted(file for file in folder.glob(pattern) if file.is_file())
    if not files:
        raise _no_file(folder, pattern, f"parts.{part}")
    return [stream_of(file, **options) for file in files]


def _parallel(folder: Path, pattern: str, subject: str, options: dict[str, Any]) -> Stream:
    """The parallel files of a pattern such as "train.{column}.gz", for the columns named or else for all there are."""
    before, _, after = pattern.partition(_COLUMN)
    columns = options["columns"]
    if columns is None:
        files = sorted(file.relative_to(folder).as_posix() for file in folder.glob(f"{before}*{after}"))
        columns = [name[len(before) : len(name) - len(after)] for name in files]
        if not columns:
            raise _no_file(folder, pattern, subject)
    theirs = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
    files_of = {ours: folder / f"{before}{name}{after}" for ours, name in theirs.items()}
    return stream_of(files_of, format=options["format"])


def _no_file(folder: Path, pattern: str, subject: str) -> DataError:
    there = sorted(file.name for file in folder.iterdir() if file.is_file())
    return DataError(
        f'`{subject}` must match a file in `{folder}`, but "{pattern}" matches none; {choices(pattern, there)}'
    )
