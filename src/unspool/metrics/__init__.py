"""Metrics: how good a model's answers are, one function each, over well-kept libraries."""

from collections.abc import Callable
from typing import TypeAlias

from unspool.metrics.captions import cider as cider
from unspool.metrics.classes import macro_f1 as macro_f1
from unspool.metrics.classes import macro_f1_labels as macro_f1_labels
from unspool.metrics.classes import micro_f1_labels as micro_f1_labels
from unspool.metrics.classes import subset_accuracy as subset_accuracy
from unspool.metrics.clusters import clustered_error as clustered_error
from unspool.metrics.confidence import Interval as Interval
from unspool.metrics.confidence import confidence as confidence
from unspool.metrics.correlation import mcc as mcc
from unspool.metrics.diversity import distinct_1 as distinct_1
from unspool.metrics.diversity import distinct_2 as distinct_2
from unspool.metrics.edits import character_error_rate as character_error_rate
from unspool.metrics.edits import exact_match as exact_match
from unspool.metrics.edits import spoken_word_error_rate as spoken_word_error_rate
from unspool.metrics.edits import token_error_rate as token_error_rate
from unspool.metrics.edits import word_error_rate as word_error_rate
from unspool.metrics.forecasts import coverage_error as coverage_error
from unspool.metrics.forecasts import pinball as pinball
from unspool.metrics.likelihood import bits_per_character as bits_per_character
from unspool.metrics.likelihood import nats_per_sequence as nats_per_sequence
from unspool.metrics.likelihood import nats_per_step as nats_per_step
from unspool.metrics.likelihood import perplexity as perplexity
from unspool.metrics.numbers import mean_absolute_error as mean_absolute_error
from unspool.metrics.numbers import root_mean_squared_error as root_mean_squared_error
from unspool.metrics.overlap import bleu as bleu
from unspool.metrics.overlap import bleu_lowercased as bleu_lowercased
from unspool.metrics.overlap import bleu_tokenised as bleu_tokenised
from unspool.metrics.overlap import bleu_tokenised_single as bleu_tokenised_single
from unspool.metrics.overlap import bleu_tokenised_words as bleu_tokenised_words
from unspool.metrics.overlap import chrf as chrf
from unspool.metrics.overlap import chrf_among as chrf_among
from unspool.metrics.overlap import text_chrf as text_chrf
from unspool.metrics.paired import Difference as Difference
from unspool.metrics.paired import difference as difference
from unspool.metrics.places import by_place as by_place
from unspool.metrics.places import word_accuracy as word_accuracy
from unspool.metrics.recognition import recognised as recognised
from unspool.metrics.rouge import rouge_1 as rouge_1
from unspool.metrics.rouge import rouge_2 as rouge_2
from unspool.metrics.rouge import rouge_l as rouge_l
from unspool.metrics.score import Metric as Metric
from unspool.metrics.score import Score as Score
from unspool.metrics.slots import slot_error as slot_error

_Likelihood: TypeAlias = "Callable[[float, float], Score]"

FORECASTS: dict[str, Metric] = {"pinball": pinball, "coverage_error": coverage_error}
"""Every metric of quantiles, by the name of its `Score`; of each of them lower is better."""

OF_NUMBERS: dict[str, Metric] = {"mae": mean_absolute_error, "rmse": root_mean_squared_error}
"""Every metric of numbers, by the name of its `Score`; of each of them lower is better."""

METRICS: dict[str, Metric] = {
    "bleu": bleu,
    "bleu_lc": bleu_lowercased,
    "bleu_tok": bleu_tokenised,
    "bleu_tok_single": bleu_tokenised_single,
    "bleu_tok_1": bleu_tokenised_words,
    "cider": cider,
    "chrf": chrf,
    "rouge_1": rouge_1,
    "rouge_2": rouge_2,
    "rouge_l": rouge_l,
    "wer": word_error_rate,
    "per": token_error_rate,
    "spoken_wer": spoken_word_error_rate,
    "cer": character_error_rate,
    "accuracy": exact_match,
    "word_accuracy": word_accuracy,
    "macro_f1": macro_f1,
    "macro_f1_labels": macro_f1_labels,
    "micro_f1_labels": micro_f1_labels,
    "subset_accuracy": subset_accuracy,
    "mcc": mcc,
    "slot_error": slot_error,
    "distinct_1": distinct_1,
    "distinct_2": distinct_2,
    **FORECASTS,
    **OF_NUMBERS,
}
"""Every metric of texts by the name of its `Score`. One with the attribute `reads_inputs` takes the inputs as a third
argument, one for each hypothesis."""

OF_LABELS = frozenset({"macro_f1_labels", "micro_f1_labels", "subset_accuracy"})
"""Those of them that read several labels from a text, and take what stands between two as `separator`."""

LIKELIHOODS: dict[str, _Likelihood] = {
    "perplexity": perplexity,
    "nats_per_step": nats_per_step,
    "nats_per_sequence": nats_per_sequence,
    "bits_per_character": bits_per_character,
}
"""Every metric of how probable the right answers are, by the name of its `Score`: from a sum of nats and its tokens, or
for those in `OF_SEQUENCES` its sequences, in `OF_CHARACTERS` its characters."""

OF_SEQUENCES = frozenset({"nats_per_sequence"})
"""Those of them that count sequences."""

OF_CHARACTERS = frozenset({"bits_per_character"})
"""Those of them that count characters."""

RECOGNITIONS: dict[str, Callable[..., Score]] = {"recognised": recognised}
"""Every metric of drawings by the name of its `Score`: see `recognised` for what it is given."""
