"""The benchmarks run: each on something small, so that a figure in the README can be measured again."""

import argparse
import copy
import dataclasses
import io
import itertools
import json
import subprocess
import sys
import wave
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unspool.engine.native import compiler

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def _path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for script in BENCHMARKS.glob("*.py"):
        sys.modules.pop(script.stem, None)


def script(name: str) -> Any:
    return import_module(name)


def tiny(kind: str) -> Any:
    return script("recurrent_shapes").Shape("tiny", 4, 3, 8, kind)


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize(
    ("kind", "others"),
    [
        ("LSTM", ["torch-padded", "torch-packed", "rectangles", "torch-loop", "eager-loop"]),
        ("GRU", ["torch-padded", "torch-packed", "rectangles", "handwritten", "torch-loop", "eager-loop"]),
        ("LayerNormLSTM", ["torch-loop", "eager-loop"]),
        ("PeepholeLSTM", ["torch-loop", "eager-loop"]),
        ("Elman", ["torch-padded", "torch-packed", "rectangles", "handwritten", "torch-loop", "eager-loop"]),
    ],
)
def test_a_layer_is_measured_beside_those_that_have_its_cell(kind: str, others: list[str]) -> None:
    names = ["torch-padded", "torch-packed", "rectangles", "handwritten", "torch-loop", "eager-loop"]
    rows = script("recurrent").measure(kind, tiny("uniform"), names, rounds=1)
    for mode in ("forward", "training"):
        assert [row.contender for row in rows if row.mode == mode] == ["ours", *others]
    assert all(row.seconds > 0 and row.gf_per_second > 0 for row in rows)
    forced = {"rectangles": "rectangles", "handwritten": "handwritten", "eager-loop": "reference"}
    assert all(row.engine == forced.get(row.contender) for row in rows if row.contender != "ours")
    assert all(row.engine is not None for row in rows if row.contender == "ours")
    assert f"{kind}, training, GF/s" in script("recurrent").report(rows)


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "PeepholeLSTM", "LayerNormLSTM", "Elman"])
@pytest.mark.parametrize(("name", "package"), [("onnxruntime", "onnxruntime"), ("jax-scan", "jax")])
def test_a_peer_that_is_installed_computes_what_ours_does(name: str, package: str, kind: str) -> None:
    pytest.importorskip(package)
    rows = script("recurrent").measure(kind, tiny("uniform"), [name], rounds=1)
    wanted = [] if (name, kind) == ("onnxruntime", "LayerNormLSTM") else [name]
    assert [row.contender for row in rows if row.mode == "forward"] == ["ours", *wanted]


@pytest.mark.usefixtures("_path")
def test_bfloat16_is_measured_beside_float32() -> None:
    rows = script("recurrent").measure("LSTM", tiny("full"), [], rounds=1, bf16=True)
    found = [(row.contender, row.dtype) for row in rows if row.mode == "training"]
    peer = [("torch-padded", "bfloat16")] if torch.ops.mkldnn._is_mkldnn_bf16_supported() else []
    assert found == [("ours", "float32"), ("ours", "bfloat16"), *peer]


@pytest.mark.usefixtures("_path")
def test_ours_runs_on_the_engine_that_is_named_or_not_at_all() -> None:
    measure = script("recurrent").measure
    rows = measure("GRU", tiny("full"), [], rounds=1, engine="rectangles")
    assert [row.engine for row in rows] == ["rectangles", "rectangles"]
    assert measure("LSTM", tiny("full"), [], rounds=1, engine="handwritten") == []


@pytest.mark.usefixtures("_path")
def test_who_computes_something_else_is_not_timed() -> None:
    problems, contenders = script("recurrent_problem"), script("recurrent_torch")
    problem = problems.problem_of("PeepholeLSTM", tiny("uniform"), 0)
    ours = contenders.ours(problem)
    forgotten = copy.deepcopy(problem.cell)
    forgotten.peephole_output.data.zero_()
    other = contenders.ours(replace(problem, cell=forgotten), "other")
    problems.check(ours, ours)
    with pytest.raises(ValueError, match="`other` must compute what ours does, but its outputs are off by"):
        problems.check(other, ours)


@pytest.mark.usefixtures("_path")
def test_a_peer_that_is_not_installed_is_skipped_by_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    assert script("recurrent").at_hand(["torch-padded", "jax-scan", "ours"]) == ["torch-padded", "ours"]
    assert capsys.readouterr().out == "jax-scan: not installed, skipped (pip install jax)\n"


