"""Runs whose labels of a step go together, and drawings that a classifier looks at."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit.runs import media

from unspool import Run, recipes, runs
from unspool.arrays import resolve
from unspool.errors import RecipeError
from unspool.models import AutoregressiveEmission
from unspool.runs.preparing import tables_of
from unspool.tasks import Prediction

TOGETHER = "model.emission=autoregressive"
METRICS = "metrics=[nats_per_sequence, recognised, nats_per_step]"


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Run:
    at = tmp_path_factory.mktemp("drawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None)
        return runs.train(media.drawn_digits(media.write_digits(at / "digits.npz"), TOGETHER, METRICS), at / "run")


def test_a_run_answers_from_its_folder_as_it_did(drawn: Run) -> None:
    assert isinstance(drawn.model.emission, AutoregressiveEmission)
    told = drawn.predict([0, 1, 0])
    assert [each.text for each in runs.load(drawn.folder.path).predict([0, 1, 0])] == [each.text for each in told]
    assert told[0].text != told[2].text  # each example has draws of its own
    record = json.loads(drawn.folder.metrics.read_text().splitlines()[-1])
    assert {"nats_per_sequence", "recognised"} & record.keys() <= {"nats_per_sequence"}


def test_a_picture_has_the_nats_of_its_rows(drawn: Run) -> None:
    picture, seen, row = drawn.evaluate()
    assert [each.name for each in (picture, seen, row)] == ["nats_per_sequence", "recognised", "nats_per_step"]
    assert picture.value == pytest.approx(6 * row.value)
    assert picture.details["sequences"] == len(tables_of(drawn.recipe)["test"]) == seen.details["drawings"]


def test_drawings_are_looked_at_as_the_network_knows_pictures(drawn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = tables_of(drawn.recipe)
    real = [np.where(resolve(each) >= 128, 255, 0).tolist() for each in tables["test"].column("image")]
    classes = [str(each) for each in tables["test"].column("digit")]

    def told(pictures: Sequence[Any]) -> Any:
        answers = [Prediction(each, 0.0, 0.0, True) for each in pictures]
        monkeypatch.setattr(drawn.task, "predict", lambda *given, **how: answers)
        (score,) = drawn.evaluate("test", ["metrics=[recognised]"])
        return score

    score = told(real)
    assert score.details["recognised"] == score.details["right"] > len(real) / 2
    assert score.signature.startswith(f"by:svm of {len(tables['train'])} pictures|right on real ones:")
    other = {digit: real[place] for place, digit in enumerate(classes)}  # a real one of the other class
    assert told([other["1" if digit == "0" else "0"] for digit in classes]).value < 50


def test_music_whose_keys_go_together_is_written_again(tmp_path: Path) -> None:
    recipe = media.composed(media.write_chorales(tmp_path / "music.json"), "notes", TOGETHER)
    run = runs.train(recipe, tmp_path / "run")
    assert isinstance(run.model.emission, AutoregressiveEmission)
    opening = [[60, 64], [62]]
    (told,) = run.predict([opening])
    assert told.text[:2] == opening
    assert [each.text for each in runs.load(run.folder.path).predict([opening])] == [told.text]
    (score,) = run.evaluate()
    assert score.name == "nats_per_step"


@pytest.mark.parametrize(
    ("name", "given"),
    [("sketch", []), ("sentiment", []), ("draw", ["inputs={}"]), ("draw", ["inputs.row.kind=number"])],
)
def test_what_is_no_picture_of_a_class_is_not_recognised(name: str, given: list[str]) -> None:
    with pytest.raises(RecipeError) as error:
        recipes.load(name, [*given, "metrics=[recognised]", "baselines=[]", "train.metric=loss"])
    assert str(error.value).endswith(
        "`metrics` must be without `recognised` where it is not `rows` that are drawn of a `label` alone"
    )


@pytest.mark.parametrize("name", ["draw", "sketch"])
def test_a_recipe_measures_whole_drawings(name: str) -> None:
    assert recipes.load(name).metrics[0] == "nats_per_sequence"
