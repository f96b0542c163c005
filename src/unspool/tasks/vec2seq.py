"""Vector → sequence: columns read into one vector, another written from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unspool import acts
from unspool.data import Batch
from unspool.decode import Constraint, exactly
from unspool.errors import RecipeError
from unspool.fields import ActField, ChordsField, Field
from unspool.fields.chords import NEXT
from unspool.models import vector_decoder
from unspool.ragged import Ragged
from unspool.recipes import DecodeSpec, Recipe, VectorDecoderSpec
from unspool.tasks.asking import after_openings, by_column, is_nothing
from unspool.tasks.base import Prediction, Task
from unspool.tasks.columns import shown, sizes, text_field, token_field
from unspool.tasks.described import decoding_of
from unspool.tasks.seq2seq import SequenceToSequence, sought
from unspool.tasks.sequence_objective import SequenceObjective


class VectorToSequence(SequenceToSequence):
    """What a recipe with a vector in (features, classes, pooled sequences, several together) and a text out asks for.

    Args:
        recipe: with one output.
        fields: fitted, by column.

    Raises:
        RecipeError: other columns, fields of other kinds, or slots that are to be said in a text without words.
    """

    def __init__(self, recipe: Recipe, fields: Mapping[str, Field]) -> None:
        super().__init__(recipe, fields)
        if self._act is not None and recipe.decode.slots_once:
            self._check_words()

    def _check_words(self) -> None:
        """Raise a `RecipeError` where a slot's token can't be told in what is written."""
        target = text_field(self.fields, self.target)
        if target.unit != "words" or target.lowercase:
            has = f"`unit: {target.unit}`" if target.unit != "words" else "`lowercase: true`"
            raise RecipeError(
                f"`decode.slots_once` needs words as they are, but `outputs.{self.target}` has {has}; use `unit: "
                "words` without `lowercase`, or set `decode.slots_once: false`"
            )

    def _sources(self) -> tuple[str, ...]:
        return Task._sources(self)  # all of them

    def source(self, batch: Batch) -> Any:
        return shown(batch, self.sources)

    def build(self, longest_target: int = 0) -> nn.Module:
        """The model, its weights drawn from torch's generator.

        Args:
            longest_target: the most tokens of a target in training.
        """
        self.longest_target = longest_target
        spec = self.recipe.model
        assert isinstance(spec, VectorDecoderSpec)
        return vector_decoder(
            sizes(self),
            len(token_field(self.fields, self.target)),
            tied_embeddings=spec.tied_embeddings,
            **decoding_of(spec),
        )

    def alike(self, values: tuple[Any, ...]) -> Any:
        """Acts are alike that differ only in values that are said as they are: a sentence for one serves the other."""
        return tuple(
            acts.shape(value) if isinstance(self.fields[name], ActField) else value
            for name, value in zip(self.sources, values, strict=True)
        )

    def as_text(self, question: Any, answer: Any) -> str:
        """A right or a written answer; where an act is read, with its values in place of the slots' tokens."""
        for act in self._acts([question]):
            answer = acts.fill(act, answer)
        return super().as_text(question, answer)

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
        """Answers to raw inputs, in their order; where nothing is read, what goes on from each of these openings."""
        if self.sources:
            return super().predict(model, values, how, n_best=n_best, attention=attention, first=first)
        device = next(model.parameters()).device

        def answers(ids: Tensor, given: list[Any]) -> list[Prediction]:
            opening = Ragged.from_list([self._opening(value) for value in given], ids).to(device)
            found = self.hypotheses(model, Batch({}, ids), given, how, n_best=sought(how, n_best), opening=opening)
            return self._answers(found, given, how, n_best)

        return after_openings(model, values, answers, first)

    def _opening(self, value: Any) -> Tensor:
        """The tokens of a raw opening. -> (length,)"""
        field = token_field(self.fields, self.target)
        return torch.zeros(0, dtype=torch.int64) if is_nothing(value) else field.encode(value)

    def objective(self, model: nn.Module, *, training: bool = True) -> SequenceObjective:
        found = super().objective(model, training=training)
        found.counted = NEXT if isinstance(self.fields[self.target], ChordsField) else None
        return found

    def limit(self, batch: Batch, how: DecodeSpec) -> Tensor:
        return self.longest(batch, how)

    def constraints(self, values: Sequence[Any], limit: Tensor, how: DecodeSpec) -> list[Constraint]:
        """Where an act is read, too: each of its slots is said once."""
        found = super().constraints(values, limit, how)
        if self._act is None or not how.slots_once:
            return found
        field, target = self.fields[self._act], text_field(self.fields, self.target)
        assert isinstance(field, ActField)
        return [*found, exactly(*field.slots_once(self._acts(values), target), max_length=limit)]

    @property
    def _act(self) -> str | None:
        """The column of the act that is said, the first of several; None where no act is read."""
        return next((name for name in self.sources if isinstance(self.fields[name], ActField)), None)

    def _acts(self, values: Sequence[Any]) -> list[str]:
        """The act of each input, or none where no act is read."""
        return [] if self._act is None else by_column(self.sources, values)[self._act]
