"""Dialogues: learned, with the history's turns apart, and answered."""

import io
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from unspool import Run, cli, recipes, runs
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


def test_a_run_of_dialogues_knows_how_many_turns_it_reads(talking: Run) -> None:
    assert talking.turns == 2
    assert talking.typed(r"Hi!\nHello.") == "Hi!\nHello."


def test_a_line_of_a_file_holds_turns_apart(
    talking: Run, unspool_: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["Is there rain, name3?", "Is there rain?\nYes, rain!"]
    lines = "".join(text.replace("\n", r"\n") + "\n" for text in asked)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    rows = [json.loads(line) for line in unspool_("predict", talking.folder.path, "--json").out.splitlines()]
    assert [row["input"] for row in rows] == asked
    assert [row["predictions"][0]["text"] for row in rows] == [each.text for each in talking.predict(asked)]


def test_a_seed_draws_the_same_answers_again_and_another_one_others(talking: Run) -> None:
    asked = ["Is there rain?"] * 20

    def drawn(**how: int) -> list[str]:
        return [each.text for each in talking.predict(asked, sample=True, **how)]

    assert drawn() == drawn(seed=talking.recipe.seed)
    assert drawn(seed=3) == drawn(seed=3) != drawn(seed=4)


def test_at_a_terminal_the_last_turns_are_the_input_and_each_draws_anew(
    talking: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ["Is there rain?", "Is there rain?", "Well."]
    asked: list[tuple[list[str], Any]] = []
    predict = Run.predict

    def noted(self: Run, inputs: list[str], **how: Any) -> Any:
        asked.append((list(inputs), how["first"]))
        return predict(self, inputs, **how)

    monkeypatch.setattr(Run, "predict", noted)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    lines = iter(typed)

    def said(prompt: str) -> str:
        for line in lines:
            return line
        raise EOFError

    monkeypatch.setattr("builtins.input", said)
    with pytest.raises(SystemExit) as left:
        cli.main(["predict", str(talking.folder.path), "--seed", "7"])
    assert not left.value.code
    first = predict(talking, [typed[0]], sample=True, seed=7)[0].text
    second = predict(talking, [f"{first}\n{typed[1]}"], sample=True, seed=7, first=1)[0].text
    assert asked == [([typed[0]], 0), ([f"{first}\n{typed[1]}"], 1), ([f"{second}\n{typed[2]}"], 2)]
