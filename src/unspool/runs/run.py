"""A run's folder put to use: predict and evaluate."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from unspool import recipes
from unspool.data import Table
from unspool.errors import DataError, RunError
from unspool.fields import Field, TextField
from unspool.metrics import METRICS, Score
from unspool.recipes import DecodeSpec, Recipe
from unspool.runs.folder import Folder
from unspool.runs.preparing import cut_in_words, tables_of
from unspool.runs.weights import load_weights
from unspool.tasks import Prediction, Task, task_of

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
        **how: Any,
    ) -> list[Prediction]:
        """Answers to inputs, in their order.

        Args:
            inputs: raw values, such as texts.
            n_best: answers for each.
            attention: whether to give where each step looked.
            how: changes to the recipe's `decode`: beam, length_penalty, sample, temperature, top_k, top_p, …

        Raises:
            RecipeError: no such way to decode.
            FieldError: an input that is not of the field's kind.
        """
        values = list(inputs)
        self._say_what_is_cut(values)
        return self.task.predict(self.model, values, self._decoding(how), n_best=n_best, attention=attention)

    def evaluate(self, part: str = "test", overrides: Sequence[str] = ()) -> list[Score]:
        """The recipe's metrics on a part of its data.

        Where outputs are sequences, rows with the same input are one question with several right answers. Predictions
        are kept in the folder, as `predictions/<part>.jsonl`.

        Args:
            part: train, valid or test.
            overrides: changes to the recipe, such as "decode.beam=1" or "data.path=…".
        """
        recipe = recipes.load(self.recipe, overrides)
        tables = tables_of(recipe)
        if part not in tables:
            raise DataError(f"`part` must be one that there is ({', '.join(tables)}), but is {part!r}")
        if not recipe.metrics:
            raise RunError("`metrics` of the recipe must name at least one to evaluate; add `metrics=[accuracy]`")
        asked = questions(tables[part], self.task)
        self._say_what_is_cut(asked.inputs)
        found = self.task.predict(self.model, asked.inputs, recipe.decode)
        self._keep(part, asked, found)
        return scores(recipe.metrics, [each.text for each in found], asked.answers)

    def _say_what_is_cut(self, inputs: Sequence[Any]) -> None:
        """A warning, where `max_length` leaves out part of what is asked."""
        field = self.fields[self.task.source]
        if isinstance(field, TextField) and field.max_length and (count := field.longer(inputs)):
            _log.warning("`%s`: %s", self.task.source, cut_in_words(count, len(inputs), field.max_length))

    def _decoding(self, changes: Mapping[str, Any]) -> DecodeSpec:
        changed = recipes.load(self.recipe, [f"decode.{name}={json.dumps(value)}" for name, value in changes.items()])
        return changed.decode

    def _keep(self, part: str, asked: Questions, found: Sequence[Prediction]) -> None:
        lines = [
            json.dumps({"input": q, "prediction": p.text, "references": r, "score": p.score}, ensure_ascii=False)
            for q, r, p in zip(asked.inputs, asked.answers, found, strict=True)
        ]
        self.folder.write(f"predictions/{part}.jsonl", "\n".join(lines) + "\n")

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
    model = task.build(longest_target=int(folder.about().get("longest_target", 0)))
    load_weights(model, folder.weights)
    return Run(folder, recipe, model, task)


class Questions(NamedTuple):
    """The inputs of a part, and the right answers to each."""

    inputs: list[Any]
    answers: list[list[Any]]


def questions(table: Table, task: Task, limit: int | None = None) -> Questions:
    """What to ask, in the order of the rows: the different inputs of a table with all outputs that stand beside each,
    or where a question has one right answer, every row.

    Args:
        limit: the most questions; None: all.
    """
    rows = zip(table.column(task.source), map(_as_text, table.column(task.target)), strict=True)
    if not task.many_answers:
        chosen = list(islice(rows, limit))
        return Questions([question for question, _ in chosen], [[answer] for _, answer in chosen])
    found: dict[Any, list[Any]] = {}
    for question, answer in rows:
        if question in found:
            found[question].append(answer)
        elif limit is None or len(found) < limit:
            found[question] = [answer]
    return Questions(list(found), list(found.values()))


def _as_text(answer: Any) -> Any:
    """A class may be a whole number; metrics compare texts."""
    return str(answer) if isinstance(answer, int) else answer


def scores(metrics: Sequence[str], hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> list[Score]:
    """The metrics of these names."""
    return [METRICS[name](hypotheses, references) for name in metrics]
