"""A training on two ranks that is killed again and again, and ends with the bits of one that nobody disturbed.

    python benchmarks/killing.py [--kills 20] [--folder FOLDER] [KEY=VALUE]...

Trains a small `pronounce` on 2 ranks, undisturbed; then the same, killed (−9) at random moments: one of the ranks, or
all processes with the one that started them; after each kill it is resumed. Weights, losses and the log of which
examples each step saw must be equal, bit for bit and line for line.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from unspool import recipes
from unspool.training import read_records

SMALL = [
    "model.embedding_size=16", "model.encoder.hidden_size=16", "model.encoder.num_layers=1", "model.encoder.cell=GRU",
    "model.decoder.hidden_size=16", "model.decoder.num_layers=1", "model.decoder.upper_layers=0",
    "model.decoder.cell=GRU", "train.epochs=null", "train.steps=600", "train.tokens=400", "train.precision=float32",
    "train.validate_every=100 steps", "train.validate_examples=50", "train.checkpoint_every=0.02 minutes",
    "train.log_examples=true", "metrics=[]", "train.metric=loss",
]  # fmt: skip


def start(folder: Path, changes: list[str]) -> "subprocess.Popen[bytes]":
    """Two ranks that train in a folder, or go on there."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "unspool"]
    asked = ["--", "train", "pronounce", *SMALL, *changes, "--run", str(folder)]
    resume = ["--resume"] if (folder / "run.json").exists() else []
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)  # killed before there was a run
    with (folder.with_suffix(".log")).open("ab") as log:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen([*command, *asked, *resume], stdout=log, stderr=log, env=environment)


def ranks_of(process: "subprocess.Popen[bytes]") -> list[int]:
    """The processes that it has started."""
    with suppress(OSError):
        return [int(each) for each in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    return []


def kill(process: "subprocess.Popen[bytes]", chance: random.Random) -> str:
    """Kill one rank or all processes; returns which."""
    ranks = ranks_of(process)
    everyone = not ranks or chance.random() < 0.5
    for each in [process.pid, *ranks] if everyone else [chance.choice(ranks)]:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    process.wait(timeout=120)
    return "all" if everyone else "a rank"


def disturbed(folder: Path, kills: int, changes: list[str], chance: random.Random) -> int:
    """Train to the end, killed so many times on the way, if it is slow enough; returns how many times."""
    for number in range(1, kills + 1):
        process = start(folder, changes)
        before, metrics = steps_of(folder), folder / "metrics.jsonl"
        # Some kills come while it starts, most while it trains, writes and validates.
        moment = chance.choice([0, 1, 1, 1, 1])
        while moment and process.poll() is None and not (metrics.exists() and steps_of(folder) != before):
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 2 if moment else 6))
        if process.poll() is not None:
            return number - 1
        print(f"kill {number}: {kill(process, chance)}, after step {steps_of(folder)}", flush=True)
    finish(folder, changes)
    return kills


def finish(folder: Path, changes: list[str]) -> None:
    process = start(folder, changes)
    if process.wait() != 0:
        sys.exit(f"`{folder}` must train to its end, but did not; see {folder.with_suffix('.log')}")


def steps_of(folder: Path) -> int:
    path = folder / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("runs/killing"))
    parser.add_argument("changes", nargs="*")
    arguments = parser.parse_args()
    recipes.load("pronounce", [*SMALL, *arguments.changes])  # a mistake in it is told before anything starts
    arguments.folder.mkdir(parents=True)
    whole, killed = arguments.folder / "whole", arguments.folder / "killed"
    finish(whole, arguments.changes)
    count = disturbed(killed, arguments.kills, arguments.changes, random.Random(arguments.seed))
    same = {
        "weights": (whole / "model.safetensors").read_bytes() == (killed / "model.safetensors").read_bytes(),
        "losses": losses_of(whole) == losses_of(killed),
        "examples": (whole / "examples.jsonl").read_bytes() == (killed / "examples.jsonl").read_bytes(),
    }
    print(
        f"killed {count} times; the same: "
        + ", ".join(f"{name} {'yes' if is_ else 'NO'}" for name, is_ in same.items())
    )
    sys.exit(0 if all(same.values()) else 1)


def losses_of(folder: Path) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in read_records(folder / "metrics.jsonl")]


if __name__ == "__main__":
    main()
