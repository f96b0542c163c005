"""What a model's figures are compared with: how probable it finds the answers, and what baselines reach."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from unspool import cache, data
from unspool.baselines import LANGUAGE_MODELS
from unspool.data import Batch, Table
from unspool.errors import RunError
from unspool.fields import TextField
from unspool.metrics import Score
from unspool.models import Objective
from unspool.ragged import Ragged
from unspool.runs.folder import Folder
from unspool.tasks import Task


@torch.no_grad()
def nats_of(objective: Objective, model: nn.Module, batches: Iterable[Batch]) -> tuple[float, float]:
    """The negative log-likelihood of all right answers in nats, and the number of their tokens, ends included."""
    model.eval()
    nats = tokens = 0.0
    for batch in batches:
        nats += float(objective.totals(batch)["tokens"])
        tokens += objective.weights(batch)["tokens"]
    return nats, tokens


def nats_of_baseline(name: str, task: Task, train: Table, part: Table) -> tuple[float, float]:
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
    return -float(told.sum()), float(len(told))


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
        self.folder, self.name, self.key = folder, f"predictions/{part}.baselines.json", cache.key(*of)
        path = folder.path / self.name
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        self.scores: dict[str, list[dict[str, Any]]] = found["scores"] if found.get("key") == self.key else {}

    def get(self, name: str, compute: Callable[[], list[Score]]) -> list[Score]:
        """The scores of this name: those that are kept, or else what `compute` gives."""
        if name not in self.scores:
            self.scores[name] = [score._asdict() for score in compute()]
            self.folder.write(self.name, json.dumps({"key": self.key, "scores": self.scores}, indent=2) + "\n")
        return [Score(**score) for score in self.scores[name]]
