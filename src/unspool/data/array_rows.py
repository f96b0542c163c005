"""Arrays of a `.npz` file side by side, as rows."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from unspool.arrays import reference
from unspool.errors import DataError
from unspool.nearest import choices

ROW = "row"
_PIECE = 4096  # rows at a time


class Header(NamedTuple):
    """What is said of an array before its numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def array_batches(file: Path, columns: Sequence[str] | None) -> Iterator[Any]:
    """A row for each index of arrays of one length: record batches.

        frames (861, 32, 64, 64), action (861,), subject (861,)   →   /…/clips.npz::frames::0, 7, 1, 0
                                                                      /…/clips.npz::frames::1, 7, 1, 1, …

    Columns are the arrays by name, then `row`, the index, unless an array is called so. Numbers and texts stand in the
    table; of an array of more dimensions there is a reference, as `unspool.arrays` reads it. Of these arrays only the
    headers are looked at.

    Args:
        file: as `numpy.savez` writes it.
        columns: the arrays to take, or `row`; None: all that have the length that most have.

    Raises:
        DataError: no such file or array; arrays of different lengths; arrays of Python's objects.
    """
    headers = array_headers(file)
    names = _taken(file, headers, columns)
    total = headers[names[0]].shape[0]
    values = {name: _values(file, name) for name in names if len(headers[name].shape) == 1}
    path = str(file.absolute())
    for begin in range(0, total, _PIECE):
        end = min(begin + _PIECE, total)
        arrays = {
            name: pa.array(values[name][begin:end])
            if name in values
            else pa.array([reference(path, name, row) for row in range(begin, end)], pa.string())
            for name in names
        }
        arrays.setdefault(ROW, pa.array(range(begin, end), pa.int64()))
        yield pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))


def array_headers(file: Path) -> dict[str, Header]:
    """The arrays of a file by name, unread."""
    with archive(file) as found:
        names = [name.removesuffix(".npy") for name in found.namelist() if name.endswith(".npy")]
        headers = {}
        for name in names:
            with found.open(f"{name}.npy") as member:
                headers[name] = header(member)
    if not headers:
        raise DataError(f"`{file}` must hold arrays, as `numpy.savez` writes them, but holds none")
    return headers


def header(member: Any) -> Header:
    """What is said of an array in an open file, which is then read up to its numbers."""
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(member)
    return Header(shape, dtype)


class archive:  # noqa: N801 - read as a verb
    """The `.npz` file as an open archive; what is wrong with it is a `DataError`."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __enter__(self) -> zipfile.ZipFile:
        try:
            self.opened = zipfile.ZipFile(self.file)
        except (OSError, zipfile.BadZipFile) as error:
            raise self._wrong(error) from error
        return self.opened

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.opened.close()
        if not isinstance(error, DataError) and isinstance(
            error, OSError | ValueError | EOFError | zipfile.BadZipFile | zlib.error
        ):
            raise self._wrong(error) from error

    def _wrong(self, error: BaseException) -> DataError:
        return DataError(
            f"`{self.file}` must be a file of arrays, as `numpy.savez` writes it, but can't be read: {error}"
        )


def _taken(file: Path, headers: dict[str, Header], columns: Sequence[str] | None) -> list[str]:
    """The arrays that are rows, all of one length."""
    asked = [name for name in columns or () if name != ROW or ROW in headers]
    for name in asked:
        if name not in headers:
            raise DataError(f"`{name}` is no array of `{file}`; {choices(name, headers)}")
    lengths = {name: found.shape[0] for name, found in headers.items() if found.shape}
    if scalars := [name for name in asked if name not in lengths]:
        raise DataError(f"`{scalars[0]}` of `{file}` must have a number for each row, but is one alone")
    if not asked:
        asked = _alike(file, lengths)
    if len({lengths[name] for name in asked}) > 1:
        said = ", ".join(f"{name} {lengths[name]:,}" for name in asked)
        raise DataError(f"`columns` must be arrays of equally many rows, but those of `{file}` have: {said}")
    if objects := [name for name in asked if headers[name].dtype.hasobject]:
        raise DataError(
            f"`{objects[0]}` of `{file}` must hold numbers or texts, but holds Python's objects, which can run any "
            "code when they are read; save numbers, or say `format: strokes` where they are drawings of a pen"
        )
    kinds = {name: headers[name].dtype.kind for name in asked}
    if strangers := [name for name, kind in kinds.items() if kind not in "biufUS"]:
        raise DataError(
            f"`{strangers[0]}` of `{file}` must hold numbers or texts, but holds {headers[strangers[0]].dtype}"
        )
    return asked


def _alike(file: Path, lengths: dict[str, int]) -> list[str]:
    """The arrays that have the length that most have."""
    common = Counter(lengths.values()).most_common(2)
    if not common:
        raise DataError(f"`{file}` must hold arrays with a row an example, but holds single numbers alone")
    if len(common) > 1 and common[0][1] == common[1][1]:
        said = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise DataError(
            f"arrays of `{file}` must have equally many rows, but there are as many of one length as of another: "
            f"{said}; name those to take in `columns`"
        )
    return [name for name, length in lengths.items() if length == common[0][0]]


def _values(file: Path, name: str) -> Any:
    with archive(file) as found, found.open(f"{name}.npy") as member:
        values = np.lib.format.read_array(member, allow_pickle=False)
    if values.dtype.kind == "S":
        return np.array([_text(file, name, row, each) for row, each in enumerate(values)], dtype=str)
    return values.astype(values.dtype.newbyteorder("="))


def _text(file: Path, name: str, row: int, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        byte = value[error.start]
        raise DataError(
            f"row {row} of `{name}` in `{file}` must be UTF-8, but has the byte 0x{byte:02x}; save it as text"
        ) from error
