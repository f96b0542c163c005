"""A column of lines as the one text that they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unspool import cache
from unspool.data.encoded import Encoded
from unspool.data.growing import GrowingArray
from unspool.ragged import Ragged
from unspool.tokens import END, with_end

_PIECE = 4096  # lines that are read at a time


def running_text(encoded: Encoded, column: str) -> NDArray[np.int32]:
    """All lines of a column of tokens one after another: an end before the first, and one after each.

    Args:
        encoded: with that column.
        column: sequences of ids.

    Returns:
        (tokens + lines + 1,) a memory map, made once.
    """

    def write(folder: Path) -> None:
        with GrowingArray(folder / "text.npy") as text:
            text.append(np.array([END], np.int32))
            for start in range(0, len(encoded), _PIECE):
                lines = encoded.batch(range(start, min(start + _PIECE, len(encoded))))[column]
                assert isinstance(lines, Ragged)
                text.append(with_end(lines).values.numpy().astype(np.int32))

    folder = cache.entry("running", cache.key("running", encoded.key(column)), write)
    found: NDArray[Any] = np.load(folder / "text.npy", mmap_mode="r")
    return found
