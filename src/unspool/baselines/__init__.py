"""Baselines: what a model must beat, from the training part alone; one function each, and no options."""

from unspool.baselines.examples import Baseline as Baseline
from unspool.baselines.lead import lead as lead
from unspool.baselines.majority import majority as majority
from unspool.baselines.nearest import nearest as nearest
from unspool.baselines.tfidf import tfidf as tfidf

BASELINES: dict[str, Baseline] = {"majority": majority, "tfidf": tfidf, "nearest": nearest, "lead": lead}
"""Every baseline by its name."""
