"""The cache: entries are whole or not there, whatever happens and whoever else writes."""

import errno
import os
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from unspool import cache as cache_module
from unspool.data import read
from unspool.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for every test."""
    folder = tmp_path / "the cache"
    monkeypatch.setenv("UNSPOOL_CACHE", str(folder))
    return folder


def test_the_cache_is_where_the_environment_says_or_at_home(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    assert cache_module.home() == cache
    monkeypatch.delenv("UNSPOOL_CACHE")
    assert cache_module.home() == Path.home() / ".cache" / "unspool"


def test_an_entry_that_fails_is_not_there_and_can_be_written_again(cache: Path) -> None:
    def half(folder: Path) -> None:
        (folder / "file").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache_module.entry("kind", "name", half)
    assert list((cache / "kind").iterdir()) == []
    folder = cache_module.entry("kind", "name", lambda folder: (folder / "file").write_text("whole") and None)
    assert (folder / "file").read_text() == "whole"


def test_an_entry_is_not_seen_before_it_is_whole(cache: Path) -> None:
    def slow(folder: Path) -> None:
        (folder / "a").write_text("a")
        assert not (cache / "kind" / "name").exists()
        (folder / "b").write_text("b")

    cache_module.entry("kind", "name", slow)
    assert sorted(each.name for each in (cache / "kind" / "name").iterdir()) == ["a", "b"]


def test_of_several_that_write_at_once_the_first_stays_and_all_get_it(cache: Path) -> None:
    def write(folder: Path) -> None:
        (folder / "file").write_text(folder.name)
        time.sleep(0.02)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: cache_module.entry("kind", "name", write), range(8)))
    assert set(found) == {cache / "kind" / "name"}
    assert [each.name for each in (cache / "kind").iterdir()] == ["name"]
    before = (found[0] / "file").read_text()
    cache_module.entry("kind", "name", write)
    assert (found[0] / "file").read_text() == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_disk_that_is_full_or_closed_is_one_clear_message(cache: Path, number: int) -> None:
    def full(folder: Path) -> None:
        (folder / "file").write_text("half")
        raise OSError(number, os.strerror(number))

    with pytest.raises(DataError) as error:
        cache_module.entry("kind", "name", full)
    assert str(error.value) == (
        f"the cache `{cache}` can't be written: {os.strerror(number)}; make room, or name another folder in the "
        "environment variable UNSPOOL_CACHE"
    )
    assert list((cache / "kind").iterdir()) == []


def test_what_can_not_be_read_is_not_the_cache_s_fault(cache: Path) -> None:
    beside = f"{cache} of words.csv"  # its name begins as the cache's does

    def write(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", beside)

    with pytest.raises(DataError) as error:
        cache_module.entry("kind", "name", write)
    assert str(error.value) == f"`{beside}` can't be read: Permission denied"


def test_what_a_killed_process_left_is_swept_after_a_day(cache: Path) -> None:
    for name, age in ((".old.1.x", 48), (".new.2.y", 1)):
        folder = cache / "kind" / name
        folder.mkdir(parents=True)
        (folder / "file").write_text("half")
        then = time.time() - age * 3600
        for path in (folder / "file", folder):
            os.utime(path, (then, then))
    cache_module.entry("kind", "name", lambda folder: None)
    assert sorted(each.name for each in (cache / "kind").iterdir()) == [".new.2.y", "name"]


def test_a_table_that_is_broken_in_the_cache_says_what_to_delete(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one\n")
    read(file)
    arrow = next(cache.rglob("*.arrow"))
    arrow.write_bytes(arrow.read_bytes()[:50])
    with pytest.raises(DataError) as error:
        read(file)
    assert str(error.value).startswith(f"`{arrow}` must be a table of this cache, but can't be read (")
    assert str(error.value).endswith("); delete it")


def test_a_table_goes_to_another_process_as_its_path(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("line\n" * 10_000)
    table = read(file)
    content = pickle.dumps(table)
    assert len(content) < 1000
    assert pickle.loads(content)[9999] == {"text": "line"}
