"""What a person and a program see of a training."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from unit.training.toy import trainer

from unspool.training import Limits, MetricsFile, ProgressBar, ProgressLines, read_records
from unspool.training.progress import Record, show_progress


def record(step: int, **more: Any) -> Record:
    usual = {"epoch": 1 + step // 10, "loss": 2.0, "learning_rate": 0.1, "gradient_norm": 1.0, "seconds": 2.0 * step}
    return {"step": step, **usual, "tokens_per_second": 1500.0, "done": step / 1000, **more}


def test_every_step_is_a_line_of_json(tmp_path: Path) -> None:
    trainer(limits=Limits(steps=12), observers=[MetricsFile(tmp_path / "metrics.jsonl")]).run()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert [line["epoch"] for line in lines] == [1] * 5 + [2] * 5 + [3] * 2
    assert [line["step"] for line in lines if "metrics" in line] == [5, 10, 12]
    assert lines[4].keys() == {
        *("step", "epoch", "loss", "learning_rate", "gradient_norm", "tokens_per_second", "seconds", "done", "metrics")
    }
    assert lines[4]["metrics"].keys() == {"loss"}
    assert lines == read_records(tmp_path / "metrics.jsonl")


def test_lines_past_the_checkpoint_are_cut_off(tmp_path: Path) -> None:
    log = MetricsFile(tmp_path / "metrics.jsonl", every=2)
    log.begin(0)
    for step in range(1, 9):
        log.step(record(step, metrics={"wer": 1.0}) if step == 5 else record(step))
    log.end()
    with open(log.path, "a") as file:
        file.write('{"step": 9, "lo')  # a crash in the middle of a line
    assert [line["step"] for line in read_records(log.path)] == [2, 4, 5, 6, 8]
    log.begin(5)
    log.step(record(6, loss=7.0))
    log.end()
    assert [(line["step"], line["loss"]) for line in read_records(log.path)] == [(2, 2.0), (4, 2.0), (5, 2.0), (6, 7.0)]
    log.begin(0)
    log.end()
    assert log.path.read_text() == ""


def test_lines_come_every_half_minute_and_at_validations(monkeypatch: pytest.MonkeyPatch) -> None:
    now, file = [0.0], io.StringIO()
    monkeypatch.setattr("unspool.training.progress.time.monotonic", lambda: now[0])
    lines = ProgressLines(file)
    lines.begin(0)
    for step in range(1, 41):
        now[0] += 2
        lines.step(record(step, metrics={"wer": 30.25}) if step == 20 else record(step))
    lines.end()
    assert file.getvalue().splitlines() == [
        "epoch 1, step 1: loss 2, 1,500 tokens/s",
        "epoch 2, step 16: loss 2, 1,500 tokens/s, 0:32:48 left",
        "epoch 3, step 20: loss 2, valid wer 30.25, 1,500 tokens/s, 0:32:40 left",
        "epoch 4, step 35: loss 2, valid wer 30.25, 1,500 tokens/s, 0:32:10 left",
    ]


def test_a_terminal_gets_a_bar_and_validations_stay_above_it() -> None:
    file = io.StringIO()
    bar = ProgressBar(Console(file=file, force_terminal=True, width=120))
    bar.begin(0)
    bar.step(record(1))
    bar.step(record(2, metrics={"wer": 30.25}))
    bar.end()
    assert "epoch 1, step 2: loss 2, valid wer 30.25, 1,500 tokens/s, 0:33:16 left" in file.getvalue()
    assert "━" in file.getvalue()
    bar.step(record(3))  # after the end nothing is shown
    assert "step 3" not in file.getvalue()


def test_what_is_no_terminal_gets_lines() -> None:
    assert isinstance(show_progress(), ProgressLines)


def test_observers_are_told_of_the_end_after_an_error(tmp_path: Path) -> None:
    log = MetricsFile(tmp_path / "metrics.jsonl")

    class Failing(ProgressLines):
        def step(self, record: Record) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        trainer(observers=[log, Failing()]).run()
    assert log._file is None
    assert [line["step"] for line in read_records(log.path)] == [1]
