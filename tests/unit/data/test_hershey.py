"""Characters as a pen draws them: read from the fonts of a package, of which nothing runs."""

import base64
import bz2
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from unspool.data import hershey as module
from unspool.data import load
from unspool.data.hershey import glyphs, moves
from unspool.errors import DataError
from unspool.fields import StrokesField

# As the fonts have them: a blank, ! of two strokes, and " of two.
FONT = "  699  1JZ\n  714  9MWRFRT RRYQZR[SZRY\n  717  6JZNFNM RVFVM\n"


def archive(fonts: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as made:
        for name, text in fonts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            made.addfile(member, io.BytesIO(text.encode()))
    return base64.b64encode(bz2.compress(content.getvalue()))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel of two fonts, where pip finds it without a network; its code would fail if it ran."""
    monkeypatch.setenv("UNSPOOL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    code = b"1 / 0\nclass H:\n    __compressed_fonts_base64 = B'''" + archive({"two": FONT, "one": FONT}) + b"'''\n"
    version = module.HERSHEY.version
    about = f"Hershey_Fonts-{version}.dist-info"
    files = {
        "HersheyFonts/HersheyFonts.py": code,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: Hershey-Fonts\nVersion: {version}\n".encode(),
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": b"",
    }
    path = tmp_path / f"Hershey_Fonts-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(module, "HERSHEY", module.HERSHEY._replace(sha256=digest))


def walked(drawing: list[list[int]]) -> list[list[tuple[int, int]]]:
    """The points of each stroke, by following the moves."""
    strokes, x, y = [[]], 0, 0  # type: ignore[var-annotated]
    for across, down, lift in drawing:
        x, y = x + across, y + down
        strokes[-1].append((x, y))
        if lift:
            strokes.append([])
    return strokes[:-1]


def test_every_character_of_every_font_is_a_row_but_blanks(package: None) -> None:
    tables = load(source="hershey", split={"by": "character", "valid": 0, "test": 0})
    rows = list(tables["train"])
    assert [(row["font"], row["character"]) for row in rows] == [("one", "!"), ("one", '"'), ("two", "!"), ("two", '"')]
    letters = [["RF", "RT"], ["RY", "QZ", "R[", "SZ", "RY"]]
    assert walked(rows[0]["strokes"]) == [[(ord(x) - 82, ord(y) - 82) for x, y in stroke] for stroke in letters]
    assert walked(rows[1]["strokes"]) == [[(-4, -12), (-4, -5)], [(4, -12), (4, -5)]]
    field = StrokesField()
    field.fit(row["strokes"] for row in rows)
    assert field.encode(rows[1]["strokes"])[:, 2].tolist() == [0, 1, 0, 2]


def test_moves_begin_in_the_middle_and_lift_the_pen_after_each_stroke() -> None:
    (strokes,) = glyphs("    8  6JZNFNM RVFVM", "`a`")
    assert strokes == [[(-4, -12), (-4, -5)], [(4, -12), (4, -5)]]
    assert moves(strokes) == [[-4, -12, 0], [0, 7, 1], [8, -7, 0], [0, 7, 1]]
    assert moves([]) == []


def test_points_of_one_letter_are_told_with_their_line() -> None:
    with pytest.raises(DataError) as error:
        list(glyphs("# {}\n  699  1JZ\n  714  3MWRFR", "`a` of `hershey`"))
    assert str(error.value) == "`a` of `hershey`, line 3: points must be pairs of letters, but are `RFR`"
