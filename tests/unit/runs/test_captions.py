"""Captions of pictures: seen by a network that is trained already, several right answers each, against what is near."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from unspool import Run, data, recipes, runs
from unspool.errors import ModelError, RecipeError, RunError
from unspool.fields import RegionsField, regions
from unspool.metrics import METRICS, difference
from unspool.models import RegionEncoder
from unspool.runs.comparing import answers_of_baseline
from unspool.runs.preparing import tables_of
from unspool.runs.questions import questions

pytest.importorskip("PIL")

COLOURS = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250), "white": (250, 250, 250)}
RECIPE: dict[str, Any] = {
    "inputs": {"image": {"kind": "regions"}},
    "outputs": {"caption": {"kind": "text", "unit": "words"}},
    "model": {
        "embedding_size": 8,
        "front": {"channels": [8], "time": [1]},
        "encoder": {"cell": "GRU", "hidden_size": 8},
        "bridge": "mean",
        "decoder": {"cell": "GRU", "hidden_size": 8},
        "attention": {"kind": "dot"},
    },
    "train": {"epochs": 2, "examples": 16, "learning_rate": 0.02, "threads": 1, "metric": "cider"},
    "metrics": ["cider", "bleu_tok_1"],
    "baselines": ["typical", "nearest_features"],
}


def pooled(pixels: Tensor) -> Tensor:
    """A network that sees the mean colour of each region."""
    found = adaptive_avg_pool2d(pixels.float(), 7) / 64
    return found.flatten(2).transpose(1, 2).repeat(1, 1, 427)[:, :, :1280]


@pytest.fixture(autouse=True, scope="module")
def _network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        regions._features_of_file.cache_clear()
        patch.setattr(regions, "pretrained", lambda name: pooled)
        yield
    regions._features_of_file.cache_clear()


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> recipes.Recipe:
    """Pictures of one colour each with a bar in them, and two captions of each."""
    folder, chance = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    names = [list(COLOURS)[i % 4] for i in range(40)]
    pictures = np.array([np.full((16, 16, 3), COLOURS[name]) for name in names]) // 2
    pictures[np.arange(40), chance.integers(0, 16, 40)] += chance.integers(0, 60, (40, 1, 3))
    np.savez(folder / "pictures.npz", image=pictures.astype(np.uint8))
    rows = [
        {"image": f"{folder / 'pictures.npz'}::image::{i}", "caption": text}
        for i, name in enumerate(names)
        for text in (f"a bar on {name}", f"{name} with a bar {i}")
    ]
    parts = {"train": rows[:48], "valid": rows[48:64], "test": rows[64:]}
    for part, some in parts.items():
        (folder / f"{part}.jsonl").write_text("\n".join(map(json.dumps, some)))
    where = {"path": str(folder), "parts": {part: f"{part}.jsonl" for part in parts}}
    return recipes.load({"name": "toy", "data": where, **RECIPE}, [])


@pytest.fixture(scope="module")
def run(recipe: recipes.Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    trained = runs.train(recipe, tmp_path_factory.mktemp("runs") / "run")
    trained.evaluate("test")
    return trained


def predictions(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.folder.path / "predictions" / "test.jsonl").read_text().splitlines()]


def test_a_caption_is_told_from_regions(run: Run) -> None:
    model: Any = run.model
    assert isinstance(model.encoder, RegionEncoder)
    assert next(model.encoder.parameters()).shape[1] == 1280
    asked = [tables_of(run.recipe)["test"][0]["image"]]
    (answer,) = run.predict(asked, attention=True)
    assert answer.attention is not None
    assert answer.attention.shape[1] == 49
    assert runs.load(run.folder.path).predict(asked)[0].text == answer.text


def test_where_each_word_looked_is_drawn(run: Run) -> None:
    pytest.importorskip("matplotlib")
    assert (run.folder.path / "plots" / "caption.png").exists()
    assert not (run.folder.path / "plots" / "attention.png").exists()


def test_captions_of_a_picture_share_its_features(run: Run) -> None:
    table = tables_of(run.recipe)["train"]
    encoded = data.encode(table, {"image": run.fields["image"]})
    assert len(encoded._values["image"]) == 49 * len(table) / 2
    first, second = encoded.batch([0, 1])["image"].split()  # type: ignore[union-attr]
    assert torch.equal(first, second)


def test_a_picture_is_asked_once_and_any_of_its_captions_is_right(run: Run) -> None:
    kept = predictions(run)
    assert len({row["input"] for row in kept}) == len(kept) == 8
    assert [len(row["references"]) for row in kept] == [2] * 8


def test_the_nearest_picture_is_one_of_the_same_colour(run: Run) -> None:
    tables = tables_of(run.recipe)
    asked = questions(tables["test"], run.task)
    told = answers_of_baseline("nearest_features", run.task, tables["train"], asked.inputs)
    colours = [references[0].split()[-1] for references in asked.answers]
    assert all(colour in text.split() for colour, text in zip(colours, told, strict=True))
    found = run.baselines("test")
    assert found["nearest_features"] == [METRICS[name](told, asked.answers) for name in ("cider", "bleu_tok_1")]


def test_a_run_is_compared_with_its_baselines_on_the_same_samples(run: Run) -> None:
    asked = questions(tables_of(run.recipe)["test"], run.task)
    found = runs.against_baselines(run, "bleu_tok_1")
    assert list(found) == ["typical", "nearest_features"]
    told = answers_of_baseline("typical", run.task, tables_of(run.recipe)["train"], asked.inputs)
    said = [row["prediction"] for row in predictions(run)]
    assert found["typical"] == difference(METRICS["bleu_tok_1"], said, told, asked.answers)
    with pytest.raises(RunError) as error:
        runs.against_baselines(run, "ciderd")
    assert str(error.value).startswith("`ciderd` is no metric of answers; there are ")


def test_the_command_prints_how_sure_it_is(run: Run, unspool_: Callable[..., Any]) -> None:
    assert unspool_("evaluate", run.folder.path, "--paired", "cidr").message.startswith(
        "`cidr` is no metric of answers"
    )
    printed = unspool_("evaluate", run.folder.path, "--paired", "cider").out
    assert f"\nagainst typical: {runs.against_baselines(run, 'cider')['typical']}\n" in printed
    lines = unspool_("evaluate", run.folder.path, "--paired", "cider", "--json").out.splitlines()
    assert json.loads(lines[-1])["baseline"] == "nearest_features"


def test_a_text_has_no_features_to_be_near(recipe: recipes.Recipe, tmp_path: Path) -> None:
    changes = ["inputs.image={kind: text, unit: characters}", "model.front={}", "model.attention.kind=general"]
    run = runs.train(recipes.load(recipe, [*changes, "train.metric=loss", "train.epochs=1"]), tmp_path / "text")
    with pytest.raises(RunError) as error:
        run.baselines("test")
    assert str(error.value) == "`baselines` must be without nearest_features where `image` is a text; use nearest"


def test_pictures_as_pixels_have_features_too(recipe: recipes.Recipe, tmp_path: Path) -> None:
    changes = ["inputs.image={kind: image, height: 8, width: 8}", "model.front.channels=[4, 8]"]
    run = runs.train(recipes.load(recipe, changes), tmp_path / "pixels")
    assert run.baselines("test")["nearest_features"][1].value > run.baselines("test")["typical"][1].value


def test_a_bridge_from_the_last_step_is_refused(recipe: recipes.Recipe, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="`bridge` must be mean where a picture is read, which has no last step"):
        runs.train(recipes.load(recipe, ["model.bridge=last"]), tmp_path / "last")


def test_the_recipe_reads_regions() -> None:
    recipe = recipes.load("caption")
    assert recipe.inputs["image"].kind == RegionsField.kind
    assert recipe.data.files == {"image": "images"}
    with pytest.raises(RecipeError, match=r"`inputs.image.network` must be"):
        recipes.load("caption", ["inputs.image.network=lite9"])
