"""Arrays in files: a reference gives the row, whatever was kept; a broken file is named with its key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unspool import arrays
from unspool.errors import DataError

FRAMES = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "clips.npz"
    np.savez_compressed(path, frames=FRAMES, one=np.array(5), objects=np.array([[1], [2, 3]], dtype=object))
    return path


@pytest.mark.parametrize("row", [0, 3, np.int64(2), slice(1, 3), slice(0, 4), slice(2, 2), slice(0, 2, 1)])
def test_a_reference_gives_the_row_with_its_shape_and_type(archive: Path, row: int | slice) -> None:
    found = arrays.resolve(arrays.reference(archive, "frames", row))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, FRAMES[row])
    assert found.shape == FRAMES[row].shape


def test_a_path_may_have_colons_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "a::b"
    folder.mkdir()
    np.savez(folder / "x.npz", **{"a/b": FRAMES})
    np.testing.assert_array_equal(arrays.resolve(arrays.reference(folder / "x.npz", "a/b", 1)), FRAMES[1])


def test_what_is_done_to_a_row_does_not_last(archive: Path) -> None:
    text = arrays.reference(archive, "frames", 1)
    arrays.resolve(text)[:] = 0
    np.testing.assert_array_equal(arrays.resolve(text), FRAMES[1])


def test_an_array_is_read_once_for_all_its_rows_and_anew_when_it_was_written_anew(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    load = np.load
    monkeypatch.setattr(np, "load", lambda *args, **named: opened.append(args) or load(*args, **named))
    for row in (0, 1, 2, 3, 0):
        arrays.resolve(arrays.reference(archive, "frames", row))
    assert len(opened) == 1
    np.savez(archive, frames=FRAMES + 1)
    np.testing.assert_array_equal(arrays.resolve(arrays.reference(archive, "frames", 1)), FRAMES[1] + 1)
    assert len(opened) == 2


def test_no_more_arrays_are_kept_than_a_few(tmp_path: Path) -> None:
    arrays._array.cache_clear()
    np.savez(tmp_path / "many.npz", **{f"a{i}": FRAMES for i in range(9)})
    for i in range(9):
        arrays.resolve(f"{tmp_path / 'many.npz'}::a{i}::0")
    assert arrays._array.cache_info().currsize == 4


def test_a_text_with_two_pairs_of_colons_is_a_reference() -> None:
    assert arrays.is_reference("x.npz::a::3")
    assert not arrays.is_reference("x.npz")
    assert not arrays.is_reference("x::3")


def test_an_array_in_a_file_of_its_own_is_read_whole(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", FRAMES)
    np.testing.assert_array_equal(arrays.read(tmp_path / "x.npy"), FRAMES)


FORM = "must name a row of an array as `file.npz::key::3`, or rows as `file.npz::key::10:52`"
MISTAKES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no reference": (lambda path: arrays.resolve("x.npz"), f"`x.npz` {FORM}"),
    "no row": (lambda path: arrays.resolve("x.npz::a::"), f"`x.npz::a::` {FORM}"),
    "a row below 0": (lambda path: arrays.reference("x.npz", "a", -1), f"`x.npz::a::-1` {FORM}"),
    "rows backwards": (lambda path: arrays.reference("x.npz", "a", slice(5, 3)), f"`x.npz::a::5:3` {FORM}"),
    "rows without an end": (lambda path: arrays.reference("x.npz", "a", slice(5, None)), f"`x.npz::a::5:None` {FORM}"),
    "every other row": (lambda path: arrays.reference("x.npz", "a", slice(0, 5, 2)), f"`x.npz::a::0:5:2` {FORM}"),
    "a key with colons": (
        lambda path: arrays.reference("x.npz", "a::b", 1),
        "`key` must not have '::' in it, but is 'a::b'; rename the array",
    ),
    "a file that is missing": (
        lambda path: arrays.resolve(f"{path.parent}/none.npz::frames::1"),
        "none.npz` can't be read: No such file or directory",
    ),
    "a folder": (
        lambda path: arrays.read(path.parent),
        "` can't be read: Is a directory",
    ),
    "a key that is missing": (
        lambda path: arrays.resolve(f"{path}::frame::1"),
        "clips.npz` must have an array `frame`, but there are frames, one, objects (nearest: `frames`)",
    ),
    "a row too many": (
        lambda path: arrays.resolve(f"{path}::frames::4"),
        "`frames` in `{path}` must have row 4, but has 4 rows, from 0 on",
    ),
    "rows too many": (
        lambda path: arrays.resolve(f"{path}::frames::2:5"),
        "must have row 2 to 4, but has 4 rows, from 0 on",
    ),
    "a row of one number": (lambda path: arrays.resolve(f"{path}::one::0"), "must have row 0, but has 0 rows"),
    "objects": (
        lambda path: arrays.resolve(f"{path}::objects::0"),
        "`objects` in `{path}` can't be read: it holds Python's objects; save arrays of numbers",
    ),
    "an archive to read whole": (
        lambda path: arrays.read(path),
        "`{path}` must hold one array, but is an archive of frames, one, objects; name a row of one",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_with_what_came(case: str, archive: Path) -> None:
    mistake, message = MISTAKES[case]
    with pytest.raises(DataError) as error:
        mistake(archive)
    assert message.format(path=archive) in str(error.value)


def test_an_array_alone_has_no_keys(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", FRAMES)
    with pytest.raises(
        DataError, match=r"must be an archive of arrays, as `numpy.savez` writes it, but holds one array"
    ):
        arrays.resolve(f"{tmp_path / 'x.npy'}::frames::0")


@pytest.mark.parametrize("data", [b"", b"text\n" * 100, b"PK\x03\x04 no archive", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_array_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(data)
    for read in (lambda: arrays.read(path), lambda: arrays.resolve(f"{path}::a::0")):
        with pytest.raises(DataError, match=r"x\.npz` can't be read as an array of NumPy's: .+"):
            read()


def test_a_text_is_no_array_and_objects_are_never_read(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_text("text\n")
    with pytest.raises(DataError, match=r"can't be read as an array of NumPy's: it is neither `\.npy` nor `\.npz`$"):
        arrays.read(path)
    np.save(path, np.array([[1], [2, 3]], dtype=object))
    with pytest.raises(DataError, match=r"NumPy's: it holds Python's objects; save arrays of numbers$"):
        arrays.read(path)


def test_an_archive_that_is_cut_short_or_damaged_is_named(archive: Path) -> None:
    data = archive.read_bytes()
    archive.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="can't be read"):
        arrays.resolve(f"{archive}::frames::0")
    place = data.index(b"frames.npy") + 60
    archive.write_bytes(data[:place] + bytes(8) + data[place + 8 :])
    with pytest.raises(DataError, match=r"`frames` in `.*clips\.npz` can't be read"):
        arrays.resolve(f"{archive}::frames::0")
