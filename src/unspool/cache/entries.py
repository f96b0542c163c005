"""What was fetched, converted or encoded once, in folders that are either whole or not there."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from unspool.cache.bound import trim
from unspool.cache.users import taking
from unspool.errors import DataError

_FORMAT = 1  # raised when what an entry holds changes, so that an older one is made again
_ABANDONED = 24 * 3600  # seconds after which a temporary folder is taken to belong to a process that was killed


def home() -> Path:
    """`$UNSPOOL_CACHE`, or else `~/.cache/unspool`. Nothing in it is needed: it can be deleted at any time."""
    named = os.environ.get("UNSPOOL_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "unspool"


def key(*identity: Any) -> str:
    """A name for what these values (plain ones, as of JSON) determine."""
    text = json.dumps([_FORMAT, *identity], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def entry(kind: str, name: str, write: Callable[[Path], None], *, within: Path | None = None) -> Path:
    """The folder of an entry, written by `write` if it is not there yet.

    It is written under another name and then renamed, so that a folder of this name is always whole, whatever is
    interrupted and however many processes write it at once: the first one's stays. From here on it is in use, and stays
    until this process ends. Afterwards it may be removed, where the cache grows beyond its limit (see `bound`).

    Args:
        kind: the folder of entries it belongs to.
        name: the entry's own, as of `key`.
        write: fills the empty folder that it is given.
        within: a folder to use instead of the cache; nothing is removed from it.

    Raises:
        DataError: no room left on the disk, or no right to write there; a limit that is none.
    """
    folder = (within or home()) / kind
    target = folder / name
    if target.exists() and (within is not None or _taken(target)):
        return target
    temporary = folder / f".{name}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
    try:
        temporary.mkdir(parents=True)
        _sweep(folder)
        write(temporary)
        if within is not None:
            _rename(temporary, target)
            return target
        with taking(home(), f"{kind}/{name}"):
            _rename(temporary, target)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR):
            raise
        if isinstance(error.filename, str) and not Path(error.filename).is_relative_to(within or home()):
            # What is read, not what is kept.
            raise DataError(f"`{error.filename}` can't be read: {error.strerror}") from error
        raise DataError(
            f"the cache `{within or home()}` can't be written: {error.strerror}; "
            "make room, or name another folder in the environment variable UNSPOOL_CACHE"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    trim(home())
    return target


def whole(kind: str, name: str, file: str, write: Callable[[Path], None], *, within: Path | None = None) -> Path:
    """The one file of an entry, as it was written: damaged, it is made again.

    Args:
        kind, name, write, within: as of `entry`.
        file: its name; `write` makes it.

    Raises:
        DataError: as of `entry`; a damaged file that can't be replaced.
    """

    def write_with_digest(folder: Path) -> None:
        write(folder)
        (folder / "sha256").write_text(_digest(folder / file))

    for _ in range(2):
        folder = entry(kind, name, write_with_digest, within=within)
        with suppress(OSError):
            if (folder / "sha256").read_text() == _digest(folder / file):
                return folder / file
        shutil.rmtree(folder, ignore_errors=True)
    raise DataError(f"`{folder}` is damaged and can't be replaced")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _taken(target: Path) -> bool:
    """Whether an entry is still there when it is taken into use."""
    with taking(target.parent.parent, f"{target.parent.name}/{target.name}"):
        with suppress(OSError):  # not ours, or just removed
            os.utime(target)
        return target.exists()


def _rename(temporary: Path, target: Path) -> None:
    try:
        temporary.rename(target)
    except OSError:
        if not target.exists():  # else another process was first, and wrote the same
            raise


def _sweep(folder: Path) -> None:
    for left in folder.glob(".*"):
        try:
            newest = max(path.stat().st_mtime for path in (left, *left.iterdir()))
        except OSError:  # its owner is just done with it
            continue
        if time.time() - newest > _ABANDONED:
            shutil.rmtree(left, ignore_errors=True)
