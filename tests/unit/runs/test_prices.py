"""Runs on prices: nothing that comes later is known, and walking along time asks only about what came next."""

import json
import os
import signal
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from unspool import Run, recipes, runs
from unspool.baselines import climatology, majority, repeat
from unspool.errors import RecipeError, RunError
from unspool.fields import QuantilesField
from unspool.metrics import clustered_error, exact_match, mcc, pinball
from unspool.recipes import Recipe
from unspool.runs import fans
from unspool.runs.preparing import prepared, tables_of
from unspool.training import MetricsFile

VALID, TEST = "2014-05-01", "2014-06-01"
DAYS = [str(date(2014, 1, 1) + timedelta(day)) for day in range(200)]


def write(folder: Path, changed: str | None = None) -> Path:
    """Three stocks whose moves go on for a while; from one day on, if asked for, they are others."""
    folder.mkdir()
    for seed, name in enumerate(["A", "B", "C"]):
        chance = np.random.default_rng(seed)
        steps = np.convolve(0.015 * chance.standard_normal(202), [0.5, 0.3, 0.2], "valid")
        close = 50 * np.exp(steps.cumsum())
        numbers = close[:, None] * np.array([1, 1.01, 0.99, 1, 0.9]) * (1 + 0.001 * chance.standard_normal((200, 5)))
        if changed is not None:
            first = DAYS.index(changed)
            numbers[first:] = chance.uniform(1, 1000, numbers[first:].shape)
        rows = [f"{day},{','.join(map(repr, row))}" for day, row in zip(DAYS, numbers.tolist(), strict=True)]
        (folder / f"{name}.csv").write_text("\n".join(["Date,Open,High,Low,Close,Adj Close", *rows]) + "\n")
    return folder


def recipe(folder: Path, name: str = "stocks", *overrides: str) -> Recipe:
    small = ["train.epochs=1", "train.examples=32", "model.encoder.hidden_size=4", "train.threads=1"]
    periods = f"data.periods={{by: date, valid: {VALID}, test: {TEST}}}"
    return recipes.load(name, [f"data.path={folder}", periods, *small, *overrides])


@pytest.fixture
def _no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("prices") / "all")


