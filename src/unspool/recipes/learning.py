"""Of a recipe: how the network learns, and how outputs are found."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from unspool.recipes.section import Section
from unspool.recipes.values import Every, MemorySize, NotNegative, Positive, Rate, Saving, Size, Validating


class AveragingSpec(Section):
    """Weights averaged over training; what is validated and kept is the average."""

    kind: Literal["none", "ema", "last"] = "none"
    """`ema`: an average that moves with each step; `last`: the mean of the last validated checkpoints."""
    decay: Rate = 0.999
    """How much of an ema a step keeps."""
    last: Size = 5
    """How many checkpoints `last` averages."""


class ViewsSpec(Section):
    """How often the training part has each thing, and how much is told of it each time."""

    text: str
    """The column of texts whose lines are left out at random, so that no row tells all that is known."""
    same: str
    """The column whose value variants of a thing share."""
    times: Annotated[int, Field(ge=1)]
    """How often each thing is there, or each of `variants`: its variants in turn."""
    variants: Annotated[int, Field(ge=1)] = 1
    """How many of its variants at most each time; with one, things with many count no more than others."""
    keep: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The chance of a line to stay."""
    head: Annotated[int, Field(ge=0)] = 1
    """How many first lines always stay."""
    exchange: Rate = 0.0
    """The chance of a view to have words exchanged for others, in its examples and in the column `of` alike: what they
    stand for then has to be found out from the examples."""
    of: str | None = None
    """The column whose words are exchanged."""


class TrainSpec(Section):
    """How the model learns, and for how long: until the first limit that is reached."""

    steps: Size | None = None
    """Limit on steps of the optimizer."""
    epochs: Positive | None = None
    """Limit on passes over the training part."""
    minutes: Positive | None = None
    """Limit on time."""
    tokens: Size | None = None
    """Most tokens in a batch; 4096 where neither `tokens` nor `examples` is given."""
    examples: Size | None = None
    """Most examples in a batch."""
    pool: Size = 100
    """About how many batches' examples are sorted by length together; 1: batches are random, as lengths cost nothing
    in a network without padding, and a text's kind may go with its length."""
    accumulate: Size = 1
    """Micro-batches a batch is computed in, one after the other: less memory, the same result."""
    views: ViewsSpec | None = None
    """So many rows of each thing in place of the training part's own, with some lines of a text left out. Vocabularies
    and baselines are made of its own."""
    truncate: Size | None = None
    """Of a language model: steps of a stretch of text, after which back-propagation through time ends and the state
    goes on; `examples` stretches are read side by side."""
    memory: MemorySize | None = None
    """What recurrences may take for their gradients, such as `200MB`: steps that do not fit run again; null: any."""
    learning_rate: Positive = 1e-3
    """Step size of AdamW, at its highest."""
    warmup: Annotated[int, Field(ge=0)] = 0
    """Steps over which the learning rate rises to its highest."""
    schedule: Literal["constant", "linear", "cosine", "inverse-sqrt", "plateau"] = "cosine"
    """How it falls afterwards: to 0 at the limit (linear, cosine), or where validation stands still (plateau)."""
    weight_decay: NotNegative = 0.0
    """Share of the weights taken away, times the learning rate, at each step."""
    betas: Annotated[tuple[Rate, Rate], Field(strict=False)] = (0.9, 0.999)
    """How much a step keeps of the running means of gradients and of their squares."""
    clip: Positive | None = 1.0
    """Norm that gradients are cut to; null: never."""
    label_smoothing: Rate = 0.0
    """Share of the target's probability spread over the other symbols."""
    scheduled_sampling: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the decoder's inputs it wrote itself at the end of training, rising from 0."""
    averaging: AveragingSpec = AveragingSpec()
    """Weights averaged over training."""
    validate_every: Validating = Every(1, "epochs")
    """When to validate: `1 epoch`, or steps such as `500 steps`."""
    validate_examples: Size | None = 2000
    """Most examples to decode for the metrics of a validation, evenly spread; null: all. The loss is over all."""
    patience: Size | None = None
    """Validations without a better result before training stops; null: none are too many."""
    metric: str = "loss"
    """What makes a checkpoint the best: `loss`, or one of `metrics`."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """What layers compute in; weights stay float32. `bfloat16` where the processor is faster at it, else float32."""
    checkpoint_every: Saving = Every(10, "minutes")
    """When to save what `--resume` goes on from, beside each validation: minutes, as `10 minutes`."""
    log_examples: bool = False
    """Whether to write which examples each step saw, rank by rank, to `examples.jsonl`."""
    init: str | None = None
    """A run folder whose weights to start from, as far as they fit."""
    threads: Size | None = None
    """CPU threads; null: what PyTorch chooses."""

    @model_validator(mode="after")
    def _batches_and_an_end(self) -> TrainSpec:
        if self.steps is None and self.epochs is None and self.minutes is None:
            raise ValueError("must have a limit: needs `steps`, `epochs` or `minutes`, as in `epochs: 20`")
        if self.tokens is None and self.examples is None:
            object.__setattr__(self, "tokens", 4096)
        return self


class DecodeSpec(Section):
    """How outputs are found."""

    beam: Size = 5
    """Hypotheses kept at each step; 1 is greedy."""
    ctc: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Of a network with `model.ctc`: share of CTC's score, where CTC proposes `beam` outputs and both rank them; 0: the
    decoder searches by itself."""
    length_penalty: NotNegative = 1.0
    """α of log p / ((5 + length) / 6)^α, by which hypotheses are ranked; 0 prefers short ones, 1 is about even."""
    coverage_penalty: NotNegative = 0.0
    """Weight of the penalty on input that attention left out; 0: none."""
    risk: Literal["chrf"] | None = None
    """Minimum Bayes risk: of `beam` texts of an encoder–decoder, a decoder of a vector or CTC, or of as many as are
    asked for, the one that is most like all by this metric. What is found weighs by its probability, what is drawn
    alike; equals are told once. null: the one with the best score, or a single one that is drawn. Validations are
    greedy."""
    no_repeat_ngram: Size | None = None
    """How long a run of steps is that may not come twice in an output, as 3; null: any may."""
    distinct: bool = False
    """Whether no output ends as what `data.gather` tells of another thing by the same `by`, such as a language's name
    of it: a thing that the input tells of by a line of its own is no other one. Validations do not ask for it."""
    max_length_ratio: Positive = 3.0
    """Most steps of output for a step of input."""
    max_length: Size | None = None
    """Most steps of output, whatever the input; null: `max_length_ratio` alone."""
    slots_once: bool = True
    """Where a dialogue act is read: whether each of its slots must be said, once, and no other."""
    sample: bool = False
    """Whether to draw outputs at random rather than search for the most probable one."""
    temperature: Positive = 1.0
    """Of drawing: below 1 for more probable outputs, above for more varied ones."""
    top_k: Size | None = None
    """Draw from so many of the most probable symbols; null: from all."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Draw from the most probable symbols that together have this probability; null: from all."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """Of drawing: another one gives other outputs; null: the recipe's."""
