"""A text by itself: how probable it is, and how it goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from unspool.data import Batch, Encoded, Streams, running_text
from unspool.decode import Hypothesis, all_of, greedy, no_repeated_ngrams, sample, without_unknown
from unspool.fields import Field
from unspool.models import LanguageModel, language_model
from unspool.ragged import Ragged
from unspool.recipes import DecodeSpec, LanguageModelSpec, Recipe
from unspool.state import State
from unspool.tasks.asking import after_openings, is_nothing, seed_of
from unspool.tasks.base import Prediction, Task
from unspool.tasks.columns import ragged, text_field
from unspool.tasks.described import cell_of
from unspool.training import Carried

_GOES_ON = 500  # tokens, unless `decode.max_length` says another number
_STEPS = 512  # of an evaluated text that are looked at together
_ROWS, _BATCHES = 4, 4  # that an evaluated text is cut into


@dataclass(eq=False)
class StreamObjective:
    """The negative log-likelihood of streams of text, in nats a token, the state carried from piece to piece.

    Args:
        model: what is taught.
        smoothing: of labels.
    """

    model: LanguageModel
    smoothing: float = 0.0
    scales: Mapping[str, float] = field(default_factory=lambda: {"tokens": 1.0})
    carried: Carried = field(default_factory=Carried)

    def weights(self, batch: Batch) -> dict[str, float]:
        return {"tokens": float(len(ragged(batch, "targets").values))}

    def totals(self, batch: Batch) -> dict[str, Tensor]:
        embedded, begins = ragged(batch, "inputs").map(self.model.embedding), batch["begins"]
        assert isinstance(begins, Tensor)
        state = self.carried.start(self.model.cell, embedded, begins)
        loss, final = self.model.loss(embedded, ragged(batch, "targets"), state, smoothing=self.smoothing)
        self.carried.keep(embedded, final)
        return {"tokens": loss}

    def state_dict(self) -> dict[str, Any]:
        return self.carried.state_dict()

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        self.carried.load_state_dict(saved)


@dataclass(eq=False)
class TextObjective:
    """The same of long texts that are looked at whole, in the memory of a few hundred steps."""

    model: LanguageModel
    scales: Mapping[str, float] = field(default_factory=lambda: {"tokens": 1.0})

    def weights(self, batch: Batch) -> dict[str, float]:
        return {"tokens": float(len(ragged(batch, "targets").values))}

    def totals(self, batch: Batch) -> dict[str, Tensor]:
        inputs, targets = ragged(batch, "inputs"), ragged(batch, "targets")
        state: State | None = None
        losses = []
        for start in range(0, max(inputs.max_length, 1), _STEPS):
            stop = min(start + _STEPS, inputs.max_length)
            embedded = inputs.steps(start, stop).map(self.model.embedding)
            loss, state = self.model.loss(embedded, targets.steps(start, stop), state)
            losses.append(loss)
        return {"tokens": torch.stack(losses).sum()}


class LanguageModelling(Task):
    """What a recipe with a text alone asks for: how it goes on.

    What is asked is an opening; the answer is the opening and what comes after it, over as many lines as it takes.

    Args:
        recipe: with one output and no input.
        fields: fitted, by column.

    Raises:
        RecipeError: other columns, or fields of other kinds.
    """

    def __init__(self, recipe: Recipe, fields: Mapping[str, Field]) -> None:
        super().__init__(recipe, fields)
        self._text = text_field(fields, self.target).by_lines()

    def build(self, longest_target: int = 0) -> nn.Module:
        """The model, its weights drawn from torch's generator."""
        spec = self.recipe.model
        assert isinstance(spec, LanguageModelSpec)
        return language_model(
            len(self._text),
            embedding_size=spec.embedding_size,
            hidden_size=spec.decoder.hidden_size,
            num_layers=spec.decoder.num_layers,
            cell=cell_of(spec.decoder.cell),
            dropout=spec.decoder.dropout,
            embedding_dropout=spec.embedding_dropout,
            output_dropout=spec.output_dropout,
            tied_embeddings=spec.tied_embeddings,
        )

    def streams(self, encoded: Encoded) -> Streams:
        """A part's text as it is learned from: `train.examples` streams, pieces of `train.truncate` steps."""
        spec = self.recipe.train
        assert spec.truncate is not None
        streams = spec.examples or max(1, (spec.tokens or 0) // spec.truncate)
        return Streams(running_text(encoded, self.target), streams=streams, steps=spec.truncate)

    def whole(self, encoded: Encoded) -> Iterator[Batch]:
        """A part's text as it is evaluated: cut into a few long rows, so that nearly all has what comes before it."""
        text = running_text(encoded, self.target)
        (rows,) = Streams(text, streams=_ROWS * _BATCHES, steps=len(text)).epoch()
        yield from (rows.select(part) for part in torch.arange(rows.batch_size).split(_ROWS))

    def objective(self, model: nn.Module, *, training: bool = True) -> StreamObjective | TextObjective:
        assert isinstance(model, LanguageModel)
        return StreamObjective(model, self.recipe.train.label_smoothing) if training else TextObjective(model)

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
        """How raw openings go on, in their order, drawn; without `decode.sample` by the best token at each step."""
        assert isinstance(model, LanguageModel)
        repeats = [] if how.no_repeat_ngram is None else [no_repeated_ngrams(how.no_repeat_ngram)]
        drawing: dict[str, Any] = {"temperature": how.temperature, "top_k": how.top_k, "top_p": how.top_p}

        def answers(ids: Tensor, given: list[Any]) -> list[Prediction]:
            device = model.embedding.weight.device
            opening = Ragged.from_list([self._opening(value) for value in given], ids).to(device)
            more: dict[str, Any] = {
                "max_length": opening.lengths + (how.max_length or _GOES_ON),
                "constrain": all_of(without_unknown, *repeats),
                "opening": opening,
                "endless": True,
            }
            encoded = model.encode(ids.to(device))
            if how.sample:
                seeds = [seed_of(self.recipe, how, turn) for turn in range(n_best)]
                found = [sample(model, encoded, seed=seed, **drawing, **more) for seed in seeds]
            else:
                found = [greedy(model, encoded, **more)]
            each = [[self._prediction(one) for one in turn] for turn in found]
            return [row[0]._replace(n_best=tuple(row)) for row in zip(*each, strict=True)]

        return after_openings(model, values, answers, first)

    def _opening(self, value: Any) -> Tensor:
        """The tokens of a raw opening. -> (length,)"""
        return torch.zeros(0, dtype=torch.int64) if is_nothing(value) else self._text.encode(value)

    def _prediction(self, found: Hypothesis) -> Prediction:
        return Prediction(self._text.decode(found.tokens), found.score, found.log_probability, found.complete)
