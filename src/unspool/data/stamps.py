"""What tells that a file was written anew."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator


def stamps(path: str) -> Iterator[tuple[str, int, int]]:
    """A file with its size and time; a folder, as a clip may be one of pictures, and the files in it.

    Raises:
        OSError: there is none.
    """
    about = os.stat(path)
    yield path, about.st_size, about.st_mtime_ns
    if not stat.S_ISDIR(about.st_mode):
        return
    with os.scandir(path) as found:
        files = sorted((each for each in found if each.is_file()), key=lambda each: each.name)
    for each in files:
        inside = each.stat()
        yield each.path, inside.st_size, inside.st_mtime_ns


def digest(paths: Iterable[str]) -> str:
    """A name for these files as they are now; what is none is passed over."""
    told = hashlib.sha256()
    for path in paths:
        try:
            found = list(stamps(path))
        except (OSError, ValueError):  # none, or the row of an array, whose archive is part of the table's own key
            continue
        for each in found:
            told.update(line(*each))
    return told.hexdigest()


def line(path: str, size: int, changed: int) -> bytes:
    """A stamp, as it goes into a digest."""
    return f"{path}\0{size}\0{changed}\0".encode(errors="surrogateescape")
