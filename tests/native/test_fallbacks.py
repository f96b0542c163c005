"""What happens where cells can't be compiled, or not kept, or not traced."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from native.naive import answers, assert_close, batch, expected, on, without_native

from unspool import cells, engine
from unspool.cells import GatedCell, HiddenState
from unspool.engine import native
from unspool.engine.native import compiler, forms, programs
from unspool.errors import EngineWarning

pytestmark = without_native

LENGTHS = [4, 0, 7, 1, 7, 2]
# Runs an `Elman(3, 4)` on the native engine and compares it with the plain loop.
RUN = """
import torch
from unspool import Ragged, cells, engine, unroll
torch.manual_seed(0)
cell, inputs = cells.Elman(3, 4), Ragged(torch.randn(21, 3), [4, 0, 7, 1, 7, 2])

def run(name):
    with engine.using(name):
        return unroll(cell, inputs).outputs.values

right = run("reference")
torch.testing.assert_close(run("native"), right)
"""


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "_said", set())
    compiler._say_once.cache_clear()
    forget()


def forget() -> None:
    """Find things as another process would."""
    compiler._loaded.cache_clear()
    forms._of_cells_alike.clear()


def elman(**options: Any) -> GatedCell:
    torch.manual_seed(0)
    return cells.Elman(3, 4, **options)


def check(cell: GatedCell, ran: str) -> None:
    """Left to choose, this engine runs, and gives what the plain Python loop gives."""
    dtype = next(cell.parameters()).dtype
    inputs, state = batch(cell, LENGTHS, dtype)
    assert engine.choose(cell, inputs) == ran
    assert_close(answers(on(ran), cell, inputs, state), expected(cell, inputs, state), dtype)


def program(path: Path, text: str) -> Path:
    """A shell script that can be run."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def compilations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """A compiler that always gives the compiled `Elman(3, 4)`, and how often it made a cell; and an empty cache."""
    made = native.compiled(elman())
    assert not isinstance(made, str), made
    counted = tmp_path / "compilations"
    counted.touch()
    script = f"""for last; do :; done
case "$last" in *cell.so) echo once >> '{counted}';; esac
sleep 0.5
cp '{made.library._name}' "$last"
"""
    monkeypatch.setenv("CXX", str(program(tmp_path / "copying", script)))
    monkeypatch.setenv("UNSPOOL_CACHE", str(tmp_path / "cache"))
    forget()
    return lambda: len(counted.read_text().splitlines())


@pytest.mark.parametrize("how", ["CXX names nothing", "PATH is empty"])
def test_without_a_compiler_other_engines_run_and_one_warning_says_what_to_install(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "PATH is empty":
        monkeypatch.delenv("CXX", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        missing = "there is no C++ compiler"
    else:
        monkeypatch.setenv("CXX", "no-such-c++")
        missing = "`CXX` names `no-such-c++`, which is no program"
    with pytest.warns(EngineWarning) as said:
        check(cells.LSTM(3, 4), "rectangles")
    assert [str(warning.message) for warning in said] == [
        f"recurrences run on slower engines than they could: {missing}: "
        "install g++ or clang++, or name one in the environment variable CXX"
    ]
    check(cells.LSTM(3, 4), "rectangles")  # warnings are errors here: nothing is said twice
    check(cells.GRU(3, 4), "handwritten")
    check(cells.PeepholeLSTM(3, 4), "reference")


def test_a_compiler_that_fails_is_named_once_with_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = program(
        tmp_path / "failing", f"echo >> '{tmp_path / 'calls'}'; echo 'x.cpp:1: error: no luck' >&2; exit 1"
    )
    monkeypatch.setenv("CXX", str(failing))
    with pytest.warns(EngineWarning) as said:
        check(cells.LSTM(3, 4), "rectangles")
    assert [str(warning.message) for warning in said] == [
        f"recurrences run on slower engines than they could: the C++ compiler `{failing}` failed: "
        "x.cpp:1: error: no luck"
    ]
    tried = (tmp_path / "calls").read_text()
    check(cells.LSTM(3, 4), "rectangles")
    assert (tmp_path / "calls").read_text() == tried, "what failed is not tried again"
    check(cells.GRU(3, 4), "handwritten")


def test_a_cell_is_compiled_once_for_all(compilations: Callable[[], int]) -> None:
    for _ in range(2):
        check(elman(), "native")
        forget()
    assert compilations() == 1


def test_where_the_cache_can_not_be_written_cells_are_compiled_for_this_process_alone(
    compilations: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()  # below a file nobody can write, not even root
    monkeypatch.setenv("UNSPOOL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(EngineWarning) as said:
        check(elman(), "native")
    (warning,) = said
    assert str(warning.message).startswith("compiled cells are not kept for other processes: the cache `")
    assert "UNSPOOL_CACHE" in str(warning.message)
    check(elman(), "native")
    assert compilations() == 1
    forms._of_cells_alike.clear()
    monkeypatch.setenv("UNSPOOL_CXXFLAGS", "-DANOTHER")
    check(elman(), "native")
    assert compilations() == 2


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "lost", "without a checksum"])
def test_a_damaged_library_is_noticed_and_compiled_again(
    damage: str, compilations: Callable[[], int], tmp_path: Path
) -> None:
    check(elman(), "native")
    (library,) = (tmp_path / "cache" / "native").glob("*/cell.so")
    whole = library.read_bytes()
    if damage == "without a checksum":
        (library.parent / "sha256").unlink()
    else:
        library.unlink()  # another file of its name: the one that is loaded stays as it is
    if damage in ("truncated", "garbage", "empty"):
        library.write_bytes({"truncated": whole[: len(whole) // 2], "garbage": b"no library", "empty": b""}[damage])
    forget()
    check(elman(), "native")
    assert compilations() == 2
    assert library.read_bytes() == whole


def untraceable(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, whoever traces fails."""

    def fail(_: GatedCell) -> None:
        raise AssertionError("traced again")

    monkeypatch.setattr(programs, "trace", fail)


