"""Runs over sounds, clips, music, digits and drawings: trained, saved, asked, measured."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit.runs import media

from unspool import Run, recipes, runs
from unspool.errors import DataError, FieldError, RecipeError
from unspool.fields import NotesField
from unspool.models import CTCNetwork, JointNetwork, StepWriter
from unspool.recipes import CTCSpec, EncoderDecoderSpec, EncoderWithHeadSpec, VectorDecoderSpec

pytest.importorskip("soundfile")
JOINT = {
    "kind": "encoder-decoder", "ctc": 0.3, "embedding_size": 8, "encoder": media.ENCODER, "decoder": media.DECODER,
    "attention": {"kind": "general"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # they are drawn, and tested, elsewhere


class Case:
    """A run, the folder of its data, and what to ask it."""

    def __init__(self, run: Run, asked: list[Any]) -> None:
        self.run, self.asked = run, asked


def sounds(folder: Path) -> list[Any]:
    return sorted(map(str, (folder / "recordings").glob("*_0.wav")))


CASES: dict[str, Callable[[Path], tuple[Any, list[Any]]]] = {
    "ctc": lambda at: (media.spoken(media.write_sounds(at)), sounds(at)),
    "joint": lambda at: (media.spoken(media.write_sounds(at), model=JOINT), sounds(at)),
    "clips": lambda at: (media.acted(media.write_clips(at)), [f"{at}/clips.npz::frames::{row}" for row in (3, 0)]),
    "chords": lambda at: (
        media.composed(media.write_chorales(at / "music.json"), "chords"), [[[60, 64], [62]], [], {}],
    ),
    "notes": lambda at: (
        media.composed(media.write_chorales(at / "music.json"), "notes"), [[[60, 64], [62]], [], {}],
    ),
    "rows": lambda at: (media.drawn_digits(media.write_digits(at / "digits.npz")), [0, 1, 0]),
    "strokes": lambda at: (media.drawn_strokes(media.write_drawings(at / "drawings.npz")), [[[5, 2, 0]], [], {}]),
}  # fmt: skip


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    """Each is trained once, when it is first asked for."""
    known: dict[str, Case] = {}

    def case(name: str) -> Case:
        if name not in known:
            at = tmp_path_factory.mktemp(name)
            (at / "data").mkdir()
            recipe, asked = CASES[name](at / "data")
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("importlib.util.find_spec", lambda name: None)
                known[name] = Case(runs.train(recipe, at / "run"), asked)
        return known[name]

    return case


def rounded(told: Any) -> Any:
    """Numbers to four places: a product of one row may round otherwise than the same row's among others."""
    if isinstance(told, list | tuple):
        return [rounded(each) for each in told]
    return round(told, 4) if isinstance(told, float) else told


def plain(answers: Any) -> list[Any]:
    return [rounded((each.text, each.log_probability, each.complete)) for each in answers]


@pytest.mark.parametrize("name", CASES)
def test_a_run_answers_from_its_folder_as_it_did(name: str, cases: Callable[[str], Case]) -> None:
    case = cases(name)
    again = runs.load(case.run.folder.path)
    told = case.run.predict(case.asked)
    assert len(told) == len(case.asked)
    assert plain(again.predict(case.asked)) == plain(told)
    assert plain(again.predict(case.asked[:1])) == plain(told[:1])
    assert again.predict([]) == []
    assert again.task.longest_target == case.run.task.longest_target if hasattr(again.task, "longest_target") else True


@pytest.mark.parametrize("name", CASES)
def test_a_run_is_measured_as_its_recipe_says(name: str, cases: Callable[[str], Case]) -> None:
    run = cases(name).run
    scores = run.evaluate()
    assert [each.name for each in scores] == list(run.recipe.metrics)
    assert all(math.isfinite(each.value) for each in scores)
    assert run.evaluate() == scores
    assert list(run.baselines()) == list(run.recipe.baselines)
    if run.recipe.metrics == ("nats_per_step",):
        lines = run.folder.metrics.read_text().splitlines()
        assert any("nats_per_step" in line for line in lines)


def test_each_model_is_of_its_kind(cases: Callable[[str], Case]) -> None:
    kinds = {"ctc": CTCNetwork, "joint": JointNetwork, "notes": StepWriter, "rows": StepWriter, "strokes": StepWriter}
    for name, kind in kinds.items():
        assert type(cases(name).run.model) is kind


@pytest.mark.parametrize("name", ["ctc", "joint"])
def test_what_was_said_is_text_and_several_are_ranked(name: str, cases: Callable[[str], Case]) -> None:
    case = cases(name)
    (answer, _) = case.run.predict(case.asked, n_best=3)
    assert len({each.text for each in answer.n_best}) == 3
    assert [each.score for each in answer.n_best] == sorted((each.score for each in answer.n_best), reverse=True)
    assert not any("⁇" in each.text for each in answer.n_best)
    with pytest.raises(FieldError, match=r"nowhere\.wav"):
        case.run.predict(["nowhere.wav"])


