"""Sequence → sequence: one column read, another written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from inspect import signature
from typing import Any, TypeGuard
from unicodedata import normalize

import torch
from torch import Tensor, nn

from unspool.data import Batch
from unspool.decode import (
    Constraint,
    Hypothesis,
    all_of,
    beam_search,
    by_risk,
    ctc_beam_search,
    ctc_greedy,
    greedy,
    no_repeated_ngrams,
    none_of,
    rescored,
    sample,
    without_unknown,
)
from unspool.errors import ModelError, RecipeError
from unspool.fields import Field, TextField
from unspool.metrics import chrf_among
from unspool.models import CTCNetwork, JointNetwork, PlainNetwork, ctc_network, encoder_decoder, plain_network
from unspool.ragged import Ragged
from unspool.recipes import CTCSpec, DecodeSpec, EncoderDecoderSpec, ImportedSpec, PlainSpec, Recipe, imported
from unspool.tasks.asking import by_column, in_batches, seed_of
from unspool.tasks.base import Prediction, Task
from unspool.tasks.columns import ragged, shown, source_size, text_field
from unspool.tasks.described import cell_of, front_of, layers_of, most_steps, one_input
from unspool.tasks.names import Names, folded, spelling
from unspool.tasks.sequence_objective import JointObjective, SequenceObjective
from unspool.tokens import UNKNOWN

LIKENESS: dict[str, Any] = {"chrf": chrf_among}


def _without_unknown(scores: Tensor) -> Tensor:
    """Log-probabilities of each step, where the unknown token is never said. (rows, ids) -> (rows, ids)"""
    unknown = torch.tensor([UNKNOWN], device=scores.device)
    return scores.float().log_softmax(1).index_fill(1, unknown, -torch.inf)


def _proposes(model: nn.Module, how: DecodeSpec) -> TypeGuard[JointNetwork]:
    """Whether CTC proposes whole outputs, which both parts of a network rank."""
    return isinstance(model, JointNetwork) and how.ctc > 0 and not how.sample


def _check_distinct(model: nn.Module, how: DecodeSpec) -> None:
    """Raise a `RecipeError` where outputs must be distinct that are not written token by token."""
    if how.distinct and (_proposes(model, how) or isinstance(model, CTCNetwork | PlainNetwork)):
        raise RecipeError("`decode.distinct` must be false where outputs are not written token by token")


def sought(how: DecodeSpec, n_best: int) -> int:
    """How many outputs to look for, of which the best `n_best` are told."""
    return n_best if how.risk is None else max(how.beam, n_best)


def weights_of(found: Sequence[Prediction], how: DecodeSpec) -> list[float]:
    """The log-probabilities by which outputs for one input weigh; what is drawn comes as often as it is probable.

    Where CTC and a decoder rank outputs together, a score is theirs of both; else it may have a length in it.
    """
    if how.sample:
        return [0.0] * len(found)
    return [one.score if how.ctc else one.log_probability for one in found]


class SequenceToSequence(Task):
    """What a recipe with one sequence in and one sequence out asks for.

    Args:
        recipe: with one input and one output.
        fields: fitted, by column.

    Raises:
        RecipeError: other columns, or fields whose values are no sequences of ids.
    """

    many_answers = True

    def __init__(self, recipe: Recipe, fields: Mapping[str, Field]) -> None:
        super().__init__(recipe, fields)
        self.longest_target = 0
        self.names: Names | None = None

    def know(self, told: Iterable[Sequence[Any]]) -> None:
        """Have it know what things are called, as rows for `Names`, for outputs that must be distinct."""
        source = self.fields[self.sources[0]]
        line = spelling(source.by_lines()) if isinstance(source, TextField) else folded
        self.names = Names(told, spelling(text_field(self.fields, self.target)), line)

    def _sources(self) -> tuple[str, ...]:
        return (one_input(self.recipe),)

    def source(self, batch: Batch) -> Any:
        """What the model reads of a batch."""
        return ragged(shown(batch, self.sources), self.sources[0])

    def build(self, longest_target: int = 0) -> nn.Module:
        """The model, its weights drawn from torch's generator.

        Args:
            longest_target: the most tokens of a target in training: the bound of a plain network, and of outputs where
                the input is no text.
        """
        spec = self.recipe.model
        self.longest_target = longest_target
        if isinstance(spec, PlainSpec):
            return plain_network(
                len(text_field(self.fields, self.sources[0])),
                len(text_field(self.fields, self.target)),
                bound=longest_target + 1,
                **layers_of(spec),
            )
        sizes = source_size(self, self.sources[0]), len(text_field(self.fields, self.target))
        if isinstance(spec, CTCSpec):
            return ctc_network(*sizes, front=front_of(spec.front), **layers_of(spec))
        if isinstance(spec, EncoderDecoderSpec):
            return encoder_decoder(
                *sizes,
                **layers_of(spec),
                decoder_hidden_size=spec.decoder.hidden_size,
                decoder_num_layers=spec.decoder.num_layers,
                upper_layers=spec.decoder.upper_layers,
                decoder_cell=cell_of(spec.decoder.cell),
                attention=spec.attention.kind,
                heads=spec.attention.heads,
                feeding=spec.attention.feeding,
                bridge=spec.bridge,
                decoder_dropout=spec.decoder.dropout,
                tied_embeddings=spec.tied_embeddings,
                shared_embeddings=spec.tied_embeddings and self._shared,
                copying=spec.attention.copying and self._can_copy(),
                front=front_of(spec.front),
                ctc=spec.ctc,
            )
        assert isinstance(spec, ImportedSpec)
        model: nn.Module = imported(spec.kind)(*sizes, **spec.options)
        return model

    def _can_copy(self) -> bool:
        """True, where what stands in the source can stand in the target: the same ids, and none for what is unknown.

        Raises:
            RecipeError: it can't.
        """
        (source,) = self.sources
        if not self._shared:
            raise RecipeError(
                f"`model.attention.copying` needs one vocabulary for `{source}` and `{self.target}`; add "
                f"`vocabulary: {self.target}` to `inputs.{source}`"
            )
        unit = text_field(self.fields, source).unit
        if unit == "words":
            raise RecipeError(
                f"`model.attention.copying` needs units of which none is unknown, but `{source}` has words, and "
                "those of no training example would be copied as ⁇; use `unit: bpe`"
            )
        return True

    @property
    def _shared(self) -> bool:
        """Whether both columns have one vocabulary."""
        specs = self.recipe.fields
        return any(
            getattr(specs[one], "vocabulary", None) == other for one, other in (self.columns, self.columns[::-1])
        )

    def objective(self, model: nn.Module, *, training: bool = True) -> SequenceObjective:
        if not hasattr(model, "loss"):
            raise ModelError(f"`{type(model).__name__}` must have a method `loss(source, target, smoothing=…)`")
        if self.recipe.train.scheduled_sampling and "sampling" not in signature(model.loss).parameters:  # type: ignore[arg-type]
            raise RecipeError(
                "`train.scheduled_sampling` must be 0 for a model that does not read its own outputs, but is "
                f"{self.recipe.train.scheduled_sampling:g}, and `{type(model).__name__}.loss` takes no `sampling`"
            )
        smoothing = self.recipe.train.label_smoothing if training else 0.0
        if isinstance(model, JointNetwork) and training:
            return JointObjective(model, self.source, self.target, smoothing)
        return SequenceObjective(model, self.source, self.target, smoothing)

    def hypotheses(
        self,
        model: nn.Module,
        batch: Batch,
        values: Sequence[Any],
        how: DecodeSpec,
        *,
        n_best: int = 1,
        attention: bool = False,
        opening: Ragged | None = None,
    ) -> list[list[Hypothesis]]:
        """For each example, in order, the best outputs without unknown tokens; `how.sample` draws one instead.

        Args:
            batch, values: the inputs, encoded and raw.
            opening: tokens that outputs begin with; these are drawn, or the best token is taken at each step.
        """
        source = self.source(batch)
        _check_distinct(model, how)
        if isinstance(model, CTCNetwork):
            with torch.no_grad():
                told = model(source).map(_without_unknown)
            if how.beam == 1 and n_best == 1:
                return [[found] for found in ctc_greedy(told)]
            return ctc_beam_search(told, size=max(how.beam, n_best), n_best=n_best)
        if isinstance(model, PlainNetwork):
            found = model.best(source)
            return [[Hypothesis(tokens, score, score, ended)] for tokens, score, ended in found]
        for method in ("encode", "start", "step"):
            if not hasattr(model, method):
                raise ModelError(
                    f"`{type(model).__name__}` must have a method `{method}` to be decoded, as `EncoderDecoder` has; "
                    "without it, leave out `metrics` and do not predict"
                )
        with torch.no_grad():
            encoded = model.encode(source)  # type: ignore[operator]
        if _proposes(model, how):
            told, size = model.spelled(encoded).map(_without_unknown), max(how.beam, n_best)
            return rescored(model, encoded, told, share=how.ctc, size=size, n_best=n_best, attention=attention)
        limit = self.limit(batch, how)
        decodable: Any = model
        given: dict[str, Any] = {"max_length": limit, "attention": attention}
        given["constrain"] = all_of(without_unknown, *self.constraints(values, limit, how))
        if opening is not None:
            given["opening"] = opening
        if how.sample:
            drawn = [
                sample(
                    decodable,
                    encoded,
                    temperature=how.temperature,
                    top_k=how.top_k,
                    top_p=how.top_p,
                    seed=seed_of(self.recipe, how, turn),
                    **given,
                )
                for turn in range(n_best)
            ]
            return [list(row) for row in zip(*drawn, strict=True)]
        if opening is not None or (how.beam == 1 and n_best == 1):
            return [[found] for found in greedy(decodable, encoded, **given)]
        return beam_search(
            decodable,
            encoded,
            size=max(how.beam, n_best),
            n_best=n_best,
            length_penalty=how.length_penalty,
            coverage_penalty=how.coverage_penalty,
            **given,
        )

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
        """Answers to raw inputs, in their order; like lengths are decoded together."""

        def answers(batch: Batch, given: list[Any]) -> list[Prediction]:
            found = self.hypotheses(model, batch, given, how, n_best=sought(how, n_best), attention=attention)
            return self._answers(found, given, how, n_best)

        return in_batches(model, self, values, answers, first)

    def constraints(self, values: Sequence[Any], limit: Tensor, how: DecodeSpec) -> list[Constraint]:
        """What may not be written for these raw inputs, in their order."""
        repeats = [] if how.no_repeat_ngram is None else [no_repeated_ngrams(how.no_repeat_ngram)]
        if not how.distinct:
            return repeats
        if self.names is None:
            raise RecipeError("`decode.distinct` must be false for a task that does not know what things are called")
        decode = text_field(self.fields, self.target).decode
        asked = by_column(self.sources, values)[self.sources[0]]
        return [*repeats, none_of([self.names.of_others(each) for each in asked], lambda ids: folded(decode(ids)))]

    def limit(self, batch: Batch, how: DecodeSpec) -> Tensor:
        """The most steps to write for each example. (batch,)"""
        if not isinstance(self.fields[self.sources[0]], TextField):
            return self.longest(batch, how)
        limit = ((ragged(batch, self.sources[0]).lengths + 1) * how.max_length_ratio).ceil().long()
        return limit if how.max_length is None else limit.clamp(max=how.max_length)

    def longest(self, batch: Batch, how: DecodeSpec) -> Tensor:
        """The most steps where inputs do not tell: a number for all. (batch,)"""
        return torch.full((batch.batch_size,), most_steps(self.longest_target, how))

    def as_text(self, question: Any, answer: Any) -> str:
        """As what is written: composed characters (NFC), as a text field reads them."""
        return normalize("NFC", str(answer))

    def _answers(
        self, found: Sequence[Sequence[Hypothesis]], given: Sequence[Any], how: DecodeSpec, n_best: int
    ) -> list[Prediction]:
        """The best `n_best` of what was found for each input, by their scores or by their risk."""
        ranked = (self._ranked(*each, how) for each in zip(found, given, strict=True))
        return [several[0]._replace(n_best=several[:n_best]) for several in ranked]

    def _ranked(self, found: Sequence[Hypothesis], given: Any, how: DecodeSpec) -> tuple[Prediction, ...]:
        decode = self.fields[self.target].decode
        each = tuple(
            Prediction(
                self.as_text(given, decode(one.tokens)), one.score, one.log_probability, one.complete, (), one.attention
            )
            for one in found
        )
        if how.risk is None:
            return each
        order = by_risk([one.text for one in each], weights_of(each, how), LIKENESS[how.risk])
        return tuple(each[place] for place in order)
