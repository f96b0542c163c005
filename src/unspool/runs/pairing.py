"""Whether a run is better than its baselines, or whether the test part happened to suit it."""

from __future__ import annotations

from collections.abc import Sequence

from unspool import recipes
from unspool.baselines import LANGUAGE_MODELS
from unspool.errors import RunError
from unspool.metrics import METRICS, Difference, difference
from unspool.nearest import choices
from unspool.runs.comparing import answers_of_baseline
from unspool.runs.groups import kept_predictions
from unspool.runs.preparing import tables_of
from unspool.runs.questions import part_of, questions
from unspool.runs.run import Run
from unspool.runs.scoring import acts_for, metric_of


def comparable(run: Run, metric: str, overrides: Sequence[str] = ()) -> list[str]:
    """The baselines that a run can be compared with by a metric; that there are some is known before it is evaluated.

    Args:
        metric, overrides: as of `against_baselines`.

    Raises:
        RunError: a metric that compares no answers, or no answers to compare: of the run, or of any baseline.
    """
    recipe = recipes.load(run.recipe, overrides)
    if metric not in METRICS:
        raise RunError(f"`{metric}` is no metric of answers; {choices(metric, METRICS)}")
    if not METRICS.keys() & {*recipe.metrics}:
        raise RunError("`metrics` must have one of answers, so that there are some to compare, but has none")
    answering = [name for name in recipe.baselines if name not in LANGUAGE_MODELS]
    if not answering:
        raise RunError("`baselines` must name one that answers, to be compared with, but names none")
    return answering


def against_baselines(
    run: Run, metric: str, part: str = "test", overrides: Sequence[str] = ()
) -> dict[str, Difference]:
    """How much better a run is than each of its recipe's baselines that answers, by the paired bootstrap.

    Args:
        run: that was evaluated on that part; its predictions are those that `Run.evaluate` kept.
        metric: one of `unspool.metrics.METRICS`.
        part: train, valid or test.
        overrides: as for that evaluation.

    Raises:
        RunError: no predictions, or those of other rows; a metric that compares no answers; no baseline that answers.
        DataError: a metric that has no interval.
    """
    answering = comparable(run, metric, overrides)
    tables = tables_of(recipes.load(run.recipe, overrides))
    asked = questions(part_of(tables, part), run.task)
    ours = [str(row["prediction"]) for row in kept_predictions(run, part, asked.inputs)]
    compared = metric_of(metric, run.task)
    inputs = next(iter(acts_for(metric, run.task, asked.inputs)), None)
    found = {}
    for name in answering:
        theirs = answers_of_baseline(name, run.task, tables["train"], asked.inputs)
        found[name] = difference(compared, ours, theirs, asked.answers, inputs=inputs)
    return found
