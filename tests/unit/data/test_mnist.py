"""Pictures and their classes in the files of MNIST: idx files, and lines of pixels."""

import gzip
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from unspool.arrays import resolve
from unspool.data import load, read
from unspool.errors import DataError

PICTURES = np.random.default_rng(0).integers(0, 256, (30, 4, 4)).astype(np.uint8)
CLASSES = [str(place % 3) for place in range(30)]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSPOOL_CACHE", str(tmp_path / "cache"))


def idx(path: Path, array: np.ndarray) -> Path:  # type: ignore[type-arg]
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))
    return path


def pair(folder: Path, pictures: np.ndarray = PICTURES, classes: list[str] = CLASSES) -> Path:  # type: ignore[type-arg]
    idx(folder / "t10k-labels-idx1-ubyte.gz", np.array(classes, dtype=np.uint8))
    return idx(folder / "t10k-images-idx3-ubyte.gz", pictures)


def csv(path: Path, pictures: np.ndarray = PICTURES, classes: list[str] = CLASSES) -> Path:  # type: ignore[type-arg]
    rows = zip(pictures.reshape(len(pictures), -1), classes, strict=True)
    text = "\n".join(",".join(map(str, [*pixels, digit])) for pixels, digit in rows) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["idx", "digits.csv", "digits.csv.gz"])
def test_every_picture_is_a_row_with_its_class(name: str, tmp_path: Path) -> None:
    file = pair(tmp_path) if name == "idx" else csv(tmp_path / name)
    table = read(file, format="mnist")
    assert table.columns == ("image", "digit", "row")
    assert list(table.column("digit")) == CLASSES
    assert list(table.column("row")) == list(range(30))
    found = np.stack([resolve(each) for each in table.column("image")])
    assert found.dtype == np.uint8
    assert np.array_equal(found, PICTURES)


def test_columns_are_chosen_and_renamed(tmp_path: Path) -> None:
    table = read(pair(tmp_path), format="mnist", columns={"picture": "image", "class": "digit"})
    assert table.columns == ("picture", "class")
    with pytest.raises(DataError, match="`label` is no column of"):
        read(pair(tmp_path), format="mnist", columns=["label"])


def test_files_of_both_kinds_are_one_part_that_is_cut_by_rows(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    pair(tmp_path / "one")
    csv(tmp_path / "two" / "more.csv.gz", 255 - PICTURES)
    tables = load(
        path=tmp_path,
        format="mnist",
        columns=["image", "digit", "row"],
        parts={"train": ["one/t10k-images*", "two/more.csv.gz"]},
        split={"by": "row", "valid": 0.3, "test": 0.3},
    )
    rows = {part: list(table.column("row")) for part, table in tables.items()}
    assert sum(map(len, rows.values())) == 60
    for part, table in tables.items():
        assert sorted(rows[part]) == sorted([*set(rows[part])] * 2)  # a number of both files is in the same part
        for image, digit, row in zip(*(table.column(name) for name in table.columns), strict=True):
            own = "t10k" in image
            assert np.array_equal(resolve(image), PICTURES[row] if own else 255 - PICTURES[row])
            assert digit == CLASSES[row]


def test_other_labels_beside_the_pictures_make_other_rows(tmp_path: Path) -> None:
    file = pair(tmp_path)
    read(file, format="mnist")
    idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.full(30, 7))
    assert set(read(file, format="mnist").column("digit")) == {"7"}


def test_the_arrays_of_a_file_of_lines_are_made_again_where_the_cache_lost_them(tmp_path: Path) -> None:
    file = csv(tmp_path / "digits.csv")
    table = read(file, format="mnist")
    (folder,) = {Path(image.partition("::")[0]).parent for image in table.column("image")}
    os.utime(folder, (0, 0))
    assert read(file, format="mnist").key == table.key
    assert folder.stat().st_mtime > 0  # in use, so that others are removed first
    shutil.rmtree(folder)
    again = read(file, format="mnist")
    assert again.key == table.key
    assert np.array_equal(np.stack([resolve(each) for each in again.column("image")]), PICTURES)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


MISTAKES = {
    "no labels": (
        lambda folder: idx(folder / "a-images-idx3", PICTURES),
        "`{folder}/a-labels-idx1` does not exist; in its folder there is only `a-images-idx3`",
    ),
    "another name": (
        lambda folder: idx(folder / "digits.gz", PICTURES),
        "`{folder}/digits.gz` must have `images` in its name, as `t10k-images-idx3-ubyte.gz`, to find its labels "
        "beside it, or end in .csv; rename it",
    ),
    "fewer labels": (
        lambda folder: pair(folder, classes=CLASSES[:-1]),
        "`{folder}/t10k-labels-idx1-ubyte.gz` must have a class for each of the 30 pictures of "
        "`{folder}/t10k-images-idx3-ubyte.gz`, but is of shape (29,)",
    ),
    "no pictures": (
        lambda folder: pair(folder, PICTURES[:, 0]),
        "`{folder}/t10k-images-idx3-ubyte.gz` must hold grey pictures, (pictures, height, width) uint8, but holds "
        "uint8 of (30, 4)",
    ),
    "empty": (
        lambda folder: written(folder / "a.csv", "\n"),
        "`{folder}/a.csv` must hold at least one picture, but is empty",
    ),
    "a header": (
        lambda folder: written(folder / "a.csv", "1,0\npixel,label\n"),
        "`{folder}/a.csv`, line 2: a line must be numbers between commas: could not convert string to float: 'pixel'",
    ),
    "no square": (
        lambda folder: written(folder / "a.csv", "0,1,2,3\n"),
        "`{folder}/a.csv`, line 1: a line must be the pixels of a square picture and a class, as 785 numbers for "
        "28 by 28, but has 4",
    ),
    "another size": (
        lambda folder: written(folder / "a.csv", "0,1\n\n0,1,2,3,4\n"),
        "`{folder}/a.csv`, line 3: pictures must all have the 1 pixels of the first, but this one has 4",
    ),
    "too bright": (
        lambda folder: written(folder / "a.csv", "0,256,0,0,1\n"),
        "`{folder}/a.csv`, line 1: pixels must be whole numbers from 0 to 255 and the class one from 0 on, but there "
        "is 256",
    ),
    "no number": (
        lambda folder: written(folder / "a.csv", "0,nan,0,0,1\n"),
        "`{folder}/a.csv`, line 1: pixels must be whole numbers from 0 to 255 and the class one from 0 on, but there "
        "is nan",
    ),
    "no end": (
        lambda folder: written(folder / "a.csv", "0,9,0,0,inf\n"),
        "`{folder}/a.csv`, line 1: pixels must be whole numbers from 0 to 255 and the class one from 0 on, but there "
        "is inf",
    ),
    "no class": (
        lambda folder: written(folder / "a.csv", "0,9,0,0,-1\n"),
        "`{folder}/a.csv`, line 1: pixels must be whole numbers from 0 to 255 and the class one from 0 on, but there "
        "is -1",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name: str, tmp_path: Path) -> None:
    make, message = MISTAKES[name]
    file = make(tmp_path)
    with pytest.raises(DataError) as error:
        read(file, format="mnist")
    assert str(error.value) == message.format(folder=tmp_path)
