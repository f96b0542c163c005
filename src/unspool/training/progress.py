"""What a person and a program see of a training: a live bar, or lines; and `metrics.jsonl`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from unspool.training.checkpoint import disk_errors, write_atomically

Record = dict[str, Any]
"""A step: step, epoch (from 1), loss, learning_rate, gradient_norm, tokens_per_second, seconds, done (from 0 to 1);
and metrics, where it was validated."""


class Observer(Protocol):
    """Someone who is told of every step."""

    def begin(self, step: int) -> None:
        """Training starts, or goes on after this step."""

    def step(self, record: Record) -> None: ...

    def end(self) -> None:
        """Training has ended, by whatever."""


@contextmanager
def observed(observers: Sequence[Observer], step: int) -> Iterator[None]:
    """Within, observers are told: those that began are told of the end, whatever ends it."""
    with ExitStack() as stack:
        for observer in observers:
            observer.begin(step)
            stack.callback(observer.end)
        yield


class MetricsFile:
    """Appends each step to a file, a line of JSON each; lines past a checkpoint are cut off on resuming there.

    Args:
        path: such as `metrics.jsonl`.
        every: steps between two lines; steps with a validation are written always.
    """

    def __init__(self, path: str | PathLike[str], every: int = 1) -> None:
        self.path, self.every = Path(path), every
        self._file: TextIO | None = None

    def begin(self, step: int) -> None:
        kept = [line for line in read_records(self.path) if line["step"] <= step] if self.path.exists() else []
        write_atomically(self.path, "".join(json.dumps(line) + "\n" for line in kept).encode())
        self._file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115 closed in `end`

    def step(self, record: Record) -> None:
        if self._file is None or (record["step"] % self.every and "metrics" not in record):
            return
        with disk_errors(self.path):
            self._file.write(json.dumps(self._shown(record)) + "\n")
            self._file.flush()

    def _shown(self, record: Record) -> Record:
        return {name: value for name, value in record.items() if name != "examples"}

    def end(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with disk_errors(self.path):
                file.close()


class ExamplesFile(MetricsFile):
    """Appends to a file which examples each step saw, rank by rank: {"step": 1, "examples": [[7, 3], [5]]}."""

    def _shown(self, record: Record) -> Record:
        return {name: record[name] for name in ("step", "examples")}


def read_records(path: str | PathLike[str]) -> list[Record]:
    """The steps in a file that `MetricsFile` wrote; a last line that was cut short by a crash is left out."""
    records = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


class ProgressLines:
    """A plain line every half minute and at each validation: for logs.

    Args:
        file: where to; standard error if left out.
        seconds: between two lines.
    """

    def __init__(self, file: TextIO | None = None, seconds: float = 30.0) -> None:
        self.file, self.seconds = file, seconds
        self._reckoning = Reckoning()
        self._said = float("-inf")

    def begin(self, step: int) -> None:
        self._reckoning = Reckoning()

    def step(self, record: Record) -> None:
        text = self._reckoning.text(record)
        if "metrics" not in record and time.monotonic() - self._said < self.seconds:
            return
        self._said = time.monotonic()
        file = self.file or sys.stderr
        file.write(f"epoch {record['epoch']}, step {record['step']}: {text}\n")
        file.flush()

    def end(self) -> None:
        pass


class ProgressBar:
    """A live bar on a terminal: loss, metrics, tokens a second, time left; validations stay as lines above it."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._reckoning = Reckoning()
        self._progress: Progress | None = None

    def begin(self, step: int) -> None:
        self._reckoning = Reckoning()
        self._progress = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.description}"),
            console=self._console,
            transient=True,
            refresh_per_second=4,
        )
        self._task = self._progress.add_task("the first step …", total=1.0)
        self._progress.start()

    def step(self, record: Record) -> None:
        if self._progress is None:
            return
        text = self._reckoning.text(record)
        where = f"epoch {record['epoch']}, step {record['step']}"
        self._progress.update(self._task, completed=record["done"], description=f"{where}: {text}")
        if "metrics" in record:
            self._progress.console.print(f"{where}: {text}", markup=False, highlight=False)

    def end(self) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._progress = None


def show_progress() -> Observer:
    """A bar where standard error is a terminal, lines elsewhere."""
    return ProgressBar() if sys.stderr.isatty() else ProgressLines()


class Reckoning:
    """Loss and speed, smoothed over about the last fifty steps, and the time left."""

    def __init__(self) -> None:
        self._loss: float | None = None
        self._speed = 0.0
        self._first: tuple[float, float] | None = None  # done and seconds at the first step that was seen
        self._metrics: dict[str, float] = {}

    def text(self, record: Record) -> str:
        """A step in a line."""
        self._metrics = record.get("metrics", self._metrics)
        if self._loss is None:
            self._loss, self._speed = record["loss"], record["tokens_per_second"]
            self._first = record["done"], record["seconds"]
        self._loss += (record["loss"] - self._loss) / 50
        self._speed += (record["tokens_per_second"] - self._speed) / 50
        parts = [f"loss {self._loss:.4g}", *(f"valid {name} {value:.4g}" for name, value in self._metrics.items())]
        parts += [f"{self._speed:,.0f} tokens/s", *self._left(record)]
        return ", ".join(parts)

    def _left(self, record: Record) -> list[str]:
        done, seconds = self._first or (0.0, 0.0)
        if record["done"] <= done:
            return []
        left = (record["seconds"] - seconds) * (1 - record["done"]) / (record["done"] - done)
        return [f"{int(left // 3600)}:{int(left // 60 % 60):02}:{int(left % 60):02} left"]
