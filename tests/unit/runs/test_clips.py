"""The recipes over clips, on a few of those that they have by default: trained, measured, asked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unspool import recipes, runs
from unspool.data import motions
from unspool.models import EncoderWithHead, JointNetwork, VectorDecoder

FRONT = "{channels: [4, 8], time: [3, 1], standardised: true, augment: {shift: 1, pace: 0.1}}"
SMALL = ["train.epochs=null", "train.steps=2", "train.threads=1", "train.examples=7"]
VECTOR = (
    f"model={{kind: decoder, embedding_size: 8, front: {FRONT}, encoder: {{cell: GRU, hidden_size: 8}}, "
    "pooling: [max, mean], decoder: {cell: GRU, hidden_size: 8}}"
)
CASES = {
    "actions": ("actions", [f"model.front={FRONT}", "model.encoder.hidden_size=8"], EncoderWithHead),
    "describe": (
        "describe",
        [f"model.front={FRONT}", "model.encoder.hidden_size=8", "model.decoder.hidden_size=8"],
        JointNetwork,
    ),
    "describe from a vector": ("describe", [VECTOR], VectorDecoder),
}


@pytest.fixture(autouse=True)
def _few_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # pictures are drawn, and tested, elsewhere
    monkeypatch.setattr(motions, "CLIPS", {"train": 21, "valid": 7, "test": 14})
    monkeypatch.setattr(motions, "SHA256", "a few")


@pytest.mark.parametrize("name", CASES)
def test_a_recipe_over_clips_trains_with_no_data_of_ones_own(name: str, tmp_path: Path) -> None:
    recipe, overrides, kind = CASES[name]
    run = runs.train(recipes.load(recipe, [*overrides, *SMALL]), tmp_path / "run")
    assert isinstance(run.model, kind)
    scores = run.evaluate()
    assert [score.name for score in scores] == list(run.recipe.metrics)
    clip = next(iter(motions.clips("test"))).frames
    (told,) = run.predict([clip])
    assert told.text == runs.load(tmp_path / "run").predict([clip])[0].text


def test_the_places_of_sentences_are_measured(tmp_path: Path, unspool_: Callable[..., Any]) -> None:
    recipe, overrides, _ = CASES["describe"]
    runs.train(recipes.load(recipe, [*overrides, *SMALL]), tmp_path / "run")
    places, model, majority = unspool_("evaluate", tmp_path / "run").out.splitlines()[-3:]
    assert places.split() == [word for number in "12345" for word in ("word", number)]
    assert model.split()[0] == "model"
    said = [clip.text.split()[0] for clip in motions.clips("test")]
    assert majority.split()[:2] == ["majority", f"{100 * said.count('a') / len(said):.2f}"]
