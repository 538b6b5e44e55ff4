"""Corrections for several tests at once. Pure, and without statsmodels: `farm results` corrects too."""

from collections.abc import Sequence
from enum import StrEnum
from itertools import accumulate


class Correction(StrEnum):
    """A correction, by the probability or share that it keeps below 5 %."""

    HOLM = "holm"  #: the chance of even one false claim
    BH = "bh"  #: Benjamini-Hochberg: the share of false claims among the claims

    @property
    def method(self) -> str:
        """The name of the correction in scikit-posthocs."""
        return "holm" if self is Correction.HOLM else "fdr_bh"


def adjusted(p_values: Sequence[float | None], correction: Correction = Correction.HOLM) -> list[float | None]:
    """Return corrected p-values in the same order; unknown p-values stay None and are not counted."""
    known = [p for p in p_values if p is not None]
    corrected = iter(holm(known) if correction is Correction.HOLM else benjamini_hochberg(known))
    return [None if p is None else next(corrected) for p in p_values]


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values by Holm's method, which keeps the chance of even one false claim."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    scaled = (min(p_values[place] * (len(p_values) - rank), 1.0) for rank, place in enumerate(order))
    corrected = dict(zip(order, accumulate(scaled, max), strict=True))
    return [corrected[place] for place in range(len(p_values))]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Correct p-values by Benjamini and Hochberg's method, which keeps the share of false claims."""
    from scipy.stats import false_discovery_control  # noqa: PLC0415 - slow to import

    return [float(p) for p in false_discovery_control(p_values)]
