"""Of a recipe: the network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Tag, model_validator

from unspool.models.pooling import POOLINGS
from unspool.recipes.section import ImportedSpec, Section, by_kind
from unspool.recipes.values import CellName, Names, Rate, Size, Sizes


def _known_pooling(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in POOLINGS:
            raise ValueError(f"must be {', '.join(POOLINGS)}, or several of them, but is {name!r}")
    return names


Pooling = Annotated[Names, Field(min_length=1), AfterValidator(_known_pooling)]


class EncoderSpec(Section):
    """What reads the input."""

    cell: CellName = "LSTM"
    """A cell of `unspool.cells`, or an import path `mypkg.cells:MyCell`, made with an input size and a hidden size."""
    hidden_size: Size = 256
    """Features of the cell's output, in each direction."""
    num_layers: Size = 1
    """Layers, one upon the other."""
    bidirectional: bool = True
    """Whether to read from both ends."""
    dropout: Rate = 0.2
    """Share of features dropped from the outputs of every layer, in training."""


class DecoderSpec(Section):
    """What writes the output, one step after the other."""

    cell: CellName = "LSTM"
    """A cell of `unspool.cells`, or an import path `mypkg.cells:MyCell`, made with an input size and a hidden size."""
    hidden_size: Size = 256
    """Features of the cell's output."""
    num_layers: Size = 1
    """Layers, one upon the other."""
    upper_layers: Annotated[int, Field(ge=0)] = 0
    """How many of them lie above the attention and read what it found."""
    dropout: Rate = 0.2
    """Share of features dropped between layers, in training."""


class AttentionSpec(Section):
    """How the decoder looks back at the input."""

    kind: Literal["none", "dot", "general", "additive", "location", "multihead"] = "multihead"
    """`none` leaves the bridge alone to carry the input over. Multi-head is the fastest; `location` knows where the
    steps before looked, as speech wants it, and has `feeding`."""
    heads: Size = 4
    """Heads of multi-head attention; a divisor of the decoder's `hidden_size`."""
    feeding: bool = False
    """Whether what was looked at enters the next step; slower, since steps can't be computed at once then."""

    copying: bool = False
    """Whether what was looked at may be copied (pointer-generator); input and output share a `vocabulary` then."""

    @model_validator(mode="after")
    def _copying_points(self) -> AttentionSpec:
        if self.copying and self.kind == "none":
            raise ValueError(
                "must be dot, general, additive, location or multihead attention to have `copying`, but is none"
            )
        return self

    @model_validator(mode="after")
    def _no_feeding(self) -> AttentionSpec:
        if self.feeding and self.kind in ("none", "multihead"):
            raise ValueError(
                f"must be dot, general, additive or location attention to have `feeding`, but is {self.kind}"
            )
        return self


class AugmentSpec(Section):
    """How inputs are changed in training, anew each time; all steps of an example alike."""

    shift: Annotated[int, Field(ge=0)] = 0
    """Of pictures: the most pixels they are moved by, to each side."""
    flip: bool = False
    """Of pictures: whether every other example is mirrored from left to right."""
    brightness: Rate = 0.0
    """Of pictures: the most they are made brighter or darker, as a share."""
    pace: Rate = 0.0
    """Of any steps: the most they are heard or seen faster or slower, as a share."""
    times: Annotated[int, Field(ge=0)] = 0
    """Of other steps: how many spans of steps are blanked (SpecAugment)."""
    time_width: Size = 20
    """The most steps of such a span."""
    bands: Annotated[int, Field(ge=0)] = 0
    """Of other steps: how many spans of neighbouring features are blanked."""
    band_width: Size = 8
    """The most features of such a span."""


