"""Files read by several processes: to the same bits, in their order, with the same errors, and none is left over."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from unspool.data import Table, encode, workers
from unspool.data.workers import MAY_PASS, Workers
from unspool.errors import DataError, FieldError
from unspool.fields import AudioField

RATE, COUNT = 4000, 40


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Of all lengths; number 17 is none, and number 30 is cut short."""
    chance, folder = np.random.default_rng(0), tmp_path_factory.mktemp("sounds")
    for number in range(COUNT):
        soundfile.write(folder / f"{number}.wav", 0.3 * chance.uniform(-1, 1, 50 + 97 * number), RATE)
    (folder / "17.wav").write_text("no sound")
    (folder / "30.wav").write_bytes((folder / "30.wav").read_bytes()[:-10])
    return [str(folder / f"{number}.wav") for number in range(COUNT)]


@pytest.fixture(scope="module")
def field(sounds: list[str]) -> AudioField:
    field = AudioField(RATE, 12)
    field.fit([*sounds[:17], *sounds[18:30]])
    return field


@pytest.fixture(scope="module")
def started(field: AudioField) -> Iterator[Workers]:
    """Two processes, which all tests of this file share: each takes seconds to start."""
    with Workers(field, "encode") as made:
        made.start(2)
        yield made
    assert not made._processes


def pids(made: Workers) -> list[int]:
    return [process._process.pid for process in made._processes]


def test_they_give_what_one_process_gives_bit_for_bit_and_in_order(
    started: Workers, field: AudioField, sounds: list[str]
) -> None:
    found = started.each(sounds, left=COUNT)
    expected = workers.answers(field, "encode", sounds)
    assert len(found) == COUNT
    for ours, theirs in zip(found, expected, strict=True):
        assert type(ours) is type(theirs)
        assert torch.equal(ours, theirs) if isinstance(ours, torch.Tensor) else str(ours) == str(theirs)
    assert [number for number, each in enumerate(found) if isinstance(each, FieldError)] == [17, 30]
    assert str(found[17]).startswith(f"`{sounds[17]}` must be a sound that libsndfile can read, but it says: ")
    found[0].add_(1)  # it can be written to, as any tensor


def test_it_is_noted_what_the_system_refuses(started: Workers, field: AudioField, tmp_path: Path) -> None:
    loop, none, text = (tmp_path / f"{name}.wav" for name in ("loop", "none", "text"))
    loop.symlink_to(loop)
    text.write_text("no sound")
    values = [str(loop), str(none), str(text)]
    for found in (started.each(values, left=3), workers.answers(field, "encode", values)):
        assert [MAY_PASS in getattr(each, "__notes__", ()) for each in found] == [True, False, False]


def test_what_is_written_is_the_same_and_an_error_has_its_row(
    started: Workers, field: AudioField, sounds: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = Table.from_rows([{"sound": path} for path in [*sounds[:17], *sounds[18:30], *sounds[31:]]])
    alone = encode(whole, {"sound": field}, tmp_path / "alone")
    asked: list[int] = []

    class Shared(Workers):
        def each(self, values: list[str], left: int) -> list[torch.Tensor]:
            asked.append(left)
            return started.each(values, left)

    monkeypatch.setattr("unspool.data.encoded.Workers", Shared)
    monkeypatch.setattr("unspool.data.encoded._FILES", 10)
    together = encode(whole, {"sound": field}, tmp_path / "together")
    assert asked == [38, 28, 18, 8]
    for file in ("values", "lengths", "offsets"):
        ours, theirs = (next((tmp_path / how).rglob(f"{file}.npy")).read_bytes() for how in ("together", "alone"))
        assert ours == theirs
    assert len(together) == len(alone) == 38
    broken = Table.from_rows([{"sound": path} for path in sounds])
    with pytest.raises(FieldError, match=r"^row 17 of `sound` in memory: `.*17\.wav` must be a sound that libsndfile"):
        encode(broken, {"sound": field}, tmp_path / "together")
    assert len(list((tmp_path / "together" / "encoded").iterdir())) == 1


def test_ctrl_c_ends_the_parent_and_not_the_processes_which_the_parent_ends(
    started: Workers, sounds: list[str]
) -> None:
    for pid in pids(started):
        os.kill(pid, signal.SIGINT)  # as a terminal sends it to all
    assert len(started.each(sounds, left=COUNT)) == COUNT


def test_one_that_dies_is_named_with_what_it_read(started: Workers, sounds: list[str]) -> None:
    """The last test of these two."""
    first, second = pids(started)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(DataError) as error:
        started.each(sounds[:4], left=4)
    names = ", ".join(f"`{path}`" for path in sounds[:4])
    assert str(error.value) == (
        f"a process that reads files must live until all are read, but was ended by SIGKILL, at one of {names}; is "
        "there too little memory? `train.threads=1` reads them in one process"
    )
    started.__exit__()
    for pid in (first, second):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize(
    ("threads", "seconds", "begun"), [(2, 1.0, [2]), (2, 0.001, []), (1, 1.0, [])], ids=["long", "short", "one core"]
)
def test_they_are_started_where_it_takes_long(
    threads: int, seconds: float, begun: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow:
        def encode(self, value: int) -> int:
            clock[0] += seconds if value >= 8 else 100  # the first ones load what is loaded late
            return value

    clock, started = [0.0], []
    monkeypatch.setattr(workers.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(Workers, "start", lambda self, count: started.append(count))
    with Workers(Slow(), "encode") as made:
        assert made.each(range(24), left=27) == list(range(24))
        assert made.each([24, 25, 26], left=3) == [24, 25, 26]
    assert started[:1] == begun
