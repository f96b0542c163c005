"""One of several ranks, which `test_ranks.py` starts: `python rank.py FOLDER WAY`. Its findings go to a file there."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from distributed.small import SOME, STEPS, shared, trainer, watched
from torch import nn

from unspool import engine, parallel
from unspool.errors import DataError, UnspoolError
from unspool.parallel import Group
from unspool.training import Limits, Schedule, checkpoint

torch.set_num_threads(1)


def said(function: Callable[[], Any]) -> str:
    """The message of the error that something ends with."""
    try:
        function()
    except UnspoolError as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def exact(group: Group) -> dict[str, Any]:
    """Losses and gradients for each number of micro-batches, in both precisions."""
    found = {}
    for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
        for accumulate in (1, 2, 4) if name == "float64" else (1,):
            steps = STEPS if accumulate == 1 else SOME
            one = watched(dtype, accumulate, steps=steps, examples=True)
            found[f"{name} {accumulate}"] = {"losses": one.losses, "gradients": one.gradients, "empty": one.empty}
    again = watched(torch.float32, 1, steps=SOME)
    found["again"] = {"losses": again.losses, "gradients": again.gradients}
    return found


def sharing(group: Group) -> dict[str, Any]:
    """What ranks tell one another."""
    calls: list[int] = []

    def counted(number: int) -> int:
        calls.append(number)
        return number * number

    return {
        "each": group.each(counted, range(7)),
        "calls": calls,
        "sum": group.sum([0.1 * (group.rank + 1), 1.0]),
        "told": group.told(f"by {group.rank}"),
        "gathered": group.gathered(group.rank),
        "after first": group.after_first(lambda: group.rank),
        "nothing": group.each(counted, []),
    }


def mistakes(group: Group) -> dict[str, str]:
    """What ranks say, all of them, where one of them or all have made a mistake."""

    def refuse() -> None:
        raise DataError("`data` must be there, but is not")

    spoiled = trainer()
    if group.rank == 1:
        with torch.no_grad():
            totals = spoiled.objective.totals
            spoiled.objective.totals = lambda batch: {"tokens": totals(batch)["tokens"] * float("nan")}  # type: ignore[method-assign]
    normalised = trainer()
    return {
        "same": said(lambda: group.check_same({"code": "a", "recipe.train.tokens": 60 + group.rank})),
        "once": said(lambda: group.once(refuse)),
        "no number": said(spoiled.run),
        "normalised": said(lambda: type(normalised)(**vars_of(normalised, nn.Sequential(nn.BatchNorm1d(3))))),
    }


def vars_of(made: Any, model: nn.Module) -> dict[str, Any]:
    names = ("objective", "batches", "optimiser", "schedule", "limits")
    return {name: getattr(made, name) for name in names} | {"model": model}


def resumed(group: Group, folder: Path) -> dict[str, Any]:
    """The weights after 20 steps, undisturbed and resumed after 7, and where global generators stand."""
    found = {}
    for name, steps in (("whole", [20]), ("cut", [7, 20])):
        for count in steps:
            made = trainer(
                folder=folder / f"{name}-{group.size}",
                limits=Limits(steps=count),
                schedule=Schedule(0.01, decay="constant"),
            )
            torch.manual_seed(100 * group.rank + len(found))
            torch.rand(3)
            made.run(resume=count == 20 and len(steps) > 1)
        found[name] = {"weights": dict(made.model.state_dict()), "random": torch.rand(2) if name == "cut" else None}
    return found


def lost(group: Group, way: str) -> str:
    """What the others say where the last rank is killed in the first step, or stands still."""
    made = trainer()

    def batches(cursor: tuple[int, int]) -> Any:
        for number, each in enumerate(shared(cursor)):
            if number == 1 and group.rank == group.size - 1:
                if way == "killed":
                    os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(3600)
            yield each

    made.batches = batches
    began = time.monotonic()
    message = said(made.run)
    assert time.monotonic() - began < 60
    return message


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with engine.using("handwritten"), parallel.joined() as joined:  # nothing is compiled, so that this is quick
        found: dict[str, Any] = {"exact": exact(joined), "sharing": sharing(joined), "mistakes": mistakes(joined)}
        found["resumed"] = resumed(joined, folder)
        found["lost"] = lost(joined, sys.argv[2])
    checkpoint.save(found, folder / f"rank-{joined.rank}-of-{joined.size}.safetensors")
    os._exit(0)  # to part from those that are gone would be to wait for them
