"""From a recipe and its fields to a model, what it learns from, and what it answers."""

from unspool.tasks.seq2seq import Prediction as Prediction
from unspool.tasks.seq2seq import SequenceToSequence as SequenceToSequence
