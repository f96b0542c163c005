"""Characters as a pen draws them, from the fonts of Hershey."""

from __future__ import annotations

import base64
import bz2
import io
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]

from unspool.data.fetching import Package, wheel
from unspool.data.tables import Stream
from unspool.errors import DataError

HERSHEY = Package("Hershey-Fonts", "2.1.0", "e53ef56bdef231f10f0576a6570f49fcc8442e45115028bc52a7ade15d824581")
COLUMNS = ("strokes", "character", "font")
_FONTS = re.compile(rb"__compressed_fonts_base64\s*=\s*B'''(.*?)'''", re.DOTALL)
_FIRST = ord(" ")  # what the first line of a font is
_HEAD = 10  # letters of a line before its points: number, count, both sides
_ORIGIN = ord("R")
_LIFT = " R"

Point = tuple[int, int]


def hershey() -> dict[str, Stream]:
    """Some 3,000 characters as moves of a pen, from 32 fonts: columns strokes (see `StrokesField`), character and font.

    `character` is what the font has it for, from ! on: in a font of Greek, signs or music another one is seen. Blanks
    are left out. The fonts are read from the package, and nothing of it runs.

    Reference:
        Hershey (1967), Calligraphy for computers.
    """
    file = wheel(HERSHEY)
    points = pa.list_(pa.list_(pa.int32()))
    schema = pa.schema([("strokes", points), ("character", pa.string()), ("font", pa.string())])

    def batches() -> Iterator[pa.RecordBatch]:
        for name, text in _fonts(file):
            rows = [
                {"strokes": moves(strokes), "character": chr(place), "font": name}
                for place, strokes in enumerate(glyphs(text, f"`{name}` of `hershey`"), _FIRST)
                if strokes
            ]
            yield pa.RecordBatch.from_pylist(rows, schema)

    return {"train": Stream(["hershey", HERSHEY.sha256], batches, "`hershey`")}


def glyphs(text: str, subject: str) -> Iterator[list[list[Point]]]:
    """The strokes of each character of a font, none of a blank.

        "    8  3MWOMOV RUMUV"    →    [[(-3, -5), (-3, 4)], [(3, -5), (3, 4)]]

    A line has a number, how many pairs of letters follow, and the pairs: the two sides, then points, each letter as far
    from R as the point is from the middle. The pair ` R` lifts the pen.

    Raises:
        DataError: a line with points of one letter.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        strokes = [_points(part) for part in _parts(line.rstrip("\r\n")[_HEAD:])]
        if any(points is None for points in strokes):
            raise DataError(f"{subject}, line {number}: points must be pairs of letters, but are `{line[_HEAD:]}`")
        yield [points for points in strokes if points]


def moves(strokes: list[list[Point]]) -> list[list[int]]:
    """Strokes from point to point as moves, each (dx, dy, lift), the first one from the middle of the character.

    Example:
        >>> moves([[(-3, -5), (-3, 4)], [(3, -5), (3, 4)]])
        [[-3, -5, 0], [0, 9, 1], [6, -9, 0], [0, 9, 1]]
    """
    found, x, y = [], 0, 0
    for points in strokes:
        for place, (across, down) in enumerate(points, 1):
            found.append([across - x, down - y, int(place == len(points))])
            x, y = across, down
    return found


def _parts(text: str) -> list[str]:
    """Pairs between pairs that lift the pen."""
    pairs = [text[place : place + 2] for place in range(0, len(text), 2)]
    parts: list[str] = [""]
    for pair in pairs:
        if pair == _LIFT:
            parts.append("")
        else:
            parts[-1] += pair
    return parts


def _points(text: str) -> list[Point] | None:
    text = text.rstrip()
    if len(text) % 2:
        return None
    numbers = [ord(letter) - _ORIGIN for letter in text]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _fonts(file: Path) -> Iterator[tuple[str, str]]:
    """The name of each font and the lines of it."""
    with zipfile.ZipFile(file) as package:
        found = _FONTS.search(package.read("HersheyFonts/HersheyFonts.py"))
    if found is None:
        raise DataError(f"`{file}` must hold fonts in `HersheyFonts/HersheyFonts.py`, but there are none")
    with tarfile.open(fileobj=io.BytesIO(bz2.decompress(base64.b64decode(found[1])))) as fonts:
        for member in sorted(fonts.getmembers(), key=lambda each: each.name):
            content = fonts.extractfile(member)
            if content is not None:
                yield member.name, content.read().decode()
