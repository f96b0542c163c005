"""Recipes without any sequence: numbers and classes told from numbers and classes."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from unspool import recipes, runs
from unspool.errors import RunError
from unspool.metrics import METRICS
from unspool.recipes import Recipe
from unspool.runs.preparing import tables_of
from unspool.runs.run import Run


def write_rows(path: Path) -> Path:
    """A price that follows from a size and a place, and whether it is high."""
    chance = random.Random(0)
    rows = []
    for number in range(200):
        size, place = chance.uniform(0, 10), chance.choice(["hill", "bay"])
        price = 3 * size + (20 if place == "bay" else 0)
        rows.append({"id": number, "size": size, "place": place, "price": price, "high": str(price > 25)})
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def recipe(path: Path, outputs: dict[str, Any], *overrides: str) -> Recipe:
    given = {
        "name": "houses",
        "data": {"path": str(path), "split": {"by": "id", "valid": 0.2, "test": 0.2}},
        "inputs": {"size": {"kind": "number"}, "place": {"kind": "label"}},
        "outputs": outputs,
        "model": {"kind": "encoder", "embedding_size": 4, "embedding_dropout": 0.0, "output_dropout": 0.0},
        "train": {"epochs": 60, "examples": 20, "learning_rate": 0.02, "validate_every": "120 steps", "threads": 1},
    }
    return recipes.load(given, overrides)


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("houses") / "rows.jsonl")


@pytest.fixture(scope="module")
def run(houses: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    over = ["metrics=[mae, rmse]", "train.metric=mae", "baselines=[mean, nearest_features]"]
    return runs.train(recipe(houses, {"price": {"kind": "number"}}, *over), tmp_path_factory.mktemp("runs") / "price")


def test_a_number_is_told_and_measured_beside_the_mean(run: Run) -> None:
    mae, rmse = run.evaluate("test")
    kept = [json.loads(line) for line in (run.folder.predictions / "test.jsonl").read_text().splitlines()]
    told, right = [str(row["prediction"]) for row in kept], [row["references"] for row in kept]
    assert (mae, rmse) == (METRICS["mae"](told, right), METRICS["rmse"](told, right))
    beside = run.baselines("test")
    numbers = [float(row["price"]) for row in tables_of(run.recipe)["train"]]
    mean = sum(numbers) / len(numbers)
    errors = [abs(float(each[0]) - mean) for each in right]
    assert beside["mean"][0].value == pytest.approx(sum(errors) / len(errors))
    assert mae.value < beside["nearest_features"][0].value < beside["mean"][0].value
    assert runs.against_baselines(run, "mae")["mean"].low > 0
    groups = runs.by_column(run, "place")
    assert list(groups) == ["bay", "hill"]
    assert all([score.name for score in each] == ["mae", "rmse"] for each in groups.values())


def test_a_field_that_was_damaged_is_named(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder.path, tmp_path / "copy")
    path = tmp_path / "copy" / "fields.json"
    saved = json.loads(path.read_text())
    saved["place"]["counts"] = ["many", "few"]
    path.write_text(json.dumps(saved))
    with pytest.raises(RunError, match="must be fields as the run wrote them, but can't be read"):
        runs.load(tmp_path / "copy")


def test_a_class_is_told_where_nothing_is_a_sequence(houses: Path, tmp_path: Path) -> None:
    trained = runs.train(recipe(houses, {"high": {"kind": "label"}}, "metrics=[accuracy]"), tmp_path / "run")
    assert trained.evaluate("test")[0].value > 85
