"""A run's folder put to use: predict and evaluate."""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from unspool import data, parallel, recipes
from unspool.baselines import LANGUAGE_MODELS
from unspool.data import Table
from unspool.errors import DataError, RunError
from unspool.fields import Field, LabelField, LabelsField, TextField
from unspool.metrics import LIKELIHOODS, METRICS, RECOGNITIONS, Score
from unspool.recipes import DecodeSpec, Recipe
from unspool.runs.comparing import KeptScores, answers_of_baseline, characters_of, nats_of, nats_of_baseline
from unspool.runs.fitting import readers_of
from unspool.runs.folder import Folder
from unspool.runs.preparing import cut_in_words, every_batch, whole_tables
from unspool.runs.questions import Questions, as_json, part_of, questions
from unspool.runs.recognising import recognition
from unspool.runs.scoring import scores
from unspool.runs.sifting import broken_files_counted
from unspool.runs.weights import load_weights
from unspool.tasks import Prediction, SequenceToSequence, Task, task_of
from unspool.tasks.asking import by_column
from unspool.training import plots

_log = logging.getLogger("unspool.runs")


class Run:
    """A trained model with its recipe and fields.

    Args:
        folder: where it lies.
        recipe: what it was trained from.
        fields: fitted.
        model: with its weights, in evaluation.
        task: how to ask it.

    `unspool.load` makes one.
    """

    def __init__(self, folder: Folder, recipe: Recipe, model: nn.Module, task: Task) -> None:
        self.folder, self.recipe, self.model, self.task = folder, recipe, model.eval(), task

    @property
    def fields(self) -> dict[str, Field]:
        return self.task.fields

    def predict(
        self,
        inputs: Iterable[Any],
        *,
        n_best: int = 1,
        attention: bool = False,
        first: int = 0,
        **how: Any,
    ) -> list[Prediction]:
        """Answers to inputs, in their order.

        Args:
            inputs: raw values, such as texts.
            n_best: answers for each.
            attention: whether to give where each step looked.
            first: the number of the first input, where they are asked piece by piece: what is drawn depends on it.
            how: changes to the recipe's `decode`: beam, length_penalty, sample, temperature, top_k, top_p, …

        Raises:
            RecipeError: no such way to decode.
            FieldError: an input that is not of the field's kind.
        """
        values = list(inputs)
        self._say_what_is_cut(values, first)
        return self.answers(values, self._decoding(how), n_best=n_best, attention=attention, first=first)

    def answers(
        self, values: Sequence[Any], how: DecodeSpec, *, n_best: int = 1, attention: bool = False, first: int = 0
    ) -> list[Prediction]:
        """`predict`, decoded in a way that is said in full."""
        if how.distinct and isinstance(self.task, SequenceToSequence) and self.task.names is None:
            raise RunError(
                f"`decode.distinct` must be false for `{self.folder.path}`, which does not know what things are "
                "called; train it anew, with `data.gather`"
            )
        return self.task.predict(self.model, values, how, n_best=n_best, attention=attention, first=first)

    def evaluate(self, part: str = "test", overrides: Sequence[str] = ()) -> list[Score]:
        """The recipe's metrics on a part of its data.

        Where outputs are sequences, rows with the same input are one question with several right answers. Predictions
        are kept in the folder, as `predictions/<part>.jsonl`; of classes, `plots/confusion-<part>.png` shows which were
        told for which, where matplotlib is installed and there are at most 100.

        Args:
            part: train, valid or test.
            overrides: changes to the recipe, such as "decode.beam=1" or "data.path=…".

        Within `parallel.joined`, ranks share the work, each example is asked once, and all know the scores.
        """
        group = parallel.current()
        recipe, tables = group.after_first(lambda: self._measured(part, overrides))
        found: dict[str, Score] = {}
        of_texts = [name for name in recipe.metrics if name in METRICS]
        of_drawings = [name for name in recipe.metrics if name in RECOGNITIONS]
        if of_texts or of_drawings:
            asked = questions(tables[part], self.task)
            self._say_what_is_cut(asked.inputs)
            self._say_what_is_unknown(asked.answers)
            with broken_files_counted(recipe, tables, readers_of(recipe)):
                answers = self.answers(asked.inputs, self._drawn_by(recipe))
            group.once(lambda: self._keep(part, asked, answers))
            told = [each.text for each in answers]
            reached = group.once(lambda: scores(of_texts, told, asked.answers, asked.inputs, self.task))
            found |= zip(of_texts, reached, strict=True)
            found |= group.once(
                lambda: {
                    name: recognition(name, self.task, tables["train"], tables[part], answers) for name in of_drawings
                }
            )
            group.once(lambda: self._draw(part, asked, answers))
        if of_loss := [name for name in recipe.metrics if name in LIKELIHOODS]:
            fields = {name: self.fields[name] for name in self.task.columns}
            encoded = group.after_first(lambda: data.encode(tables[part], fields))
            objective = self.task.objective(self.model, training=False)
            batches = every_batch(encoded, self.task)
            nats = nats_of(objective, self.model, batches, characters_of(tables[part], self.task))
            found |= {name: nats.score(name) for name in of_loss}
        return [found[name] for name in recipe.metrics]

    def baselines(self, part: str = "test", overrides: Sequence[str] = ()) -> dict[str, list[Score]]:
        """What the recipe's baselines reach on the same questions, by the same metrics, as far as these apply.

        They learn from the training part. Their scores are kept in the folder, as `predictions/<part>.baselines.json`.

        Args:
            part, overrides: as of `evaluate`; "baselines=[majority]" asks for others.
        """
        return parallel.current().once(lambda: self._baselines(part, overrides))

    def _baselines(self, part: str, overrides: Sequence[str]) -> dict[str, list[Score]]:
        recipe, tables = self._measured(part, overrides)
        kept = KeptScores(self.folder, part, [tables["train"].key, tables[part].key, recipe.metrics])
        return {name: kept.get(name, partial(self._baseline, name, recipe, tables, part)) for name in recipe.baselines}

    def _baseline(self, name: str, recipe: Recipe, tables: Mapping[str, Table], part: str) -> list[Score]:
        if name in LANGUAGE_MODELS:
            nats = nats_of_baseline(name, self.task, tables["train"], tables[part])
            return [nats.score(metric) for metric in recipe.metrics if metric in LIKELIHOODS]
        asked = questions(tables[part], self.task)
        answers = answers_of_baseline(name, self.task, tables["train"], asked.inputs)
        measured = [metric for metric in recipe.metrics if metric in METRICS]
        return scores(measured, answers, asked.answers, asked.inputs, self.task)

    def _measured(self, part: str, overrides: Sequence[str]) -> tuple[Recipe, dict[str, Table]]:
        """The recipe with these changes and its data."""
        recipe = recipes.load(self.recipe, overrides)
        tables, left_out = whole_tables(recipe)
        part_of(tables, part)
        if not recipe.metrics:
            raise RunError("`metrics` of the recipe must name at least one to evaluate; add `metrics=[accuracy]`")
        for line in left_out.get(part, ()):
            _log.warning("%s", line)
        return recipe, tables

    @property
    def turns(self) -> int:
        """How many turns of a dialogue an input holds, a line each; 0 where inputs are no dialogues."""
        dialogues = self.recipe.data.dialogues
        return dialogues.history if dialogues is not None and self._takes_lines else 0

    def typed(self, line: str) -> str | dict[str, Any]:
        """The input that a line of a file stands for: where an input has lines of its own, `\\n` ends one of them;
        where it has several columns, the line is a JSON object, and where it has one that is no text, it may be one;
        where nothing is read, it is an opening as its field reads it, such as JSON.

        Raises:
            DataError: no such object.
        """
        if not self.task.sources:
            return line
        if len(self.task.sources) == 1:
            (name,) = self.task.sources
            alone = None if isinstance(self.fields[name], TextField) else _object(line)
            if alone is not None and [*alone] == [name]:
                return alone
            return line.replace(r"\n", "\n") if self._takes_lines else line
        found = _object(line)
        if found is None:
            raise DataError(
                f"an input with the columns {', '.join(self.task.sources)} must be a JSON object, such as "
                f"{json.dumps(dict.fromkeys(self.task.sources, '…'), ensure_ascii=False)}, but is {line[:80]!r}"
            )
        return found

    @property
    def _takes_lines(self) -> bool:
        return bool(self.task.sources and getattr(self.fields[self.task.sources[0]], "lines", False))

    def _say_what_is_cut(self, inputs: Sequence[Any], first: int = 0) -> None:
        """A warning, where `max_length` leaves out part of what is asked."""
        for name, values in by_column(self.task.sources, inputs, first).items():
            field = self.fields[name]
            if isinstance(field, TextField) and field.max_length and (count := field.longer(values)):
                _log.warning("`%s`: %s", name, cut_in_words(count, len(inputs), field.max_length))

    def _say_what_is_unknown(self, answers: Sequence[Sequence[str]]) -> None:
        """A warning, where right answers are classes or labels that the training part never had: none can be told."""
        field = self.fields[self.task.target]
        if not isinstance(field, LabelField | LabelsField):
            return
        told = [each.split(field.separator) if isinstance(field, LabelsField) else [each] for each, *_ in answers]
        unknown = [name for names in told for name in names if name and name not in field.names]
        if unknown:
            _log.warning(
                "`%s`: %s of %s right answers are none of the training part, such as `%s`, and count as wrong",
                self.task.target,
                f"{len(unknown):,}",
                f"{len(answers):,}",
                unknown[0],
            )

    def _drawn_by(self, changed: Recipe) -> DecodeSpec:
        """How a recipe decodes that was changed: what is drawn is drawn by its seed, if that was."""
        if changed.decode.seed is not None or changed.seed == self.recipe.seed:
            return changed.decode
        return changed.decode.model_copy(update={"seed": changed.seed})

    def _decoding(self, changes: Mapping[str, Any]) -> DecodeSpec:
        changed = recipes.load(self.recipe, [f"decode.{name}={json.dumps(value)}" for name, value in changes.items()])
        return changed.decode

    def _keep(self, part: str, asked: Questions, found: Sequence[Prediction]) -> None:
        """Predictions in the folder, which need not be one that can be written."""
        lines = [
            as_json({"input": q, "prediction": p.text, "references": r, "score": p.score})
            for q, r, p in zip(asked.inputs, asked.answers, found, strict=True)
        ]
        try:
            self.folder.write(f"predictions/{part}.jsonl", "\n".join(lines) + "\n")
        except RunError as error:
            _log.warning("predictions are not kept: %s", error)

    def _draw(self, part: str, asked: Questions, found: Sequence[Prediction]) -> None:
        """Which classes were told for which, where there are classes."""
        if isinstance(self.fields[self.task.target], LabelField) and importlib.util.find_spec("matplotlib") is not None:
            right, told = [answers[0] for answers in asked.answers], [each.text for each in found]
            path = self.folder.plots / f"confusion-{part}.png"
            try:
                plots.confusion(told, right, path)
            except RunError as error:
                _log.warning("`%s` is not drawn: %s", path, error)

    def __repr__(self) -> str:
        return f"Run({str(self.folder.path)!r})"


def load(path: str | Path) -> Run:
    """A run, ready to predict.

    Args:
        path: its folder.

    Raises:
        RunError: there is no run, or it is not whole.

    Example:
        unspool.load("runs/pronounce").predict(["unspool"])[0].text
    """
    folder = Folder(path)
    recipe = folder.recipe()
    task = task_of(recipe, folder.fields())
    if isinstance(task, SequenceToSequence) and (told := folder.names()) is not None:
        task.know(told)
    model = task.build(longest_target=int(folder.about().get("longest_target", 0)))
    load_weights(model, folder.weights)
    model.to(parallel.current().device)
    return Run(folder, recipe, model, task)


def _object(line: str) -> dict[str, Any] | None:
    """The JSON object that a line holds; None: it is something else."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):  # ValueError: no JSON, or a number of thousands of digits
        return None
    return found if isinstance(found, dict) else None
