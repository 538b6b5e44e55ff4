"""Means and medians over trials with their 95 % intervals. Pure."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import dist, isfinite, sqrt
from statistics import fmean
from statistics import median as _median
from typing import Any

from farm.analysis.quantiles import most_heads, normal, normal_quantile, t_quantile
from farm.model.energies import COVERAGE_FACTOR

CONFIDENCE = 0.95
#: A bootstrap needs so many values; fewer have too few different resamples.
BOOTSTRAP_NEEDS = 4
#: The interval of a median needs so many values; the ends of fewer enclose the median too seldom.
MEDIAN_NEEDS = 6
RESAMPLES = 2000
#: Groups whose resamples are in memory at a time: they fit into the cache of a processor.
_AT_ONCE = 128
#: The variable that OpenBLAS, which numpy brings, reads when it is loaded.
_THREADS = "OPENBLAS_NUM_THREADS"
#: Of a standardised mean: beyond them lies rounding.
_DECIMALS = 12


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval; the ends are None if a single trial shows no spread."""

    mean: float
    low: float | None
    high: float | None

    @property
    def half_width(self) -> float | None:
        """Half of the width of the interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    @property
    def relative(self) -> float | None:
        """Half-width as a share of the mean; None if either is unknown or the mean is 0."""
        return None if self.half_width is None or self.mean == 0 else abs(self.half_width / self.mean)


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


def mean_interval(values: Sequence[float], uncertainties: Sequence[float] = ()) -> Interval:
    """Return the mean over trials with the widest of three intervals: t, BCa bootstrap, and the meters' uncertainty.

    `uncertainties` holds the standard uncertainty of each value.
    """
    return mean_intervals([(values, uncertainties)])[0]


def mean_intervals(groups: Sequence[tuple[Sequence[float], Sequence[float]]]) -> list[Interval]:
    """Return the mean intervals of many groups of values with their uncertainties, in a fraction of the time."""
    bootstrapped = _bca([values for values, _ in groups])
    return [
        _widest(fmean(values), (_t(values), bca, _instrument(fmean(values), uncertainties)))
        for (values, uncertainties), bca in zip(groups, bootstrapped, strict=True)
    ]


def _widest(mean: float, candidates: Iterable[tuple[float, float] | None]) -> Interval:
    found = [ends for ends in candidates if ends is not None]
    return Interval(mean, *max(found, key=lambda ends: ends[1] - ends[0])) if found else Interval(mean, None, None)


def _t(values: Sequence[float]) -> tuple[float, float] | None:
    n = len(values)
    if n < 2:
        return None
    mean = fmean(values)
    deviation = dist(values, [mean] * n) / sqrt(n - 1)
    half = t_quantile(0.5 + CONFIDENCE / 2, n - 1) * deviation / sqrt(n)
    return mean - half, mean + half


def _bca(groups: Sequence[Sequence[float]]) -> list[tuple[float, float] | None]:
    """Return BCa bootstrap intervals of the means of groups that have enough different values."""
    found: list[tuple[float, float] | None] = [None] * len(groups)
    by_size: dict[int, list[int]] = defaultdict(list)
    for place, values in enumerate(groups):
        if len(values) >= BOOTSTRAP_NEEDS and min(values) != max(values):
            by_size[len(values)].append(place)
    several = (places[at : at + _AT_ONCE] for places in by_size.values() for at in range(0, len(places), _AT_ONCE))
    for places in several:
        for place, ends in zip(places, _bca_of_one_size([groups[place] for place in places]), strict=True):
            found[place] = ends if isfinite(ends[0]) and isfinite(ends[1]) else None
    return found


def _bca_of_one_size(groups: Sequence[Sequence[float]]) -> Iterator[tuple[float, float]]:
    """Return what `scipy.stats.bootstrap` returns, whose import takes longer than all the rest of a command.

    All groups share their resamples, so the means of the resamples are one matrix product. They are means of
    standardised values, rounded: a resample that holds each value once has exactly the mean of the group.
    """
    np = _numpy()

    values = np.asarray(groups, dtype=float)
    n = values.shape[1]
    mean, scale = values.mean(axis=1, keepdims=True), np.ptp(values, axis=1, keepdims=True)
    standard = (values - mean) / scale
    means = np.sort(np.round(standard @ _resamples(n), _DECIMALS), axis=1)
    found = np.round(standard.mean(axis=1, keepdims=True), _DECIMALS)
    with np.errstate(all="ignore"):  # values that hardly differ have no acceleration: their ends are not finite
        shares = ((means < found).sum(axis=1) + (means <= found).sum(axis=1)) / (2 * means.shape[1])
        bias = np.array([normal_quantile(share) for share in shares.tolist()])
        without = np.round((standard.sum(axis=1, keepdims=True) - standard) / (n - 1), _DECIMALS)
        influence = (n - 1) * (without.mean(axis=1, keepdims=True) - without)
        acceleration = (influence**3).sum(axis=1) / (influence**2).sum(axis=1) ** 1.5 / 6
        z = normal_quantile((1 - CONFIDENCE) / 2)
        ends = [bias + (bias + at) / (1 - acceleration * (bias + at)) for at in (z, -z)]
    low, high = (
        mean[:, 0] + scale[:, 0] * _quantiles(means, np.array([normal(end) for end in at.tolist()])) for at in ends
    )
    return zip(low.tolist(), high.tolist(), strict=True)


def _quantiles(ordered: Any, shares: Any) -> Any:
    """Return the interpolated quantile of each row at its share; nan if the share is nan."""
    import numpy as np  # noqa: PLC0415

    places = np.nan_to_num(shares) * (ordered.shape[1] - 1)
    below = np.floor(places).astype(int)
    above = np.minimum(below + 1, ordered.shape[1] - 1)
    low, high = (np.take_along_axis(ordered, ends[:, np.newaxis], axis=1)[:, 0] for ends in (below, above))
    return np.where(np.isnan(shares), np.nan, low + (high - low) * (places - below))


def _numpy() -> Any:
    """Import numpy with one thread for products of matrices: on small ones, waiting threads cost more than they save.

    The environment is as before afterwards: processes that this one starts measure with their own number of threads.
    """
    is_set = _THREADS in os.environ
    os.environ.setdefault(_THREADS, "1")
    try:
        import numpy as np  # noqa: PLC0415 - slow to import: only who asks for an interval pays
    finally:
        if not is_set:
            del os.environ[_THREADS]
    return np


@cache
def _resamples(n: int) -> Any:
    """Return the share of each of n values in each resample; the seed is fixed, so results can be repeated."""
    import numpy as np  # noqa: PLC0415

    drawn = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
    shares = np.zeros((n, RESAMPLES))
    np.add.at(shares, (drawn, np.arange(RESAMPLES)[:, np.newaxis]), 1 / n)
    return shares


def _instrument(mean: float, uncertainties: Sequence[float]) -> tuple[float, float] | None:
    if not uncertainties:
        return None
    half = COVERAGE_FACTOR * sqrt(sum(u * u for u in uncertainties)) / len(uncertainties)
    return mean - half, mean + half


def metered(value: float, uncertainty: float | None) -> Interval:
    """Return a value with the 95 % interval of its meter's standard uncertainty; without one it has no ends."""
    if uncertainty is None:
        return Interval(value, None, None)
    return Interval(value, value - COVERAGE_FACTOR * uncertainty, value + COVERAGE_FACTOR * uncertainty)
