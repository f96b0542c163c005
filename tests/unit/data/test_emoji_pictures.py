"""Pictures of emoji: drawn from a font in a package, with their names, variants in one part."""

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from unspool.arrays import resolve
from unspool.data import NAMED, Split
from unspool.data import emoji_pictures as module
from unspool.data.emoji import named
from unspool.errors import DataError

SHAPES = {
    "😀": (40, "yellow"),
    "😁": (40, "red"),
    "🏃": (20, "blue"),
    "🏃\u200d♂\ufe0f": (20, "green"),
    "🇩🇪": (30, "red"),
    "👨\u200d👧": (90, "red"),
}
NAMES = {**{each: each for each in SHAPES}, "🦄": "🦄", "👍🏽": "👍🏽", "🇩🇪": "🇩🇪"}


class Font:
    """Draws a square for what it knows, half a frame for what it does not, and the last one too wide."""

    def getlength(self, text: str) -> float:
        return 180.0 if text == "👨\u200d👧" else 90.0


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "font.whl", "w") as package:
        package.writestr(module._FONT, b"a font")
    monkeypatch.setenv("UNSPOOL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "wheel", lambda package: tmp_path / "font.whl")

    def names(file: Path) -> Iterator[tuple[str, ...]]:
        for emoji in NAMES:
            for language in ("en", "de"):
                yield from named(emoji, {language: f"{language} {emoji}"})

    def picture(text: str, font: Any, imaging: Any, drawing: Any) -> NDArray[np.uint8]:
        image = Image.new("RGB", (96, 96), "white")
        size, colour = SHAPES.get(text, (5, "black"))
        ImageDraw.Draw(image).rectangle((0, 0, size, size), colour)
        return np.array(image)

    monkeypatch.setattr(module, "emoji_names", names)
    monkeypatch.setattr(module, "_picture", picture)
    monkeypatch.setattr(ImageFont, "truetype", lambda file, size: Font())


@pytest.mark.usefixtures("drawn")
def test_what_is_drawn_in_one_piece_has_a_row_with_its_english_name() -> None:
    parts = NAMED["emoji_pictures"].streams(())
    rows = [row for part in parts.values() for batch in part.batches() for row in batch.to_pylist()]
    assert {row["emoji"] for row in rows} == {
        "😀",
        "😁",
        "🏃",
        "🏃\u200d♂\ufe0f",
    }  # no colours, flags or pairs, nothing unknown
    for row in rows:
        assert row["caption"] == f"en {row['emoji']}"
        picture = resolve(row["image"])
        assert picture.shape == (96, 96, 3)
        size, colour = SHAPES[row["emoji"]]
        assert tuple(picture[size, size]) == Image.new("RGB", (1, 1), colour).getpixel((0, 0))
        assert (picture[size + 1] == 255).all()
    split = Split(by="family", valid=0.1, test=0.1)
    for part, stream in parts.items():
        assert {split.part(row["family"]) for batch in stream.batches() for row in batch.to_pylist()} <= {part}


def test_without_pillow_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError) as error:
        list(module._drawn(["😀"], b""))
    assert str(error.value) == "`emoji_pictures` needs the package `pillow`; pip install 'unspool[images]'"


def test_a_picture_is_in_the_middle_of_white() -> None:
    font = ImageFont.load_default(40)
    picture = module._picture("O", font, Image, ImageDraw)
    rows, columns = (np.flatnonzero((picture < 255).any((axis, 2))) for axis in (1, 0))
    for places in (rows, columns):
        assert abs((places[0] + places[-1]) / 2 - 47.5) <= 6
    assert (picture[0] == 255).all()
