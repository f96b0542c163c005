"""What a model's figures are compared with: how probable it finds the answers, and what baselines reach."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import one_hot

from unspool import cache, data, parallel
from unspool.baselines import BASELINES, FEATURE_BASELINES, LANGUAGE_MODELS
from unspool.data import Batch, Table
from unspool.errors import RunError
from unspool.fields import Field, LabelField, LabelsField, QuantilesField, TextField
from unspool.metrics import LIKELIHOODS, OF_CHARACTERS, OF_SEQUENCES, Score
from unspool.models import Objective
from unspool.ragged import Ragged
from unspool.runs.folder import Folder
from unspool.runs.questions import inputs_of, question_of
from unspool.tasks import Task
from unspool.tasks.asking import by_column, key_of

_log = logging.getLogger("unspool.runs")

_VERSION = 2  # of what baselines compute: scores that an older one reached are void
_ROWS = 256  # whose features are looked at together


class Nats(NamedTuple):
    """How probable all right answers are.

    Fields:
        total: their negative log-likelihood, in nats.
        tokens: how many they have, ends included; of what is no text, steps.
        sequences: how many there are.
        characters: how many they have where they are texts, the end of each as one.
    """

    total: float
    tokens: float
    sequences: int
    characters: int = 0

    def score(self, name: str) -> Score:
        """The metric of `LIKELIHOODS` of this name."""
        counted = self.sequences if name in OF_SEQUENCES else self.tokens
        return LIKELIHOODS[name](self.total, self.characters if name in OF_CHARACTERS else counted)


def characters_of(table: Table, task: Task) -> int:
    """The characters of all right answers as tokens spell them, the end of each as one; 0 where they are no texts."""
    field = task.fields[task.target]
    if not isinstance(field, TextField):
        return 0
    return sum(len(field.spelled(str(answer))) + 1 for answer in table.column(task.target))


@torch.no_grad()
def nats_of(objective: Objective, model: nn.Module, batches: Iterable[Batch], characters: int = 0) -> Nats:
    """How probable a model finds all right answers, of so many characters; ranks share the batches."""
    model.eval()

    def found(batch: Batch) -> tuple[float, float, int]:
        return float(objective.totals(batch)["tokens"]), objective.weights(batch)["tokens"], len(batch.ids)

    nats, tokens, sequences = 0.0, 0.0, 0
    for each in parallel.current().each(found, batches):
        nats, tokens, sequences = nats + each[0], tokens + each[1], sequences + each[2]
    return Nats(nats, tokens or 1.0, sequences, characters)  # there may be none, as in an empty text without an end


def nats_of_baseline(name: str, task: Task, train: Table, part: Table) -> Nats:
    """The same of a language model over the target's tokens, which sees no input, learnt from the training part.

    Raises:
        RunError: the model does not write a text.
    """
    field = task.fields[task.target]
    if not isinstance(field, TextField):
        raise RunError(f"`baselines` must be without {name} where `{task.target}` is no text; leave it out")
    known, asked = (_ids(table, task.target, field) for table in (train, part))
    model = LANGUAGE_MODELS[name](len(field))
    model.fit(known)
    told = model.log_probabilities(asked).values
    return Nats(-float(told.sum()), float(len(told)), asked.batch_size, characters_of(part, task))


def answers_of_baseline(name: str, task: Task, train: Table, asked: Sequence[Any]) -> list[str]:
    """What a baseline answers to inputs, learnt from the training part; of quantiles, at the field's levels."""
    if name in FEATURE_BASELINES:
        return _answers_by_features(name, task, train, asked)
    baseline: Any = BASELINES[name]
    rows = [question_of(task, values) for values in inputs_of(train, task)]
    texts = [_as_text(each) for each in rows]
    known = [task.as_text(*row) for row in zip(rows, train.column(task.target), strict=True)]
    more = []
    field = task.fields[task.target]
    apart = {}
    if getattr(baseline, "reads_separator", False) and isinstance(field, LabelsField):
        apart = {"separator": field.separator}
    if getattr(baseline, "reads_levels", False):
        if not isinstance(field, QuantilesField):
            raise RunError(f"`baselines` must be without {name} where `{task.target}` is not of kind quantiles")
        more = [field.levels]
    answers: list[str] = baseline(texts, known, [_as_text(each) for each in asked], *more, **apart)
    return answers


