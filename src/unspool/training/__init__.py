"""Training: one loop over any objective, and what it needs."""

from unspool.training.averaging import Averages, LastMean, MovingAverage
from unspool.training.carried import Carried
from unspool.training.checkpoint import BEST, LAST
from unspool.training.fine_tuning import Initialised, initialise, load_weights
from unspool.training.limits import Limits, Validation
from unspool.training.loop import Trainer
from unspool.training.optimisation import Schedule, adamw
from unspool.training.outcome import Outcome
from unspool.training.progress import (
    ExamplesFile,
    MetricsFile,
    Observer,
    ProgressBar,
    ProgressLines,
    read_records,
    show_progress,
)

__all__ = [
    "BEST",
    "LAST",
    "Averages",
    "Carried",
    "ExamplesFile",
    "Initialised",
    "LastMean",
    "Limits",
    "MetricsFile",
    "MovingAverage",
    "Observer",
    "Outcome",
    "ProgressBar",
    "ProgressLines",
    "Schedule",
    "Trainer",
    "Validation",
    "adamw",
    "initialise",
    "load_weights",
    "read_records",
    "show_progress",
]
