"""Targets that CTC can't say in the steps that there are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unspool import recipes
from unspool.runs.preparing import prepared


@pytest.mark.parametrize("model", ["ctc", "encoder-decoder"])
def test_targets_longer_than_their_inputs_are_counted_and_named(tmp_path: Path, model: str) -> None:
    rows = [{"steps": [float(i) for i in range(12)], "text": "abc"} for _ in range(30)]
    rows[4] |= {"text": "abcabcab"}  # 8 letters in ⌈12 / 2⌉ steps
    rows[9] |= {"text": "aabbc"}  # 5 letters, and a blank between equal ones
    rows[20] |= {"text": "abcabc"}  # 6, which just fit
    for part in ("train", "valid"):
        (tmp_path / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = recipes.load(
        {
            "data": {"path": str(tmp_path), "parts": {"train": "train.jsonl", "valid": "valid.jsonl"}},
            "inputs": {"steps": {"kind": "series"}},
            "outputs": {"text": {"kind": "text"}},
            "model": {
                "kind": model,
                "front": {"channels": [4], "time_stride": 2},
                "encoder": {"hidden_size": 4},
                **({"ctc": 0.3, "attention": {"heads": 2}} if model != "ctc" else {}),
            },
            "train": {"steps": 1},
        },
        ["model.decoder.hidden_size=4"] if model != "ctc" else [],
    )
    said = "`text`, {}: 2 of 30 need more steps than their inputs have (rows 4, 9), and CTC learns nothing from them"
    assert prepared(recipe).remarks() == [said.format("train"), said.format("valid")]


def test_a_text_is_read_with_its_end(tmp_path: Path) -> None:
    rows = [{"word": "abc", "text": text} for text in ["abcd", "abcde", *["ab"] * 10]]
    for part in ("train", "valid"):
        (tmp_path / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = recipes.load(
        {
            "data": {"path": str(tmp_path), "parts": {"train": "train.jsonl", "valid": "valid.jsonl"}},
            "inputs": {"word": {"kind": "text"}},
            "outputs": {"text": {"kind": "text"}},
            "model": {"kind": "ctc", "encoder": {"hidden_size": 4}},
            "train": {"steps": 1},
        }
    )
    assert (
        prepared(recipe)
        .remarks()[0]
        .startswith("`text`, train: 1 of 12 need more steps than their inputs have (rows 1)")
    )
