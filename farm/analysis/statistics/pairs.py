"""Two groups of trials: their ratio with its interval, tests, and effect sizes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import isfinite, log, sqrt
from statistics import fmean, variance
from typing import TypeVar

from scipy import stats
from scipy.optimize import brentq

from farm.analysis.intervals import CONFIDENCE, Interval
from farm.analysis.ratios import antilog
from farm.analysis.statistics.data import MOST_PAIRED, Cell, Data, check_levels, check_size
from farm.analysis.statistics.multiplicity import Correction, adjusted
from farm.analysis.statistics.spread import pooled

K = TypeVar("K")
#: At 0 and at 1 the equation of Cliff's interval has a solution that is invalid.
_EDGE = 1e-9
#: Quantile of the normal distribution for a two-sided interval.
Z = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))


@dataclass(frozen=True, slots=True)
class Pair:
    """The second group against the first; None if a group has a single value, or no value differs."""

    n_a: int
    n_b: int
    ratio: Interval  #: ratio of the geometric means, b / a
    p: float | None  #: p of the hypothesis that the ratio is 1: Welch's t test of the logarithms
    p_adjusted: float | None
    log_u: float | None  #: standard uncertainty of the logarithm of the ratio
    df: float | None  #: its degrees of freedom, by Welch
    hedges_g: Interval | None  #: Hedges' g of the logarithms, b - a
    cliff_delta: Interval  #: Cliff's delta: P(b > a) - P(b < a)
    p_rank: float | None  #: Mann-Whitney
    p_rank_adjusted: float | None


def pairs(
    data: Data, factors: Sequence[str], correction: Correction = Correction.HOLM
) -> dict[tuple[Cell, Cell], Pair]:
    """Compare every two cells, with p corrected over all; raises InputError if a value is 0 or less."""
    check_levels(data, factors)
    check_size(data, factors, MOST_PAIRED)
    cells, planned = data.logs().cells(factors), data.logs().fixed().cells(factors)
    return corrected(
        {
            (a, b): of_logs(cells[a], cells[b], planned=(planned.get(a, ()), planned.get(b, ())))
            for a, b in combinations(cells, 2)
        },
        correction,
    )


def corrected(found: Mapping[K, Pair], correction: Correction = Correction.HOLM) -> dict[K, Pair]:
    """Return the pairs with p corrected over all of them, separately for each test."""
    p = adjusted([pair.p for pair in found.values()], correction)
    p_rank = adjusted([pair.p_rank for pair in found.values()], correction)
    return {
        key: replace(pair, p_adjusted=p[place], p_rank_adjusted=p_rank[place])
        for place, (key, pair) in enumerate(found.items())
    }


def of_logs(
    a: Sequence[float], b: Sequence[float], *, planned: tuple[Sequence[float], Sequence[float]] | None = None
) -> Pair:
    """Compare two groups of logarithms, without correction of p.

    Args:
        a: The first group.
        b: The second group.
        planned: Their values that were planned before any result was known; None: all, since repetitions were fixed.
            Others make the means more precise, but give no degrees of freedom, and p_rank ignores them.
    """
    first_a, first_b = planned or (a, b)
    difference = fmean(b) - fmean(a)
    low = high = p = log_u = df = p_rank = None
    if min(len(a), len(b)) > 1 and (min(a) != max(a) or min(b) != max(b)):
        (of_a, df_a), (of_b, df_b) = pooled([a], [first_a]), pooled([b], [first_b])
        u_a, u_b = of_a / len(a), of_b / len(b)  # squared
        log_u, df = sqrt(u_a + u_b), (u_a + u_b) ** 2 / (u_a**2 / df_a + u_b**2 / df_b)
        low, high = (antilog(difference + sign * _t(df) * log_u) for sign in (-1, 1))
        p = 2 * float(stats.t.sf(abs(difference) / log_u, df))
    if min(len(first_a), len(first_b)) > 1:
        ranked = float(stats.mannwhitneyu(first_b, first_a, alternative="two-sided").pvalue)
        p_rank = ranked if isfinite(ranked) else None
    return Pair(
        n_a=len(a),
        n_b=len(b),
        ratio=Interval(antilog(difference), low, high),
        p=p,
        p_adjusted=p,
        log_u=log_u,
        df=df,
        hedges_g=hedges(a, b),
        cliff_delta=cliff(float(stats.mannwhitneyu(b, a).statistic), len(b), len(a)),
        p_rank=p_rank,
        p_rank_adjusted=p_rank,
    )


def hedges(a: Sequence[float], b: Sequence[float]) -> Interval | None:
    """Return Hedges' g: b - a in pooled standard deviations without small-sample bias; None if nothing varies.

    The interval is g +- z sqrt(var g) (Hedges and Olkin 1985, p. 86), var g = 1 / m + 1 / n + g^2 / (2 (m + n) - 7.88)
    (Hedges 1982, Psychological Bulletin 92:490).
    """
    m, n = len(a), len(b)
    if min(m, n) < 2 or variance(a) == variance(b) == 0:
        return None
    within = ((m - 1) * variance(a) + (n - 1) * variance(b)) / (m + n - 2)
    g = (fmean(b) - fmean(a)) / sqrt(within) * (1 - 3 / (4 * (m + n) - 9))
    half = Z * sqrt(1 / m + 1 / n + g**2 / (2 * (m + n - 3.94)))
    return Interval(g, g - half, g + half)


def cliff(u: float, m: int, n: int) -> Interval:
    """Return Cliff's delta from Mann and Whitney's U: 2 U / mn - 1 (Cliff 1993).

    The interval is Newcombe's (2006, part 2, method 5): those theta = (delta + 1) / 2 from which U / mn is not further
    than z standard errors, theta (1 - theta) (1 + k (1 - theta) / (2 - theta) + k theta / (1 + theta)) / mn with
    k = (m + n) / 2 - 1. It holds for groups that do not overlap at all, which is usual for energies.
    """
    theta, k = u / (m * n), (m + n) / 2 - 1

    def excess(t: float) -> float:
        squared = t * (1 - t) * (1 + k * (1 - t) / (2 - t) + k * t / (1 + t)) / (m * n)
        return abs(theta - t) - Z * sqrt(max(squared, 0.0))

    low = 0.0 if theta == 0 else brentq(excess, 0.0, min(theta, 1 - _EDGE))
    high = 1.0 if theta == 1 else brentq(excess, max(theta, _EDGE), 1.0)
    return Interval(2 * theta - 1, 2 * float(low) - 1, 2 * float(high) - 1)


def overall(found: Sequence[Pair]) -> tuple[Interval, float | None]:
    """Return the geometric mean of the ratios of these points, and p of the hypothesis that it is 1.

    A t interval of the mean logarithm. Its variance is the sum of the pairs' variances over their squared number, its
    degrees of freedom are Satterthwaite's (1946) for such a sum. Unknown where one of the pairs is.
    """
    logs = [log(pair.ratio.mean) for pair in found]
    middle = fmean(logs)
    known = [(pair.log_u**2, pair.df) for pair in found if pair.log_u is not None and pair.df is not None]
    if len(known) < len(found):
        return Interval(antilog(middle), None, None), None
    total = sum(squared for squared, _ in known)
    df = total**2 / sum(squared**2 / own_df for squared, own_df in known)
    u = sqrt(total) / len(found)
    p = 2 * float(stats.t.sf(abs(middle) / u, df))
    return Interval(antilog(middle), antilog(middle - _t(df) * u), antilog(middle + _t(df) * u)), p


def _t(df: float) -> float:
    """Return the quantile of Student's distribution for a two-sided interval."""
    return float(stats.t.ppf(0.5 + CONFIDENCE / 2, df))
