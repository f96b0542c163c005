"""Lines of text from a file, plain or compressed, one at a time; what is wrong with one is said with its number."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from unspool.errors import DataError
from unspool.nearest import choices


def lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, with their "\\n"; from a gzip file if its name ends in `.gz`.

    Raises:
        DataError: no such file, bytes that are not UTF-8, a gzip file that is broken or ends early.
    """
    number = 0
    try:
        with opened(path) as file:
            for number, line in enumerate(file, 1):
                yield _decoded(line, path, number)
    except EOFError as error:
        raise DataError(
            f"`{path}` must be a whole gzip file, but ends in the middle of line {number + 1}; fetch or copy it again"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"`{path}` must be a gzip file, since its name ends in .gz, but is broken at line {number + 1} ({error}); "
            "fetch or copy it again, or rename it if it is not compressed"
        ) from error


def opened(path: Path) -> IO[bytes]:
    """A file of bytes, uncompressed on the way."""
    check_file(path)
    return gzip.GzipFile(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def check_file(path: Path) -> None:
    """Raise a `DataError` where there is no file, with what there is instead."""
    if path.is_dir():
        raise DataError(
            f"`{path}` must be a file, but is a folder; name a file, or say with `parts` which of its files to read, "
            'as in `parts: {train: "*.train", test: "*.test"}`'
        )
    if path.exists():
        return
    if not path.parent.is_dir():
        raise DataError(f"`{path}` does not exist, nor does its folder `{path.parent}`")
    siblings = sorted(each.name for each in path.parent.iterdir() if each.is_file())
    raise DataError(f"`{path}` does not exist; in its folder {choices(path.name, siblings)}")


def _decoded(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        what = "it is gzip, so its name must end in .gz" if line[:2] == b"\x1f\x8b" else "save the file as UTF-8"
        raise DataError(
            f"`{path}`, line {number}: a line must be UTF-8, but has the byte 0x{line[error.start]:02x} "
            f"at column {error.start + 1}; {what}"
        ) from error
