"""Means and medians over trials with their 95 % intervals. Pure.

The uncertainty of a mean follows the Guide to the expression of uncertainty in measurement (JCGM 100:2008, GUM): what
differs from trial to trial shows in their spread and falls with the root of their number; what all trials share does
not fall. Both are combined by the root of the sum of squares, and their degrees of freedom by Welch and Satterthwaite.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import dist, hypot, inf, sqrt
from statistics import fmean
from statistics import median as _median

from farm.analysis.moderation import Spread
from farm.analysis import quantiles
from farm.analysis.quantiles import most_heads, two_sided_t
from farm.model.energies import COVERAGE_FACTOR

CONFIDENCE = quantiles.CONFIDENCE
#: A bootstrap needs so many values; fewer have too few different resamples.
BOOTSTRAP_NEEDS = 4
#: The interval of a median needs so many values; the ends of fewer enclose the median too seldom.
MEDIAN_NEEDS = 6
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval; the ends are None for a single trial, which shows no spread."""

    mean: float
    low: float | None
    high: float | None
    meter: float | None = None  #: half-width of the 95 % interval that the meter alone leaves to a single trial
    points: int = 0  #: the number of points whose spread the interval rests on; 0: on that of its own trials alone

    @property
    def half_width(self) -> float | None:
        """Half of the width of the interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    @property
    def relative(self) -> float | None:
        """Half-width as a share of the mean; None if either is unknown or the mean is 0."""
        return None if self.half_width is None or self.mean == 0 else abs(self.half_width / self.mean)

    def not_negative(self) -> "Interval":
        """Return the interval without its negative part, for a quantity that cannot be negative, such as gross joules.

        It holds the truth as often as before. A logarithmic interval would not be negative either, but it is far wider
        where two or three trials differ much.
        """
        return self if self.low is None or self.low >= 0 else replace(self, low=0.0)


@dataclass(frozen=True, slots=True)
class Median:
    """A median with its 95 % interval, which assumes no distribution; five or fewer values have no interval."""

    value: float
    low: float | None
    high: float | None


def median(values: Sequence[float]) -> Median:
    """Return the median; the ends of its interval are order statistics chosen by the binomial distribution."""
    ordered = sorted(values)
    below = most_heads(len(ordered), (1 - CONFIDENCE) / 2)
    ends = (ordered[below], ordered[-1 - below]) if below is not None else (None, None)
    return Median(_median(ordered), *ends)


def mean_interval(
    values: Sequence[float],
    *,
    us: Sequence[float] = (),
    shared_us: Sequence[float] = (),
    spread: Spread | None = None,
) -> Interval:
    """Return the mean over trials with its 95 % interval; a single trial has none, but its meter's uncertainty.

    Args:
        values: One value for each trial, at least one.
        us: The meters' standard uncertainties of the values; only that of a single trial is shown.
        shared_us: The part of each standard uncertainty that all trials share.
        spread: The variance between trials where other trials tell more of it (see `moderation`); None: that of these.
    """
    mean = fmean(values)
    if len(values) < 2:
        return Interval(mean, None, None, COVERAGE_FACTOR * us[0] if us else None)
    shared_u = fmean(shared_us) if shared_us else 0.0
    half = expanded_u(spread or spread_of(values), len(values), shared_u)
    return Interval(mean, mean - half, mean + half)


def spread_of(values: Sequence[float]) -> Spread:
    """Return the variance between at least two values."""
    freedom = len(values) - 1
    return Spread(dist(values, [fmean(values)] * len(values)) ** 2 / freedom, freedom)


def expanded_u(spread: Spread, trials: int, shared_u: float = 0.0) -> float:
    """Return the half-width of the 95 % interval of a mean over so many trials.

    Args:
        spread: The variance between trials.
        trials: The number of trials.
        shared_u: The standard uncertainty that all trials share.
    """
    own_u = sqrt(spread.variance / trials)
    u = hypot(own_u, shared_u)
    own_part = (own_u / u) ** 4 if u else 1.0
    return u * two_sided_t(spread.freedom / own_part if own_part else inf)


def metered(value: float, uncertainty: float | None) -> Interval:
    """Return a value with the 95 % interval of its meter's standard uncertainty; without one it has no ends."""
    if uncertainty is None:
        return Interval(value, None, None)
    return Interval(value, value - COVERAGE_FACTOR * uncertainty, value + COVERAGE_FACTOR * uncertainty)
