"""Baselines beside a run: what they reach on the same questions, kept in its folder."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from unit.runs.toy import toy, write_words

from unspool import Ragged, Run, baselines, recipes, runs
from unspool.baselines import KneserNey
from unspool.data import Table
from unspool.errors import RunError
from unspool.fields import LabelField, NumberField, TextField
from unspool.metrics import METRICS, word_error_rate
from unspool.runs.comparing import answers_of_baseline
from unspool.runs.preparing import tables_of
from unspool.runs.questions import questions
from unspool.tasks import task_of


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with baselines of both kinds."""
    words = write_words(tmp_path_factory.mktemp("data") / "words.tsv")
    changes = ["metrics=[perplexity, wer, distinct_2]", "baselines=[nearest, kneser_ney]", "train.metric=perplexity"]
    return runs.train(toy(words, "train.epochs=1", *changes), tmp_path_factory.mktemp("runs") / "run")


def ragged(run: Run, texts: list[str]) -> Ragged:
    return Ragged.from_list([run.fields["phones"].encode(text) for text in texts])


def test_perplexity_is_that_of_every_answer_forced(told: Run) -> None:
    rows = list(tables_of(told.recipe)["test"])
    nats, tokens = 0.0, 0
    for row in rows:
        source = Ragged.from_list([told.fields["word"].encode(row["word"])])
        target = ragged(told, [row["phones"]])
        with torch.no_grad():
            nats -= float(told.model.score(source, target))
        tokens += len(row["phones"].split()) + 1
    scores = {score.name: score for score in told.evaluate("test")}
    assert list(scores) == ["perplexity", "wer", "distinct_2"]
    assert scores["perplexity"].value == pytest.approx(math.exp(nats / tokens), rel=1e-4)
    assert scores["perplexity"].details["tokens"] == tokens


def test_perplexity_alone_needs_no_decoding(told: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told.task, "predict", None)
    (score,) = told.evaluate("valid", ["metrics=[perplexity]", "train.metric=loss", "baselines=[]"])
    records = [json.loads(line) for line in told.folder.metrics.read_text().splitlines()]
    assert score.value == pytest.approx(records[-1]["metrics"]["perplexity"], rel=1e-4)
    assert math.log(score.value) == pytest.approx(records[-1]["metrics"]["loss"], rel=1e-4)


def test_classes_and_numbers_are_features_side_by_side() -> None:
    animals, sizes, names = ["cow", "cow", "hen", "owl"], [1.0, 3.0, 1.0, 2.0], ["calf", "bull", "hen", "owl"]
    rows = [{"a": animal, "b": size, "y": name} for animal, size, name in zip(animals, sizes, names, strict=True)]
    fields: dict[str, Any] = {"a": LabelField(), "b": NumberField(), "y": TextField("words")}
    for column, field in fields.items():
        field.fit([row[column] for row in rows])
    recipe = recipes.load(
        {
            "data": {"path": "x"},
            "inputs": {"a": {"kind": "label"}, "b": {"kind": "number"}},
            "outputs": {"y": {}},
            "model": {"kind": "decoder"},
            "train": {"steps": 1},
        }
    )
    asked = [{"a": "cow", "b": 3.5}, {"a": "owl", "b": 1.9}, {"a": "cow", "b": 0.9}, {"a": "hen", "b": 1.1}]
    told = answers_of_baseline("nearest_features", task_of(recipe, fields), Table.from_rows(rows), asked)
    assert told == ["bull", "owl", "calf", "hen"]


def test_an_ngram_is_asked_for_the_same_tokens(told: Run) -> None:
    tables = tables_of(told.recipe)
    known, asked = (ragged(told, list(tables[part].column("phones"))) for part in ("train", "test"))
    model = KneserNey(len(told.fields["phones"]))  # type: ignore[arg-type]
    model.fit(known)
    (score,) = told.baselines("test")["kneser_ney"]
    assert score.value == pytest.approx(model.perplexity(asked))
    ours = told.evaluate("test", ["metrics=[perplexity]", "train.metric=loss", "baselines=[]"])[0]
    assert score.details["tokens"] == ours.details["tokens"]
    assert score.signature == ours.signature


def test_a_baseline_that_answers_is_scored_against_all_right_answers(told: Run) -> None:
    tables = tables_of(told.recipe)
    rows = [(row["word"], row["phones"]) for row in tables["train"]]
    asked = questions(tables["test"], told.task)
    answers = baselines.nearest([word for word, _ in rows], [phones for _, phones in rows], asked.inputs)
    found = told.baselines("test")["nearest"]
    assert [score.name for score in found] == ["wer", "distinct_2"]
    assert found[0] == word_error_rate(answers, asked.answers)
    assert found[1].value == METRICS["distinct_2"](answers, asked.answers).value


def test_scores_are_kept_until_metrics_or_data_are_others(told: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = told.baselines("valid")
    kept = told.folder.path / "predictions" / "valid.baselines.json"
    assert sorted(json.loads(kept.read_text())["scores"]) == ["kneser_ney", "nearest"]
    refuse: dict[str, Any] = dict.fromkeys(baselines.BASELINES)
    monkeypatch.setattr("unspool.runs.comparing.BASELINES", refuse)
    monkeypatch.setattr("unspool.runs.run.nats_of_baseline", None)
    assert told.baselines("valid") == first
    assert list(told.baselines("valid", ["baselines=[nearest]"])) == ["nearest"]
    with pytest.raises(TypeError):
        told.baselines("valid", ["baselines=[nearest, majority]"])
    with pytest.raises(TypeError):
        told.baselines("valid", ["metrics=[wer]", "train.metric=loss", "baselines=[nearest]"])


def test_the_command_prints_them_beside_the_model(told: Run, unspool_: Callable[..., Any]) -> None:
    lines = unspool_("evaluate", told.folder.path).out.splitlines()
    assert [line.split(" ")[0] for line in lines[:3]] == ["perplexity", "wer", "distinct_2"]
    head, *rows = (line.split() for line in lines[4:])
    assert head == ["perplexity", "wer", "distinct_2"]
    assert [row[0] for row in rows] == ["model", "nearest", "kneser_ney"]
    assert [len(row) for row in rows] == [4, 3, 2]
    assert rows[0][1] == lines[0].split()[1]


def test_a_recipe_without_baselines_has_none(told: Run) -> None:
    assert told.baselines("test", ["baselines=[]"]) == {}


def test_a_language_model_needs_a_text(words: Path, tmp_path: Path) -> None:
    recipe = toy(words, "outputs.phones={kind: 'unit.runs.toy:Upper', options: {unit: words}}", "train.epochs=1")
    run = runs.train(recipe, tmp_path / "run")
    run.task.fields["phones"] = object()  # type: ignore[assignment]
    with pytest.raises(RunError) as error:
        run.baselines("test", ["metrics=[perplexity]", "baselines=[kneser_ney]"])
    assert str(error.value) == "`baselines` must be without kneser_ney where `phones` is no text; leave it out"
