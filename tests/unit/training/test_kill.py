"""Kill −9 at any moment, resume: the weights are those of the run that nobody disturbed, bit for bit."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from unit.training import killed
from unit.training.toy import everything, trainer

from unspool.training import Limits, checkpoint, read_records


def left(folder: Path) -> dict[str, Any]:
    """Everything that a finished training left in its folder."""
    made = trainer(folder, limits=Limits(steps=killed.STEPS))
    made.run(resume=True)
    lines = [(line["step"], line["loss"], line.get("metrics")) for line in read_records(folder / "metrics.jsonl")]
    best = checkpoint.load(folder / "best.safetensors")
    return {
        **{name: value.tolist() for name, value in everything(made).items()},
        "lines": lines,
        "best": (made.best, best["best"], best["averages"]["averages"]["head.weight"].tolist()),
        "schedule": made.schedule,
        "files": sorted(path.name for path in folder.iterdir()),
    }


def test_killed_and_resumed_is_undisturbed(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    killed.train(tmp_path / "whole")
    whole = left(tmp_path / "whole")
    assert [step for step, *_ in whole["lines"]] == list(range(1, killed.STEPS + 1))
    assert whole["files"] == ["best.safetensors", "last.safetensors", "metrics.jsonl", "previous.safetensors"]

    ways = ["fsync", "random", "replace", "replaced"]
    for way in ways:
        (tmp_path / "killed" / way).mkdir(parents=True)
    command = [sys.executable, killed.__file__, str(tmp_path / "killed")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    died = dict(line.split() for line in done.stdout.splitlines())
    assert sorted(died) == ways
    for way in ways:
        assert int(died[way]) >= 2, (way, done.stderr)
        assert left(tmp_path / "killed" / way) == whole, way
