"""Tuning: the point that a trial tries, and when it is pruned, from the trials before it alone. Pure."""

from farm.scheduling.tuning.pruning import thresholds
from farm.scheduling.tuning.strategies import ask, check, load, size
from farm.scheduling.tuning.study import Finished, Pending, Study

__all__ = ["Finished", "Pending", "Study", "ask", "check", "load", "size", "thresholds"]