def test_a_clip_is_told_by_its_class(cases: Callable[[str], Case]) -> None:
    case = cases("clips")
    answers = case.run.predict(case.asked, n_best=2)
    assert all({each.text for each in answer.n_best} == {"0", "1"} for answer in answers)
    frames = np.load(case.asked[0].partition("::")[0])["frames"]
    assert plain(case.run.predict([frames[3], frames[0]], n_best=2)) == plain(answers)


@pytest.mark.parametrize("name", ["chords", "notes", "strokes"])
def test_what_is_written_goes_on_from_its_opening(name: str, cases: Callable[[str], Case]) -> None:
    case = cases(name)

    def steps(text: Any) -> Any:
        return json.loads(text) if isinstance(text, str) else text

    opening = case.asked[0]
    for how in ({}, {"sample": False}, {"temperature": 0.5, "seed": 3}):
        told = case.run.predict(case.asked, **how)
        written = steps(told[0].text)
        assert np.concatenate(written[: len(opening)]) == pytest.approx(np.concatenate(opening), abs=1e-4)
        assert len(written) >= len(opening)
    seeds = [plain(case.run.predict(case.asked, seed=seed)) for seed in (0, 0, 1)]
    assert seeds[0] == seeds[1] != seeds[2]


def test_a_digit_is_drawn_in_rows(cases: Callable[[str], Case]) -> None:
    run = cases("rows").run
    one, two, three = run.predict([0, 1, 0])
    assert np.array(one.text).shape == np.array(two.text).shape == (6, 5)
    assert {value for row in one.text for value in row} <= {0, 255}
    assert one.text != three.text  # drawn anew
    best = run.predict([0, 1, 0], sample=False)
    assert best[0].text == best[2].text
    with pytest.raises(FieldError):
        cases("strokes").run.predict([[[1, 2]]])


def test_nats_of_a_step_are_those_of_counting_by_hand(cases: Callable[[str], Case]) -> None:
    """Of all pieces, one after another, each a batch of its own."""
    run = cases("notes").run
    (score,) = run.evaluate()
    pieces = json.loads(Path(run.recipe.data.path or "").read_text())["test"]
    field = NotesField(50, 79)
    nats = steps = 0.0
    for piece in pieces:
        target = media.one(field.encode(piece))
        nats += float(run.model.loss({}, target).detach())  # type: ignore[operator]
        steps += len(piece)
    assert score.value == pytest.approx(nats / steps, rel=1e-5)
    chords = cases("chords").run.evaluate()[0]
    assert chords.details["steps"] == steps


def test_training_makes_the_nats_fewer(tmp_path: Path) -> None:
    file = media.write_chorales(tmp_path / "music.json")
    losses = []
    for steps in (1, 40):
        recipe = media.composed(file, "chords", f"train.steps={steps}", "train.learning_rate=0.02")
        (score,) = runs.train(recipe, tmp_path / str(steps)).evaluate()
        losses.append(score.value)
    assert losses[1] < losses[0] - 1


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["outputs.notes.lowest=60"], FieldError, "must be a pitch from 60 to 79"),
        (["train.label_smoothing=0.1"], RecipeError, "`train.label_smoothing` must be 0 where steps are no tokens"),
        (["data.path=nowhere.json"], DataError, "nowhere.json"),
        (["model={kind: encoder}"], RecipeError, "`inputs` must name at least one column, or `model.kind` be decoder"),
    ],
)
def test_a_mistake_is_told_before_training(overrides: list[str], error: Any, message: str, tmp_path: Path) -> None:
    file = media.write_chorales(tmp_path / "music.json")
    with pytest.raises(error, match=message):
        runs.train(media.composed(file, "notes", *overrides), tmp_path / "run")
    assert not (tmp_path / "run").exists()


SHIPPED: dict[str, Any] = {
    "compose": (VectorDecoderSpec, [], ["notes"]),
    "transcribe": (CTCSpec, ["sound"], ["text"]),
    "dictate": (CTCSpec, ["sound"], ["text"]),
    "actions": (EncoderWithHeadSpec, ["clip"], ["action"]),
    "describe": (EncoderDecoderSpec, ["clip"], ["text"]),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_recipes_that_come_along_are_whole(name: str) -> None:
    model, read, written = SHIPPED[name]
    recipe = recipes.load(name)
    assert isinstance(recipe.model, model)
    assert (list(recipe.inputs), list(recipe.outputs)) == (read, written)
    assert recipe.train.metric in ("loss", *recipe.metrics)
    assert recipes.load(recipe.model_dump(mode="json")).model == recipe.model


def test_compose_trains_on_a_file_of_ones_own(tmp_path: Path) -> None:
    file = media.write_chorales(tmp_path / "music.json")
    small = ["model.decoder.hidden_size=8", "model.embedding_size=8", "model.decoder.cell=GRU"]
    short = ["train.epochs=null", "train.steps=2", "train.threads=1"]
    run = runs.train(recipes.load("compose", [f"data.path={file}", *small, *short]), tmp_path / "run")
    assert math.isfinite(run.evaluate()[0].value)
    assert json.loads(run.predict([[[60, 64]]])[0].text)[0] == [60, 64]
