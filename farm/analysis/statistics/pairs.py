"""Two groups of trials: how many times as much the second takes, how sure that is, and how large. Pure."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import exp, isfinite, log, sqrt
from statistics import fmean, stdev, variance
from sys import float_info
from typing import Any, TypeVar

from scipy import stats
from scipy.optimize import brentq

from farm.analysis.intervals import CONFIDENCE, Interval
from farm.analysis.statistics.data import Cell, Data, check_levels
from farm.analysis.statistics.libraries import library
from farm.analysis.statistics.multiplicity import Correction, adjusted

K = TypeVar("K")
#: At 0 and 1 themselves the equation of Cliff's interval has a solution that is none.
_EDGE = 1e-9
#: Of the normal distribution, for a two-sided interval.
Z = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))


@dataclass(frozen=True, slots=True)
class Pair:
    """The second group against the first; unknown where one of them has a single value, or nothing varies."""

    n_a: int
    n_b: int
    ratio: Interval  #: of the geometric means, b / a
    p: float | None  #: that the ratio is 1: Welch's t test of the logarithms
    p_adjusted: float | None
    log_u: float | None  #: standard uncertainty of the logarithm of the ratio
    df: float | None  #: its degrees of freedom, by Welch
    g: Interval | None  #: Hedges' g of the logarithms, b - a
    delta: Interval  #: Cliff's delta: P(b > a) - P(b < a)
    p_rank: float | None  #: Mann-Whitney
    p_rank_adjusted: float | None


def pairs(
    data: Data, factors: Sequence[str], correction: Correction = Correction.HOLM
) -> dict[tuple[Cell, Cell], Pair]:
    """Every two cells, with p corrected over all of them; raises InputError where a value is 0 or less."""
    check_levels(data, factors)
    cells = data.logs().cells(factors)
    return corrected({(a, b): of_logs(cells[a], cells[b]) for a, b in combinations(cells, 2)}, correction)


def corrected(found: Mapping[K, Pair], correction: Correction = Correction.HOLM) -> dict[K, Pair]:
    """With p corrected over all of them, each test on its own."""
    p = adjusted([pair.p for pair in found.values()], correction)
    p_rank = adjusted([pair.p_rank for pair in found.values()], correction)
    return {
        key: replace(pair, p_adjusted=p[place], p_rank_adjusted=p_rank[place])
        for place, (key, pair) in enumerate(found.items())
    }


def of_logs(a: Sequence[float], b: Sequence[float]) -> Pair:
    """Two groups of logarithms. p is not corrected yet."""
    difference = fmean(b) - fmean(a)
    low = high = p = log_u = df = p_rank = None
    if min(len(a), len(b)) > 1 and (min(a) != max(a) or min(b) != max(b)):
        welch = _quietly(stats.ttest_ind, b, a, equal_var=False)
        ends = welch.confidence_interval(CONFIDENCE)
        low, high, p, df = antilog(ends.low), antilog(ends.high), float(welch.pvalue), float(welch.df)
        log_u = float(ends.high - ends.low) / 2 / _t(df)
    rank = stats.mannwhitneyu(b, a, alternative="two-sided")
    if min(len(a), len(b)) > 1:
        p_rank = float(rank.pvalue) if isfinite(rank.pvalue) else None
    return Pair(
        n_a=len(a),
        n_b=len(b),
        ratio=Interval(antilog(difference), low, high),
        p=p,
        p_adjusted=p,
        log_u=log_u,
        df=df,
        g=hedges(a, b),
        delta=cliff(float(rank.statistic), len(b), len(a)),
        p_rank=p_rank,
        p_rank_adjusted=p_rank,
    )


def hedges(a: Sequence[float], b: Sequence[float]) -> Interval | None:
    """Hedges' g, b - a in pooled standard deviations without small-sample bias; None where nothing varies.

    g and its variance are statsmodels'; the interval is g +- z sqrt(var g) (Hedges and Olkin 1985, p. 86).
    """
    if min(len(a), len(b)) < 2 or variance(a) == variance(b) == 0:
        return None
    smd = library("statsmodels.stats.meta_analysis").effectsize_smd
    g, squared = smd(fmean(b), stdev(b), len(b), fmean(a), stdev(a), len(a))
    half = Z * sqrt(squared)
    return Interval(float(g), float(g) - half, float(g) + half)


def cliff(u: float, m: int, n: int) -> Interval:
    """Cliff's delta from Mann and Whitney's U: 2 U / mn - 1 (Cliff 1993).

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
    """The geometric mean of several ratios, of these points and no others, and p that it is 1.

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


def antilog(value: float) -> float:
    """What is too large for a number is the largest there is: two values far apart leave nearly everything possible."""
    return exp(min(value, log(float_info.max)))


def _t(df: float) -> float:
    """Of Student's distribution, for a two-sided interval."""
    return float(stats.t.ppf(0.5 + CONFIDENCE / 2, df))


def _quietly(test: Any, *groups: Sequence[float], **options: Any) -> Any:
    """Without scipy's warning that values hardly differ: the interval says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return test(*groups, **options)
