"""How a cell runs over a ragged batch, and how fast. One choice, which can be asked and forced."""

from unspool.engine.choice import choose as choose
from unspool.engine.choice import explain as explain
from unspool.engine.choice import recording as recording
from unspool.engine.choice import using as using
from unspool.engine.native import recomputing as recomputing
