"""Drawings as moves of a pen, as in the files of sketch-rnn."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from unspool.data.array_rows import archive, array_headers, header
from unspool.errors import DataError

PARTS = ("train", "valid", "test")
_PIECE = 1024  # drawings at a time
_NUMBERS = 3  # of a point


def stroke_batches(file: Path, columns: Sequence[str] | None) -> Iterator[Any]:
    """A row for each drawing of a `.npz` file with arrays `train`, `valid` and `test`: record batches.

        train[0] = [[2, -5, 0], [0, 9, 1]]   →   strokes [[2, -5, 0], [0, 9, 1]], name "0", part "train"

    A point is its offset from the one before and whether the pen is lifted after it; `name` is the place within the
    part. Other arrays are passed over.

    Drawings of different lengths lie in such files as pickles, which can run any code. Here nothing is made of one but
    arrays: a pickle that asks for anything else is refused before it gets it.

    Raises:
        DataError: no such file; no array called as a part; what is no drawing; a pickle of anything but arrays.

    Reference:
        Ha and Eck (2017), A neural representation of sketch drawings.
    """
    for part in parts_of(file):
        drawings = _drawings(file, part)
        whole = all(drawing.dtype.kind in "iu" for drawing in drawings)
        for begin in range(0, len(drawings), _PIECE):
            piece = drawings[begin : begin + _PIECE]
            names = [str(number) for number in range(begin, begin + len(piece))]
            arrays = [_nested(piece, np.dtype(np.int32 if whole else np.float32)), pa.array(names, pa.string())]
            arrays.append(pa.array([part] * len(piece), pa.string()))
            yield pa.RecordBatch.from_arrays(arrays, ["strokes", "name", "part"])


def parts_of(file: Path) -> list[str]:
    """Which parts are in a file."""
    there = array_headers(file)
    if parts := [part for part in PARTS if part in there]:
        return parts
    raise DataError(f"`{file}` must hold drawings in arrays {', '.join(PARTS)}, but holds {', '.join(there)}")


def _drawings(file: Path, part: str) -> list[NDArray[Any]]:
    """The drawings of a part, each (points, 3)."""
    with archive(file) as found, found.open(f"{part}.npy") as member:
        about = header(member)
        if about.dtype.hasobject:
            drawings = _unpickled(file, part, member)
        else:
            with found.open(f"{part}.npy") as again:
                drawings = list(np.lib.format.read_array(again, allow_pickle=False))
    for number, drawing in enumerate(drawings):
        if not isinstance(drawing, np.ndarray) or drawing.dtype.kind not in "iuf":
            raise DataError(f"drawing {number} of `{part}` in `{file}` must be an array of numbers, but is {drawing!r}")
        if drawing.ndim != 2 or drawing.shape[1] != _NUMBERS:
            raise DataError(
                f"drawing {number} of `{part}` in `{file}` must have three numbers a point, (points, 3), but is of "
                f"shape {drawing.shape}"
            )
    return drawings


def _unpickled(file: Path, part: str, member: Any) -> list[Any]:
    try:
        # These files were written by Python 2, whose texts are bytes.
        found = _OnlyArrays(member, encoding="latin1").load()
    except (pickle.UnpicklingError, AttributeError, ImportError, IndexError, KeyError, TypeError) as error:
        raise DataError(f"`{part}` in `{file}` must be a pickle of arrays alone, but is not: {error}") from error
    if not isinstance(found, np.ndarray | list) or (isinstance(found, np.ndarray) and found.ndim != 1):
        raise DataError(f"`{part}` in `{file}` must be a list of drawings, but is {type(found).__name__}")
    return list(found)


class _OnlyArrays(pickle.Unpickler):
    """Makes arrays of numbers, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for `{module}.{name}`")
        return _ALLOWED[module, name]


def _latin1(text: str, encoding: str) -> bytes:
    """Python 3's pickles for Python 2 have bytes as a text, and call `codecs.encode` to get them back."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding}")
    return text.encode(encoding)


_RECONSTRUCT: Callable[..., Any] = np.empty(0).__reduce__()[0]  # type: ignore[assignment]
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
}


def _nested(drawings: list[NDArray[Any]], dtype: np.dtype[Any]) -> Any:
    """Drawings as lists of points, which are lists of numbers."""
    sizes = np.array([len(drawing) for drawing in drawings])
    numbers = np.concatenate([drawing.reshape(-1) for drawing in drawings]).astype(dtype)
    points = pa.ListArray.from_arrays(pa.array(np.arange(0, len(numbers) + 1, _NUMBERS), pa.int32()), pa.array(numbers))
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32()), points)
