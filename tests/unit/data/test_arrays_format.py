"""Arrays of one file side by side, as rows; drawings of a pen, whose pickles may hold arrays alone."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unspool.arrays import resolve
from unspool.data import load, read
from unspool.errors import DataError

FRAMES = np.arange(5 * 2 * 3).reshape(5, 2, 3).astype(np.uint8)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    file = tmp_path / "clips.npz"
    np.savez(
        file,
        frames=FRAMES,
        action=np.array([3, 1, 3, 2, 2], dtype=">i4"),
        weight=np.array([0.5, 1, 2, 4, 8], dtype=np.float16),
        name=np.array(["a", "b", "ç", "d", "e"]),
        code=np.array([b"v", b"w", b"x", b"y", b"z"]),
        good=np.array([True, False, True, True, False]),
        signals=np.zeros((17, 6)),
        version=np.array(3),
    )
    return file


def failure(path: Path, **options: Any) -> str:
    with pytest.raises(DataError) as error:
        load(path=path, **{"format": "arrays", **options})
    return str(error.value)


def test_an_index_is_a_row_and_arrays_of_more_dimensions_are_referred_to(clips: Path) -> None:
    (table,) = load(path=clips, format="arrays").values()
    assert table.columns == ("frames", "action", "weight", "name", "code", "good", "row")
    assert table[2] == {
        "frames": f"{clips}::frames::2",
        "action": 3,
        "weight": 2.0,
        "name": "ç",
        "code": "x",
        "good": True,
        "row": 2,
    }
    assert all((resolve(text) == FRAMES[row]).all() for row, text in enumerate(table.column("frames")))


def test_columns_choose_arrays_of_another_length_too(clips: Path) -> None:
    table = read(clips, format="arrays", columns={"signal": "signals", "at": "row"})
    assert len(table) == 17
    assert table[16] == {"signal": f"{clips}::signals::16", "at": 16}


def test_parts_are_chosen_by_rows(clips: Path) -> None:
    parts = {"train": "clips.npz", "test": "*.npz"}
    rows = {"train": {"action": [1, 3]}, "test": {"action": 2}}
    tables = load(path=clips.parent, format="arrays", columns=["name"], parts=parts, rows=rows)
    assert {part: list(table.column("name")) for part, table in tables.items()} == {
        "train": ["a", "b", "ç"],
        "test": ["d", "e"],
    }


def test_an_array_called_row_goes_before_the_index(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", row=np.array([7, 8]))
    assert list(read(tmp_path / "a.npz", format="arrays").column("row")) == [7, 8]


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", code=np.array([b"a", b"caf\xe9"]))
    assert failure(tmp_path / "a.npz") == (
        f"row 1 of `code` in `{tmp_path}/a.npz` must be UTF-8, but has the byte 0xe9; save it as text"
    )


def test_what_is_no_row_is_refused(clips: Path, tmp_path: Path) -> None:
    assert failure(clips, columns=["frames", "nam"]) == (
        f"`nam` is no array of `{clips}`; there are frames, action, weight, name, code, good, signals, version "
        "(nearest: `name`)"
    )
    assert failure(clips, columns=["frames", "signals"]) == (
        f"`columns` must be arrays of equally many rows, but those of `{clips}` have: frames 5, signals 17"
    )
    assert failure(clips, columns=["version"]) == (
        f"`version` of `{clips}` must have a number for each row, but is one alone"
    )
    other = tmp_path / "other.npz"
    np.savez(other, x=np.zeros(3), y=np.zeros(4))
    assert failure(other) == (
        f"arrays of `{other}` must have equally many rows, but there are as many of one length as of another: "
        "x 3, y 4; name those to take in `columns`"
    )
    np.savez(other, x=np.array(3))
    assert failure(other) == f"`{other}` must hold arrays with a row an example, but holds single numbers alone"
    np.savez(other, x=np.zeros(3, dtype=complex))
    assert failure(other) == f"`x` of `{other}` must hold numbers or texts, but holds complex128"
    np.savez(other, x=np.array([None, 1]))
    assert failure(other) == (
        f"`x` of `{other}` must hold numbers or texts, but holds Python's objects, which can run any code when they "
        "are read; save numbers, or say `format: strokes` where they are drawings of a pen"
    )
    np.savez(other)
    assert failure(other) == f"`{other}` must hold arrays, as `numpy.savez` writes them, but holds none"
    other.write_bytes(b"something else")
    assert failure(other) == (
        f"`{other}` must be a file of arrays, as `numpy.savez` writes it, but can't be read: File is not a zip file"
    )


@pytest.mark.parametrize("cut", [200, -1])
def test_a_broken_file_is_one_clear_message(clips: Path, cut: int) -> None:
    content = bytearray(clips.read_bytes())
    if cut < 0:  # numbers that do not fit their checksum
        place = content.index(np.array([3, 1, 3, 2, 2], dtype=">i4").tobytes())
        content[place] ^= 1
    clips.write_bytes(content if cut < 0 else content[:cut])
    assert failure(clips).startswith(
        f"`{clips}` must be a file of arrays, as `numpy.savez` writes it, but can't be read: "
    )


def ragged(*drawings: Any) -> Any:
    """An array of objects, as sketch-rnn's files have."""
    found = np.empty(len(drawings), dtype=object)
    for place, drawing in enumerate(drawings):
        found[place] = drawing
    return found


