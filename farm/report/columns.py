"""The columns that distinguish the rows of a sweep's results."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of factors and other labels of a trial, by their place in a view."""

    always: tuple[str, ...] = ()  #: labels that are always columns
    context: tuple[str, ...] = ()  #: labels that are columns if they differ, and stand in the caption otherwise
    factors: tuple[str, ...] = ()  #: labels that are columns if they differ, and are not shown otherwise
