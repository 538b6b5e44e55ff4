"""Joules per success: what all trainings spent, divided by the number of those that reached an accuracy. Pure.

The mean of the successes alone hides what the others spent in vain. If a success takes J_s joules, a failure J_f, and a
share p succeeds, then a success takes J_s + J_f (1 - p) / p in all. The interval joins that of the share (Clopper and
Pearson 1934), which dominates, with that of the joules (Zou and Donner 2008: squares of the distances add up).
"""

from collections.abc import Sequence
from math import hypot, sqrt
from statistics import fmean

from farm.analysis.intervals import CONFIDENCE, Interval
from farm.analysis.quantiles import beta_share, t_quantile

#: Fewer successes give no interval.
SUCCESSES_NEEDED = 3
#: Steps of a bisection after which no digit of a share changes.
_STEPS = 60


def joules_per_success(successes: Sequence[float], failures: Sequence[float]) -> Interval | None:
    """Return the joules per success, from the joules of each training; None without a success.

    It has no interval with fewer than three successes, nor without a failure, whose joules are then unknown.
    """
    n, reached = len(successes) + len(failures), len(successes)
    if not successes:
        return None
    ratio = (sum(successes) + sum(failures)) / reached
    if reached < SUCCESSES_NEEDED or not failures or min(*successes, *failures) <= 0:
        return Interval(ratio, None, None)
    won, lost = fmean(successes), fmean(failures)
    squares = [*((j / won - 1) ** 2 for j in successes), *((j / lost - 1) ** 2 for j in failures)]
    spread = hypot(won / sqrt(reached), lost * sqrt(len(failures)) / reached) * sqrt(sum(squares) / (n - 2))
    half = t_quantile(0.5 + CONFIDENCE / 2, n - 2) * spread
    least, most = share_interval(reached, n)
    low, high = (won + lost * (1 - share) / share for share in (most, least))
    return Interval(ratio, max(ratio - hypot(ratio - low, half), 0.0), ratio + hypot(high - ratio, half))


def share_interval(reached: int, n: int) -> tuple[float, float]:
    """Return Clopper and Pearson's 95 % interval of a share, of which neither all nor none were reached."""
    tail = (1 - CONFIDENCE) / 2
    return _share(reached - 1, n, 1 - tail), _share(reached, n, tail)


def _share(k: int, n: int, probability: float) -> float:
    """Return the share with which at most k of n trainings succeed with this probability, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(k, n, middle) > probability else (low, middle)
    return low


def _at_most(k: int, n: int, p: float) -> float:
    """Return the probability of at most k successes in n trainings, of which k are fewer than n."""
    return beta_share(1 - p, n - k, k + 1)
