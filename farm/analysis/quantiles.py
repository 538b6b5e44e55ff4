"""The distributions that intervals need, in the standard library: importing scipy takes longer than most commands."""

from functools import cache
from math import atan, cos, erfc, exp, inf, isqrt, lgamma, log, log1p, pi, sin, sqrt
from statistics import NormalDist

_NORMAL = NormalDist()
#: Newton's method doubles the digits with each step: after a step as small as this, all digits are right.
_LAST_STEP = 1e-9


def normal(z: float) -> float:
    """Return the probability that a standard normal value is below z."""
    return erfc(-z / sqrt(2)) / 2


def normal_quantile(probability: float) -> float:
    """Return the z that a standard normal value is below with this probability; infinite for 0 and 1."""
    return _NORMAL.inv_cdf(probability) if 0 < probability < 1 else (probability - 0.5) * inf


@cache
def t_quantile(probability: float, freedom: int) -> float:
    """Return a quantile above the median of Student's t distribution with whole degrees of freedom."""
    constant = lgamma((freedom + 1) / 2) - lgamma(freedom / 2) - log(pi * freedom) / 2
    t, step = normal_quantile(probability), inf
    while step > _LAST_STEP * t:  # from below: the distribution function is concave there, so no step is too long
        density = exp(constant - (freedom + 1) / 2 * log1p(t * t / freedom))
        step = (probability - _t(t, freedom)) / density
        t += step
    return t


def _t(t: float, freedom: int) -> float:
    """Return the probability that Student's t is below a t above 0 (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = atan(t / sqrt(freedom))
    is_odd = freedom % 2
    term = cos(angle) if is_odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(3 if is_odd else 2, freedom - 1, 2):
        term *= cos(angle) ** 2 * (k - 1) / k
        total += term
    central = 2 / pi * (angle + sin(angle) * total) if is_odd else sin(angle) * total
    return (1 + central) / 2


@cache
def most_heads(n: int, probability: float) -> int | None:
    """Return the largest k such that n tosses of a coin give at most k heads with at most this probability.

    Returns:
        None where even no head at all is more probable.
    """
    k = max(n // 2 - 5 * isqrt(n), 0)  # fewer heads, ten standard deviations below the mean, are out of the question
    share = exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * log(2))
    total = share
    while total <= probability:
        share *= (n - k) / (k + 1)
        total += share
        k += 1
    return k - 1 if k else None
