"""`torchrun … -m unspool`: training that survives a lost rank, evaluation and prediction that are shared."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from distributed import ended, use
from unit.runs.toy import toy, write_words

from unspool import Run, runs
from unspool.training import checkpoint, read_records

LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
OVERRIDES = [
    "train.epochs=2", "train.checkpoint_every=0.002 minutes", "metrics=[wer]", "train.log_examples=true",
    "train.tokens=40", "train.validate_every=20 steps",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("commands")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNSPOOL_CACHE", str(folder / "cache"))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.chdir(folder)
        yield folder


def launched(*arguments: str, **more: Any) -> "subprocess.Popen[str]":
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*LAUNCH, *arguments], **pipes, **more)


def workers(process: "subprocess.Popen[str]") -> dict[int, int]:
    """The processes that `torchrun` has started, by rank."""
    found = {}
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        with suppress(OSError):  # it has just ended
            names = dict(each.partition(b"=")[::2] for each in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"))
            if b"RANK" in names:
                found[int(names[b"RANK"])] = int(child)
    return found


def steps_of(folder: Path) -> int:
    path = folder / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.fixture(scope="module")
def alone(_folder: Path) -> Run:
    """What one process trains, in `alone`, and what two ranks train, in `lost` and `whole`: in `lost` one is killed."""
    if not Path("/proc/self/task").exists():
        pytest.skip("the processes of torchrun are looked up in /proc")
    recipe = toy(write_words(Path("words.tsv"), count=120), *OVERRIDES)
    train = ["-m", "unspool", "--", "train", "words.yaml", *OVERRIDES, "--run"]
    run = runs.train(recipe, "alone")  # also fills the cache
    lost, whole = launched("--max-restarts=1", *train, "lost"), launched(*train, "whole")
    try:
        end = time.monotonic() + 240
        while steps_of(Path("lost")) < 15 or 0 not in (ranks := workers(lost)):
            assert lost.poll() is None, lost.communicate()
            assert time.monotonic() < end
            time.sleep(0.01)
        os.kill(ranks[0], signal.SIGKILL)
        said = {name: process.communicate(timeout=240) for name, process in (("lost", lost), ("whole", whole))}
    finally:
        for process in (lost, whole):
            process.terminate()
            process.communicate(timeout=60)
    assert (lost.returncode, whole.returncode) == (0, 0), "\n".join(f"{name}: {each[1]}" for name, each in said.items())
    return run


def test_a_rank_is_lost_and_the_run_is_undisturbed(alone: Run) -> None:
    # Bit for bit what two ranks give that nobody disturbs, and to rounding what one process gives.
    assert Path("lost/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()
    losses = {name: [line["loss"] for line in read_records(f"{name}/metrics.jsonl")] for name in ("lost", "whole")}
    assert losses["lost"] == losses["whole"]
    assert losses["whole"] == pytest.approx([line["loss"] for line in read_records(alone.folder.metrics)], rel=1e-5)
    metrics = [[line["metrics"] for line in read_records(f"{name}/metrics.jsonl") if "metrics" in line]
               for name in ("whole", "alone")]  # fmt: skip
    assert [each["wer"] for each in metrics[0]] == pytest.approx([each["wer"] for each in metrics[1]])
    # No step is lost or doubled: each example is seen once an epoch, the same ones in each step.
    seen = {name: [json.loads(line) for line in Path(name, "examples.jsonl").read_text().splitlines()]
            for name in ("lost", "whole", "alone")}  # fmt: skip
    assert seen["lost"] == seen["whole"]
    assert [line["step"] for line in seen["lost"]] == list(range(1, len(losses["lost"]) + 1))
    together = {name: [sorted(chain.from_iterable(line["examples"])) for line in lines] for name, lines in seen.items()}
    assert together["whole"] == together["alone"]
    counts = Counter(number for step in together["lost"] for number in step)
    assert set(counts.values()) == {2}
    assert len(counts) == json.loads(Path("whole/run.json").read_text())["examples"]["train"]


@pytest.mark.usefixtures("alone")
def test_evaluation_and_prediction_are_shared() -> None:
    words = ["abcde"[: 1 + i % 5] + "ab"[i % 2] for i in range(600)]
    Path("decode.txt").write_text("\n".join(words) + "\n")
    written, errors = launched(use.__file__, "whole", "alone").communicate(timeout=240)
    kept = Path("whole/predictions/test.jsonl").read_text()
    run = runs.load("whole")
    ours = run.evaluate()
    assert Path("whole/predictions/test.jsonl").read_text() == kept
    lines = written.splitlines()
    told = [(found["name"], found["value"]) for found in map(json.loads, lines[: len(ours)])]
    assert told == [(each.name, each.value) for each in ours], errors
    told_alone = [f"{each.score:.4f}\t{each.text}" for each in run.predict(words)]
    told_together = [each.text for each in runs.together("whole", "alone").predict(words)]
    assert lines[len(ours) :] == told_alone + told_together


@pytest.mark.usefixtures("alone")
def test_checkpoints_of_two_ranks_serve_one() -> None:
    """What two ranks began, one goes on with: the same examples, the same numbers to rounding."""
    state = checkpoint.load("whole/checkpoints/previous.safetensors")
    shutil.copytree("whole", "gone on")
    Path("gone on/checkpoints/last.safetensors").unlink()
    Path("gone on/checkpoints/previous.safetensors").rename("gone on/checkpoints/last.safetensors")
    before = [line["loss"] for line in read_records("whole/metrics.jsonl")]
    assert state["step"] < len(before)
    runs.train(runs.load("gone on").recipe, "gone on", resume=True)
    assert [line["loss"] for line in read_records("gone on/metrics.jsonl")] == pytest.approx(before, rel=1e-5)


def test_a_rank_leaves_whatever_the_threads_of_its_group_still_do() -> None:
    process = launched(ended.__file__)
    try:
        errors = process.communicate(timeout=60)[1]
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, errors
