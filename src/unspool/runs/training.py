"""A recipe, trained."""

from __future__ import annotations

import importlib.util
import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unspool import parallel, recipes
from unspool.engine.native import halves
from unspool.errors import RunError, UnspoolError
from unspool.metrics import FORECASTS, LIKELIHOODS, METRICS, OF_NUMBERS, Score
from unspool.recipes import AveragingSpec, Every, Recipe, TrainSpec
from unspool.runs.card import card
from unspool.runs.comparing import characters_of, nats_of
from unspool.runs.folder import Folder, loaded_field, new_folder
from unspool.runs.kept import reading_encoded
from unspool.runs.preparing import Prepared, fields_of, prepared
from unspool.runs.questions import questions
from unspool.runs.restarting import begun_by_this_job, this_job
from unspool.runs.run import Run, load
from unspool.runs.sameness import check_same, leaves
from unspool.runs.scoring import metric_of, scores
from unspool.runs.showing import show
from unspool.runs.weights import save_weights
from unspool.tasks import SequenceObjective, SequenceToSequence, Task
from unspool.training import (
    BEST,
    LAST,
    Averages,
    ExamplesFile,
    LastMean,
    Limits,
    MetricsFile,
    MovingAverage,
    Observer,
    Outcome,
    Schedule,
    Trainer,
    Validation,
    adamw,
    initialise,
    load_weights,
    plots,
    show_progress,
)

_log = logging.getLogger("unspool.runs")

_ASKED = "inform(name=a)"  # what a metric that reads inputs is asked about, to learn which of its values are better


def train(recipe: Recipe | str | Path, run: str | Path | None = None, *, resume: bool = False) -> Run:
    """Train a recipe into a folder.

    Args:
        recipe: loaded, or its name, or the path of its YAML file.
        run: the folder, new or empty; by default a new one under `runs/`.
        resume: go on with the run in that folder, bit for bit as if it had never stopped.

    Under `torchrun`, its processes train together: each step is the one that one process would make. Rank 0 writes.

    Returns:
        The run, with the best weights, on every rank.

    Raises:
        RunError: a folder that is taken; nothing to resume.
        DataError, FieldError, RecipeError, ModelError: what is wrong, before any training.
        TrainingError: a loss that is no number.
        ParallelError: ranks that do not fit together, or that are lost.

    Example:
        unspool.train("pronounce").predict(["unspool"])
    """
    recipe = recipe if isinstance(recipe, Recipe) else recipes.load(recipe)
    with parallel.joined() as group:
        group.check_same({f"recipe.{name}": value for name, value in leaves(recipe.model_dump(mode="json"))})
        folder, resume = group.once(lambda: _folder(recipe, run, resume))
        try:
            made = _prepared_together(recipe, folder, resume=resume)
            begun = group.once(lambda: _initialised(made, folder, resume=resume))
            trainer = trainer_of(made, folder)  # before the folder is begun: a mistake that it finds leaves none
        except BaseException:
            if run is None:
                with suppress(OSError):  # another rank was first
                    folder.path.rmdir()
            raise
        group.once(lambda: _begin(made, folder, resume=resume))
        outcome = trainer.run(resume=begun)
        print_line(str(outcome))
        trained = _finished_together(made, folder, outcome)
        if outcome.reason == "interrupted":
            print_line(f"go on with `unspool train {folder.path} --resume`")
    return trained


def _folder(recipe: Recipe, run: str | Path | None, resume: bool) -> tuple[Folder, bool]:
    """The folder to train in, and whether to go on with what is there."""
    if run is None and resume:
        raise RunError("`run` must name the folder to go on with; add `--run FOLDER`")
    if run is None and parallel.restarts():
        raise RunError(
            "`--run` must name the folder where `torchrun --max-restarts` may start lost ranks again, since they go on "
            "with it; add `--run FOLDER`"
        )
    folder = Folder(run if run is not None else new_folder(recipe.name))
    resume = resume or begun_by_this_job(folder)
    if resume:
        check_same(recipe, folder.recipe(), folder)
    else:
        folder.check_new()
    return folder, resume


