"""Dialogues: learned, with the history's turns apart, and answered."""

import json
import random
from pathlib import Path

import pytest

from unspool import Run, recipes, runs
from unspool.fields import END, TextField
from unspool.recipes import Recipe

WORDS = ["rain", "sun", "snow", "wind", "fog"]
RECIPE = {
    "data": {"path": "", "split": {"by": "turns", "valid": 0.2, "test": 0.2}, "dialogues": {"history": 2}},
    "inputs": {"history": {"unit": "words", "lines": True, "vocabulary": "turn"}},
    "outputs": {"turn": {"unit": "words", "min_count": 9, "lowercase": True, "split_punctuation": True}},
    "model": {
        "embedding_size": 16,
        "encoder": {"cell": "GRU", "hidden_size": 16},
        "decoder": {"cell": "GRU", "hidden_size": 16},
        "attention": {"heads": 2},
        "tied_embeddings": True,
    },
    "train": {"epochs": 2, "examples": 20, "learning_rate": 0.01, "threads": 1},
    "decode": {"beam": 2},
}


def write_dialogues(path: Path, count: int = 120) -> Path:
    """Talk about the weather, a name that comes only once in each."""
    chance = random.Random(0)
    rows = []
    for number in range(count):
        word = chance.choice(WORDS)
        turns = [f"Is there {word}, name{number}?", f"Yes, {word}!", f"{word}? Oh no...", "Well."]
        rows.append(json.dumps({"turns": turns[: chance.randint(2, 4)]}))
    path.write_text("\n".join(rows))
    return path


def small(path: Path, *overrides: str) -> Recipe:
    return recipes.load(RECIPE, [f"data.path={path}", *overrides])


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("talk")
    return runs.train(small(write_dialogues(folder / "talk.jsonl")), folder / "run")


def test_the_history_shares_the_words_of_the_reply_and_keeps_its_turns_apart(talking: Run) -> None:
    history, turn = talking.fields["history"], talking.fields["turn"]
    assert isinstance(history, TextField)
    assert isinstance(turn, TextField)
    assert history.to_json() == {**turn.to_json(), "lines": True}
    encoded = history.encode("Yes, rain!\nOh no...").tolist()
    assert encoded == [*turn.encode("yes, rain!").tolist(), END, *turn.encode("oh no ...").tolist()]


def test_an_unknown_word_is_never_said(talking: Run) -> None:
    turn = talking.fields["turn"]
    assert "⁇" in turn.decode(turn.encode("name3"))
    asked = [f"Is there rain, name{number}?" for number in range(30)]
    for how in ({}, {"beam": 1}, {"sample": True, "temperature": 5.0}):
        assert not any("⁇" in answer.text for answer in talking.predict(asked, **how))
