"""The cache grows no larger than its limit: what was not used for longest goes, and nothing that a process uses."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from unspool import cache, doctor
from unspool.cache import users
from unspool.errors import DataError

pytestmark = pytest.mark.skipif(users.fcntl is None, reason="nothing is removed where there are no locks")

KIB = 1024


def started(*taken: str) -> tuple[int, int]:
    """A process that takes these entries into use and lives on, and what tells when it has."""
    read, write = os.pipe()
    process = os.fork()
    if not process:
        try:
            for name in taken:
                written(name)
            os.write(write, b"taken")
            signal.pause()
        finally:
            os._exit(1)
    os.close(write)
    return process, read


@contextmanager
def other_processes(*taken: Sequence[str]) -> Iterator[None]:
    """A process for each of these lists of entries, all at once, until they are killed."""
    running = [started(*names) for names in taken]
    try:
        assert [os.read(read, 5) for _, read in running] == [b"taken"] * len(running)
        yield
    finally:
        for process, read in running:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            os.close(read)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache for 4 KiB."""
    monkeypatch.setenv("UNSPOOL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UNSPOOL_CACHE_GIB", repr(4 * KIB / cache.GIB))
    return tmp_path / "cache"


@pytest.fixture
def left_by_others(home: Path) -> Callable[..., None]:
    """Entries of processes that are gone, of so many bytes, the first one unused for longest."""

    def write(**sizes: int) -> None:
        for age, (name, size) in enumerate(reversed(sizes.items()), 1):
            (home / "kind" / name).mkdir(parents=True)
            (home / "kind" / name / "file").write_bytes(bytes(size))
            os.utime(home / "kind" / name, (1e9 - age, 1e9 - age))

    return write


def written(name: str, size: int = KIB, kind: str = "kind") -> Path:
    return cache.entry(kind, name, lambda folder: (folder / "file").write_bytes(bytes(size)) and None)


def names(home: Path) -> list[str]:
    return sorted(each.name for each in home.glob("*/*") if each.parent.name != users.FOLDER)


def test_what_was_not_used_for_longest_goes_and_no_more_than_must(
    home: Path, left_by_others: Callable[..., None]
) -> None:
    left_by_others(a=KIB, b=KIB, c=KIB, d=KIB)
    written("e", 2 * KIB, "other")
    assert names(home) == ["c", "d", "e"]
    assert cache.size(home) == 4 * KIB


def test_what_was_used_again_counts_as_new(home: Path, left_by_others: Callable[..., None]) -> None:
    left_by_others(a=KIB, b=KIB, c=KIB)
    with other_processes(["a"]):
        pass
    written("d", 2 * KIB)
    assert names(home) == ["a", "c", "d"]


def test_what_this_process_uses_stays_even_if_it_is_too_much(home: Path, left_by_others: Callable[..., None]) -> None:
    left_by_others(a=KIB, b=KIB)
    assert written("a") == home / "kind" / "a"  # it is there, and from now on in use
    for name in ("c", "d", "e", "f"):
        written(name, 2 * KIB)
    assert names(home) == ["a", "c", "d", "e", "f"]
    assert all((home / "kind" / name / "file").exists() for name in ("a", "c", "d", "e", "f"))


def test_what_another_process_uses_stays_until_it_is_killed(home: Path, left_by_others: Callable[..., None]) -> None:
    left_by_others(a=KIB, b=KIB)
    with other_processes(["a"]):
        os.utime(home / "kind" / "a", (0, 0))
        written("c", 4 * KIB)
        assert names(home) == ["a", "c"]
    written("d", KIB)
    assert names(home) == ["c", "d"]
    assert len(list((home / users.FOLDER).iterdir())) == 2  # the lock, and the file of this process


def test_processes_that_write_at_once_lose_nothing_that_they_use(home: Path) -> None:
    every = [[*(f"{worker}-{i}" for i in range(8)), "shared"] for worker in range(3)]
    with other_processes(*every):
        assert names(home) == sorted({name for each in every for name in each})
    written("last", 3 * KIB)
    assert len(names(home)) == 2


def test_an_entry_that_is_gone_is_made_again(home: Path) -> None:
    folder = written("a")
    (folder / "file").unlink()
    folder.rmdir()
    assert (written("a") / "file").exists()


def test_without_locks_nothing_is_removed(home: Path, left_by_others: Callable[..., None], monkeypatch: Any) -> None:
    monkeypatch.setattr(users, "fcntl", None)
    left_by_others(a=4 * KIB)
    written("b")
    assert names(home) == ["a", "b"]


def test_a_folder_of_ones_own_is_left_alone(home: Path, tmp_path: Path, left_by_others: Callable[..., None]) -> None:
    left_by_others(a=4 * KIB)
    cache.entry("kind", "b", lambda folder: (folder / "f").write_bytes(bytes(4 * KIB)) and None, within=tmp_path / "o")
    assert names(home) == ["a"]
    assert names(tmp_path / "o") == ["b"]


@pytest.mark.parametrize("text", ["much", "0", "-1", "nan"])
def test_a_limit_that_is_none_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSPOOL_CACHE_GIB", text)
    with pytest.raises(DataError) as error:
        written("a")
    assert str(error.value) == (
        "`UNSPOOL_CACHE_GIB` must be a number above 0, the GiB that the cache may hold (`inf`: any number), "
        f"but is {text!r}"
    )


def test_the_limit_is_20_gib_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, expected in (("", 20.0), ("0.5", 0.5), ("inf", float("inf"))):
        monkeypatch.setenv("UNSPOOL_CACHE_GIB", text)
        assert cache.limit() == expected * 2**30


def test_doctor_says_how_much_there_is_of_how_much(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSPOOL_CACHE_GIB", "3")
    cache.entry("kind", "a", lambda folder: (folder / "file").touch() or os.truncate(folder / "file", 200 << 20))
    ((_, found),) = doctor._cache()
    assert found.startswith(f"{home}, 0.2 GiB of at most 3 (UNSPOOL_CACHE_GIB); ")
    monkeypatch.setenv("UNSPOOL_CACHE_GIB", "inf")
    assert "of at most any number" in doctor._cache()[0][1]
    monkeypatch.setenv("UNSPOOL_CACHE_GIB", "x")
    assert "(`UNSPOOL_CACHE_GIB` must be a number above 0" in doctor._cache()[0][1]
