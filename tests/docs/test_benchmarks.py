"""The benchmarks run: each on something small, so that a figure in the README can be measured again."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def _path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for script in BENCHMARKS.glob("*.py"):
        sys.modules.pop(script.stem, None)


def script(name: str) -> Any:
    return import_module(name)


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "Elman"])
def test_the_step_is_measured_against_torch(kind: str) -> None:
    seconds, work, engine = script("lstm_step").measure(kind, 4, 3, 8, rounds=1)
    assert list(seconds) == ["packed", "padded", "from padded", "ragged"]
    assert all(value > 0 for value in [*seconds.values(), work])
    assert engine in ("rectangles", "handwritten")


@pytest.mark.usefixtures("_path")
def test_dynamic_is_measured_against_static() -> None:
    unroll = script("unroll")
    assert unroll.lengths_of(0.5, 200) == [200, *[97] * 31]
    for how in unroll.HOW:
        unroll.training_step(how, [3, 1])()
    assert unroll.table(["a", "b"], [["c", "d"]]).splitlines()[2] == "c  d"


@pytest.mark.usefixtures("_path")
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc")
def test_peak_memory_is_what_a_step_adds() -> None:
    unroll = script("unroll")
    assert unroll.peak("static", [400, 1]) > unroll.peak("static", [4, 1]) >= 0