def _answers_by_features(name: str, task: Task, train: Table, asked: Sequence[Any]) -> list[str]:
    """The same of a baseline that is given what the fields make of inputs."""
    fields = {column: task.fields[column] for column in task.sources}
    if of_text := [column for column, field in fields.items() if isinstance(field, TextField)]:
        raise RunError(f"`baselines` must be without {name} where `{of_text[0]}` is a text; use nearest")
    first: dict[Any, int] = {}
    answers: dict[Any, list[str]] = {}
    for row, (values, answer) in enumerate(zip(inputs_of(train, task), train.column(task.target), strict=True)):
        first.setdefault(key_of(values), row)
        answers.setdefault(key_of(values), []).append(task.as_text(question_of(task, values), answer))
    encoded, rows = data.encode(train, fields), list(first.values())
    known = (encoded.batch(rows[start : start + _ROWS]) for start in range(0, len(rows), _ROWS))
    questions = (_encoded(fields, asked[start : start + _ROWS]) for start in range(0, len(asked), _ROWS))
    return FEATURE_BASELINES[name](_features(known, fields), list(answers.values()), _features(questions, fields))


def _encoded(fields: Mapping[str, Field], asked: Sequence[Any]) -> Batch:
    ids = torch.arange(len(asked))
    found: dict[str, Ragged | Tensor] = {}
    for column, values in by_column(list(fields), asked).items():
        rows = fields[column].encode_many(values)
        found[column] = Ragged.from_list(rows, ids) if fields[column].shape == "sequence" else torch.stack(rows)
    return Batch(found, ids)


def _features(batches: Iterable[Batch], fields: Mapping[str, Field]) -> NDArray[np.float32]:
    """All columns side by side. -> (rows, features)"""
    rows = [torch.cat([_vectors(batch[name], fields[name]) for name in batch], 1) for batch in batches]
    features: NDArray[np.float32] = torch.cat(rows).numpy()
    return features


def _vectors(column: Ragged | Tensor, field: Field) -> Tensor:
    """What each value is as numbers: of a sequence the mean over its steps; of a class one 1, at its place."""
    if isinstance(field, LabelField):
        assert isinstance(column, Tensor)
        return one_hot(column, len(field)).float()
    found = column.map(Tensor.float).mean() if isinstance(column, Ragged) else column.float()
    return found.reshape(len(found), -1)


def _as_text(question: Any) -> str:
    """A question as baselines read it: its columns' values, a line each."""
    return "\n".join(map(str, question.values())) if isinstance(question, Mapping) else str(question)


def _ids(table: Table, column: str, field: TextField) -> Ragged:
    encoded = data.encode(table, {column: field})
    found = encoded.batch(np.arange(len(encoded)))[column]
    assert isinstance(found, Ragged)
    return found


class KeptScores:
    """Scores by name in a file of a run's folder, `predictions/<part>.baselines.json`, computed when first asked for.

    Args:
        folder: of the run.
        part: of the data.
        of: plain values that determine the scores; others make those that were kept void.
    """

    def __init__(self, folder: Folder, part: str, of: Sequence[Any]) -> None:
        self.folder, self.name, self.key = folder, f"predictions/{part}.baselines.json", cache.key(_VERSION, *of)
        path = folder.path / self.name
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        self.scores: dict[str, list[dict[str, Any]]] = found["scores"] if found.get("key") == self.key else {}

    def get(self, name: str, compute: Callable[[], list[Score]]) -> list[Score]:
        """The scores of this name: those that are kept, or else what `compute` gives."""
        if name not in self.scores:
            self.scores[name] = [score._asdict() for score in compute()]
            try:
                self.folder.write(self.name, json.dumps({"key": self.key, "scores": self.scores}, indent=2) + "\n")
            except RunError as error:
                _log.warning("scores of baselines are not kept: %s", error)
        return [Score(**score) for score in self.scores[name]]