@pytest.mark.usefixtures("_path")
def test_lengths_are_drawn_as_those_that_were_counted() -> None:
    shapes = script("recurrent_shapes")
    assert [sum(counts.values()) for counts in shapes.COUNTS.values()] == [126_052, 29_000]
    drawn = {kind: shapes.Shape("drawn", 4, 4000, 50, kind).lengths(0) for kind in ("words", "sentences", "uniform")}
    means = {kind: float(lengths.float().mean()) for kind, lengths in drawn.items()}
    assert means == pytest.approx({"words": 7.49, "sentences": 11.90, "uniform": 31}, rel=0.03)
    assert [int(end) for end in drawn["uniform"].aminmax()] == [12, 50]
    assert [shape.name for shape in shapes.chosen(["H64", "batch1", "words"])] == [
        "H64-uniform", "H64-full", "batch1-T50", "batch1-T200", "words"
    ]  # fmt: skip


@pytest.mark.usefixtures("_path")
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc")
def test_memory_is_that_of_a_training_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    recurrent = script("recurrent")
    shape = script("recurrent_shapes").Shape("long", 64, 4, 2000, "full")
    rows = recurrent.measure("LSTM", shape, [], rounds=1, memory=True)
    assert [row.peak_mb is None for row in rows] == [True, False]
    outputs = 4 * 2000 * 64 * 4 / 2**20
    assert outputs < rows[1].peak_mb < 100 * outputs
    assert "MB that a training step adds" in recurrent.report(rows)


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


@pytest.mark.usefixtures("_path")
def test_single_steps_are_measured_beside_those_of_others() -> None:
    found = script("step").measure(4, 1, 1, steps=2)
    assert {"ours", "torch.nn.LSTMCell"} <= found.keys()
    assert all(seconds > 0 for seconds in found.values())


