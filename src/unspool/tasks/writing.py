"""Vector, or nothing → steps that are no tokens: chords of music, rows of pictures, strokes of drawings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from unspool.data import Batch
from unspool.decode import write_steps
from unspool.errors import RecipeError
from unspool.fields import Field, NotesField, RowsField, StrokesField
from unspool.fields.strokes import whole_strokes
from unspool.models import (
    AutoregressiveEmission,
    BernoulliEmission,
    Emission,
    MixtureEmission,
    StepWriter,
    step_writer,
)
from unspool.ragged import Ragged
from unspool.recipes import DecodeSpec, Recipe, VectorDecoderSpec
from unspool.tasks.asking import after_openings, in_batches, is_nothing, seed_of
from unspool.tasks.base import Prediction, Task
from unspool.tasks.columns import ragged, shown, sizes
from unspool.tasks.described import decoding_of, most_steps


@dataclass(eq=False)
class StepObjective:
    """The negative log-likelihood of the target's steps, in nats a step: what `Trainer` makes small."""

    model: StepWriter
    target: str
    scales: Mapping[str, float] = field(default_factory=lambda: {"tokens": 1.0})

    def weights(self, batch: Batch) -> dict[str, float]:
        return {"tokens": float(len(ragged(batch, self.target).values))}

    def totals(self, batch: Batch) -> dict[str, Tensor]:
        columns: Any = shown(batch, batch)
        return {"tokens": self.model.loss(columns, ragged(batch, self.target))}


class ToSteps(Task):
    """What a recipe asks for whose output is notes, rows of pixels or strokes, and whose inputs are a vector or none.

    Without inputs, what is asked is an opening, which the answer goes on from.

    Args:
        recipe: with one output.
        fields: fitted, by column.

    Raises:
        RecipeError: other columns, or fields of other kinds.
    """

    def __init__(self, recipe: Recipe, fields: Mapping[str, Field]) -> None:
        super().__init__(recipe, fields)
        self.longest_target = 0
        if recipe.train.label_smoothing or recipe.train.scheduled_sampling:
            name = "label_smoothing" if recipe.train.label_smoothing else "scheduled_sampling"
            raise RecipeError(
                f"`train.{name}` must be 0 where steps are no tokens, but is {getattr(recipe.train, name):g}"
            )

    def build(self, longest_target: int = 0) -> nn.Module:
        """The model, its weights drawn from torch's generator.

        Args:
            longest_target: the most steps of a target in training.
        """
        self.longest_target = longest_target
        spec = self.recipe.model
        assert isinstance(spec, VectorDecoderSpec)
        return step_writer(
            sizes(self),
            self._emission,
            **decoding_of(spec),
        )

    def _emission(self, size: int) -> Emission:
        target = self.fields[self.target]
        if isinstance(target, StrokesField):
            return MixtureEmission(size)
        assert isinstance(target, NotesField | RowsField)
        assert isinstance(self.recipe.model, VectorDecoderSpec)
        together = self.recipe.model.emission == "autoregressive"
        return (AutoregressiveEmission if together else BernoulliEmission)(size, len(target))

    def objective(self, model: nn.Module, *, training: bool = True) -> StepObjective:
        assert isinstance(model, StepWriter)
        return StepObjective(model, self.target)

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
        """What is written for raw inputs, or after raw openings, in their order; drawn, or without `sample` the
        most probable steps."""
        assert isinstance(model, StepWriter)

        def answers(batch: Batch, opening: Ragged | None = None) -> list[Prediction]:
            columns: Any = shown(batch, self.sources)
            encoded = model.encode(columns, batch.ids)
            drawn = [
                write_steps(
                    model,
                    encoded,
                    max_length=self._limit(how),
                    opening=opening,
                    best=not how.sample,
                    temperature=how.temperature,
                    seed=seed_of(self.recipe, how, turn),
                )
                for turn in range(n_best if how.sample else 1)  # the most probable steps are one drawing
            ]
            return [self._prediction(each) for each in zip(*drawn, strict=True)]

        if self.sources:
            return in_batches(model, self, values, lambda batch, given: answers(batch), first)

        def after(ids: Tensor, given: list[Any]) -> list[Prediction]:
            return answers(Batch({}, ids), Ragged.from_list([self._opening(value) for value in given], ids))

        return after_openings(model, values, after, first)

    def _opening(self, value: Any) -> Tensor:
        """The steps of a raw opening: none of them ends a drawing, and upper rows are no whole picture."""
        field = self.fields[self.target]
        assert isinstance(field, NotesField | RowsField | StrokesField)
        if is_nothing(value):
            return torch.zeros(0, len(field))
        if isinstance(field, RowsField) and hasattr(value, "shape") and len(value) < field.height:
            return RowsField(len(value), field.width, field.threshold).encode(value)
        steps = field.encode(value)
        if isinstance(field, StrokesField):
            steps[-1, 2] = float(whole_strokes(value)[-1, 2])
        return steps

    def _limit(self, how: DecodeSpec) -> int:
        target = self.fields[self.target]
        if isinstance(target, RowsField):
            return target.height
        if isinstance(target, NotesField):
            return how.max_length or self.longest_target
        return most_steps(self.longest_target, how)

    def _prediction(self, written: Sequence[Any]) -> Prediction:
        each = tuple(Prediction(self._told(one.steps), -one.nats, -one.nats, one.complete, (), None) for one in written)
        return each[0]._replace(n_best=each)

    def _told(self, steps: Tensor) -> Any:
        found = self.fields[self.target].decode(steps)
        return found.tolist() if hasattr(found, "tolist") else found
