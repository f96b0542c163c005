"""Sequence → vector: columns read, a class, labels, a number or its quantiles told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from unspool import parallel
from unspool.data import Batch
from unspool.errors import RecipeError
from unspool.fields import Field, LabelField, LabelsField, NumberField, QuantilesField
from unspool.models import (
    ClassHead,
    EncoderWithHead,
    Head,
    LabelsHead,
    NumberHead,
    QuantilesHead,
    Told,
    encoder_with_head,
)
from unspool.models.reader_assembly import Reading
from unspool.recipes import DecodeSpec, EncoderWithHeadSpec, Recipe
from unspool.tasks.asking import in_batches
from unspool.tasks.base import Prediction, Task
from unspool.tasks.columns import shown, sizes
from unspool.tasks.described import cell_of, front_of


@dataclass(eq=False)
class HeadObjective:
    """The loss of the answers by the model's head, a mean over examples: what `Trainer` makes small.

    Args:
        model: an `EncoderWithHead`.
        target: name of the column.
        smoothing: of labels.
        class_weights: (classes,), how much an example of each counts, or None where all count alike.
    """

    model: EncoderWithHead
    target: str
    smoothing: float = 0.0
    class_weights: Tensor | None = None
    scales: Mapping[str, float] = field(default_factory=lambda: {"tokens": 1.0})

    def weights(self, batch: Batch) -> dict[str, float]:
        return {"tokens": self.model.head.weight(_answers(batch, self.target), self.class_weights)}

    def totals(self, batch: Batch) -> dict[str, Tensor]:
        target = _answers(batch, self.target)
        weights = None if self.class_weights is None else self.class_weights.to(target.device)
        scores = self.model(shown(batch, self.model.reader.names), batch.ids).scores
        return {"tokens": self.model.head.loss(scores, target, self.smoothing, weights)}


class SequenceToVector(Task):
    """What a recipe with columns in and one class, several labels, a number or its quantiles out asks for.

    Args:
        recipe: with one output.
        fields: fitted, by column.

    Raises:
        RecipeError: other columns, or fields of other kinds.
    """

    def __init__(self, recipe: Recipe, fields: Mapping[str, Field]) -> None:
        super().__init__(recipe, fields)
        answer = self.fields[self.target]
        if not isinstance(answer, LabelField | LabelsField | NumberField | QuantilesField):
            raise RecipeError(
                f"`outputs.{self.target}` must be of kind `label`, `labels`, `number` or `quantiles` for an encoder "
                f"with a head, but is a {type(answer).__name__}"
            )
        self.answer: LabelField | LabelsField | NumberField | QuantilesField = answer

    def build(self, longest_target: int = 0) -> nn.Module:
        """The model, its weights drawn from torch's generator."""
        spec = self.recipe.model
        assert isinstance(spec, EncoderWithHeadSpec)
        return encoder_with_head(
            sizes(self), self._head, hops=spec.hops, output_dropout=spec.output_dropout, **reading_of(spec)
        )

    def _head(self, size: int) -> Head:
        if isinstance(self.answer, NumberField):
            return NumberHead(size, 1)
        if isinstance(self.answer, QuantilesField):
            return QuantilesHead(size, self.answer.levels)
        return (LabelsHead if isinstance(self.answer, LabelsField) else ClassHead)(size, len(self.answer))

    def objective(self, model: nn.Module, *, training: bool = True) -> HeadObjective:
        assert isinstance(model, EncoderWithHead)
        assert isinstance(self.recipe.model, EncoderWithHeadSpec)
        train = self.recipe.train
        if train.scheduled_sampling:
            raise RecipeError(
                "`train.scheduled_sampling` must be 0 for a model that writes no sequence, but is "
                f"{train.scheduled_sampling:g}"
            )
        weights = self._weights() if training and self.recipe.model.balanced else None
        return HeadObjective(model, self.target, train.label_smoothing if training else 0.0, weights)

    def _weights(self) -> Tensor:
        """Under which every class counts alike, or a label's presence as much as its absence."""
        if isinstance(self.answer, NumberField | QuantilesField):
            raise RecipeError(
                "`model.balanced` must be false for a number, but is true: there are no classes to balance"
            )
        counts = torch.tensor(self.answer.counts, dtype=torch.float32)
        if isinstance(self.answer, LabelsField):
            return ((self.answer.rows - counts) / counts.clamp(min=1)).clamp(min=1)
        return counts.sum() / (len(counts) * counts)

    def predict(
        self,
        model: nn.Module,
        values: Sequence[Any],
        how: DecodeSpec,
        *,
        n_best: int = 1,
        attention: bool = False,
        first: int = 0,
    ) -> list[Prediction]:
        """The most probable answers to raw inputs, in their order, with calibrated probabilities."""
        assert isinstance(model, EncoderWithHead)

        @torch.no_grad()
        def answers(batch: Batch, given: list[Any]) -> list[Prediction]:
            told = model(shown(batch, self.sources), batch.ids)
            rows = zip(told.scores, self._attention(told, batch.batch_size, attention), strict=True)
            return [self._prediction(model.head, scores, n_best, weights) for scores, weights in rows]

        return in_batches(model, self, values, answers, first)

    def as_text(self, question: Any, answer: Any) -> str:
        if isinstance(self.answer, LabelsField):
            return self.answer.as_text(answer)
        return super().as_text(question, answer)

    def finish(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """Calibrate probabilities and choose thresholds, on validation examples."""
        assert isinstance(model, EncoderWithHead)
        model.eval()

        @torch.no_grad()
        def told(batch: Batch) -> tuple[Tensor, Tensor]:
            scores = model(shown(batch, self.sources), batch.ids).scores.float().cpu()
            return scores, _answers(batch, self.target).cpu()

        scores, targets = zip(*parallel.current().each(told, batches), strict=True)
        model.head.settle(torch.cat(scores), torch.cat(targets))

    def _attention(self, told: Told, rows: int, asked: bool) -> list[Tensor | None]:
        """(1, steps and the end) of each row, where there is any and it is asked for."""
        if not asked or told.weights is None:
            return [None] * rows
        return [weights.unsqueeze(0).cpu() for weights in told.weights.split()]

    def _prediction(self, head: Head, scores: Tensor, n_best: int, attention: Tensor | None) -> Prediction:
        if isinstance(self.answer, NumberField | QuantilesField):
            told = scores[0] if isinstance(self.answer, NumberField) else scores
            found = Prediction(self.answer.decode(told.cpu()), 0.0, 0.0, True, (), attention)
            return found._replace(n_best=(found,))
        assert isinstance(head, ClassHead | LabelsHead)
        best, numbers = head.log_probabilities(scores).topk(min(max(n_best, 1), len(self.answer)))
        each = tuple(
            Prediction(self.answer.names[number], score, score, True, (), attention)
            for score, number in zip(best.tolist(), numbers.tolist(), strict=True)
        )
        if isinstance(head, LabelsHead):
            told = (scores.float().sigmoid() >= head.thresholds).float().cpu()
            return each[0]._replace(text=self.as_text(None, self.answer.decode(told)), n_best=each)
        return each[0]._replace(n_best=each)


def reading_of(spec: EncoderWithHeadSpec) -> Reading:
    """How a recipe has columns read."""
    return Reading(
        embedding_size=spec.embedding_size,
        hidden_size=spec.encoder.hidden_size,
        num_layers=spec.encoder.num_layers,
        cell=cell_of(spec.encoder.cell),
        bidirectional=spec.encoder.bidirectional,
        pooling=spec.pooling,
        lines=spec.lines,
        dropout=spec.encoder.dropout,
        embedding_dropout=spec.embedding_dropout,
        front=front_of(spec.front),
    )


def _answers(batch: Batch, column: str) -> Tensor:
    found = batch[column]
    assert isinstance(found, Tensor)
    return found