CAT = np.array([[2, -5, 0], [0, 9, 1]], dtype=np.int16)
DOG = np.array([[1, 1, 1]], dtype=np.int16)
SUN = np.array([[0.5, 1, 0], [2, 2, 0], [3, 3, 1]])


def archive(file: Path, protocol: int | None, **parts: Any) -> Path:
    """A `.npz` file whose arrays of objects are pickled by a protocol: 2 is what Python 2 writes."""
    with zipfile.ZipFile(file, "w") as found:
        for part, drawings in parts.items():
            with found.open(f"{part}.npy", "w") as member:
                array = drawings if isinstance(drawings, np.ndarray) else np.empty(len(drawings), dtype=object)
                np.lib.format.write_array_header_1_0(member, np.lib.format.header_data_from_array_1_0(array))
                if array.dtype.hasobject:
                    pickle.dump(drawings, member, protocol=protocol, fix_imports=True)
                else:
                    member.write(array.tobytes())
    return file


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_drawings_are_lists_of_points_by_part(tmp_path: Path, protocol: int) -> None:
    parts = {"test": ragged(DOG), "train": ragged(CAT, DOG), "valid": ragged(SUN), "mean": np.zeros(2)}
    file = archive(tmp_path / "sketches.npz", protocol, **parts)
    tables = load(path=file, format="strokes", split=None)
    assert {part: [tuple(row.values()) for row in table] for part, table in tables.items()} == {
        "train": [([[2, -5, 0], [0, 9, 1]], "0"), ([[1, 1, 1]], "1")],
        "valid": [([[0.5, 1, 0], [2, 2, 0], [3, 3, 1]], "0")],
        "test": [([[1, 1, 1]], "0")],
    }
    assert list(load(path=file, format="strokes", columns={"drawing": "strokes"})["test"]) == [{"drawing": [[1, 1, 1]]}]


def test_what_numpy_saves_itself_is_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", train=ragged(CAT, DOG), test=np.stack([CAT, CAT + 1]))
    tables = load(path=tmp_path / "a.npz", format="strokes")
    assert list(tables["train"].column("strokes")) == [CAT.tolist(), DOG.tolist()]
    assert list(tables["test"].column("strokes")) == [CAT.tolist(), (CAT + 1).tolist()]


def test_more_drawings_than_a_piece_keep_their_order(tmp_path: Path) -> None:
    drawings = [np.full((number % 5, 3), number) for number in range(2500)]
    np.savez(tmp_path / "a.npz", train=ragged(*drawings))
    (table,) = load(path=tmp_path / "a.npz", format="strokes").values()
    assert list(table.column("strokes")) == [drawing.tolist() for drawing in drawings]
    assert list(table.column("name")) == [str(number) for number in range(2500)]


class Evil:
    """A pickle that would make a folder when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_pickle_of_anything_but_arrays_is_refused_before_it_runs(tmp_path: Path) -> None:
    file = archive(tmp_path / "evil.npz", 2, train=ragged(CAT, Evil(tmp_path / "made")))
    assert failure(file, format="strokes") == (
        f"`train` in `{file}` must be a pickle of arrays alone, but is not: it asks for `posix.mkdir`"
    )
    assert not (tmp_path / "made").exists()


def test_no_encoding_but_one_is_called_by_a_pickle(tmp_path: Path) -> None:
    content = pickle.dumps(ragged(SUN), protocol=2)
    assert b"latin1" in content
    file = archive(tmp_path / "a.npz", 2, train=ragged(SUN))
    file.write_bytes(file.read_bytes().replace(b"latin1", b"rot_13"))
    assert failure(file, format="strokes").startswith(f"`{file}` must be a file of arrays")  # the checksum, first
    with zipfile.ZipFile(file, "w") as found, found.open("train.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, np.lib.format.header_data_from_array_1_0(ragged(SUN)))
        member.write(content.replace(b"latin1", b"rot_13"))
    assert failure(file, format="strokes") == (
        f"`train` in `{file}` must be a pickle of arrays alone, but is not: it asks for the encoding rot_13"
    )


@pytest.mark.parametrize(
    ("drawing", "message"),
    [
        (3, "drawing 1 of `train` in `FILE` must be an array of numbers, but is 3"),
        (
            np.zeros((2, 4)),
            "drawing 1 of `train` in `FILE` must have three numbers a point, (points, 3), but is of shape (2, 4)",
        ),
        (
            np.zeros(3),
            "drawing 1 of `train` in `FILE` must have three numbers a point, (points, 3), but is of shape (3,)",
        ),
    ],
)
def test_what_is_no_drawing_is_named(tmp_path: Path, drawing: Any, message: str) -> None:
    np.savez(tmp_path / "a.npz", train=ragged(CAT, drawing))
    assert failure(tmp_path / "a.npz", format="strokes") == message.replace("FILE", str(tmp_path / "a.npz"))


def test_a_file_without_parts_is_refused(clips: Path) -> None:
    assert failure(clips, format="strokes") == (
        f"`{clips}` must hold drawings in arrays train, valid, test, but holds frames, action, weight, name, code, "
        "good, signals, version"
    )
