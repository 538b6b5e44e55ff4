"""How sure a mean over trials is. Pure."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from statistics import fmean, stdev

from farm.energy import COVERAGE_FACTOR

CONFIDENCE = 0.95
#: Fewer values than this have too few resamples for a bootstrap.
BOOTSTRAP_NEEDS = 4
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval; the ends are None where one trial alone says nothing of the spread."""

    mean: float
    low: float | None
    high: float | None

    @property
    def half_width(self) -> float | None:
        """Half of the interval's width."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    @property
    def relative(self) -> float | None:
        """Half-width as a share of the mean; None where either is unknown or the mean is 0."""
        return None if self.half_width is None or self.mean == 0 else abs(self.half_width / self.mean)


def mean_interval(values: Sequence[float], uncertainties: Sequence[float] = ()) -> Interval:
    """Mean over trials with the widest of three intervals: t, BCa bootstrap, and the instrument's own uncertainty.

    `uncertainties`: standard ones, of each value.
    """
    mean = fmean(values)
    found = [ends for ends in (_t(values), _bca(values), _instrument(mean, uncertainties)) if ends is not None]
    if not found:
        return Interval(mean, None, None)
    return Interval(mean, *max(found, key=lambda ends: ends[1] - ends[0]))


def _t(values: Sequence[float]) -> tuple[float, float] | None:
    n = len(values)
    if n < 2:
        return None
    from scipy.special import stdtrit  # noqa: PLC0415

    half = float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2)) * stdev(values) / sqrt(n)
    return fmean(values) - half, fmean(values) + half


def _bca(values: Sequence[float]) -> tuple[float, float] | None:
    """Bias-corrected and accelerated bootstrap, with a fixed seed: the same values give the same interval."""
    if len(values) < BOOTSTRAP_NEEDS or min(values) == max(values):
        return None
    import numpy as np  # noqa: PLC0415 - slow to import: only who asks for an interval pays
    from scipy.stats import bootstrap  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # values that hardly differ have no acceleration: not finite
        found = bootstrap(
            (values,),
            np.mean,
            confidence_level=CONFIDENCE,
            n_resamples=RESAMPLES,
            method="BCa",
            rng=np.random.default_rng(0),
        ).confidence_interval
    low, high = float(found.low), float(found.high)
    return (low, high) if isfinite(low) and isfinite(high) else None


def _instrument(mean: float, uncertainties: Sequence[float]) -> tuple[float, float] | None:
    if not uncertainties:
        return None
    half = COVERAGE_FACTOR * sqrt(sum(u * u for u in uncertainties)) / len(uncertainties)
    return mean - half, mean + half
