"""A run: a recipe trained into a folder, and that folder put to use."""

from unspool.runs.dry_run import dry_run as dry_run
from unspool.runs.folder import Folder as Folder
from unspool.runs.groups import by_column as by_column
from unspool.runs.groups import groups_of as groups_of
from unspool.runs.pairing import against_baselines as against_baselines
from unspool.runs.pairing import comparable as comparable
from unspool.runs.run import Run as Run
from unspool.runs.run import load as load
from unspool.runs.together import Together as Together
from unspool.runs.together import together as together
from unspool.runs.training import train as train
from unspool.runs.walking import Walk as Walk
from unspool.runs.walking import walk as walk
