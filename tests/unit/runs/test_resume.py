"""A training that is killed or interrupted goes on as if nothing had been: the same weights, bit for bit."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from unit.runs.toy import toy

from unspool import runs
from unspool.errors import RunError
from unspool.training import checkpoint, read_records

OVERRIDES = ["train.epochs=5", "train.checkpoint_every=0.002 minutes", "metrics=[]", "train.tokens=30"]


def start(words: Path, folder: Path) -> "subprocess.Popen[str]":
    toy(words)
    command = [sys.executable, "-m", "unspool", "train", str(words.with_suffix(".yaml")), *OVERRIDES]
    return subprocess.Popen([*command, "--run", str(folder)], stderr=subprocess.PIPE, text=True)


def stop(process: "subprocess.Popen[str]", folder: Path, step: int, number: signal.Signals) -> str:
    """Send a signal once so many steps are done."""
    metrics, end = folder / "metrics.jsonl", time.monotonic() + 60
    try:
        while not metrics.exists() or metrics.read_bytes().count(b"\n") < step:
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.001)
        process.send_signal(number)
        return process.communicate(timeout=60)[1]
    except BaseException:
        process.kill()  # or it would train on
        process.communicate()
        raise


def files(folder: Path) -> dict[str, bytes]:
    return {
        name: (folder / name).read_bytes() for name in ("model.safetensors", "recipe.yaml", "fields.json", "run.json")
    }


def test_killed_or_interrupted_and_resumed_is_undisturbed(
    words: Path, tmp_path: Path, unspool_: Callable[..., Any]
) -> None:
    chance = random.Random(os.urandom(4))
    ways = [("killed", signal.SIGKILL), ("interrupted", signal.SIGINT)]
    whole = runs.train(toy(words, *OVERRIDES), tmp_path / "whole").folder
    steps = len(read_records(whole.metrics))
    for name, number in ways:
        process, folder = start(words, tmp_path / name), tmp_path / name
        moment = chance.randint(1, steps // 2)
        said = stop(process, folder, moment, number)
        records = read_records(folder / "metrics.jsonl")
        assert moment <= len(records) < steps, "the machine was too fast for this test: give it more epochs"
        if number == signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
            assert not (folder / "model.safetensors").exists()
            assert checkpoint.load(folder / "checkpoints" / "last.safetensors")["step"] <= len(records) + 1
        else:
            assert process.returncode == 0
            assert "ending after this step, then keeping everything" in said
            assert f"go on with `unspool train {folder} --resume`" in said
            assert checkpoint.load(folder / "checkpoints" / "last.safetensors")["step"] == len(records)
            runs.load(folder).predict(["abc"])
        assert unspool_("train", folder, "--resume").code == 0
        assert files(folder) == files(whole.path), (number, moment)
        again = [(record["step"], record["loss"]) for record in read_records(folder / "metrics.jsonl")]
        assert again == [(record["step"], record["loss"]) for record in read_records(whole.metrics)]


def test_a_run_killed_before_its_first_checkpoint_begins_again(words: Path, tmp_path: Path) -> None:
    recipe = toy(words, *OVERRIDES, "train.epochs=1")
    whole = runs.train(recipe, tmp_path / "whole").folder
    begun = runs.train(recipe, tmp_path / "begun").folder
    for path in begun.checkpoints.iterdir():
        path.unlink()
    (begun.path / "model.safetensors").unlink()
    runs.train(recipe, begun.path, resume=True)
    assert files(begun.path) == files(whole.path)


@pytest.mark.parametrize(
    "left",
    [
        ["fields.json.partial"],
        ["fields.json", "recipe.yaml", "names.json"],
        ["fields.json", "recipe.yaml"],
        ["fields.json", "recipe.yaml", "run.json.partial"],
    ],
)
def test_a_run_killed_while_it_began_leaves_a_folder_to_begin_in(left: list[str], words: Path, tmp_path: Path) -> None:
    recipe = toy(words, *OVERRIDES, "train.epochs=1")
    whole = runs.train(recipe, tmp_path / "whole").folder
    folder = tmp_path / "run"
    folder.mkdir()
    for name in left:
        (folder / name).write_text("cut sho")
    runs.train(recipe, folder)
    assert files(folder) == files(whole.path)
    assert not list(folder.glob("*.partial"))


@pytest.mark.parametrize("theirs", ["recipe.yaml", "fields.json and notes.txt"])
def test_a_folder_with_files_of_ones_own_is_left_as_it_is(theirs: str, words: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in theirs.split(" and "):
        (folder / name).write_text("my own")
    with pytest.raises(RunError, match="must be a new or empty folder, but holds something"):
        runs.train(toy(words, *OVERRIDES), folder)
    assert {path.read_text() for path in folder.iterdir()} == {"my own"}


def test_a_run_that_is_over_stays_as_it_is(words: Path, tmp_path: Path) -> None:
    recipe = toy(words, *OVERRIDES, "train.epochs=1")
    folder = runs.train(recipe, tmp_path / "run").folder
    before = files(folder.path), read_records(folder.metrics)
    runs.train(recipe, folder.path, resume=True)
    assert (files(folder.path), read_records(folder.metrics)) == before


@pytest.mark.parametrize("averaging", ["ema", "none"])
def test_interrupted_before_any_validation_the_weights_so_far_are_kept(
    averaging: str, words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unspool.training import MetricsFile

    written = MetricsFile.step

    def step(self: MetricsFile, record: dict[str, Any]) -> None:
        written(self, record)
        if record["step"] == 1:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(MetricsFile, "step", step)
    recipe = toy(words, "metrics=[]", f"train.averaging.kind={averaging}")
    run = runs.train(recipe, tmp_path / "run")
    last = checkpoint.load(run.folder.checkpoints / "last.safetensors")
    assert last["step"] == 2  # the step at which it was asked, and the one it was in
    kept = last["weights"] | last["averaged"]
    assert all((value == kept[name]).all() for name, value in run.model.named_parameters())


def test_limits_that_were_moved_are_those_it_goes_on_with(words: Path, tmp_path: Path) -> None:
    run = runs.train(toy(words, *OVERRIDES, "train.epochs=1"), tmp_path / "run")
    runs.train(toy(words, *OVERRIDES, "train.epochs=2"), run.folder.path, resume=True)
    assert run.folder.recipe().train.epochs == 2
    assert runs.load(run.folder.path).recipe.train.epochs == 2
