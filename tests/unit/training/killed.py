"""Trains in child processes that are killed, again and again, until one of them ends: `python killed.py FOLDER`.

In FOLDER/random they die at random moments; elsewhere at a moment of writing a file: in FOLDER/fsync when it is written
in part, in FOLDER/replace when it is whole and the old one still in place, in FOLDER/replaced when it is in place.
"""

import os
import random
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
from unit.training.toy import loss, trainer

from unspool.training import Limits, MetricsFile, Validation

torch.set_num_threads(1)
STEPS = 36


def train(folder: Path) -> None:
    def slowly(model: torch.nn.Module) -> dict[str, float]:
        time.sleep(0.002)
        return loss(model)

    made = trainer(
        folder,
        limits=Limits(steps=STEPS),
        validation=Validation(slowly, every=3),
        observers=[MetricsFile(folder / "metrics.jsonl")],
    )
    made.run(resume=(folder / "last.safetensors").exists())


def deadly(name: str, number: int) -> None:
    """Have the process die at the so-and-so-many-th file that it writes, at this moment of writing."""
    function = "fsync" if name == "fsync" else "replace"
    original: Callable[..., None] = getattr(os, function)
    left = number

    def counted(*arguments: Any) -> None:
        nonlocal left
        if function == "fsync" and stat.S_ISDIR(os.fstat(arguments[0]).st_mode):
            return original(*arguments)
        left -= 1
        if left > 0 or name == "replaced":
            original(*arguments)
        if left > 0:
            return None
        if name == "fsync":
            os.truncate(arguments[0], os.fstat(arguments[0]).st_size // 2)
        return os.kill(os.getpid(), signal.SIGKILL)

    setattr(os, function, counted)


def lasts(folder: Path) -> float:
    """Seconds that a child takes which no one kills."""
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        folder.mkdir()
        train(folder)
        os._exit(0)
    os.waitpid(child, 0)
    return time.perf_counter() - start


def deaths(folder: Path, chance: random.Random, whole: float) -> int:
    """Returns how many children died before one came to the end; `whole` is how long that takes in one go."""
    for died in range(100):
        child = os.fork()
        if child == 0:
            if folder.name != "random":
                deadly(folder.name, chance.randint(4, 9) + died)
            train(folder)
            os._exit(0)
        moment = whole * chance.uniform(0.1, 0.4 + 0.1 * max(0, died - 1))
        if folder.name == "random":
            time.sleep(moment)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            return died if os.WEXITSTATUS(status) == 0 else -1
    return -1


if __name__ == "__main__":
    trainer(limits=Limits(steps=1)).run()  # what PyTorch loads late is loaded here, and not in each child
    within = Path(sys.argv[1])
    whole = lasts(within.parent / "undisturbed")
    for folder in sorted(within.iterdir()):
        sys.stdout.write(f"{folder.name} {deaths(folder, random.Random(5), whole)}\n")
        sys.stdout.flush()  # what is left in the buffer, each child would write again
