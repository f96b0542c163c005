"""Who uses which entries of the cache: a file for each process, locked for as long as the process lives.

    users/lock            held while entries are taken into use, and by one process alone while it removes some
    users/4711-9f3c02d1   what the process 4711 uses, a line each: encoded/1b2c…

A lock ends with its process, however that ends, so nobody has to guess who still lives.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # on Windows: nothing is removed there
    fcntl = None  # type: ignore[assignment]

FOLDER = "users"
_LOCK = "lock"
_HOMES = 8  # caches of which a process keeps a file open; tests have one each

_files: dict[Path, tuple[int, int]] = {}  # the process and the descriptor: a forked one begins a file of its own


@contextmanager
def taking(home: Path, name: str) -> Iterator[None]:
    """Within, no process removes an entry; from its end on this one is in use, until this process ends.

    Where there are no locks, or none can be written, nothing is noted: there nothing can be removed either.
    """
    lock = _lock(home, alone=False)
    if lock is None:
        yield
        return
    try:
        yield
        with suppress(OSError):  # a full disk: the entry is used all the same
            os.write(_own_file(home), f"{name}\n".encode())
    finally:
        os.close(lock)


@contextmanager
def removing(home: Path) -> Iterator[set[str] | None]:
    """Within, no process takes an entry into use; what live processes use, or None where there are no locks."""
    lock = _lock(home, alone=True)
    if lock is None:
        yield None
        return
    try:
        yield _used(home / FOLDER)
    finally:
        os.close(lock)


def _lock(home: Path, *, alone: bool) -> int | None:
    """The lock that divides those that take from those that remove, as a descriptor whose end is its own."""
    if fcntl is None:
        return None
    try:
        (home / FOLDER).mkdir(exist_ok=True)
        lock = os.open(home / FOLDER / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
    except OSError:
        os.close(lock)
        return None
    return lock


def _own_file(home: Path) -> int:
    owner, file = _files.get(home, (0, 0))
    if owner != os.getpid():
        path = home / FOLDER / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        fcntl.flock(file, fcntl.LOCK_EX)
        _files[home] = os.getpid(), file
        while len(_files) > _HOMES:
            os.close(_files.pop(next(iter(_files)))[1])
    return file


def _used(folder: Path) -> set[str]:
    """The entries in all files whose processes live; the files of the others are removed."""
    found: set[str] = set()
    for path in folder.iterdir():
        if path.name == _LOCK:
            continue
        with path.open() as file:
            if _is_free(file.fileno()):
                path.unlink(missing_ok=True)
            else:
                found.update(file.read().splitlines())
    return found


def _is_free(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