def _prepared_together(recipe: Recipe, folder: Folder, *, resume: bool) -> Prepared:
    """The recipe's data and model on each rank: rank 0 fits the fields and fills the cache, the others are told."""
    group = parallel.current()
    own: list[Prepared] = []

    def first() -> tuple[float | None, dict[str, Any]]:
        gain = folder.about().get("halves") if resume else None
        halves.take(gain)
        own.append(prepared(recipe, folder.fields() if resume else fields_of(recipe.train.init, recipe)))
        gain = halves.gain() if recipe.train.precision == "bfloat16" else None
        return gain, {name: field.to_json() for name, field in own[0].task.fields.items()}

    gain, fields = group.once(first)
    halves.take(gain)  # measured anew it might be found not to pay, and other numbers computed
    if own:
        made = own[0]
    else:
        made = prepared(recipe, {name: loaded_field(recipe.fields[name], field) for name, field in fields.items()})
    if group.size > 1:
        # Asked of the clock only where it counts; there all were told what rank 0 found.
        group.check_same({"data": made.content(), "examples": len(made.order), "bfloat16": _halved(recipe.train)})
    return made


def _initialised(made: Prepared, folder: Folder, *, resume: bool) -> bool:
    """See that a run can go on, or give its model the weights it begins with; whether it goes on from a checkpoint."""
    if resume:
        folder.check_data(_facts(made))
    begun = resume and any((folder.checkpoints / name).exists() for name in (LAST, BEST))
    if made.recipe.train.init is not None and not begun:
        print_line(str(initialise(made.model, made.recipe.train.init)))
    return begun


def _begin(made: Prepared, folder: Folder, *, resume: bool) -> None:
    """Begin the run in its folder, or go on there with the limits that are asked for now."""
    recipe = made.recipe
    names = made.task.names if isinstance(made.task, SequenceToSequence) else None
    told = None if names is None else names.told
    if resume:
        folder.write("recipe.yaml", recipe.to_yaml())
        folder.keep_names(told)
    else:
        folder.create(recipe, made.task.fields, _facts(made) | {"job": this_job()}, told)
    for line in (_headline(made, folder), *made.remarks(), *_remark_on_precision(recipe)):
        print_line(line)


def trainer_of(made: Prepared, folder: Folder | None) -> Trainer:
    """The loop that a recipe asks for."""
    spec = made.recipe.train
    objective = made.task.objective(made.model)
    trainer = Trainer(
        made.model,
        objective,
        made.batches,
        adamw(made.model, learning_rate=spec.learning_rate, weight_decay=spec.weight_decay, betas=spec.betas),
        Schedule(spec.learning_rate, warmup=spec.warmup, decay=spec.schedule),
        Limits(spec.steps, spec.epochs, spec.minutes, epoch_steps=made.order.batches_in(0)),
        seed=made.recipe.seed,
        accumulate=spec.accumulate,
        memory=spec.memory,
        clip=spec.clip,
        bfloat16=_halved(spec),
        averages=_averages(spec.averaging),
        validation=_validation(made),
        folder=None if folder is None else folder.checkpoints,
        save_minutes=spec.checkpoint_every.count,
        observers=[] if folder is None else _observers(spec, folder),
        examples=spec.log_examples,
    )
    if spec.scheduled_sampling and isinstance(objective, SequenceObjective):
        objective.sampling = lambda: spec.scheduled_sampling * trainer.limits.done(*trainer._position)
    return trainer


def _observers(spec: TrainSpec, folder: Folder) -> list[Observer]:
    found: list[Observer] = [MetricsFile(folder.metrics), show_progress()]
    return [ExamplesFile(folder.examples), *found] if spec.log_examples else found


def _remark_on_precision(recipe: Recipe) -> list[str]:
    if recipe.train.precision != "bfloat16" or _halved(recipe.train):
        return []
    return ["layers compute in float32: products in bfloat16 (`train.precision`) are no faster on this processor"]


def _halved(spec: TrainSpec) -> bool:
    """Whether products are of bfloat16 numbers: where a recipe asks for them, and on a CPU where they are faster."""
    on_cpu = parallel.current().device.type == "cpu"
    return spec.precision == "bfloat16" and (not on_cpu or halves.pay_in_torch())


def _averages(spec: AveragingSpec) -> Averages:
    if spec.kind == "ema":
        return MovingAverage(spec.decay)
    return LastMean(spec.last) if spec.kind == "last" else Averages()


def _validation(made: Prepared) -> Validation:
    spec = made.recipe.train
    better: Any = _better(spec.metric, made.task)
    every: Any = "epoch" if spec.validate_every == Every(1, "epochs") else int(spec.validate_every.count)
    return Validation(validation_of(made), spec.metric, better, every, spec.patience)


