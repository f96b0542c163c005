"""A `.npy` file that is written piece by piece, its length known at the end."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

_ROOM = 256  # bytes for the header: its length is not known before the end


class GrowingArray:
    """Pieces of equal dtype and shape but for their length, one after another in a `.npy` file.

    Nothing is written, not even the file, where no piece is appended.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None
        self._like: NDArray[Any] | None = None
        self._length = 0

    def __enter__(self) -> GrowingArray:
        return self

    def append(self, piece: NDArray[Any]) -> None:
        if self._file is None:
            self._file = self._path.open("w+b")
            self._file.write(b" " * _ROOM)
            self._like = piece[:0]
        self._file.write(np.ascontiguousarray(piece).tobytes())
        self._length += len(piece)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        with self._file:
            if kind is None:
                self._file.seek(0)
                self._file.write(self._header())

    def _header(self) -> bytes:
        assert self._like is not None
        about = {
            "descr": npy.dtype_to_descr(self._like.dtype),
            "fortran_order": False,
            "shape": (self._length, *self._like.shape[1:]),
        }
        body = repr(about).encode()
        room = _ROOM - len(npy.magic(1, 0)) - 2
        return npy.magic(1, 0) + room.to_bytes(2, "little") + body.ljust(room - 1) + b"\n"
