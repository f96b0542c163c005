"""Sequence → one of its own candidates: columns read, the answer one of those that each example offers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from unspool.data import Batch
from unspool.errors import RecipeError
from unspool.models import EncoderWithCandidates, LinesOf, encoder_with_candidates
from unspool.models.candidates import right_places
from unspool.models.pooling import log_softmax
from unspool.recipes import DecodeSpec, EncoderWithHeadSpec
from unspool.tasks.asking import in_batches
from unspool.tasks.base import Prediction, Task
from unspool.tasks.columns import ragged, shown, sizes
from unspool.tasks.seq2vec import reading_of


@dataclass(eq=False)
class CandidateObjective:
    """The loss of choosing the right candidate, a mean over examples: what `Trainer` makes small.

    Args:
        model: an `EncoderWithCandidates`.
        target: name of the column of right answers.
        smoothing: of candidates.
    """

    model: EncoderWithCandidates
    target: str
    smoothing: float = 0.0
    scales: Mapping[str, float] = field(default_factory=lambda: {"tokens": 1.0})

    def weights(self, batch: Batch) -> dict[str, float]:
        return {"tokens": float(batch.batch_size)}

    def totals(self, batch: Batch) -> dict[str, Tensor]:
        right = right_places(ragged(batch, self.model.column), ragged(batch, self.target))
        scores = self.model(shown(batch, self.model.reader.names), batch.ids)
        return {"tokens": self.model.loss(scores, right, self.smoothing)}


class SequenceToCandidate(Task):
    """What a recipe with `model.candidates` asks for.

    Args:
        recipe: with one output, a text.
        fields: fitted, by column.

    Raises:
        RecipeError: more outputs than one.
    """

    def check(self, batches: Iterable[Batch]) -> None:
        """Raise a `DataError` where a right answer is not on offer, as far as ids tell: unknown words are alike."""
        assert isinstance(self.recipe.model, EncoderWithHeadSpec)
        assert self.recipe.model.candidates is not None
        for batch in batches:
            right_places(ragged(batch, self.recipe.model.candidates), ragged(batch, self.target))

    def build(self, longest_target: int = 0) -> nn.Module:
        """The model, its weights drawn from torch's generator."""
        spec = self.recipe.model
        assert isinstance(spec, EncoderWithHeadSpec)
        assert spec.candidates is not None
        read = sizes(self)
        offered = read.pop(spec.candidates)
        assert isinstance(offered, LinesOf)
        return encoder_with_candidates(
            read,
            (spec.candidates, offered),
            hops=spec.hops,
            output_dropout=spec.output_dropout,
            **reading_of(spec),
        )

    def objective(self, model: nn.Module, *, training: bool = True) -> CandidateObjective:
        assert isinstance(model, EncoderWithCandidates)
        assert isinstance(self.recipe.model, EncoderWithHeadSpec)
        train = self.recipe.train
        if train.scheduled_sampling or self.recipe.model.balanced:
            name = "train.scheduled_sampling" if train.scheduled_sampling else "model.balanced"
            raise RecipeError(f"`{name}` must be left out where an answer is one of `model.candidates`, but is set")
        return CandidateObjective(model, self.target, train.label_smoothing if training else 0.0)

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
        """The candidates that fit best, as they were offered, with their probabilities among those of their example."""
        assert isinstance(model, EncoderWithCandidates)
        column = model.column

        @torch.no_grad()
        def answers(batch: Batch, given: list[Any]) -> list[Prediction]:
            scores = log_softmax(model(shown(batch, self.sources), batch.ids)).split()
            return [_best(each, row[column].split("\n"), n_best) for each, row in zip(scores, given, strict=True)]

        return in_batches(model, self, values, answers, first)


def _best(scores: Tensor, offered: Sequence[str], n_best: int) -> Prediction:
    best, places = scores.topk(min(max(n_best, 1), len(scores)))
    each = tuple(
        Prediction(offered[place], score, score, True)
        for score, place in zip(best.tolist(), places.tolist(), strict=True)
    )
    return each[0]._replace(n_best=each)
