"""How the rows of a sweep's results are told apart."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of factors and other labels of a trial, by where a table shows them."""

    always: tuple[str, ...] = ()  #: in columns
    context: tuple[str, ...] = ()  #: in the caption where all rows share them, in columns where they differ
    factors: tuple[str, ...] = ()  #: in columns where they differ; not shown where they do not
