"""The distributions that intervals need, in the standard library: importing scipy takes longer than most commands."""

from collections.abc import Callable
from functools import cache, lru_cache
from math import ceil, erfc, exp, floor, inf, isqrt, lgamma, log, log1p, pi, sqrt
from statistics import NormalDist

#: The share of intervals that hold the truth.
CONFIDENCE = 0.95
_NORMAL = NormalDist()
#: Fewer degrees of freedom than this are rounded down to whole tenths, so that few different quantiles are computed.
_MANY = 1000
#: Newton's method doubles the digits with each step: after a step as small as this, all digits are right.
_LAST_STEP = 1e-9
#: The continued fraction of the beta function ends where a further term changes it by less than this share.
_LAST_TERM = 1e-14
#: From here on the asymptotic series of the gamma function's derivatives are exact to ten digits.
_ASYMPTOTIC = 10.0


def normal(z: float) -> float:
    """Return the probability that a standard normal value is below z."""
    return erfc(-z / sqrt(2)) / 2


def normal_quantile(probability: float) -> float:
    """Return the z that a standard normal value is below with this probability; infinite for 0 and 1."""
    return _NORMAL.inv_cdf(probability) if 0 < probability < 1 else (probability - 0.5) * inf


@lru_cache(10_000)
def t_quantile(probability: float, freedom: float) -> float:
    """Return a quantile above the median of Student's t distribution; the degrees of freedom may be infinite."""
    if freedom == inf:
        return normal_quantile(probability)
    constant = lgamma((freedom + 1) / 2) - lgamma(freedom / 2) - log(pi * freedom) / 2
    t, step = normal_quantile(probability), inf
    while step > _LAST_STEP * t:  # from below: the distribution function is concave there, so no step is too long
        density = exp(constant - (freedom + 1) / 2 * log1p(t * t / freedom))
        step = (probability - t_probability(t, freedom)) / density
        t += step
    return t


def two_sided_t(freedom: float) -> float:
    """Return how many standard uncertainties lie either side of a mean in its 95 % interval."""
    return t_quantile(0.5 + CONFIDENCE / 2, max(floor(freedom * 10) / 10, 0.1) if freedom < _MANY else inf)


def f_tail(ratio: float, freedom: float, freedom_below: float) -> float:
    """Return the probability that the ratio of two estimates of one variance is above a value of 0 or more.

    Args:
        ratio: The value.
        freedom: The degrees of freedom of the upper estimate.
        freedom_below: Those of the lower one, by which it is divided.
    """
    return beta_share(freedom_below / (freedom_below + freedom * ratio), freedom_below / 2, freedom / 2)


def t_probability(t: float, freedom: float) -> float:
    """Return the probability that Student's t is below a value of 0 or more."""
    if freedom == inf:
        return normal(t)
    return 1 - beta_share(freedom / (freedom + t * t), freedom / 2, 0.5) / 2


def beta_share(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function (NIST, Digital Library of Mathematical Functions, 8.17.22)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the continued fraction converges fast on the other side
        return 1 - beta_share(1 - x, b, a)
    fraction = c = 1.0
    d, change, n = 0.0, inf, 0
    while abs(change - 1) > _LAST_TERM:  # the modified method of Lentz
        n += 1
        m = n // 2
        top = -(a + m) * (a + b + m) if n % 2 else m * (b - m)
        term = top * x / ((a + n - 1) * (a + n))
        c, d = 1 + term / c, 1 / (1 + term * d)
        change = c * d
        fraction *= change
    return exp(a * log(x) + b * log1p(-x) + lgamma(a + b) - lgamma(a) - lgamma(b)) / (a * fraction)


def digamma(x: float) -> float:
    """Return the derivative of the logarithm of the gamma function of a positive number."""
    shifted, below = _shift(x, lambda k: 1 / k)
    square = 1 / shifted**2
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240)))
    return log(shifted) - 1 / (2 * shifted) - series - below


def trigamma(x: float) -> float:
    """Return the second derivative of the logarithm of the gamma function of a positive number."""
    shifted, below = _shift(x, lambda k: 1 / k**2)
    square = 1 / shifted**2
    series = square * (1 / 6 - square * (1 / 30 - square * (1 / 42 - square / 30))) / shifted
    return 1 / shifted + square / 2 + series + below


def _shift(x: float, term: Callable[[float], float]) -> tuple[float, float]:
    """Return x raised by whole steps to where asymptotic series are exact, and the sum of the terms of the steps."""
    steps = max(ceil(_ASYMPTOTIC - x), 0)
    return x + steps, sum(term(x + k) for k in range(steps))


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
