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
from unspool.runs.questions import questions
from unspool.runs.run import Run
from unspool.runs.scoring import metric_of


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
        RunError: no predictions, or those of other rows; a metric that compares no answers.
        DataError: a metric that has no interval.
    """
    if metric not in METRICS:
        raise RunError(f"`{metric}` is no metric of answers; {choices(metric, METRICS)}")
    recipe = recipes.load(run.recipe, overrides)
    tables = tables_of(recipe)
    asked = questions(tables[part], run.task)
    ours = [str(row["prediction"]) for row in kept_predictions(run, part, len(asked.inputs))]
    compared = metric_of(metric, run.task.fields[run.task.target])
    inputs = asked.inputs if getattr(compared, "reads_inputs", False) else None
    found = {}
    for name in recipe.baselines:
        if name not in LANGUAGE_MODELS:
            theirs = answers_of_baseline(name, run.task, tables["train"], asked.inputs)
            found[name] = difference(compared, ours, theirs, asked.answers, inputs=inputs)
    return found
