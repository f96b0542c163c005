"""What commands read: the lines of files or of standard input, many at once, on all ranks."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from unspool.errors import DataError

T = TypeVar("T")


def lines(files: Sequence[Path]) -> Iterator[str]:
    """The lines of files (plain or .gz), one after the other, or of stdin if there are none, without their ends.

    Raises:
        DataError: a file that is missing or broken, or a line that is not UTF-8.
    """
    from unspool.data.lines import lines as lines_of

    for line in chain.from_iterable(map(lines_of, files)) if files else _stdin():
        yield line.removesuffix("\n").removesuffix("\r")


def _stdin() -> Iterator[str]:
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            byte = line[error.start]
            raise DataError(f"stdin, line {number}: a line must be UTF-8, but has the byte 0x{byte:02x}") from error


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of up to `size` items, as they come."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def told_by_first(group: Any, items: Iterator[T]) -> Iterator[T]:
    """What rank 0 reads, on all ranks, and nobody else reads: they have one standard input."""
    while (item := group.once(lambda: next(items, None))) is not None:
        yield item
