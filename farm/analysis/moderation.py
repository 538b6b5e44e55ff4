"""Variances of a few trials, moderated over the points of a sweep on one machine. Pure.

Two or three trials say little about the spread of their point. The points of a sweep say together how large spreads are
here, and how much they differ: an inverse chi-square distribution of the true variances, fitted by its moments on
logarithms (Smyth 2004, Statistical Applications in Genetics and Molecular Biology 3:1, as in limma). A moderated
variance lies between the point's own and the common one, the nearer to the common one the less the points differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from statistics import fmean, variance

from farm.analysis.quantiles import digamma, f_tail, trigamma, two_sided_t

#: Fewer points cannot tell how much their true variances differ.
POINTS_NEEDED = 8
#: A variance that chance makes so large less often than this may be the point's own.
IMPROBABLE = 0.2


@dataclass(frozen=True, slots=True)
class Spread:
    """A variance, and the degrees of freedom that it rests on."""

    variance: float
    freedom: float


def moderated(spreads: Sequence[Spread]) -> list[Spread]:
    """Return each variance moderated by the others; they are returned unchanged where there are too few of them.

    A point keeps its own where its trials differ improbably much for the others' and its own interval is the wider one.
    """
    known = [spread for spread in spreads if spread.variance > 0 and spread.freedom > 0]
    if len(known) < POINTS_NEEDED:
        return list(spreads)
    prior = _prior(known)
    held = sum(spread.freedom for spread in known)
    return [_between(spread, prior, held) for spread in spreads]


def _between(own: Spread, prior: Spread, held: float) -> Spread:
    """Return the variance between a point's own and the prior; its freedom is at most what all points hold."""
    freedom = own.freedom + prior.freedom
    share = own.freedom / freedom
    found = Spread(own.variance * share + prior.variance * (1 - share), min(freedom, held))
    if not own.freedom or f_tail(own.variance / prior.variance, own.freedom, min(prior.freedom, held)) > IMPROBABLE:
        return found
    return max(own, found, key=lambda spread: sqrt(spread.variance) * two_sided_t(spread.freedom))


def _prior(known: Sequence[Spread]) -> Spread:
    """Fit the distribution of the true variances: its scale, and its degrees of freedom, infinite if they are alike."""
    logs = [log(s.variance) - digamma(s.freedom / 2) + log(s.freedom / 2) for s in known]
    excess = variance(logs) - fmean(trigamma(s.freedom / 2) for s in known)
    if excess <= 0:
        return Spread(exp(fmean(logs)), inf)
    half = _inverse_trigamma(excess)
    return Spread(exp(fmean(logs) + digamma(half) - log(half)), 2 * half)


def _inverse_trigamma(value: float) -> float:
    """Return the x whose trigamma is `value`, above 0, by bisection."""
    low, high = 1e-6, 1e9
    while high / low > 1 + 1e-9:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if trigamma(middle) > value else (low, middle)
    return low
