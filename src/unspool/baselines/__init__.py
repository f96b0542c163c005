"""Baselines: what a model must beat, from the training part alone; one function or class each, and no options."""

from collections.abc import Callable
from functools import partial

from unspool.baselines.climatology import climatology as climatology
from unspool.baselines.examples import Baseline as Baseline
from unspool.baselines.kneser_ney import KneserNey as KneserNey
from unspool.baselines.lead import lead as lead
from unspool.baselines.majority import majority as majority
from unspool.baselines.mean import mean as mean
from unspool.baselines.nearest import nearest as nearest
from unspool.baselines.nearest_act import nearest_act as nearest_act
from unspool.baselines.nearest_features import FeatureBaseline as FeatureBaseline
from unspool.baselines.nearest_features import nearest_features as nearest_features
from unspool.baselines.nearest_within import nearest_within as nearest_within
from unspool.baselines.repeat import repeat as repeat
from unspool.baselines.tfidf import tfidf as tfidf
from unspool.baselines.tfidf_labels import tfidf_labels as tfidf_labels
from unspool.baselines.typical import typical as typical

BASELINES: dict[str, Baseline] = {
    "majority": majority,
    "typical": typical,
    "tfidf": tfidf,
    "tfidf_labels": tfidf_labels,
    "nearest": nearest,
    "lead": lead,
    "nearest_act": nearest_act,
    "nearest_within": nearest_within,
    "repeat": repeat,
    "climatology": climatology,
    "mean": mean,
}
"""Every baseline that answers questions, by its name. One with the attribute `reads_levels` takes the levels of the
quantiles that are told as a fourth argument."""

LANGUAGE_MODELS: dict[str, Callable[[int], KneserNey]] = {
    "kneser_ney": KneserNey,
    "kneser_ney_6": partial(KneserNey, order=6),
}
"""Every baseline that tells how probable a text is, by its name; made with the number of ids. N-grams of three suit
words, those of six characters."""

FEATURE_BASELINES: dict[str, FeatureBaseline] = {"nearest_features": nearest_features}
"""Every baseline that answers by what the model's fields make of questions, rather than by their texts, by its name."""
