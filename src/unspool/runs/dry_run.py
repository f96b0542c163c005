"""A recipe tried out before it is trained."""

from __future__ import annotations

import importlib
import sys
import time
from itertools import islice

import numpy as np

from unspool import randomness
from unspool.errors import TrainingError
from unspool.recipes import Recipe
from unspool.runs.preparing import Prepared, fields_of, prepared
from unspool.runs.training import trainer_of
from unspool.training import initialise

_FITTING_STEPS = 30


def dry_run(recipe: Recipe) -> str:
    """Everything but the training: data and fields are read, the model is built, one batch is learned by heart.

    Returns:
        Shapes, numbers of parameters, the loss on that batch before and after, and what memory and time to expect.

    Raises:
        TrainingError: the loss on one batch does not fall: nothing could be learned from many.
    """
    made = prepared(recipe, fields_of(recipe.train.init, recipe))
    parameters = [f"  {name}  {tuple(each.shape)}" for name, each in made.model.named_parameters()]
    total = sum(each.numel() for each in made.model.parameters())
    lines = [f"{type(made.model).__name__}: {total:,} parameters", *parameters]
    lines += [] if recipe.train.init is None else [str(initialise(made.model, recipe.train.init))]
    lines += [f"{part}: {len(table):,} rows" for part, table in made.tables.items()]
    lines += [*made.remarks(), _lengths(made), *_trial(made)]
    return "\n".join(lines)


def _lengths(made: Prepared) -> str:
    shown = []
    for column in made.sequences:
        quarters = np.quantile(made.encoded["train"].lengths(column), [0, 0.5, 1]).astype(int).tolist()
        shown.append(f"{column} {quarters[0]} to {quarters[2]} (median {quarters[1]})")
    return f"lengths in tokens: {', '.join(shown)}; {made.order.batches_in(0):,} batches an epoch"


def _trial(made: Prepared) -> list[str]:
    """Time and memory of real batches, then one batch over and over."""
    trainer = trainer_of(made, None)
    batches = [batch for _, batch in islice(made.batches((0, 0)), 4)]
    trainer.schedule.decay, trainer.schedule.warmup = "constant", 0
    losses, spent = [], []
    for step, batch in enumerate([*batches, *[batches[0]] * _FITTING_STEPS]):
        began = time.monotonic()
        with randomness.using(seed=made.recipe.seed, step=step):
            losses.append(trainer.advance(batch)["loss"])
        spent.append(time.monotonic() - began)
    if not losses[-1] < losses[0]:
        raise TrainingError(
            f"`loss` on one batch must fall when it is learned by heart, but went from {losses[0]:.3f} to "
            f"{losses[-1]:.3f} in {_FITTING_STEPS} steps; try another `learning_rate` (now "
            f"{made.recipe.train.learning_rate:g})"
        )
    return [
        f"one batch ({batches[0]!r}) learned {_FITTING_STEPS} times: loss {losses[0]:.3f} to {losses[-1]:.3f}",
        f"a step takes about {np.median(spent):.2f} s: {_duration(made, float(np.median(spent)))}",
        *_peak_memory(),
    ]


def _duration(made: Prepared, seconds: float) -> str:
    spec, epoch = made.recipe.train, made.order.batches_in(0)
    minutes = [
        limit
        for limit in (
            spec.minutes,
            spec.steps and spec.steps * seconds / 60,
            spec.epochs and spec.epochs * epoch * seconds / 60,
        )
        if limit
    ]
    return f"an epoch about {epoch * seconds / 60:.1f} minutes, the whole training about {min(minutes):.0f}"


def _peak_memory() -> list[str]:
    """A line, where the system tells."""
    try:
        resource = importlib.import_module("resource")
    except ImportError:
        return []
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return [f"peak memory so far: {peak / (1e6 if sys.platform == 'darwin' else 1e3):,.0f} MB"]
