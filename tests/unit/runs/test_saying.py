"""Runs that say dialogue acts: beside another column, and measured for each kind of act by itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from unspool import recipes, runs
from unspool.errors import RunError
from unspool.metrics import bleu_tokenised, slot_error
from unspool.recipes import Recipe
from unspool.runs.comparing import answers_of_baseline
from unspool.runs.preparing import tables_of
from unspool.runs.questions import questions

ACT, LABEL = {"kind": "act"}, {"kind": "label"}
SAID = {
    "nopa": {"brief": "{} : {}", "polite": "you may like {} for {} food"},
    "alamo": {"brief": "try {} , it is {}", "polite": "i suggest {} since you like {} food"},
}


@pytest.fixture(scope="module")
def restaurants(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        {"act": f"inform(name={name};food={food})", "tone": tone, "kind": "inform", "text": text.format(name, food)}
        for name in SAID
        for food in ("thai", "greek")
        for tone, text in SAID[name].items()
    ]
    byes = {"brief": "bye", "polite": "have a nice day"}
    rows += [{"act": "goodbye()", "tone": tone, "kind": "goodbye", "text": text} for tone, text in byes.items()]
    path = tmp_path_factory.mktemp("restaurants") / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def recipe(path: Path, inputs: dict[str, Any], *overrides: str) -> Recipe:
    given = {
        "name": "saying",
        "data": {
            "path": str(path.parent),
            "columns": ["act", "tone", "kind", "text"],
            "parts": dict.fromkeys(("train", "valid", "test"), path.name),
            "delexicalise": {"text": "act"},
        },
        "inputs": inputs,
        "outputs": {"text": {"kind": "text", "unit": "words"}},
        "model": {"kind": "decoder", "embedding_size": 8, "decoder": {"cell": "SCLSTM", "hidden_size": 8}},
        "train": {"epochs": 1, "examples": 4, "threads": 1},
    }
    return recipes.load(given, overrides)


@pytest.mark.parametrize(
    ("name", "inputs"), [("nearest", {"act": ACT, "tone": LABEL}), ("nearest_features", {"act": ACT})]
)
def test_baselines_say_the_act_that_is_asked(
    name: str, inputs: dict[str, Any], restaurants: Path, tmp_path: Path
) -> None:
    over = ["metrics=[bleu_tok]", f"baselines=[{name}]"]
    run = runs.train(recipe(restaurants, inputs, *over), tmp_path / "run")
    asked, train = (tables_of(run.recipe)[part] for part in ("test", "train"))
    known = questions(asked, run.task)
    told = answers_of_baseline(name, run.task, train, known.inputs)
    assert "bye" in told
    assert not any("SLOT_" in text for text in told)
    assert run.baselines()[name] == [bleu_tokenised(told, known.answers)]


def test_the_sentences_of_an_act_itself_come_before_those_of_others_like_it(restaurants: Path, tmp_path: Path) -> None:
    run = runs.train(recipe(restaurants, {"act": ACT}), tmp_path / "run")
    asked = questions(tables_of(run.recipe)["test"], run.task)
    answers = dict(zip(asked.inputs, asked.answers, strict=True))
    assert answers.pop("goodbye()") == ["bye", "have a nice day"]
    for act, told in answers.items():
        own, other = ("nopa", "alamo") if "nopa" in act else ("alamo", "nopa")
        food = "thai" if "thai" in act else "greek"
        ours, theirs = ([text.format(own, food) for text in SAID[name].values()] for name in (own, other))
        assert told[:2] == ours
        assert sorted(told) == sorted([*ours, *ours, *theirs, *theirs])
    assert len(answers) == 4


def test_what_has_no_figure_for_a_value_alone_is_left_out_there(restaurants: Path, tmp_path: Path) -> None:
    run = runs.train(recipe(restaurants, {"act": ACT}, "metrics=[bleu_tok, slot_error]"), tmp_path / "run")
    whole = {score.name: score for score in run.evaluate("test")}
    found = runs.by_column(run, "kind")
    assert {name: [score.name for score in reached] for name, reached in found.items()} == {
        "goodbye": ["bleu_tok"],
        "inform": ["bleu_tok", "slot_error"],
    }
    assert found["inform"][1].details == whole["slot_error"].details


def test_slot_errors_are_of_the_act_beside_other_columns(restaurants: Path, tmp_path: Path) -> None:
    run = runs.train(recipe(restaurants, {"tone": LABEL, "act": ACT}, "metrics=[slot_error]"), tmp_path / "run")
    (score,) = run.evaluate("test")
    kept = [json.loads(line) for line in (run.folder.predictions / "test.jsonl").read_text().splitlines()]
    acts = [row["input"]["act"] for row in kept]
    assert score == slot_error([row["prediction"] for row in kept], [row["references"] for row in kept], acts)
    with pytest.raises(RunError, match="`baselines` must name one that answers, to be compared with, but names none"):
        runs.against_baselines(run, "slot_error")
    with pytest.raises(RunError, match="`metrics` must have one of answers, so that there are some to compare"):
        runs.against_baselines(run, "slot_error", overrides=["metrics=[perplexity]"])
