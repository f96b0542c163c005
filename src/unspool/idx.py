"""Arrays in files of the format idx, in which MNIST comes."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unspool.errors import DataError

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"


def idx_array(path: str | Path) -> NDArray[Any]:
    """The array in an idx file, compressed or not: 0, 0, its type, its number of dimensions, their sizes, the numbers.

    What is compressed by gzip is told by its first bytes, whatever its suffix. Numbers are of the machine's byte order.

    Raises:
        DataError: a file that is missing, broken, no idx file, or longer or shorter than its header says.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "labels.idx"
        ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        ...     idx_array(path)
        array([7, 2, 1], dtype=uint8)

    Reference:
        LeCun, Cortes and Burges, The MNIST database of handwritten digits, "File formats".
    """
    data = _read(path)
    header = data[:4]
    if len(header) < 4 or header[:2] != b"\0\0" or header[2] not in _TYPES:
        raise DataError(
            f"`{path}` must be an idx file, which begins with 0, 0, a type ({', '.join(map(str, _TYPES))}) and a "
            f"number of dimensions, but begins with {list(header)}"
        )
    dtype, begin = np.dtype(_TYPES[header[2]]), 4 + 4 * header[3]
    sizes = struct.unpack(f">{header[3]}I", data[4:begin]) if len(data) >= begin else ()
    promised = begin + dtype.itemsize * int(np.prod(sizes, dtype=object))
    if len(data) != promised or len(sizes) != header[3]:
        raise DataError(
            f"`{path}` must have {promised:,} bytes as its header says, {sizes} of {dtype.name}, but has "
            f"{len(data):,}; copy it again"
        )
    return np.frombuffer(data, dtype, offset=begin).reshape(sizes).astype(dtype.newbyteorder("="))


def _read(path: str | Path) -> bytes:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"`{path}` can't be read: {error.strerror}") from error
    if not data.startswith(_GZIP):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"`{path}` can't be decompressed: {error}; copy it again") from error