def _better(metric: str, task: Task) -> str:
    """Which values of a metric are better; of the loss, and of what tells numbers, lower ones."""
    if metric not in METRICS or metric in {**FORECASTS, **OF_NUMBERS}:
        return "lower"
    acts = [[_ASKED]] if getattr(METRICS[metric], "reads_inputs", False) else []
    score: Score = metric_of(metric, task)(["a"], [["a"]], *acts)
    return score.better


def validation_of(made: Prepared) -> Any:
    """What is asked of a model at each validation: the loss over all examples, and the metrics of greedy decoding."""
    objective = made.task.objective(made.model, training=False)
    task = reading_encoded(made, "valid")
    asked = questions(made.tables["valid"], task, made.recipe.train.validate_examples)
    greedy = made.recipe.decode.model_copy(update={"beam": 1, "sample": False, "risk": None, "distinct": False})
    metrics = made.recipe.metrics
    characters = characters_of(made.tables["valid"], made.task)

    def validate(model: nn.Module) -> dict[str, float]:
        nats = nats_of(objective, model, made.validation_batches(), characters)
        found = {"loss": nats.total / nats.tokens}
        found |= {name: nats.score(name).value for name in metrics if name in LIKELIHOODS}
        if of_texts := [name for name in metrics if name in METRICS]:
            made.task.finish(model, made.validation_batches())
            texts = [answer.text for answer in task.predict(model, asked.inputs, greedy)]
            told = parallel.current().once(lambda: scores(of_texts, texts, asked.answers, asked.inputs, made.task))
            found |= {score.name: score.value for score in told}
        model.eval()
        return found

    return validate


def _finished_together(made: Prepared, folder: Folder, outcome: Outcome) -> Run:
    """Rank 0 finishes the run; the others are told its weights."""
    group = parallel.current()
    own: list[Run] = []

    def first() -> dict[str, Any]:
        with parallel.alone():
            own.append(_finish(made, folder, outcome))
        return dict(own[0].model.state_dict()) if group.size > 1 else {}

    weights = group.once(first)
    if own:
        return own[0]
    made.model.load_state_dict(weights)
    return Run(folder, made.recipe, made.model, made.task)


def _finish(made: Prepared, folder: Folder, outcome: Outcome) -> Run:
    """Put the best weights where they are used from; plots and a model card beside them."""
    best = folder.checkpoints / BEST
    load_weights(best if best.exists() else folder.checkpoints / LAST, made.model)
    made.task.finish(made.model, made.validation_batches())
    save_weights(made.model, folder.weights)
    folder.end(outcome.reason)
    run = load(folder.path)
    folder.write("README.md", card(made, folder, outcome))
    _plot(run, made)
    print_line(f"the best weights are in `{folder.path}`; try `unspool evaluate {folder.path}`")
    return run


def _plot(run: Run, made: Prepared) -> None:
    """Pictures of a training that has ended, which is not lost for what goes wrong with them."""
    try:
        if importlib.util.find_spec("matplotlib") is not None:
            plots.curves(run.folder.metrics, run.folder.plots / "curves.png")
        show(run, made)
    except Exception as error:  # values of any table, any version of what draws, any disk
        known = isinstance(error, UnspoolError | ImportError)
        reason = error if known else f"{type(error).__name__}: {error}"
        _log.warning("not all that `%s` could show is in it: %s", run.folder.path, reason)


def _facts(made: Prepared) -> dict[str, Any]:
    return {
        "longest_target": made.longest(made.task.target),
        "parameters": sum(parameter.numel() for parameter in made.model.parameters()),
        "examples": {part: len(table) for part, table in made.tables.items()},
        "left_out": made.left_out,
        "data": made.tables["train"].origin,
        "key": made.tables["train"].key,
        "content": made.content(),
        "torch": torch.__version__,
        "halves": halves.gain() if made.recipe.train.precision == "bfloat16" else None,
    }


def _headline(made: Prepared, folder: Folder) -> str:
    facts = _facts(made)
    rows = ", ".join(f"{count:,} {part}" for part, count in facts["examples"].items())
    return (
        f"{facts['parameters']:,} parameters; {rows} examples from {facts['data']}; about "
        f"{made.order.batches_in(0):,} steps an epoch; writing to `{folder.path}`"
    )


def print_line(text: str) -> None:
    """A line for whoever watches, from rank 0; results go to standard output, this does not."""
    if not parallel.current().first:
        return
    print(text, file=sys.stderr, flush=True)  # noqa: T201