@pytest.mark.usefixtures("compilations")
def test_a_cell_of_the_library_is_traced_once_for_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    check(elman(), "native")
    forget()
    untraceable(monkeypatch)
    check(elman(), "native")
    with pytest.raises(AssertionError, match="traced again"):
        check(elman(nonlinearity="relu"), "native")


@pytest.mark.usefixtures("compilations")
def test_a_cell_whose_code_is_not_the_library_s_is_traced_in_each(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(cells.Elman):
        """What it computes may depend on anything."""

    check(Own(3, 4), "native")
    forget()
    untraceable(monkeypatch)
    with pytest.raises(AssertionError, match="traced again"):
        check(Own(3, 4), "native")


@pytest.mark.parametrize("damage", ["truncated", "another", "lost"])
def test_a_damaged_program_is_noticed_and_traced_again(
    damage: str, compilations: Callable[[], int], tmp_path: Path
) -> None:
    check(elman(), "native")
    (kept,) = (tmp_path / "cache" / "programs").glob("*/program.json")
    whole = kept.read_text()
    kept.unlink()
    if damage != "lost":
        kept.write_text(whole[:100] if damage == "truncated" else whole.replace("tanh", "sin"))
    forget()
    check(elman(), "native")
    assert kept.read_text() == whole
    assert compilations() == 1


@pytest.mark.usefixtures("compilations")
def test_processes_that_compile_the_same_cell_at_once_end_well(tmp_path: Path) -> None:
    started = [subprocess.Popen([sys.executable, "-W", "error", "-c", RUN], stderr=subprocess.PIPE) for _ in range(3)]
    for process in started:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()
    made = sorted(path.name for path in (tmp_path / "cache" / "native").glob("[!.]*/*.[os]*"))
    assert made == ["cell.so", "loop.o"]
    assert not list((tmp_path / "cache" / "native").glob(".*"))


def test_a_forked_child_runs_alone_after_parallel_work_in_its_parent() -> None:
    code = f"""{RUN}
import os
torch.set_num_threads(2)
many = Ragged(torch.randn(64 * 20, 3), [20] * 64)
with engine.using("native"):
    before = unroll(cell, many).outputs.values
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
    with engine.using("native"):
        assert torch.equal(unroll(cell, many).outputs.values, before)
else:
    with engine.using("native"):
        same = torch.equal(unroll(cell, many).outputs.values, before)
    os._exit(not same)
"""
    native.compiled(elman())  # not in the time that is given
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr


class Summing(GatedCell):
    """Uses an operation that the engine does not know."""

    gates = ("candidate",)
    State = HiddenState

    def update(self, from_input: Any, from_hidden: Any, state: Any) -> Any:
        return HiddenState(torch.tanh(torch.cumsum(from_input.candidate + from_hidden.candidate, 1)))


class SummingToo(Summing):
    """Another class of the same mistake."""


def test_an_unknown_operation_is_named_once_a_class() -> None:
    for kind in (Summing, SummingToo):
        with pytest.warns(EngineWarning) as said:
            check(kind(3, 4), "reference")
        assert [str(warning.message) for warning in said] == [
            f"`{kind.__name__}(3, 4)` runs on a slower engine: "
            "its `update` uses `cumsum`, which the engine does not know"
        ]
        check(kind(3, 4), "reference")
        check(kind(3, 4).double(), "reference")


def test_a_compiler_is_found_by_its_path_too(monkeypatch: pytest.MonkeyPatch) -> None:
    path = compiler.find_compiler()
    monkeypatch.setenv("CXX", path)
    assert compiler.compiler() == path
    assert os.access(path, os.X_OK)
