"""Names that no other thing has: `decode.distinct`."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unspool import recipes, runs
from unspool.errors import RecipeError, RunError
from unspool.recipes import DecodeSpec, Recipe
from unspool.runs import Run
from unspool.runs.preparing import prepared, tables_of
from unspool.runs.training import validation_of
from unspool.tasks import SequenceToSequence

YAML = """\
data:
  path: {path}
  split: {{by: pair, valid: 0.1, test: 0.2}}
  gather: {{into: known, same: thing, by: language, of: name, near: thing}}
inputs:
  known: {{kind: text, unit: characters, lines: true, vocabulary: name}}
outputs:
  name: {{kind: text, unit: characters}}
model:
  embedding_size: 8
  encoder: {{cell: GRU, hidden_size: 16}}
  decoder: {{cell: GRU, hidden_size: 16}}
train:
  steps: 120
  tokens: 200
  learning_rate: 2e-2
  threads: 1
decode: {{distinct: true, beam: 3}}
metrics: [chrf]
"""


def recipe(folder: Path, *overrides: str) -> Recipe:
    """Things of few letters, so that a network soon tells one's name for another's."""
    chance = random.Random(0)
    words = sorted({"".join(chance.choices("abc", k=chance.randint(1, 3))) for _ in range(90)})
    endings = {"de": "", "it": "o", "es": "os"}
    rows = [(word, by, f"{word}{by}", word + end) for word in words for by, end in endings.items()]
    table = folder / "names.tsv"
    table.write_text("\n".join("\t".join(row) for row in [("thing", "language", "pair", "name"), *rows]) + "\n")
    path = folder / "names.yaml"
    path.write_text(YAML.format(path=table))
    return recipes.load(path, overrides)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("names")
    return runs.train(recipe(folder), folder / "run")


def taken(run: Run) -> dict[str, set[str]]:
    """What the training part has for each language, read from the table itself."""
    found: dict[str, set[str]] = {}
    for row in tables_of(run.recipe)["train"]:
        found.setdefault(row["language"], set()).add(row["name"])
    return found


@pytest.mark.parametrize("how", [{}, {"beam": 1}, {"sample": True, "seed": 1}, {"risk": "chrf", "beam": 6}], ids=str)
def test_no_name_is_another_thing_s(trained: Run, how: dict[str, Any]) -> None:
    names, asked = taken(trained), list(tables_of(trained.recipe)["test"].column("known"))
    given = [{"known": question} for question in asked]
    assert trained.predict(given, **how) == trained.predict(asked, **how)

    def told_again(**more: Any) -> int:
        found = trained.predict(asked, **how, **more)
        return sum(one.text in names[question.split("\n")[0]] for question, one in zip(asked, found, strict=True))

    assert told_again() == 0
    assert told_again(distinct=False) > 0  # else this shows nothing


def test_what_training_knows_of_the_thing_itself_may_be_told(trained: Run) -> None:
    row = next(row for row in tables_of(trained.recipe)["train"] if row["language"] == "it" and "\nde " in row["known"])
    assert trained.task.names is not None
    others = trained.task.names.of_others(row["known"])
    assert others == taken(trained)["it"] - {row["name"]}


def test_a_run_keeps_what_things_are_called(trained: Run, tmp_path: Path) -> None:
    kept = json.loads((trained.folder.path / "names.json").read_text())["names"]
    rows = tables_of(trained.recipe)["train"]
    assert [(by, name) for _, by, name in kept] == list(zip(rows.column("language"), rows.column("name"), strict=True))
    again = runs.load(trained.folder.path)
    asked = list(tables_of(trained.recipe)["valid"].column("known"))
    assert [one.text for one in again.predict(asked)] == [one.text for one in trained.predict(asked)]


def test_exchanged_words_are_no_names(tmp_path: Path) -> None:
    views = "train.views={text: known, same: pair, times: 2, head: 3, exchange: 0.9, of: name}"
    run = runs.train(recipe(tmp_path, "train.steps=1", views), tmp_path / "run")
    assert {by: set(run.task.names.of_others(by)) for by in ("de", "it")} == {  # type: ignore[union-attr]
        by: names for by, names in taken(run).items() if by != "es"
    }


def test_validations_do_not_ask_for_it(trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[DecodeSpec] = []
    predict = SequenceToSequence.predict

    def noted(task: Any, model: Any, values: Any, how: DecodeSpec, **more: Any) -> Any:
        asked.append(how)
        return predict(task, model, values, how, **more)

    monkeypatch.setattr(SequenceToSequence, "predict", noted)
    made = prepared(trained.recipe)
    validation_of(made)(made.model.eval())
    assert [(how.beam, how.distinct) for how in asked] == [(1, False)]


def test_it_can_be_resumed_and_evaluated_by_several(trained: Run, unspool_: Callable[..., Any], tmp_path: Path) -> None:
    again = recipe(tmp_path, "seed=1", "train.steps=2")
    other = runs.train(again, tmp_path / "run")
    runs.train(recipes.load(again, ["train.steps=3"]), tmp_path / "run", resume=True)
    joint = runs.together(trained.folder.path, other.folder.path)
    names, asked = taken(trained), list(tables_of(trained.recipe)["test"].column("known"))
    told = [one.text for one in joint.predict(asked)]
    assert not any(one in names[question.split("\n")[0]] for question, one in zip(asked, told, strict=True))
    assert "chrf" in unspool_("evaluate", trained.folder.path, "--with", other.folder.path).out


def test_a_run_that_does_not_know_says_so(trained: Run, tmp_path: Path) -> None:
    run = runs.train(recipe(tmp_path, "train.steps=1"), tmp_path / "run")
    path = run.folder.path / "names.json"
    for damaged in ('[["de"]]', '[["x", "de", "n"]]', '[[0, "de", null]]', "[[true, 1, 2]]", '{"de": 0}'):
        path.write_text(f'{{"names": {damaged}}}')
        with pytest.raises(RunError) as caught:
            runs.load(run.folder.path)
        assert str(caught.value) == f"`{path}` must hold names as the run wrote them, but does not"
    path.unlink()
    run = runs.load(run.folder.path)
    assert run.predict(["it"], distinct=False)
    for asked in (run, runs.together(trained.folder.path, run.folder.path)):
        with pytest.raises(RunError) as error:
            asked.predict(["it"], distinct=True)
        assert str(error.value) == (
            f"`decode.distinct` must be false for `{run.folder.path}`, which does not know what things are called; "
            "train it anew, with `data.gather`"
        )
    runs.train(recipes.load(run.recipe, ["train.steps=2"]), run.folder.path, resume=True)
    assert runs.load(run.folder.path).predict(["it"])


@pytest.mark.parametrize("change", ["data.gather=null", "data.gather.into=other", "outputs={known: {kind: text}}"])
def test_only_names_of_things_can_be_distinct(change: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as error:
        recipe(tmp_path, change)
    assert "`decode.distinct` must be false where the input is not what `data.gather` makes" in str(error.value)


@pytest.mark.parametrize("change", ["model={kind: ctc}", "model={kind: plain}", "model.ctc=0.5 decode.ctc=0.5"])
def test_only_what_is_written_token_by_token_can_be_distinct(change: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as error:
        recipe(tmp_path, *re.split(" (?=decode)", change))
    assert "`decode.distinct` must be false where outputs are not written token by token" in str(error.value)


def test_nor_can_what_a_network_of_one_s_own_does_not_write_so(tmp_path: Path) -> None:
    kind = 'model={kind: "unspool.models:ctc_network", options: {hidden_size: 4, embedding_size: 4}}'
    run = runs.train(recipe(tmp_path, "train.steps=1", kind, "metrics=[]"), tmp_path / "run")
    assert run.predict(["it"], distinct=False)
    with pytest.raises(RecipeError) as error:
        run.predict(["it"])
    assert str(error.value) == "`decode.distinct` must be false where outputs are not written token by token"
