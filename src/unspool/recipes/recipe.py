"""A recipe: everything that makes a run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from unspool.baselines import LANGUAGE_MODELS
from unspool.metrics import (
    FORECASTS,
    LIKELIHOODS,
    METRICS,
    OF_CHARACTERS,
    OF_NUMBERS,
    OF_SEQUENCES,
    RECOGNITIONS,
)
from unspool.recipes.examples import (
    DataSpec,
    FieldSpec,
    GatherSpec,
    LabelSpec,
    LabelsSpec,
    NumberSpec,
    QuantilesSpec,
    TextSpec,
)
from unspool.recipes.learning import DecodeSpec, TrainSpec
from unspool.recipes.mistake import mistake
from unspool.recipes.network import (
    CTCSpec,
    EncoderDecoderSpec,
    EncoderWithHeadSpec,
    LanguageModelSpec,
    ModelSpec,
    PlainSpec,
    VectorDecoderSpec,
)
from unspool.recipes.reading import written
from unspool.recipes.section import ImportedSpec, Section
from unspool.recipes.values import BaselineName, MetricName

_SEVERAL_A_STEP = ("rows", "notes")
_NO_TOKENS = ("rows", "notes", "strokes")
_OF_TEXTS = tuple(name for name in METRICS if name not in {**FORECASTS, **OF_NUMBERS})
_OF_KIND: dict[str, tuple[str, ...]] = {
    "number": tuple(OF_NUMBERS),
    "quantiles": tuple(FORECASTS),
    **dict.fromkeys((*_NO_TOKENS, "chords"), ()),
}  # metrics of answers, where these are no texts


class Recipe(Section):
    """Everything that makes a run: data, fields, model, training, decoding, metrics, seed."""

    name: str = "run"
    """What folders of its runs are called by default; as its file, unless said."""
    about: str = ""
    """What the recipe is for, in one line."""
    limits: str = ""
    """What it can't do, for the model card; one line."""
    data: DataSpec
    """Where examples come from."""
    inputs: dict[str, FieldSpec] = {}
    """The columns the model reads, by name, and what is in them; none for a decoder of sequences alone."""
    outputs: Annotated[dict[str, FieldSpec], Field(min_length=1)]
    """The columns the model writes, by name, and what is in them."""
    model: ModelSpec = EncoderDecoderSpec()
    """The network."""
    train: TrainSpec
    """How it learns."""
    decode: DecodeSpec = DecodeSpec()
    """How outputs are found."""
    metrics: tuple[MetricName, ...] = Field(default=(), strict=False)
    """What `evaluate` measures."""
    baselines: tuple[BaselineName, ...] = Field(default=(), strict=False)
    """What `evaluate` measures beside the model, from the same training part: what it must beat."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Where all that is random starts; the same seed gives the same run."""

    @property
    def fields(self) -> dict[str, FieldSpec]:
        """Inputs and outputs, by column."""
        return {**self.inputs, **self.outputs}

    @property
    def naming(self) -> GatherSpec | None:
        """`data.gather`, where all that is read is what it tells of things, and what is written is a name of one."""
        gather = self.data.gather
        if gather is None or [*self.inputs] != [gather.into] or [*self.outputs] != [gather.of]:
            return None
        return gather if isinstance(self.outputs[gather.of], TextSpec) else None

    def to_yaml(self) -> str:
        """The whole recipe, every default written out; reading it gives an equal recipe."""
        return written(self.model_dump(mode="json"))

    @field_validator("about", "limits")
    @classmethod
    def _one_line(cls, text: str) -> str:
        if "\n" in text.strip():
            raise ValueError("must be one line, but has several")
        return text.strip()

    @model_validator(mode="after")
    def _parts_fit(self) -> Recipe:
        if self.train.metric not in ("loss", *self.metrics):
            known = ", ".join(f"`{name}`" for name in ("loss", *self.metrics))
            raise mistake("train.metric", f"must be `loss` or one of `metrics` ({known}), but is {self.train.metric!r}")
        if self.train.metric in RECOGNITIONS:
            raise mistake(
                "train.metric", f"must not be {self.train.metric}, which `evaluate` alone measures; use `loss`"
            )
        if not self.inputs and not isinstance(self.model, VectorDecoderSpec | LanguageModelSpec):
            raise mistake("inputs", "must name at least one column, or `model.kind` be decoder, which may read none")
        self._check_language_model()
        self._check_answers_measured()
        self._check_measures()
        self._check_drawing()
        self._check_steering()
        self._check_risk()
        self._check_distinct()
        self._check_emission()
        self._check_candidates()
        for side, specs in (("inputs", self.inputs), ("outputs", self.outputs)):
            for name, spec in specs.items():
                if isinstance(spec, TextSpec) and spec.vocabulary is not None:
                    self._check_shared(f"{side}.{name}.vocabulary", name, spec.vocabulary)
                if side == "outputs" and isinstance(spec, TextSpec) and spec.vectors is not None:
                    raise mistake(f"outputs.{name}.vectors", "must be left out, since only inputs start with vectors")
                if side == "outputs" and isinstance(spec, TextSpec) and spec.lines:
                    raise mistake(f"outputs.{name}.lines", "must be false, since an output ends with its first line")
                if side == "outputs" and spec != self.inputs.get(name, spec):
                    raise mistake(f"outputs.{name}", f"must be as in `inputs.{name}`, since a column is encoded once")
        return self

    def _check_emission(self) -> None:
        """What depends on what is before it in a step is one of several labels of a step."""
        if not isinstance(self.model, VectorDecoderSpec) or self.model.emission == "independent":
            return
        for name, spec in self.outputs.items():
            if spec.kind not in _SEVERAL_A_STEP:
                raise mistake(
                    "model.emission",
                    f"must be independent where `outputs.{name}` is of kind {spec.kind}: only "
                    f"{' and '.join(_SEVERAL_A_STEP)} have several labels a step",
                )

    def _check_language_model(self) -> None:
        """A text alone, which is read in stretches, and whose symbols are counted."""
        if not isinstance(self.model, LanguageModelSpec):
            if self.train.truncate is not None:
                raise mistake("train.truncate", "must be null where `model.kind` is not language-model")
            return
        if self.inputs:
            raise mistake("inputs", "must be left out where `model.kind` is language-model, which reads what it writes")
        if self.train.truncate is None:
            raise mistake("train.truncate", "must say how many steps a stretch of text has, as in `truncate: 100`")
        if [spec.kind for spec in self.outputs.values()] != ["text"]:
            raise mistake("outputs", "must name one text where `model.kind` is language-model")
        if asked := [name for name in self.metrics if name not in LIKELIHOODS]:
            raise mistake("metrics", f"must be without `{asked[0]}` where nothing is asked; there is perplexity")
        if counted := [name for name in self.metrics if name in OF_SEQUENCES]:
            raise mistake(
                "metrics", f"must be without `{counted[0]}` where a text is one sequence; there is perplexity"
            )
        if self.train.scheduled_sampling:
            raise mistake("train.scheduled_sampling", "must be 0 where `model.kind` is language-model")

    def _check_drawing(self) -> None:
        """What draws, and from how much, is what can."""
        if self.decode.sample and isinstance(self.model, CTCSpec | PlainSpec | EncoderWithHeadSpec):
            raise mistake("decode.sample", f"must be false where `model.kind` is {self.model.kind}, which is not drawn")
        for name, spec in self.outputs.items():
            for how in ("top_k", "top_p"):
                if spec.kind in _NO_TOKENS and getattr(self.decode, how) is not None:
                    raise mistake(
                        f"decode.{how}",
                        f"must be null where `outputs.{name}` is of kind {spec.kind}: there "
                        "`temperature` alone changes what is drawn",
                    )

    def _check_steering(self) -> None:
        """What steers the writing of tokens one after another is for what writes so."""
        if isinstance(self.model, CTCSpec | PlainSpec):
            where = f"`model.kind` is {self.model.kind}"
        elif self.decode.ctc and not self.decode.sample:
            where = "`decode.ctc` is above 0"
        else:
            return
        for how in ("max_length", "no_repeat_ngram"):
            if getattr(self.decode, how) is not None:
                raise mistake(
                    f"decode.{how}", f"must be null where {where}: outputs are not written token by token there"
                )

    def _check_risk(self) -> None:
        """Outputs that are ranked by their risk are texts, and the model finds several."""
        if self.decode.risk is None:
            return
        if isinstance(self.model, LanguageModelSpec | EncoderWithHeadSpec | PlainSpec):
            kind = self.model.kind
            raise mistake(
                "decode.risk", f"must be null where `model.kind` is {kind}, which does not find several outputs"
            )
        for name, spec in self.outputs.items():
            if not isinstance(spec, TextSpec):
                raise mistake("decode.risk", f"must be null where `outputs.{name}` is of kind {spec.kind}, not a text")

    def _check_distinct(self) -> None:
        """Outputs that are distinct are texts of which is known what they tell of, and are written token by token."""
        if not self.decode.distinct:
            return
        if isinstance(self.model, CTCSpec | PlainSpec | EncoderWithHeadSpec) or self.decode.ctc:
            raise mistake("decode.distinct", "must be false where outputs are not written token by token")
        if self.naming is None:
            raise mistake(
                "decode.distinct",
                "must be false where the input is not what `data.gather` makes, and the output its `of`",
            )

    def _check_candidates(self) -> None:
        """What offers the answers is a text of lines, and the answer a text of the same vocabulary."""
        if not isinstance(self.model, EncoderWithHeadSpec) or self.model.candidates is None:
            return
        name, offered = self.model.candidates, self.inputs.get(self.model.candidates)
        if not isinstance(offered, TextSpec) or not offered.lines:
            texts = [f"`{each}`" for each, spec in self.inputs.items() if isinstance(spec, TextSpec) and spec.lines]
            of = f" ({', '.join(texts)})" if texts else ""
            raise mistake("model.candidates", f"must be an input with `lines: true`{of}, but is {name!r}")
        if len(self.inputs) == 1:
            raise mistake("inputs", f"must name something to read beside the candidates in `{name}`")
        if told := [each for each in self.metrics if each in LIKELIHOODS]:
            raise mistake("metrics", f"must be without `{told[0]}` where an answer is one of `model.candidates`")
        for answer, spec in self.outputs.items():
            shared = getattr(spec, "vocabulary", None) or answer
            if not isinstance(spec, TextSpec) or shared != (offered.vocabulary or name):
                owner = offered.vocabulary or name
                raise mistake(f"outputs.{answer}", f"must be a text with `vocabulary: {owner}`, as its candidates are")

    def _check_answers_measured(self) -> None:
        """Metrics of answers read what is told."""
        for name, spec in self.outputs.items():
            known = _OF_KIND.get(spec.kind, _OF_TEXTS)
            asked = [metric for metric in self.metrics if metric in METRICS]
            if not isinstance(spec, ImportedSpec) and (wrong := [metric for metric in asked if metric not in known]):
                there = f"; there is {', '.join(known)}" if known and known is not _OF_TEXTS else ""
                raise mistake(
                    "metrics", f"must be without `{wrong[0]}` where `outputs.{name}` is of kind {spec.kind}{there}"
                )
        reading = [name for name in self.metrics if getattr(METRICS.get(name), "reads_inputs", False)]
        if reading and not any(spec.kind == "act" or isinstance(spec, ImportedSpec) for spec in self.inputs.values()):
            raise mistake("metrics", f"must be without `{reading[0]}` where no input is of kind act")

    def _check_measures(self) -> None:
        """Every metric can be measured, and every baseline by one of them; what is to rank outputs is learned."""
        if self.decode.ctc and not getattr(self.model, "ctc", 0):
            raise mistake("decode.ctc", "must be 0 where `model.ctc` is 0 or there is none: nothing proposes outputs")
        told = [name for name in self.metrics if name in LIKELIHOODS]
        for name, spec in self.outputs.items():
            if told and isinstance(spec, LabelSpec | LabelsSpec | NumberSpec | QuantilesSpec):
                raise mistake("metrics", f"must be without `{told[0]}` where `outputs.{name}` is no text")
        if (spelled := [name for name in told if name in OF_CHARACTERS]) and not all(
            isinstance(spec, TextSpec) for spec in self.outputs.values()
        ):
            raise mistake("metrics", f"must be without `{spelled[0]}` where what is written is no text")
        if spelled and (cut := [name for name, spec in self.outputs.items() if getattr(spec, "max_length", None)]):
            raise mistake(
                "metrics",
                f"must be without `{spelled[0]}` where `outputs.{cut[0]}.max_length` cuts texts: all their characters "
                "would count, but not what they cost",
            )
        kinds = [[spec.kind for spec in side.values()] for side in (self.inputs, self.outputs)]
        if (seen := [name for name in self.metrics if name in RECOGNITIONS]) and kinds != [["label"], ["rows"]]:
            raise mistake(
                "metrics", f"must be without `{seen[0]}` where it is not `rows` that are drawn of a `label` alone"
            )
        for name in self.baselines:
            counts = name in LANGUAGE_MODELS
            if not (told if counts else set(self.metrics) & METRICS.keys()):
                has = "only" if counts else "no"
                raise mistake(
                    "baselines",
                    f"must be measured by one of `metrics`, but {name} has {has} {', '.join(LIKELIHOODS)}; add one, or "
                    "leave it out",
                )

    def _check_shared(self, at: str, name: str, other: str) -> None:
        owner = self.fields.get(other)
        if other == name or not isinstance(owner, TextSpec) or owner.vocabulary is not None:
            owners = [
                f"`{each}`"
                for each, spec in self.fields.items()
                if each != name and isinstance(spec, TextSpec) and spec.vocabulary is None
            ]
            of = f" ({', '.join(owners)})" if owners else ""
            raise mistake(at, f"must be another text field with a vocabulary of its own{of}, but is {other!r}")
