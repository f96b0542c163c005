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


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize("feeding", [False, True])
def test_our_side_of_the_comparison_with_joeynmt_runs(tmp_path: Path, feeding: bool) -> None:
    pairs = [[list("abc"), ["A", "B"]], [list("b"), ["B"]], [list("ca"), ["C", "A", "B"]]]
    job = {
        "cell": "lstm", "sizes": {"hidden": 8, "embedding": 8, "layers": 2}, "learning_rate": 1e-3, "beam": 2,
        "alpha": 1.0, "longest": 6, "seed": 0, "threads": 0, "source_symbols": ["a", "b", "c"],
        "target_symbols": ["A", "B", "C"], "lessons": [pairs], "batches": [pairs] * 4,
        "decode": [["ab", "c"]], "references": [[["A", "B"]], [["C"]]],
    }  # fmt: skip
    found = script("joeynmt_ours").figures(job, tmp_path / "weights.pt", feeding=feeding)
    assert found["train"]["tokens_per_second"] > 0
    assert found["beam"]["words_per_second"] > 0
    assert found["greedy"]["mean_length"] <= 5


@pytest.mark.usefixtures("_path")
def test_the_study_makes_networks_of_one_size(tmp_path: Path) -> None:
    study = script("why_attention")
    (tmp_path / "t.tsv").write_text("de\ten\n" + "".join(f"ein haus {i}\ta house {i}\n" for i in range(300)))
    changes = [f"data={{path: {tmp_path / 't.tsv'}, split: {{by: de}}}}", "inputs.de.size=300", "outputs.en.size=300"]
    recipe = study.recipes.load("translate", changes)
    fields = study.fit(recipe, study.tables_of(recipe)["train"], list(recipe.fields))
    for kind in study.kinds(1):
        assert study.widest(kind, 1_000_000, changes, fields)[1] == pytest.approx(1_000_000, rel=0.12)
