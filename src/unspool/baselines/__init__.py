"""Baselines: what a model must beat, from the training part alone; one function or class each, and no options."""

from collections.abc import Callable

from unspool.baselines.examples import Baseline as Baseline
from unspool.baselines.kneser_ney import KneserNey as KneserNey
from unspool.baselines.lead import lead as lead
from unspool.baselines.majority import majority as majority
from unspool.baselines.nearest import nearest as nearest
from unspool.baselines.nearest_act import nearest_act as nearest_act
from unspool.baselines.nearest_within import nearest_within as nearest_within
from unspool.baselines.tfidf import tfidf as tfidf
from unspool.baselines.tfidf_labels import tfidf_labels as tfidf_labels

BASELINES: dict[str, Baseline] = {
    "majority": majority,
    "tfidf": tfidf,
    "tfidf_labels": tfidf_labels,
    "nearest": nearest,
    "lead": lead,
    "nearest_act": nearest_act,
    "nearest_within": nearest_within,
}
"""Every baseline that answers questions, by its name."""

LANGUAGE_MODELS: dict[str, Callable[[int], KneserNey]] = {"kneser_ney": KneserNey}
"""Every baseline that tells how probable a text is, by its name; made with the number of ids."""
