"""Runs that say dialogue acts."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from unspool import Run, recipes, runs
from unspool.errors import RecipeError
from unspool.fields import ActField, TextField
from unspool.tasks import task_of

NAMES, FOODS, AREAS = ["red door", "nopa", "alamo"], ["thai", "greek"], ["mission", "soma"]


@pytest.fixture(scope="module")
def restaurants(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("restaurants")
    rows = []
    for name, food, area in itertools.product(NAMES, FOODS, AREAS):
        rows += [
            [f"inform(name='{name}';food={food})", f"{name} serves {food} food", ""],
            [f"inform(name='{name}';area={area})", f"{name} is in {area}", ""],
            [f"inform(name='{name}';area={area};food={food})", f"{name} in {area} serves {food} food", ""],
        ]
    for part in ("train", "valid", "test"):
        (folder / f"{part}.json").write_text(json.dumps(rows))
    return folder


def verbalize(folder: Path, *overrides: str) -> recipes.Recipe:
    small = ["model.embedding_size=12", "model.decoder.hidden_size=12", "train.threads=1", "decode.beam=4"]
    return recipes.load("verbalize", [f"data.path={folder}", *small, *overrides])


@pytest.fixture(scope="module")
def hardly_trained(restaurants: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return runs.train(verbalize(restaurants, "train.epochs=1"), tmp_path_factory.mktemp("acts") / "run")


def slot_error(run: Run) -> float:
    return next(score.value for score in run.evaluate("test") if score.name == "slot_error")


def test_every_slot_is_said_once_whatever_was_learnt(hardly_trained: Run) -> None:
    assert slot_error(hardly_trained) == 0


def test_without_the_constraint_slots_are_missed(restaurants: Path, tmp_path: Path) -> None:
    free = runs.train(verbalize(restaurants, "train.epochs=1", "decode.slots_once=false"), tmp_path / "run")
    assert slot_error(free) > 20


@pytest.mark.parametrize(
    ("change", "has"),
    [("outputs.text.unit=characters", "`unit: characters`"), ("outputs.text.lowercase=true", "`lowercase: true`")],
)
def test_slots_need_words_as_they_are_which_is_told_before_training(
    change: str, has: str, restaurants: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError) as error:
        runs.train(verbalize(restaurants, "train.epochs=1", change), tmp_path / "run")
    assert str(error.value) == (
        f"`decode.slots_once` needs words as they are, but `outputs.text` has {has}; use `unit: words` without "
        "`lowercase`, or set `decode.slots_once: false`"
    )
    assert not (tmp_path / "run").exists()
    runs.train(verbalize(restaurants, "train.steps=1", change, "decode.slots_once=false"), tmp_path / "run")


def test_of_two_acts_the_first_is_said() -> None:
    act, before = "inform(name='nopa';food=thai)", "inform(name='alamo';area=soma)"
    fields: dict[str, Any] = {"before": ActField(), "act": ActField(), "text": TextField("words")}
    fields["before"].fit([before])
    fields["act"].fit([act])
    fields["text"].fit(["SLOT_NAME in SLOT_AREA serves SLOT_FOOD food"])
    recipe = recipes.load(
        {
            "data": {"path": "x"},
            "inputs": {"act": {"kind": "act"}, "before": {"kind": "act"}},
            "outputs": {"text": {"kind": "text", "unit": "words"}},
            "model": {"kind": "decoder", "embedding_size": 4, "decoder": {"hidden_size": 4}},
            "train": {"steps": 1},
        }
    )
    asked = task_of(recipe, fields)
    (told,) = asked.predict(asked.build(longest_target=6), [{"act": act, "before": before}], recipe.decode)
    assert [told.text.split().count(word) for word in ("nopa", "thai", "alamo", "soma", "SLOT_AREA")] == [1, 1, 0, 0, 0]


def test_acts_that_differ_in_values_alone_share_their_references(hardly_trained: Run) -> None:
    # 3 names x 2 foods, 3 x 2 areas, 3 x 2 x 2 of both: as many questions as different acts, each answered by all
    # sentences of its kind, with its own values.
    hardly_trained.evaluate("test")
    file = hardly_trained.folder.path / "predictions" / "test.jsonl"
    kept = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(kept) == 6 + 6 + 12
    first = next(each for each in kept if each["input"] == "inform(name='red door';food=thai)")
    assert set(first["references"]) == {"red door serves thai food"}


def test_slot_errors_may_choose_the_weights(restaurants: Path, tmp_path: Path) -> None:
    run = runs.train(verbalize(restaurants, "train.epochs=1", "train.metric=slot_error"), tmp_path / "run")
    assert "Best validation: slot_error" in (run.folder.path / "README.md").read_text()
