"""How large the cache may grow, and what is removed when it has: what was not used for longest."""

from __future__ import annotations

import functools
import math
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from unspool.cache import users
from unspool.errors import DataError

GIB = 2**30
DEFAULT = 20.0  # GiB
_VARIABLE = "UNSPOOL_CACHE_GIB"


class Entry(NamedTuple):
    """An entry of the cache.

    Fields:
        folder: where it is.
        used: when it was last taken into use, in seconds.
        size: in bytes.
    """

    folder: Path
    used: float
    size: int


def limit() -> float:
    """The bytes that the cache may hold: `$UNSPOOL_CACHE_GIB`, or else 20, times 2^30; infinite for "inf".

    Raises:
        DataError: what is no number above 0.
    """
    text = os.environ.get(_VARIABLE, "") or str(DEFAULT)
    try:
        gib = float(text)
    except ValueError:
        gib = math.nan
    if not gib > 0:
        raise DataError(
            f"`{_VARIABLE}` must be a number above 0, the GiB that the cache may hold (`inf`: any number), "
            f"but is {text!r}"
        )
    return gib * GIB


def size(home: Path) -> int:
    """The bytes that the entries of a cache take up; 0 where there is none."""
    return sum(entry.size for entry in _entries(home))


def trim(home: Path) -> None:
    """Remove the entries of a cache that were not used for longest, until it holds no more than `limit`.

    What a live process uses stays, so that a cache may be larger. Several processes can do so at once.

    Raises:
        DataError: as of `limit`.
    """
    most = limit()
    if size(home) <= most:
        return
    gone = []
    with users.removing(home) as used:
        entries = sorted(_entries(home), key=lambda entry: entry.used)
        held = sum(entry.size for entry in entries)
        for entry in entries:
            if held <= most or used is None:
                break
            if str(entry.folder.relative_to(home)) not in used:
                # As what is not whole yet: whoever looks for it finds nothing, and what is left of it is swept.
                hidden = entry.folder.with_name(f".{entry.folder.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
                try:
                    entry.folder.rename(hidden)
                except OSError:  # somebody else's, who does not let us
                    continue
                gone.append(hidden)
                held -= entry.size
    for folder in gone:
        shutil.rmtree(folder, ignore_errors=True)


def _entries(home: Path) -> Iterator[Entry]:
    """All that are whole."""
    for folder in home.glob("[!.]*/[!.]*"):
        if folder.parent.name == users.FOLDER or not folder.is_dir():
            continue
        try:
            yield Entry(folder, folder.stat().st_mtime, _bytes(folder))
        except OSError:  # another process is just removing it
            continue


@functools.cache  # what is whole does not change
def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
