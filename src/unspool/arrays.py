"""Arrays in files: `.npy` whole, and rows of those in a `.npz` or an idx file, which a column names by a short text."""

from __future__ import annotations

import zipfile
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from unspool.errors import DataError
from unspool.idx import idx_array
from unspool.nearest import choices

_BETWEEN = "::"
_IDX = "idx"  # the key of the one array that a file in the format of MNIST has
_KEPT = 4  # arrays: an archive holds them compressed, and its rows are asked for one after another


def reference(path: str | Path, key: str, row: int | slice) -> str:
    """The text that stands for a row of an array in a `.npz` file, or for rows from one to before another.

    `resolve` gives the numbers.

    Raises:
        DataError: a key with "::" in it, a row below 0, or a slice with a step or without both its ends.

    Example:
        >>> reference("clips.npz", "frames", 3), reference("signals.npz", "values", slice(10, 52))
        ('clips.npz::frames::3', 'signals.npz::values::10:52')
    """
    text = str(row)
    if isinstance(row, slice):
        text = f"{row.start}:{row.stop}" + (f":{row.step}" if row.step not in (None, 1) else "")
    made = _BETWEEN.join((str(path), key, text))
    if _BETWEEN in key:
        raise DataError(f"`key` must not have {_BETWEEN!r} in it, but is {key!r}; rename the array")
    _parse(made)
    return made


def is_reference(text: str) -> bool:
    """Whether a text looks like what `reference` gives."""
    return text.count(_BETWEEN) >= 2


def resolve(text: str) -> NDArray[Any]:
    """The numbers that a reference stands for: a copy of the row, or of the rows.

    The last few arrays are kept in memory; a file that was written anew is read anew.

    Args:
        text: as `reference` gives it: `file.npz::key::3` or `file.npz::key::10:52`; of a file in the format of MNIST,
            `images.gz::idx::3`.

    Raises:
        DataError: a text of another form; a file that is missing or no archive of arrays; a key or a row that it does
            not have; an array of Python's objects.

    Example:
        >>> import numpy, pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "signals.npz"
        ...     numpy.savez(path, values=[[1, 2], [3, 4], [5, 6]])
        ...     resolve(f"{path}::values::2"), resolve(f"{path}::values::0:2")
        (array([5, 6]), array([[1, 2],
               [3, 4]]))
    """
    path, key, start, stop = _parse(text)
    array = _array(path, key, *_version(path))
    rows = len(array) if array.ndim else 0
    if (start if stop is None else stop - 1) >= rows:
        asked = start if stop is None else f"{start} to {stop - 1}"
        raise DataError(f"`{key}` in `{path}` must have row {asked}, but has {rows:,} rows, from 0 on")
    chosen: NDArray[Any] = np.array(array[start] if stop is None else array[start:stop])
    return chosen


def read(path: str | Path) -> NDArray[Any]:
    """The array in a `.npy` file.

    Raises:
        DataError: a file that is missing, broken or of another kind; an array of Python's objects.
    """
    with _file(path) as stream:
        found = _load(stream, path)
        if isinstance(found, np.ndarray):
            return found
        raise DataError(
            f"`{path}` must hold one array, but is an archive of {', '.join(found.files)}; name a row of one"
        )


def _parse(text: str) -> tuple[str, str, int, int | None]:
    path, key, row = text.rsplit(_BETWEEN, 2) if is_reference(text) else ("", "", "")
    start, colon, stop = row.partition(":")
    whole = start.isdecimal() and (stop.isdecimal() and int(start) <= int(stop) if colon else True)
    if not (path and key and whole):
        raise DataError(
            f"`{text}` must name a row of an array as `file.npz::key::3`, or rows as `file.npz::key::10:52`"
        )
    return path, key, int(start), int(stop) if colon else None


def _version(path: str) -> tuple[int, int]:
    """What changes when a file is written anew."""
    try:
        about = Path(path).stat()
    except OSError as error:
        raise DataError(f"`{path}` can't be read: {error.strerror}") from error
    return about.st_mtime_ns, about.st_size


@lru_cache(maxsize=_KEPT)
def _array(path: str, key: str, _time: int, _size: int) -> NDArray[Any]:
    if key == _IDX:
        return idx_array(path)
    with _file(path) as stream:
        found = _load(stream, path)
        if isinstance(found, np.ndarray):
            raise DataError(
                f"`{path}` must be an archive of arrays, as `numpy.savez` writes it, but holds one array alone"
            )
        if key not in found.files:
            raise DataError(f"`{path}` must have an array `{key}`, but {choices(key, found.files)}")
        try:
            array: NDArray[Any] = found[key]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"`{key}` in `{path}` can't be read: {_said(error)}") from error
    return array


def _file(path: str | Path) -> BinaryIO:
    # By a file of our own: `numpy.load` forgets to close the one it opens where an archive is broken (2.4).
    try:
        return open(path, "rb")
    except OSError as error:
        raise DataError(f"`{path}` can't be read: {error.strerror}") from error


def _load(stream: BinaryIO, path: str | Path) -> Any:
    """An array, or an archive of them."""
    try:
        return np.load(stream, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"`{path}` can't be read as an array of NumPy's: {_said(error)}") from error


def _said(error: Exception) -> str:
    # Both times NumPy's advice is `allow_pickle`, which would run whatever code the file holds.
    if str(error).startswith("Object arrays"):
        return "it holds Python's objects; save arrays of numbers"
    if "pickle" in str(error):
        return "it is neither `.npy` nor `.npz`"
    return str(error)
