"""Whether two groups of trials are equivalent: their ratio lies within a margin around 1. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log, log1p
from typing import Literal

from scipy import stats

from farm.analysis.intervals import CONFIDENCE, Interval
from farm.analysis.ratios import antilog
from farm.analysis.statistics.data import Cell, Data, check_cells, check_levels, check_varied, spelt
from farm.analysis.statistics.multiplicity import Correction, adjusted
from farm.analysis.statistics.pairs import Pair, pairs

SIGNIFICANCE = 1 - CONFIDENCE
#: The usual margin: as large as the gain error of a board's power sensor.
MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Two one-sided Welch tests (Schuirmann 1987) of the logarithms."""

    n_a: int
    n_b: int
    ratio: Interval  #: ratio of the geometric means, b / a, with the 90 % interval that matches two tests at 5 %
    p: float  #: p of the hypothesis that the ratio is outside the margin
    p_adjusted: float
    p_difference: float  #: p of the hypothesis that the ratio is 1

    @property
    def verdict(self) -> Literal["equivalent", "different", "unclear"]:
        """The verdict; a significant difference inside the margin counts as equivalent."""
        if self.p_adjusted < SIGNIFICANCE:
            return "equivalent"
        return "different" if self.p_difference < SIGNIFICANCE else "unclear"


def equivalence(
    data: Data, factors: Sequence[str], margin: float = MARGIN, correction: Correction = Correction.HOLM
) -> dict[tuple[Cell, Cell], Equivalence]:
    """Test for every two cells whether their ratio lies between 1 / (1 + margin) and 1 + margin."""
    check_levels(data, factors)
    check_cells(data, factors)
    for cell, values in data.logs().cells(factors).items():
        check_varied(data.response, spelt(factors, cell), values)
    found = {key: tost(pair, margin) for key, pair in pairs(data, factors).items()}
    p = adjusted([one.p for one in found.values()], correction)
    p_difference = adjusted([one.p_difference for one in found.values()], correction)
    return {
        key: replace(one, p_adjusted=p[place] or 0.0, p_difference=p_difference[place] or 0.0)
        for place, (key, one) in enumerate(found.items())
    }


def tost(pair: Pair, margin: float = MARGIN) -> Equivalence:
    """Test a pair by two one-sided tests."""
    difference, limit = log(pair.ratio.mean), log1p(margin)
    u, df = pair.log_u or 0.0, pair.df or 1.0
    p = float(max(stats.t.sf((difference + limit) / u, df), stats.t.cdf((difference - limit) / u, df)))
    half = float(stats.t.ppf(1 - SIGNIFICANCE, df)) * u
    ratio = Interval(pair.ratio.mean, antilog(difference - half), antilog(difference + half))
    return Equivalence(pair.n_a, pair.n_b, ratio, p, p, 1.0 if pair.p is None else pair.p)
