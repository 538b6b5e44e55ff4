"""Which levels of a factor differ: Tukey after an analysis of variance, Dunn after Kruskal and Wallis. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from scipy import stats

from farm.analysis.intervals import CONFIDENCE, Interval
from farm.analysis.statistics.data import Data, check_cells, check_levels, check_size, check_spread, relative
from farm.analysis.statistics.libraries import library
from farm.analysis.statistics.multiplicity import Correction
from farm.analysis.statistics.spread import pooled
from farm.model import Scalar

#: Tukey's distribution takes 10 ms for each pair.
MOST_LEVELS = 50


@dataclass(frozen=True, slots=True)
class Difference:
    """Two levels of a factor by Tukey's honestly significant difference."""

    factor: str
    a: Scalar
    b: Scalar
    difference: Interval  #: difference of the means, b - a, with an interval for all pairs of the factor at once
    relative: float | None  #: share of the mean of a; None if that is 0 or less
    p: float


@dataclass(frozen=True, slots=True)
class RankTest:
    """Kruskal and Wallis's test of one factor."""

    factor: str
    n: int
    h: float
    df: int
    p: float
    epsilon_sq: float  #: H / (n - 1): 0 no effect, 1 ranks without overlap


@dataclass(frozen=True, slots=True)
class RankDifference:
    """Two levels of a factor by Dunn's test."""

    factor: str
    a: Scalar
    b: Scalar
    p_adjusted: float


def tukey(data: Data, factors: Sequence[str]) -> list[Difference]:
    """Compare all pairs of levels of each factor.

    The error is that inside the cells of all factors: the residual of the analysis of variance with all interactions.
    """
    check_levels(data, factors)
    for factor in factors:
        check_size(data, [factor], MOST_LEVELS)
    check_size(data, factors)
    check_cells(data, factors)
    check_spread(data, factors)
    error, df = pooled(data.cells(factors).values(), data.fixed().cells(factors).values())
    return [difference for factor in factors for difference in _tukey(data, factor, error, df)]


def _tukey(data: Data, factor: str, error: float, df: int) -> list[Difference]:
    groups = {cell[0]: values for cell, values in data.cells([factor]).items()}
    means, count = [fmean(values) for values in groups.values()], len(groups)
    np = library("numpy")
    result = library("statsmodels.sandbox.stats.multicomp").tukeyhsd(
        np.array(means),
        np.array([len(values) for values in groups.values()]),
        error,
        df=np.full(count, df / count),  # it takes their sum
        alpha=1 - CONFIDENCE,
    )
    rows = zip(combinations(groups, 2), result[2], result[4], result[8], strict=True)
    found = []
    for (a, b), d, (low, high), p in rows:
        difference = Interval(float(d), float(low), float(high))
        share = relative(data, difference.mean, fmean(groups[a]))
        found.append(Difference(factor, a, b, difference, share, float(p)))
    return found


def kruskal(data: Data, factors: Sequence[str]) -> list[RankTest]:
    """Test each factor by itself. epsilon^2 is Kelley's (1935), see Tomczak and Tomczak (2014).

    Only values that no result decided are ranked.
    """
    data = data.fixed()
    check_levels(data, factors)
    check_spread(data, ())
    found = []
    for factor in factors:
        groups = data.cells([factor])
        result = stats.kruskal(*groups.values())
        n, h = len(data.values), float(result.statistic)
        found.append(RankTest(factor, n, h, len(groups) - 1, float(result.pvalue), h / (n - 1)))
    return found


def dunn(data: Data, factors: Sequence[str], correction: Correction = Correction.HOLM) -> list[RankDifference]:
    """Compare all pairs of levels of each factor, corrected within the factor; ranks as in `kruskal`."""
    found = []
    for factor in factors:
        groups = {cell[0]: values for cell, values in data.fixed().cells([factor]).items()}
        table = library("scikit_posthocs").posthoc_dunn(list(groups.values()), p_adjust=correction.method).to_numpy()
        found += [
            RankDifference(factor, a, b, float(table[i, j])) for (i, a), (j, b) in combinations(enumerate(groups), 2)
        ]
    return found
