"""A recipe tried as time goes on: taught what was, asked about what came next, again and again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unspool import recipes
from unspool.errors import RecipeError, RunError
from unspool.metrics import METRICS, Score, clustered_error
from unspool.metrics.edits import sequence_counts
from unspool.metrics.forecasts import loss_sums
from unspool.recipes import Recipe
from unspool.runs.comparing import answers_of_baseline
from unspool.runs.folder import Folder
from unspool.runs.preparing import tables_of
from unspool.runs.questions import column_of_questions, questions
from unspool.runs.run import Run, load
from unspool.runs.scoring import scores
from unspool.runs.training import train

MODEL = "model"
_FEW = 2  # standard errors that a lead must have to be more than luck


class Reached(NamedTuple):
    """What a model or a baseline reaches over all periods together.

    Fields:
        scores: the recipe's metrics.
        error: the standard error of the first of them, where rows of one date are not independent.
        lead: how much better the model is than this by that metric, and the standard error of that; of the model None.
    """

    scores: list[Score]
    error: float
    lead: tuple[float, float] | None


class Walk(NamedTuple):
    """What `walk` found. Printing it gives a table, and says plainly what it is worth.

    Fields:
        runs: one for each period.
        rows, dates: how many answers there are, and of how many dates.
        reached: by "model" and the names of the recipe's baselines.
    """

    runs: list[Run]
    rows: int
    dates: int
    reached: dict[str, Reached]

    def __str__(self) -> str:
        first = max(map(len, self.reached))
        digits = 2 if self.reached[MODEL].scores[0].name == "accuracy" else 4
        lines = [f"{self.rows:,} answers on {self.dates:,} days, {len(self.runs)} trainings"]
        for name, each in self.reached.items():
            main, *others = each.scores
            more = "".join(f", {score.name} {score.value:.2f}" for score in others)
            lines.append(f"{name:<{first}}  {main.name} {main.value:.{digits}f} ± {each.error:.{digits}f}{more}")
        for name, each in self.reached.items():
            if each.lead is not None:
                lead, error = each.lead
                verdict = "more than luck" if lead > _FEW * error else "no evidence that it can do more"
                lines.append(f"{MODEL} better than {name} by {lead:.{digits}f} ± {error:.{digits}f}: {verdict}")
        return "\n".join(lines)


def walk(recipe: Recipe | str | Path, borders: Sequence[str], run: str | Path, *, validation: int = 60) -> Walk:
    """Train anew at each border on all that was before it, and ask about what comes up to the next one.

        for begin, end in pairs of borders:
            train before begin - validation days,  choose the weights on the days up to begin,  test from begin to end

    So every answer is one that could have been given at the time. A training that is in the folder already is not
    repeated; one that was interrupted goes on.

    Args:
        recipe: whose data are cut by `data.periods`, all but `begin` of which is set here; measured by accuracy or
            pinball first.
        borders: dates such as "2015-10-01", rising: one more than there are periods.
        run: folder to write: a run for each period, called as its first day, and `walk.json` with all scores.
        validation: days before a border on which weights are chosen.

    Raises:
        RecipeError: no `data.periods`, or another first metric.
        RunError: fewer than two borders, or no dates that rise; a folder with a run of another recipe.
        KeyboardInterrupt: Ctrl-C or SIGTERM ended a training, which keeps everything.

    Example:
        print(unspool.runs.walk("stocks", ["2011-01-01", "2011-07-01", "2012-01-01"], "runs/walk"))
    """
    recipe = recipe if isinstance(recipe, Recipe) else recipes.load(recipe)
    if recipe.data.periods is None:
        raise RecipeError("`data.periods` must say which column holds dates to walk along, but is null")
    measured = [name for name in recipe.metrics if name in METRICS]
    if not measured or measured[0] not in ("accuracy", "pinball"):
        raise RecipeError(f"`metrics` must begin with accuracy or pinball to walk, but are {list(recipe.metrics)}")
    folder = Path(run)
    runs: list[Run] = []
    told: dict[str, list[str]] = {name: [] for name in (MODEL, *recipe.baselines)}
    right: list[list[str]] = []
    asked_so_far: list[Any] = []
    dates: list[str] = []
    for begin, end in pairwise(_days(borders)):
        periods = {"valid": begin - timedelta(validation), "test": begin, "end": end}
        asked_for = recipes.load(recipe, [f"data.periods.{name}={day}" for name, day in periods.items()])
        runs.append(_run(asked_for, folder / str(begin)))
        tables, task = tables_of(asked_for), runs[-1].task
        asked = questions(tables["test"], task)
        right += asked.answers
        asked_so_far += asked.inputs
        dates += column_of_questions(tables["test"], task, recipe.data.periods.by)
        told[MODEL] += [each.text for each in runs[-1].predict(asked.inputs)]
        for name in recipe.baselines:
            told[name] += answers_of_baseline(name, task, tables["train"], asked.inputs)
    values = {name: _values(measured[0], answers, right) for name, answers in told.items()}
    found = {
        name: Reached(
            scores(measured, answers, right, asked_so_far, task),
            clustered_error(values[name].tolist(), dates),
            None if name == MODEL else _lead(measured[0], values[MODEL] - values[name], dates),
        )
        for name, answers in told.items()
    }
    kept = {
        name: {**each._asdict(), "scores": [score._asdict() for score in each.scores]} for name, each in found.items()
    }
    (folder / "walk.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    return Walk(runs, len(right), len(set(dates)), found)


def _days(borders: Sequence[str]) -> list[date]:
    try:
        days = [date.fromisoformat(border) for border in borders]
    except ValueError as error:
        raise RunError(f"`borders` must be dates such as 2015-10-01, but {error}") from error
    if len(days) < 2 or any(one >= other for one, other in pairwise(days)):
        raise RunError(f"`borders` must be at least two dates that rise, but are {', '.join(borders) or 'none'}")
    return days


def _run(recipe: Recipe, folder: Path) -> Run:
    """The run of a period: the one that is there, gone on with where it was interrupted, or a new one."""
    begun = (folder / "run.json").exists()
    if not begun or not Folder(folder).whole:
        run = train(recipe, folder, resume=begun)
        if not run.folder.whole:
            raise KeyboardInterrupt  # `train` takes it for a wish to end with what there is, but half a walk is none
        return run
    found = load(folder)
    if found.recipe != recipe:
        raise RunError(f"`{folder}` must hold a run of the recipe that walks, but holds another one; name a new folder")
    return found


def _values(metric: str, told: Sequence[str], right: Sequence[Sequence[str]]) -> np.ndarray:
    """What a metric is the mean of, for each answer."""
    if metric == "pinball":
        return loss_sums(told, right)[:, 0]
    return np.array([100.0 * (1 - wrong) for wrong, _ in sequence_counts(told, right)])


def _lead(metric: str, differences: np.ndarray, dates: Sequence[str]) -> tuple[float, float]:
    lead = float(differences.mean()) * (-1 if metric == "pinball" else 1)
    return lead, clustered_error(differences.tolist(), dates)