class FrontSpec(Section):
    """Convolutions below the encoder, where steps are pictures or sound: a block each, with normalisation and ReLU."""

    channels: Sizes = ()
    """Features that come out of each block; none: steps are read as they are."""
    time: Sizes = (3,)
    """Steps that an output of a block sees, an odd number; one for all blocks, or one each."""
    time_stride: Sizes = (1,)
    """Steps from one output to the next: above 1 the sequence becomes shorter; one for all blocks, or one each."""
    space_stride: Sizes = (2,)
    """The same of the pixels of pictures."""
    pool: Literal["flatten", "mean"] = "flatten"
    """What makes features of what is left of a picture: all of its pixels, or their mean."""
    norm: Literal["steps", "sequence"] = "steps"
    """What blocks normalise: each step by itself, or all steps of an example together, which suits what moves."""
    dropout: Rate = 0.0
    """Share of features dropped from what comes out, in training."""
    standardised: bool = False
    """Whether each example is brought to mean 0 and deviation 1 over its steps, so that what never changes is gone."""
    deltas: Annotated[int, Field(ge=0)] = 0
    """How many orders of changes over time stand beside each step."""
    augment: AugmentSpec = AugmentSpec()
    """How inputs are changed in training."""


class EncoderDecoderSpec(Section):
    """An encoder that reads a sequence, and a decoder that writes another one."""

    kind: Literal["encoder-decoder"] = "encoder-decoder"
    """`encoder-decoder`, `ctc`, `plain`, `encoder`, `decoder`, `language-model`, or an import path
    (`mypkg.models:MyModel`) with `options`."""
    embedding_size: Size = 256
    """Features of a symbol."""
    embedding_dropout: Rate = 0.2
    """Share of a symbol's features dropped."""
    front: FrontSpec = FrontSpec()
    """What is below the encoder, for inputs that are no text."""
    encoder: EncoderSpec = EncoderSpec()
    """What reads the input."""
    decoder: DecoderSpec = DecoderSpec()
    """What writes the output."""
    ctc: Rate = 0.0
    """Share of the loss that asks the encoder to spell the output by itself, step by step (CTC); 0: none."""
    bridge: Literal["last", "mean", "learned"] = "learned"
    """Where the decoder starts: the encoder's last state as it is, or a learned map of its last or mean output."""
    attention: AttentionSpec = AttentionSpec()
    """How the decoder looks back at the input."""
    tied_embeddings: bool = False
    """Whether the output layer shares the weights of the embeddings."""
    output_dropout: Rate = 0.2
    """Share of features dropped before the output layer."""


class CTCSpec(Section):
    """An encoder whose every step says a symbol or nothing; where each symbol is said, is found in training (CTC)."""

    kind: Literal["ctc"]
    """`ctc`, or another kind."""
    embedding_size: Size = 256
    """Features of a symbol, where the input is a text."""
    embedding_dropout: Rate = 0.2
    """Share of a step's features dropped before the encoder."""
    front: FrontSpec = FrontSpec()
    """What is below the encoder, for inputs that are no text."""
    encoder: EncoderSpec = EncoderSpec()
    """The layers."""
    output_dropout: Rate = 0.2
    """Share of features dropped before the output layer."""


class PlainSpec(Section):
    """One output for each step of the input."""

    kind: Literal["plain"]
    """`plain`, or another kind."""
    embedding_size: Size = 256
    """Features of a symbol."""
    embedding_dropout: Rate = 0.2
    """Share of a symbol's features dropped."""
    encoder: EncoderSpec = EncoderSpec()
    """The layers."""
    output_dropout: Rate = 0.2
    """Share of features dropped before the output layer."""


