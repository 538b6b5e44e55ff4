"""Corrections for several tests at once. Pure.

`farm.kinds.tuning.comparison.holm` serves `farm results`, which must work without statsmodels; a test compares both.
"""

from collections.abc import Sequence
from enum import StrEnum

from farm.analysis.statistics.libraries import library


class Correction(StrEnum):
    """The error rate that a correction keeps below 5 %."""

    HOLM = "holm"  #: the chance of even one false claim
    BH = "bh"  #: Benjamini-Hochberg: the share of false claims among the claims

    @property
    def method(self) -> str:
        """The name of the correction in statsmodels and scikit-posthocs."""
        return "holm" if self is Correction.HOLM else "fdr_bh"


def adjusted(p_values: Sequence[float | None], correction: Correction = Correction.HOLM) -> list[float | None]:
    """Return corrected p in the same order; None stays None and is not counted."""
    known = [p for p in p_values if p is not None]
    if not known:
        return list(p_values)
    corrected = iter(library("statsmodels.stats.multitest").multipletests(known, method=correction.method)[1])
    return [None if p is None else float(next(corrected)) for p in p_values]
