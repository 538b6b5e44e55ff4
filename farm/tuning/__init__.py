"""Tuning: which point a trial tries and when it is cut short, from the trials before it alone. Pure."""

from farm.tuning.pruning import thresholds
from farm.tuning.strategies import ask, check, size
from farm.tuning.study import Finished, Pending, Study

__all__ = ["Finished", "Pending", "Study", "ask", "check", "size", "thresholds"]