class EncoderWithHeadSpec(Section):
    """Columns read, each by an encoder of its own, pooled into one vector; a class, labels or a number told from it."""

    kind: Literal["encoder"]
    """`encoder`, or another kind."""
    embedding_size: Size = 256
    """Features of a symbol, and of a label that is read."""
    embedding_dropout: Rate = 0.2
    """Share of a symbol's features dropped."""
    front: FrontSpec = FrontSpec()
    """What is below the encoder, for inputs that are sounds, series, pictures or clips."""
    encoder: EncoderSpec = EncoderSpec()
    """The layers; of a text of several lines those over its lines, too."""
    pooling: Pooling = ("max",)
    """What makes one vector of all steps: `last`, `mean`, `max` or `attention`, or several side by side."""
    hops: Annotated[int, Field(ge=0)] = 0
    """How often the first text is read in the light of the other inputs, as a story for a question; 0: side by side."""
    lines: Literal["encoder", "positions"] = "encoder"
    """What makes one vector of a line: an `encoder`, pooled, or its words summed under weights of their `positions`."""
    output_dropout: Rate = 0.2
    """Share of the vector's features dropped."""
    balanced: bool = False
    """Whether all classes count alike in the loss, however rare they are."""
    candidates: str | None = None
    """An input with `lines`, one of which is the answer, a text in its vocabulary; null: those of training."""


class VectorDecoderSpec(Section):
    """Columns read and pooled into one vector, and a decoder that writes a sequence from it."""

    kind: Literal["decoder"]
    """`decoder`, or another kind."""
    embedding_size: Size = 256
    """Features of a symbol, and of a label that is read."""
    embedding_dropout: Rate = 0.2
    """Share of a symbol's features dropped."""
    front: FrontSpec = FrontSpec()
    """What is below the encoder, for inputs that are sounds, series, pictures or clips."""
    encoder: EncoderSpec = EncoderSpec()
    """What reads inputs that are sequences; others need none."""
    pooling: Pooling = ("max",)
    """What makes one vector of such a sequence: `last`, `mean`, `max` or `attention`, or several side by side."""
    condition: Literal["start", "steps", "both"] = "both"
    """What the vector becomes: the decoder's initial state, an input of every step, or both."""
    decoder: DecoderSpec = DecoderSpec()
    """What writes the output; the cell `SCLSTM` has the vector as the meaning it reads off."""
    emission: Literal["independent", "autoregressive"] = "independent"
    """Of outputs that are rows of pixels or notes: what those of a step depend on beside the decoder, which is nothing,
    or those before them in the step."""
    tied_embeddings: bool = False
    """Whether the output layer shares the weights of the embeddings."""
    output_dropout: Rate = 0.2
    """Share of features dropped before the output layer."""


class LanguageModelSpec(Section):
    """A decoder of one long text, which is read as it stands, line after line; nothing else is read."""

    kind: Literal["language-model"]
    """`language-model`, or another kind."""
    embedding_size: Size = 256
    """Features of a symbol."""
    embedding_dropout: Rate = 0.2
    """Share of a symbol's features dropped."""
    decoder: DecoderSpec = DecoderSpec()
    """The layers."""
    tied_embeddings: bool = False
    """Whether the output layer shares the weights of the embeddings."""
    output_dropout: Rate = 0.2
    """Share of features dropped before the output layer."""


_KINDS = {
    "encoder-decoder": "EncoderDecoderSpec",
    "ctc": "CTCSpec",
    "plain": "PlainSpec",
    "encoder": "EncoderWithHeadSpec",
    "decoder": "VectorDecoderSpec",
    "language-model": "LanguageModelSpec",
}
ModelSpec = Annotated[
    Annotated[EncoderDecoderSpec, Tag("EncoderDecoderSpec")]
    | Annotated[CTCSpec, Tag("CTCSpec")]
    | Annotated[PlainSpec, Tag("PlainSpec")]
    | Annotated[EncoderWithHeadSpec, Tag("EncoderWithHeadSpec")]
    | Annotated[VectorDecoderSpec, Tag("VectorDecoderSpec")]
    | Annotated[LanguageModelSpec, Tag("LanguageModelSpec")]
    | Annotated[ImportedSpec, Tag("ImportedSpec")],
    by_kind("encoder-decoder", _KINDS),
]
