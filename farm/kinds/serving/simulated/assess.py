"""Simulation of a service under an arrival process and a policy: response times, batches and joules."""

from collections.abc import Sequence
from math import hypot

import numpy as np

from farm.analysis.intervals import Interval
from farm.kinds.serving.figures import Figures, around
from farm.kinds.serving.simulated.service import Service, weighted
from farm.load.arrivals import Arrivals, Times
from farm.load.policy import Policy
from farm.load.served import STATISTICS, statistic_of
from farm.load.simulation import Course, simulate
from farm.model import skipped

#: Number of parts into which a course is cut for intervals by batch means.
PARTS = 20
#: Requests that a simulation serves by default: 20 of them are above the 99.9th percentile.
REQUESTS = 20_000


def assess(service: Service, arrivals: Arrivals, policy: Policy, requests: int = REQUESTS, seed: int = 1) -> Figures:
    """Simulate a service and return its figures.

    The same seed gives every policy the same arrivals, and the same figures each time.
    """
    arrivals_s = arrivals.times_s(requests, np.random.default_rng((seed, 0)))
    course = simulate(arrivals_s, policy, service.times_s, np.random.default_rng((seed, 1)))
    return summed_up(course, service, arrivals, policy)


def summed_up(course: Course, service: Service, arrivals: Arrivals, policy: Policy) -> Figures:
    """Return the figures of a simulated course."""
    uncounted = skipped(course.served, arrivals.is_endless)
    sizes, counts = np.unique(course.sizes, return_counts=True)
    batches = {int(size): int(count) for size, count in zip(sizes, counts, strict=True)}
    unmeasured = sum(count for size, count in batches.items() if service.is_interpolated(size))
    net_j, capacity_per_s = _net(course, service, uncounted), service.capacity_per_s(policy.size)
    return Figures(
        requests=course.served - uncounted,
        unserved=len(course.enqueue_s) - course.served,
        load=arrivals.rate_per_s / capacity_per_s,
        response_s=_statistics(course.response_s[uncounted:]),
        batches=batches,
        utilisation=_utilisation(course),
        service_s=_mean(course.end_s - course.begin_s, course, uncounted),
        busy_s=_mean((course.end_s - course.begin_s) / course.sizes, course, uncounted),
        interpolated=unmeasured / max(len(course.sizes), 1),
        timed=min((service.timed(size) for size in batches), default=0),
        net_j=net_j,
        gross_j=_gross(net_j, service.idle_w, 1 / min(arrivals.rate_per_s, capacity_per_s)),
    )


def _utilisation(course: Course) -> float:
    if not course.served:
        return 0.0
    return float((course.end_s - course.begin_s).sum() / (course.end_s[-1] - course.enqueue_s[0]))


def _mean(by_batch: Times, course: Course, uncounted: int) -> Interval | None:
    """Return the mean over requests of a value that each batch has."""
    values = np.repeat(by_batch, course.sizes)[uncounted:]
    parts = _parts(values)
    return around(values.mean(), None if parts is None else parts.mean(axis=1)) if len(values) else None


def _statistics(values: Times) -> dict[str, Interval]:
    """Return every statistic with its interval by batch means; an empty mapping if there are no values.

    The parts of a busy queue are not quite independent, because a part may begin in the middle of a slow change.
    """
    if not len(values):
        return {}
    parts = _parts(values)
    whole = np.sort(values)
    return {
        name: around(statistic_of(whole, name), None if parts is None else statistic_of(parts, name))
        for name in STATISTICS
    }


def _parts(values: Times) -> Times | None:
    """Cut values into parts of equal length, each of them sorted; None if there are too few values."""
    length = len(values) // PARTS
    return np.sort(values[len(values) - length * PARTS :].reshape(PARTS, length), axis=1) if length else None


def _net(course: Course, service: Service, uncounted: int) -> Interval | None:
    """Return the net joules of a request, with the uncertainty of the simulated mix of batches and of their joules."""
    if service.net_j is None or course.served <= uncounted:
        return None
    sizes, counts = np.unique(np.repeat(course.sizes, course.sizes)[uncounted:], return_counts=True)
    shares = zip(sizes.tolist(), (counts / counts.sum()).tolist(), strict=True)
    measured = weighted([(share / size, service.net_j[size - 1]) for size, share in shares])
    each_j = np.array([joules.mean for joules in service.net_j]) / np.arange(1, service.largest + 1)
    parts = _parts(np.repeat(each_j[course.sizes - 1], course.sizes)[uncounted:])
    mixed = around(measured.mean, None if parts is None else parts.mean(axis=1))
    return _both(measured.mean, (measured.half_width, mixed.half_width))


def _gross(net_j: Interval | None, idle_w: Interval | None, gap_s: float) -> Interval | None:
    """Return net joules plus the idle power during `gap_s`, until the next request arrives or can be served."""
    if net_j is None or idle_w is None:
        return None
    idle = weighted([(gap_s, idle_w)])
    return _both(net_j.mean + idle.mean, (net_j.half_width, idle.half_width))


def _both(mean: float, halves: Sequence[float | None]) -> Interval:
    """Return an interval around a mean with two independent uncertainties."""
    known = [half for half in halves if half is not None]
    if len(known) < len(halves):
        return Interval(mean, None, None)
    half = hypot(*known)
    return Interval(mean, mean - half, mean + half)
