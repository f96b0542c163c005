"""The two formats of files of word vectors, read one vector at a time: lines of text, and word2vec's binary."""

from __future__ import annotations

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Container, Iterator
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from unspool.data.lines import opened
from unspool.errors import DataError

Vector = NDArray[np.float32]

_LONGEST = 1 << 20  # bytes of a line or a word; a file with longer ones holds something else
_PIECE = 1 << 20
_PROBE = 1 << 12
_LIKE = 100  # lines that tell how many numbers each has, where no first line says it
_HEADER = re.compile(rb"\s*(\d+)\s+(\d+)\s*")
_FASTTEXT = (793712314).to_bytes(4, "little")  # fastText's own format begins with it


def vectors(file: Path, wanted: Container[bytes], size: int | None) -> Iterator[tuple[bytes, Vector | None]]:
    """Every word of a file in turn, with its vector if the word is wanted.

    Raises:
        DataError: as of `read_vectors`.
    """
    try:
        with opened(file) as source:
            first = source.readline(_LONGEST)
            if first.startswith(_FASTTEXT):
                raise DataError(
                    f"`{file}` must be text or word2vec's binary, but is fastText's own; take its `.vec` file"
                )
            if not (header := _HEADER.fullmatch(first)):
                source.seek(0)
                yield from _text(source, file, wanted, size, None)
                return
            count, width = int(header[1]), int(header[2])
            _check_size(file, width, size)
            is_binary = _is_binary(source.read(_PROBE))
            source.seek(len(first))
            if is_binary:
                yield from _binary(_Bytes(source), file, wanted, count, width)
            else:
                yield from _text(source, file, wanted, size, (count, width))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"`{file}` must be a whole gzip file, since its name ends in .gz, but is broken ({error}); "
            "fetch or copy it again"
        ) from error


def _check_size(file: Path, width: int, size: int | None) -> None:
    if not width:
        raise DataError(f"`{file}`, line 1: a vector must have a number, but the file says that they have none")
    if size not in (None, width):
        raise DataError(f"`{file}` must have vectors of {size} numbers, but they have {width}; set the size to {width}")


def _is_binary(probe: bytes) -> bool:
    """Whether the first vector is no numbers in writing."""
    values = probe.split(b"\n", 1)[0].split()[1:]
    return bool(probe) and 2 * sum(map(_is_number, values)) <= len(values)


def _is_number(piece: bytes) -> bool:
    try:
        float(piece)
    except ValueError:
        return False
    return True


def _text(
    source: IO[bytes], file: Path, wanted: Container[bytes], size: int | None, header: tuple[int, int] | None
) -> Iterator[tuple[bytes, Vector | None]]:
    """The words of lines of text. header: how many words there are, and of how many numbers, if the first line says."""
    lines = _lines(source, file, 2 if header else 1)
    width, ahead = header[1] if header else 0, []
    if not header:
        ahead = list(islice(lines, _LIKE))
        counts = Counter(len(line.split()) - 1 for _, line in ahead)
        width = max(counts, key=lambda each: counts[each], default=0)
        if not width:
            raise DataError(f"`{file}` must hold a word and its numbers a line, but its first lines have no numbers")
        _check_size(file, width, size)
    read = 0
    for rows in (ahead, lines):
        for number, line in rows:
            try:
                word, values = _taken_apart(line, width)
                vector = _numbers(values) if word in wanted else None
            except ValueError as error:
                raise DataError(f"`{file}`, line {number}: {error}") from error
            yield word, vector
            read += 1
    if header and read < header[0]:
        raise DataError(
            f"`{file}` must hold the {header[0]:,} vectors that its first line names, but ends after {read:,}; "
            "fetch or copy it again"
        )


def _lines(source: IO[bytes], file: Path, number: int) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; blank ones are passed over."""
    while line := source.readline(_LONGEST):
        if len(line) == _LONGEST:
            raise DataError(
                f"`{file}`, line {number}: a line must be a word and its numbers, but is longer than {_LONGEST:,} bytes"
            )
        if line := line.rstrip():
            yield number, line
        number += 1


def _taken_apart(line: bytes, width: int) -> tuple[bytes, bytes]:
    """The word of a line, and what follows it."""
    if line.count(b" ") == width:
        word, _, values = line.partition(b" ")
        return word, values
    pieces = line.split()  # several blanks or a tab between, or a word of several pieces
    more = len(pieces) - 1 - width
    # A word may have blanks in it, as `. . .` does in GloVe's; but not if what follows the first could be numbers.
    if more < 0 or (more and all(map(_is_number, pieces[1 : more + 1]))):
        shown = pieces[0].decode(errors="replace")
        raise ValueError(f"a word must have {width} numbers, but `{shown}` has {len(pieces) - 1}")
    return b" ".join(pieces[: more + 1]), b" ".join(pieces[more + 1 :])


def _numbers(values: bytes) -> Vector:
    pieces = values.split(b" ")
    for piece in pieces:
        if not _is_number(piece) or not np.isfinite(float(piece)):
            raise ValueError(f"a vector must be finite numbers, but has `{piece.decode(errors='replace')}`")
    return np.array([float(piece) for piece in pieces], dtype=np.float32)


class _Bytes:
    """A file read piece by piece."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._held, self._at = source, b"", 0

    def _more(self) -> bool:
        piece = self._source.read(_PIECE)
        self._held, self._at = self._held[self._at :] + piece, 0
        return bool(piece)

    def word(self) -> bytes | None:
        """What comes before the next blank; None at the end."""
        while (end := self._held.find(b" ", self._at)) < 0:
            if len(self._held) - self._at > _LONGEST or not self._more():
                return None
        word, self._at = self._held[self._at : end], end + 1
        return word

    def take(self, size: int) -> bytes | None:
        """So many bytes; None if there are fewer."""
        while len(self._held) - self._at < size:
            if not self._more():
                return None
        taken = self._held[self._at : self._at + size]
        self._at += size
        return taken


def _binary(
    source: _Bytes, file: Path, wanted: Container[bytes], count: int, width: int
) -> Iterator[tuple[bytes, Vector | None]]:
    for number in range(1, count + 1):
        word = source.word()
        values = None if word is None else source.take(4 * width)
        if word is None or values is None:
            raise DataError(
                f"`{file}` must hold the {count:,} vectors of {width} numbers that its first line names, but ends in "
                f"number {number:,}; fetch or copy it again"
            )
        word = word.lstrip(b"\n")  # some programs end a vector with it, others do not
        if word not in wanted:
            yield word, None
            continue
        vector = np.frombuffer(values, dtype="<f4").astype(np.float32)
        if not np.isfinite(vector).all():
            shown = word.decode(errors="replace")
            raise DataError(
                f"`{file}`, vector {number:,}: a vector must be finite numbers, but that of `{shown}` is not"
            )
        yield word, vector
