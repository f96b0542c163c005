"""Sequence → vector: one column read, its class told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from unspool.data import Batch
from unspool.errors import RecipeError
from unspool.fields import Field, LabelField
from unspool.models import Classifier, Told, calibrated, classifier
from unspool.ragged import Ragged
from unspool.recipes import ClassifierSpec, DecodeSpec, Recipe
from unspool.tasks.base import Prediction, cell_of, in_batches, one_column_each, ragged, text_field


@dataclass(eq=False)
class ClassObjective:
    """The negative log-likelihood of the classes, in nats an example: what `Trainer` makes small.

    Args:
        model: a `Classifier`.
        source, target: names of the columns.
        smoothing: of labels.
        class_weights: (classes,), how much an example of each counts, or None where all count alike.
    """

    model: Classifier
    source: str
    target: str
    smoothing: float = 0.0
    class_weights: Tensor | None = None
    scales: Mapping[str, float] = field(default_factory=lambda: {"tokens": 1.0})

    def weights(self, batch: Batch) -> dict[str, float]:
        target = _numbers(batch, self.target)
        return {"tokens": len(target) if self.class_weights is None else float(self.class_weights[target].sum())}

    def totals(self, batch: Batch) -> dict[str, Tensor]:
        target = _numbers(batch, self.target)
        weights = None if self.class_weights is None else self.class_weights.to(target.device)
        loss = self.model.loss(ragged(batch, self.source), target, smoothing=self.smoothing, class_weights=weights)
        return {"tokens": loss}


class SequenceToVector:
    """What a recipe with one text in and one class out asks for.

    Args:
        recipe: with one input and one output.
        fields: fitted, by column.

    Raises:
        RecipeError: other columns, or fields of other kinds.
    """

    many_answers = False

    def __init__(self, recipe: Recipe, fields: Mapping[str, Field]) -> None:
        self.recipe, self.fields = recipe, dict(fields)
        self.source, self.target = one_column_each(recipe)
        found = self.fields[self.target]
        if not isinstance(found, LabelField):
            raise RecipeError(
                f"`outputs.{self.target}` must be of kind `label` for a classifier, but is a {type(found).__name__}"
            )
        self.label = found

    @property
    def columns(self) -> tuple[str, str]:
        return self.source, self.target

    def build(self, longest_target: int = 0) -> nn.Module:
        """The model, its weights drawn from torch's generator."""
        spec = self.recipe.model
        assert isinstance(spec, ClassifierSpec)
        return classifier(
            len(text_field(self.fields, self.source)),
            len(self.label),
            embedding_size=spec.embedding_size,
            hidden_size=spec.encoder.hidden_size,
            num_layers=spec.encoder.num_layers,
            cell=cell_of(spec.encoder.cell),
            bidirectional=spec.encoder.bidirectional,
            pooling=spec.pooling,
            dropout=spec.encoder.dropout,
            embedding_dropout=spec.embedding_dropout,
            output_dropout=spec.output_dropout,
        )

    def objective(self, model: nn.Module, *, training: bool = True) -> ClassObjective:
        assert isinstance(model, Classifier)
        assert isinstance(self.recipe.model, ClassifierSpec)
        train, weights = self.recipe.train, None
        if train.scheduled_sampling:
            raise RecipeError(
                "`train.scheduled_sampling` must be 0 for a model that writes no sequence, but is "
                f"{train.scheduled_sampling:g}"
            )
        if training and self.recipe.model.balanced:
            counts = torch.tensor(self.label.counts, dtype=torch.float32)
            weights = counts.sum() / (len(counts) * counts)
        return ClassObjective(model, self.source, self.target, train.label_smoothing if training else 0.0, weights)

    def predict(
        self, model: nn.Module, values: Sequence[Any], how: DecodeSpec, *, n_best: int = 1, attention: bool = False
    ) -> list[Prediction]:
        """The most probable classes of raw inputs, in their order, with calibrated probabilities."""
        assert isinstance(model, Classifier)

        @torch.no_grad()
        def answers(source: Ragged) -> list[Prediction]:
            told = model(source)
            best, numbers = model.log_probabilities(told.logits).topk(min(max(n_best, 1), len(self.label)), 1)
            rows = zip(best.tolist(), numbers.tolist(), self._attention(told, len(best), attention), strict=True)
            return [self._prediction(*row) for row in rows]

        return in_batches(model, self.fields[self.source].encode_many(list(values)), answers)

    def finish(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """Calibrate the probabilities on validation examples."""
        assert isinstance(model, Classifier)
        model.eval()
        logits, targets = [], []
        with torch.no_grad():
            for batch in batches:
                logits.append(model(ragged(batch, self.source)).logits.float().cpu())
                targets.append(_numbers(batch, self.target).cpu())
        model.temperature.fill_(calibrated(torch.cat(logits), torch.cat(targets)))

    def _attention(self, told: Told, rows: int, asked: bool) -> list[Tensor | None]:
        """(1, steps and the end) of each row, where there is any and it is asked for."""
        if not asked or told.weights is None:
            return [None] * rows
        return [weights.unsqueeze(0).cpu() for weights in told.weights.split()]

    def _prediction(self, best: list[float], numbers: list[int], attention: Tensor | None) -> Prediction:
        each = tuple(
            Prediction(self.label.classes[number], score, score, True, (), attention)
            for score, number in zip(best, numbers, strict=True)
        )
        return each[0]._replace(n_best=each)


def _numbers(batch: Batch, column: str) -> Tensor:
    found = batch[column]
    assert isinstance(found, Tensor)
    return found
