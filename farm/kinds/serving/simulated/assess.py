"""Simulate a service under an arrival process and a policy, and sum up what its requests waited for and cost."""

from collections.abc import Sequence
from math import hypot

import numpy as np

from farm.analysis.intervals import Interval
from farm.kinds.serving.figures import Figures, around
from farm.kinds.serving.simulated.service import Service, weighted
from farm.load.arrivals import Arrivals, Times
from farm.load.policy import Policy
from farm.load.served import STATISTICS, skipped, statistic_of
from farm.load.simulation import Course, simulate

#: Batch means: the course is cut into so many parts, whose figures spread as if independent.
PARTS = 20
#: Requests that a simulation serves by default: 20 of them lie beyond the p99.9.
REQUESTS = 20_000


def assess(service: Service, arrivals: Arrivals, policy: Policy, requests: int = REQUESTS, seed: int = 1) -> Figures:
    """Simulate a service and sum it up.

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
        service_s=_service(course, uncounted),
        interpolated=unmeasured / max(len(course.sizes), 1),
        timed=min((service.timed(size) for size in batches), default=0),
        net_j=net_j,
        gross_j=_gross(net_j, service.idle_w, 1 / min(arrivals.rate_per_s, capacity_per_s)),
    )


def _utilisation(course: Course) -> float:
    if not course.served:
        return 0.0
    return float((course.end_s - course.begin_s).sum() / (course.end_s[-1] - course.enqueue_s[0]))


def _service(course: Course, uncounted: int) -> Interval | None:
    values = np.repeat(course.end_s - course.begin_s, course.sizes)[uncounted:]
    parts = _parts(values)
    return around(values.mean(), None if parts is None else parts.mean(axis=1)) if len(values) else None


def _statistics(values: Times) -> dict[str, Interval]:
    """Every statistic with its interval by batch means; none where there are no values.

    A part may hold half of a slow swing, so the parts of a busy queue are not quite independent.
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
    """Cut into parts, each of them sorted; None where there are too few values."""
    length = len(values) // PARTS
    return np.sort(values[len(values) - length * PARTS :].reshape(PARTS, length), axis=1) if length else None


def _net(course: Course, service: Service, uncounted: int) -> Interval | None:
    """Of a request: the mix of batches as simulated, their joules as measured; both are uncertain."""
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
    """With the idle power for as long as it takes until the next request comes, or can be served."""
    if net_j is None or idle_w is None:
        return None
    idle = weighted([(gap_s, idle_w)])
    return _both(net_j.mean + idle.mean, (net_j.half_width, idle.half_width))


def _both(mean: float, halves: Sequence[float | None]) -> Interval:
    """Around a mean whose two uncertainties have nothing to do with each other."""
    known = [half for half in halves if half is not None]
    if len(known) < len(halves):
        return Interval(mean, None, None)
    half = hypot(*known)
    return Interval(mean, mean - half, mean + half)
