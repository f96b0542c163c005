"""Baselines: what a model must beat, from the training part alone; one function each, and no options."""

from unspool.baselines.examples import Baseline as Baseline
from unspool.baselines.kneser_ney import KneserNey as KneserNey
from unspool.baselines.majority import majority as majority
from unspool.baselines.nearest import nearest as nearest
from unspool.baselines.nearest_act import nearest_act as nearest_act
from unspool.baselines.tfidf import tfidf as tfidf

BASELINES: dict[str, Baseline] = {
    "majority": majority,
    "tfidf": tfidf,
    "nearest": nearest,
    "nearest_act": nearest_act,
}
"""Every baseline by its name."""
