"""Pictures and what they are of, in the files in which MNIST goes round."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from unspool import cache
from unspool.arrays import reference
from unspool.data.lines import check_file, lines
from unspool.errors import DataError
from unspool.idx import idx_array

COLUMNS = ("image", "digit", "row")
_CSV = (".csv", ".csv.gz")
_IMAGES, _LABELS = ("images", "idx3"), ("labels", "idx1")  # in the names of files
_PIECE = 4096  # rows at a time
_BRIGHTEST = 255


def mnist_batches(file: Path, columns: Sequence[str] | None) -> Iterator[Any]:
    """A row for each picture of a file: record batches with columns image, digit and row, the place in the file.

        t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz   →   /…/t10k-images-idx3-ubyte.gz::idx::0, 7, 0
        mnist_5k.csv: 0,0,…,254,…,0,7                          →   /…/pictures.npz::image::0, 7, 0

    Of a CSV file a line is the pixels of a square picture, row by row, and then its class; there is no header. It is
    written as an array into the cache, which rows then refer to. Of an idx file the classes are in the file of labels
    beside it: its name with `labels` for `images` and `idx1` for `idx3`.

    Raises:
        DataError: a file that is missing, broken or of another form; no file of labels, or one of another length.

    Reference:
        LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to document recognition.
    """
    path, key, digits = _of_csv(file) if file.name.endswith(_CSV) else _of_idx(file)
    for begin in range(0, len(digits), _PIECE):
        rows = range(begin, min(begin + _PIECE, len(digits)))
        arrays = [
            pa.array([reference(path, key, row) for row in rows], pa.string()),
            pa.array([digits[row] for row in rows], pa.string()),
            pa.array(rows, pa.int64()),
        ]
        yield pa.RecordBatch.from_arrays(arrays, list(COLUMNS))


def beside(file: Path) -> list[object]:
    """What else determines the rows of a file: of an idx file that of labels, of CSV where its arrays are.

    Rows refer to these, which are made here where they are not in the cache, or not any more.
    """
    if file.name.endswith(_CSV):
        return [str(_arrays(file))]
    labels = _labels(file)
    check_file(labels)
    return _stamp(labels)


def _stamp(file: Path) -> list[object]:
    stat = file.stat()
    return [str(file.resolve()), stat.st_size, stat.st_mtime_ns]


def _labels(file: Path) -> Path:
    name = file.name
    if _IMAGES[0] not in name:
        raise DataError(
            f"`{file}` must have `{_IMAGES[0]}` in its name, as `t10k-images-idx3-ubyte.gz`, to find its labels beside "
            "it, or end in .csv; rename it"
        )
    for theirs, labels in zip(_IMAGES, _LABELS, strict=True):
        name = name.replace(theirs, labels)
    return file.with_name(name)


def _of_idx(file: Path) -> tuple[str, str, list[str]]:
    """Where pictures are, by path and key, and the class of each."""
    labels = _labels(file)
    pictures, digits = idx_array(file), idx_array(labels)
    if pictures.ndim != 3 or pictures.dtype != np.uint8:
        raise DataError(
            f"`{file}` must hold grey pictures, (pictures, height, width) uint8, but holds {pictures.dtype} of "
            f"{pictures.shape}"
        )
    if digits.shape != pictures.shape[:1]:
        raise DataError(
            f"`{labels}` must have a class for each of the {len(pictures):,} pictures of `{file}`, but is of shape "
            f"{digits.shape}"
        )
    return str(file.absolute()), "idx", list(map(str, digits.tolist()))


def _of_csv(file: Path) -> tuple[str, str, list[str]]:
    where = _arrays(file)
    with np.load(where) as found:
        return str(where), "image", found["digit"].tolist()


def _arrays(file: Path) -> Path:
    """The pictures of a CSV file and their classes, in the cache."""
    name = cache.key("pictures and classes", _stamp(file))
    return (cache.entry("arrays", name, partial(_write, file)) / "pictures.npz").absolute()


def _write(file: Path, folder: Path) -> None:
    rows: list[NDArray[np.float64]] = []
    for number, line in enumerate(lines(file), 1):
        if not line.isspace():
            rows.append(_numbers(file, number, line))
            if len(rows[-1]) != len(rows[0]):
                raise DataError(
                    f"`{file}`, line {number}: pictures must all have the {len(rows[0]) - 1:,} pixels of the first, "
                    f"but this one has {len(rows[-1]) - 1:,}"
                )
    if not rows:
        raise DataError(f"`{file}` must hold at least one picture, but is empty")
    pixels = np.stack([row[:-1] for row in rows]).astype(np.uint8)
    side = math.isqrt(pixels.shape[1])
    digits = np.array([str(int(row[-1])) for row in rows])
    np.savez_compressed(folder / "pictures.npz", image=pixels.reshape(-1, side, side), digit=digits)


def _numbers(file: Path, number: int, line: str) -> NDArray[np.float64]:
    """The pixels and the class of a line."""
    try:
        row = np.array(line.split(","), dtype=np.float64)
    except ValueError as error:
        raise DataError(f"`{file}`, line {number}: a line must be numbers between commas: {error}") from error
    if len(row) < 2 or math.isqrt(len(row) - 1) ** 2 != len(row) - 1:
        raise DataError(
            f"`{file}`, line {number}: a line must be the pixels of a square picture and a class, as 785 numbers for "
            f"28 by 28, but has {len(row):,}"
        )
    most = np.append(np.full(len(row) - 1, float(_BRIGHTEST)), np.finfo(np.float64).max)
    odd = row[(row != row.round()) | ~(row >= 0) | (row > most)]
    if len(odd):
        raise DataError(
            f"`{file}`, line {number}: pixels must be whole numbers from 0 to {_BRIGHTEST} and the class one from 0 "
            f"on, but there is {odd[0]:g}"
        )
    return row