@pytest.fixture(scope="module")
def returns(prices: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Not to be changed."""
    return runs.train(recipe(prices, "returns"), tmp_path_factory.mktemp("returns") / "run")


def known(run: Run, folder: Path, until: str) -> list[tuple[Any, Any, Any]]:
    """What a run is told and answers about the days of the test part up to one, in bits."""
    rows = [row for row in tables_of(recipe(folder, run.recipe.name))["test"] if row["date"] <= until]
    answers = run.predict([row["history"] for row in rows])
    inputs = [run.fields["history"].encode(row["history"]).numpy().tobytes() for row in rows]
    return [
        (row["ticker"], row["date"], (given, answer.text, answer.score))
        for row, given, answer in zip(rows, inputs, answers, strict=True)
    ]


@pytest.mark.usefixtures("_no_plots")
@pytest.mark.parametrize("name", ["stocks", "returns"])
def test_scrambling_what_comes_later_changes_no_bit_of_what_was_told(name: str, prices: Path, tmp_path: Path) -> None:
    day = "2014-07-01"  # in the middle of testing
    other = write(tmp_path / "other", day)
    left, right = (runs.train(recipe(path, name), tmp_path / path.name / "run") for path in (prices, other))
    assert left.fields["history"].to_json() == right.fields["history"].to_json()
    ours, theirs = (load_file(run.folder.path / "model.safetensors") for run in (left, right))
    assert all(torch.equal(ours[weight], theirs[weight]) for weight in ours)
    # Flat days of `stocks` are left out, which only the day itself tells: those asked about in both are the same.
    before, after = ({row[:2]: row[2] for row in known(*given, day)} for given in ((left, prices), (right, other)))
    shared = before.keys() & after.keys()
    assert {date for _, date in shared} >= {TEST, day}
    assert all(before[row] == after[row] for row in shared)
    assert {row for row in before.keys() ^ after.keys() if row[1] != day} == set()
    later = known(left, prices, "2014-07-03")
    assert later != known(right, other, "2014-07-03")


def test_scaling_is_learned_from_the_training_part_alone(prices: Path, tmp_path: Path) -> None:
    one, two = (prepared(recipe(path, "returns")) for path in (prices, write(tmp_path / "other", VALID)))
    for column in one.task.fields:
        assert one.task.fields[column].to_json() == two.task.fields[column].to_json()
    assert list(one.tables["train"]) == list(two.tables["train"])
    assert max(one.tables["train"].column("date")) < VALID <= min(one.tables["valid"].column("date"))
    everything = np.concatenate([np.array(row["history"]) for row in one.tables["train"]])
    assert np.allclose(one.task.fields["history"].to_json()["mean"], everything.mean(0), atol=1e-5)
    assert not np.allclose(
        np.concatenate([np.array(row["history"]) for row in two.tables["valid"]]).mean(0), everything.mean(0), atol=1
    )


def test_numbers_over_time_are_asked_about_on_a_line(
    returns: Run, tmp_path: Path, unspool_: Callable[..., Any]
) -> None:
    asked = list(tables_of(returns.recipe)["test"].column("history"))[:2]
    lines = [json.dumps({"history": each}) for each in asked]
    assert [returns.typed(line) for line in lines] == [{"history": each} for each in asked]
    assert returns.typed("history.npy") == "history.npy"
    for other in ('{"histori": []}', '{"history": [], "more": 1}', "[[1.0]]"):
        assert returns.typed(other) == other
    (tmp_path / "asked.jsonl").write_text("\n".join(lines))
    told = [each.text for each in returns.predict(asked)]
    assert unspool_("predict", returns.folder.path, "asked.jsonl").out.splitlines() == told


def test_quantiles_are_told_saved_and_measured_beside_climatology(returns: Run) -> None:
    tables = tables_of(returns.recipe)
    asked = list(tables["test"].column("history"))
    told = returns.predict(asked)
    assert runs.load(returns.folder.path).predict(asked) == told
    for each in told:
        quantiles = list(json.loads(each.text).values())
        assert quantiles == sorted(quantiles)
    right = [[str(number)] for number in tables["test"].column("return")]
    scores = returns.evaluate("test")
    assert [score.name for score in scores] == ["pinball", "coverage_error"]
    assert scores[0] == pinball([each.text for each in told], right)
    field = returns.fields["return"]
    assert isinstance(field, QuantilesField)
    numbers = list(map(str, tables["train"].column("return")))
    everyday = climatology(numbers, numbers, [""] * len(asked), field.levels)
    assert returns.baselines("test")["climatology"][0] == pinball(everyday, right)


def test_a_price_fan_is_in_the_folder(returns: Run) -> None:
    pytest.importorskip("matplotlib")
    assert (returns.folder.plots / "fan.png").stat().st_size > 1000


def test_a_fan_of_movements_mixes_their_returns_as_the_model_believes_in_them(prices: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    run = runs.train(recipe(prices), tmp_path / "run")
    assert (run.folder.plots / "fan.png").stat().st_size > 1000
    made = prepared(run.recipe)
    train = [*made.tables["train"]]
    row = made.tables["valid"][0]
    (told,) = fans._mixed(run, made, [row["history"]])
    (answer,) = run.predict([row["history"]], n_best=2)
    assert {each.text for each in answer.n_best} == {"up", "down"}

    def below(level: float) -> float:
        """The probability that the model gives to returns up to that one."""
        return sum(
            np.exp(each.log_probability)
            * np.mean([moved["return"] <= level for moved in train if moved["movement"] == each.text])
            for each in answer.n_best
        )

    for level, number in zip((0.05, 0.25, 0.5, 0.75, 0.95), told, strict=True):
        assert below(number) >= level - 1e-9
        assert below(number - 1e-9) < level


def test_the_card_says_what_it_can_not_do(returns: Run) -> None:
    assert returns.recipe.limits in (returns.folder.path / "README.md").read_text()


@pytest.mark.usefixtures("_no_plots")
def test_climatology_is_of_quantiles(prices: Path, tmp_path: Path) -> None:
    run = runs.train(recipe(prices, "stocks"), tmp_path / "run")
    with pytest.raises(RunError) as error:
        run.baselines("test", ["baselines=[climatology]"])
    assert str(error.value) == "`baselines` must be without climatology where `movement` is not of kind quantiles"


@pytest.mark.usefixtures("_no_plots")
def test_walking_asks_about_what_came_next_and_joins_the_answers(prices: Path, tmp_path: Path) -> None:
    borders, folder = ["2014-05-20", "2014-06-10", "2014-07-01"], tmp_path / "walk"
    found = runs.walk(recipe(prices, "stocks"), borders, folder, validation=20)
    told: dict[str, list[str]] = {"model": [], "majority": [], "repeat": []}
    right, dates = [], []
    for run, begin, end in zip(found.runs, borders, borders[1:], strict=False):
        tables = tables_of(run.recipe)
        spans = [(min(table.column("date")), max(table.column("date"))) for table in tables.values()]
        chosen_from = str(date.fromisoformat(begin) - timedelta(20))
        assert spans[0][1] < chosen_from <= spans[1][0] <= spans[1][1] < begin <= spans[2][0] <= spans[2][1] < end
        asked, answers = (list(tables["test"].column(column)) for column in ("history", "movement"))
        known_answers = list(tables["train"].column("movement"))
        told["model"] += [each.text for each in run.predict(asked)]
        told["majority"] += majority(known_answers, known_answers, ["?"] * len(asked))
        told["repeat"] += repeat(known_answers, known_answers, list(map(str, asked)))
        right += [[answer] for answer in answers]
        dates += list(tables["test"].column("date"))
    hits = {
        name: [100.0 * (one == [other]) for other, one in zip(each, right, strict=True)] for name, each in told.items()
    }
    for name, reached in found.reached.items():
        assert reached.scores == [exact_match(told[name], right), mcc(told[name], right)]
        assert reached.error == pytest.approx(clustered_error(hits[name], dates))
        if name == "model":
            assert reached.lead is None
            continue
        differences = [one - other for one, other in zip(hits["model"], hits[name], strict=True)]
        assert reached.lead == pytest.approx((np.mean(differences), clustered_error(differences, dates)))
    assert (found.rows, found.dates) == (len(right), len(set(dates)))
    assert json.loads((folder / "walk.json").read_text())["model"]["error"] == found.reached["model"].error
    first = str(found).splitlines()
    assert first[0] == f"{found.rows} answers on {found.dates} days, 2 trainings"
    assert first[-1].startswith("model better than repeat by ")


@pytest.mark.usefixtures("_no_plots")
def test_walking_again_trains_nothing_and_another_recipe_needs_another_folder(prices: Path, tmp_path: Path) -> None:
    def walked(*overrides: str) -> runs.Walk:
        asked = recipe(prices, "returns", *overrides)
        return runs.walk(asked, ["2014-06-01", "2014-07-01"], tmp_path / "walk", validation=20)

    first = walked()
    weights = tmp_path / "walk" / "2014-06-01" / "model.safetensors"
    when = weights.stat().st_mtime_ns
    again = walked()
    assert weights.stat().st_mtime_ns == when
    assert again.reached == first.reached
    lead = first.reached["climatology"].lead
    assert lead is not None
    pinballs = [first.reached[name].scores[0].value for name in ("climatology", "model")]
    assert lead[0] == pytest.approx(pinballs[0] - pinballs[1])  # less is better
    verdict = "more than luck" if lead[0] > 2 * lead[1] else "no evidence that it can do more"
    assert str(first).endswith(f"model better than climatology by {lead[0]:.4f} ± {lead[1]:.4f}: {verdict}")
    weights.unlink()  # as if it had been interrupted
    assert walked().reached == first.reached
    with pytest.raises(RunError) as error:
        walked("seed=1")
    assert str(error.value) == (
        f"`{tmp_path / 'walk' / '2014-06-01'}` must hold a run of the recipe that walks, but holds another one; name a "
        "new folder"
    )


@pytest.mark.usefixtures("_no_plots")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_walk_that_is_interrupted_ends_and_goes_on_with_the_training_that_it_was_in(
    number: signal.Signals, prices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def walked(name: str) -> runs.Walk:
        asked = recipe(prices, "returns", "train.epochs=2")
        return runs.walk(asked, ["2014-05-20", "2014-06-10", "2014-07-01"], tmp_path / name, validation=20)

    written = MetricsFile.step

    def step(self: MetricsFile, record: dict[str, Any]) -> None:
        written(self, record)
        if record["step"] == 1:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(MetricsFile, "step", step)
        with pytest.raises(KeyboardInterrupt):
            walked("walk")
    assert [path.name for path in (tmp_path / "walk").iterdir()] == ["2014-05-20"]
    assert (tmp_path / "walk" / "2014-05-20" / "model.safetensors").exists()
    again, whole = walked("walk"), walked("whole")
    assert again.reached == whole.reached
    for ours, theirs in zip(again.runs, whole.runs, strict=True):
        assert ours.folder.weights.read_bytes() == theirs.folder.weights.read_bytes()


def failing(call: Callable[[], Any]) -> str:
    with pytest.raises((RecipeError, RunError)) as error:
        call()
    return str(error.value)


def test_what_can_not_be_walked_is_told_before_training(prices: Path, tmp_path: Path) -> None:
    days = ["2014-06-01", "2014-07-01"]
    assert failing(lambda: runs.walk(recipe(prices, "stocks", "data.periods=null"), days, tmp_path)) == (
        "`data.periods` must say which column holds dates to walk along, but is null"
    )
    assert failing(lambda: runs.walk(recipe(prices, "stocks", "metrics=[mcc]"), days, tmp_path)) == (
        "`metrics` must begin with accuracy or pinball to walk, but are ['mcc']"
    )
    assert failing(lambda: runs.walk("stocks", days[::-1], tmp_path)) == (
        "`borders` must be at least two dates that rise, but are 2014-07-01, 2014-06-01"
    )
    assert failing(lambda: runs.walk("stocks", ["june", *days], tmp_path)) == (
        "`borders` must be dates such as 2015-10-01, but Invalid isoformat string: 'june'"
    )
    assert list(tmp_path.iterdir()) == []
