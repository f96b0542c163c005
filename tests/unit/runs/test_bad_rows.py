"""Rows that something is wrong with: named, or counted and kept; never left out in silence."""

import logging
from pathlib import Path
from typing import Any

import pytest

from unspool import Run, recipes, runs
from unspool.errors import FieldError

ROWS = [(f"{'good' if i % 2 else 'bad'} film {i % 7}", "positive" if i % 2 else "negative") for i in range(40)]


def trained(folder: Path, kind: str = "label", **parts: list[tuple[str, str]]) -> Run:
    for part in ("train", "valid", "test"):
        lines = [f"{text}\t{label}\n" for text, label in parts.get(part, ROWS)]
        (folder / f"{part}.tsv").write_text("text\tlabel\n" + "".join(lines))
    recipe: dict[str, Any] = {
        "data": {"path": str(folder), "parts": {part: f"{part}.tsv" for part in ("train", "valid", "test")}},
        "inputs": {"text": {"kind": "text", "unit": "words"}},
        "outputs": {"label": {"kind": kind}},
        "model": {"kind": "encoder", "embedding_size": 4, "encoder": {"hidden_size": 4}},
        "train": {"epochs": 1, "examples": 20, "threads": 1},
        "metrics": ["accuracy"],
    }
    return runs.train(recipes.load(recipe), folder / "run")


def test_an_empty_text_is_counted_kept_and_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(tmp_path, train=[*ROWS, ("", "negative"), ("", "negative")], test=[*ROWS, ("", "negative")])
    assert "`text`, train: 2 of 42 texts are empty, and kept" in capsys.readouterr().err
    assert run.evaluate("test")[0].details["sequences"] == 41
    assert run.predict([""])[0].text in ("positive", "negative")


@pytest.mark.parametrize("kind", ["label", "labels"])
def test_a_class_that_was_never_seen_counts_as_wrong_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    run = trained(tmp_path, kind, test=[("so so film", "mixed")] * 3 + ROWS[:1])
    with caplog.at_level(logging.WARNING):
        score = run.evaluate("test")[0]
    assert score.details["sequences"] == 4
    assert score.value <= 25
    assert "`label`: 3 of 4 right answers are none of the training part, such as `mixed`" in caplog.text


def test_a_class_without_an_example_can_not_be_validated(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match=r"row 40 of `label` in .*valid.tsv.*: `mixed` is no class of the training"):
        trained(tmp_path, valid=[*ROWS, ("so so film", "mixed")])


def test_a_row_without_a_class_is_named(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match=r"row 3 of `label` in .*train.tsv.*: a class must be a text that is"):
        trained(tmp_path, train=[*ROWS[:3], ("good film", ""), *ROWS])


def test_a_line_of_a_hundred_thousand_characters_is_read_to_its_end(tmp_path: Path) -> None:
    run = trained(tmp_path, train=[*ROWS, ("good " * 20_000, "positive")], test=[*ROWS, ("x" * 100_000, "negative")])
    assert run.evaluate("test")[0].details["sequences"] == 41
    last = runs.load(tmp_path / "run").predict(["bad " * 25_000])[0]
    assert last.text in ("positive", "negative")
