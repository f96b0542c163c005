"""Several processes that work as one: who is among them, what they tell one another, how they are started."""

from unspool.parallel.group import Group, alone, current
from unspool.parallel.joining import joined, restarts, started
from unspool.parallel.launching import devices_here, launch

__all__ = ["Group", "alone", "current", "devices_here", "joined", "launch", "restarts", "started"]