@pytest.mark.usefixtures("_path")
def test_training_from_files_is_measured_against_what_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    for take in range(20):
        with wave.open(str(tmp_path / "recordings" / f"{take % 2}_she_{take}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(bytes(2 * (800 + 80 * take)))
    media, changes = script("media"), ["model.front.channels=[4]", "model.front.time_stride=1", "data.split.valid=0.3"]
    recipe = media.recipe_of("sounds", str(tmp_path), [*changes, "model.encoder.hidden_size=8"])
    found = media.measure(recipe, media.HOW, 1)
    assert found["epoch"].keys() == found["reading"].keys() == set(media.HOW)
    assert all(found["epoch"][how] > found["reading"][how] > 0 for how in media.HOW)
    assert "sounds, decoded" in media.report("sounds", found)


@pytest.mark.usefixtures("_path")
def test_prices_are_walked_along_for_each_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSPOOL_CACHE", str(tmp_path / "cache"))
    days = [str(date(2014, 1, 1) + timedelta(day)) for day in range(120)]
    rows = [
        f"{day},{','.join(str(50 + (7 * number) % 5 + each) for each in range(4))}" for number, day in enumerate(days)
    ]
    (tmp_path / "A.csv").write_text("\n".join(["Date,Open,High,Low,Close", *rows]) + "\n")
    changes = [f"data.path={tmp_path}", "train.epochs=1", "model.encoder.hidden_size=4", "train.threads=1"]
    text = script("stocks").walked("stocks", ["2014-04-01", "2014-04-20"], tmp_path / "runs", 2, 20, changes)
    pages = text.split("\n\n")
    assert [page.split(":")[0] for page in pages] == ["seed 0", "seed 1"]
    assert all("model better than majority by " in page for page in pages)


@pytest.mark.usefixtures("_path")
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc")
def test_memory_is_measured_against_length(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = script("memory")
    monkeypatch.setattr(memory, "peak", lambda how, problem, truncate: 1.0)
    options = argparse.Namespace(cell="GRU", hidden=4, budget="30KB", truncate=16, plain=64, rounds=1, seed=0)
    rows = memory.measure([64, 100], options)
    assert [(row.length, row.how) for row in rows] == [
        (64, "plain"), (64, "sqrt"), (64, "30KB"), (64, "truncated"),
        (100, "sqrt"), (100, "30KB"), (100, "truncated"),
    ]  # fmt: skip
    assert all(row.error < 1e-5 for row in rows[1:3])
    assert rows[3].error > 1e-5
    assert (rows[1].segments, rows[1].runs) == (8, 15 / 8)
    assert "over plain" in memory.report(rows)
    problem = memory.Problem("GRU", 4, 300, 0)
    assert memory.added("sqrt", dataclasses.asdict(problem), 16) >= 0


@pytest.mark.usefixtures("_path")
def test_the_schedule_of_checkpoints_is_measured_against_its_programme(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = script("memory_schedule")
    monkeypatch.setattr(schedule, "in_a_fresh_process", lambda script, request: 0.1 + request[0]["steps"] / 100)
    rows = schedule.measure(schedule.Problem(40, 2, 4), [0.02], 1)
    assert rows[0].counted == rows[0].expected > rows[0].segments > 1
    assert rows[0].predicted > 0
    assert "programme" in schedule.report(rows)


@pytest.mark.usefixtures("_path")
def test_ranks_are_measured_and_killed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("equal cost\nequal number\n"))
    script("parallel").pace({"steps": 1, "tokens": 300, "micro_batches": 2})
    assert [float(line) > 0 for line in capsys.readouterr().out.splitlines()] == [True, True]
    changed = script("killing").recipes.load("pronounce", script("killing").SMALL)
    assert (changed.train.log_examples, changed.train.precision) == (True, "float32")


@pytest.mark.usefixtures("_path")
@pytest.mark.skipif(compiler.compiler() is None, reason="no C++ compiler")
def test_a_cell_from_the_cache_is_there_sooner_than_one_that_is_compiled() -> None:
    ((first, another, _, cached),) = script("compiling").measure(["Elman"], rounds=1, sizes=(4, 3)).values()
    assert first > another > cached > 0


@pytest.mark.skipif(compiler.compiler() is None, reason="no C++ compiler")
def test_the_phases_of_a_step_are_told_where_cells_are_compiled_with_clocks() -> None:
    asked = ["--cells", "LayerNormLSTM", "--shapes", "H64-full", "--steps", "3"]
    told = subprocess.run(
        [sys.executable, "phases.py", *asked], cwd=BENCHMARKS, capture_output=True, text=True, check=True
    ).stdout
    header, _, line = told.splitlines()
    assert header.split()[-3:] == ["outside", "GF/s", "roof"]
    kind, shape, step, products, least, *others = line.split()
    parts = [float(each) for each in others[:-2]]
    assert (kind, shape) == ("LayerNormLSTM", "H64-full")
    assert 0 < float(products) < float(step)
    assert float(least) > 0
    assert min(parts) >= 0
    assert float(products) + sum(parts) == pytest.approx(float(step), rel=0.5)  # a median of each, of three steps


@pytest.mark.usefixtures("_path")
@pytest.mark.skipif(compiler.compiler() is None, reason="no C++ compiler")
def test_a_roofline_is_measured_for_each_number_of_rows_on_each_number_of_threads() -> None:
    roofline = script("roofline")
    found = roofline.measure([1, 2], rounds=1, seconds=0.001)
    assert {*found} == {*itertools.product(roofline.SIZES, roofline.ROWS, [1, 2])}
    assert all(rate > 0 for rate in found.values())


@pytest.mark.usefixtures("_path")
def test_runs_of_words_are_cut_where_they_are_said_and_stand_still_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = np.tile(np.arange(38, dtype=np.uint8)[:, None, None], (2, 1, 2, 2))
    np.savez(tmp_path / "grid_s1_mouth_38x24x70.npz", frames=frames, ids=np.array(["one", "two"]))
    said = [[0, 20, "sil"], [20, 30, "bin"], [30, 40, "blue"], [40, 50, "now"], [50, 75, "sil"]]
    (tmp_path / "grid_s1_meta.json").write_text(json.dumps({"align": [said, said]}))
    monkeypatch.setattr(sys, "argv", ["grid_words.py", str(tmp_path), str(tmp_path / "out"), "--most", "2"])
    script("grid_words").main()
    assert "6 of 2 sentences" in capsys.readouterr().out
    one, two = (np.load(tmp_path / "out" / f"grid_s1_words_{count}.npz") for count in (1, 2))
    assert one["text"].tolist() == ["bin", "blue", "now"] * 2
    assert one["ids"].tolist() == ["one"] * 3 + ["two"] * 3
    assert one["frames"][0, :, 0, 0].tolist() == [*range(8, 18)]  # around 10 to 15, the 20th to the 30th picture
    assert two["text"].tolist() == ["bin blue", "blue now"] * 2
    assert two["frames"][0, :, 0, 0].tolist() == [10, 10, *range(10, 21), 20]


@pytest.mark.usefixtures("_path")
def test_a_word_ends_in_the_middle_of_what_lies_between_it_and_the_next() -> None:
    assert script("spoken_runs").edges_of([-1, 0, 0, -1, -1, 1, -1, 2], 4, 33) == [0, 16, 26, 33]


@pytest.mark.usefixtures("_path")
def test_no_call_is_timed_right_after_another_contenders() -> None:
    called: list[str] = []
    runs = {name: lambda name=name: called.append(name) for name in "ab"}
    script("timing").medians(runs, rounds=2, warmup=1, settle=1e-12)
    assert "".join(called) == "ab" + "aabb" * 2  # a warm-up each, then an untimed call before each timed one
