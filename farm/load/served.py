"""Requests that were served in real time: response times and their statistics, batches and load."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from farm.load.arrivals import Times
from farm.model import Requests, skipped

#: Statistics of response times, with the order statistic in thousandths; the mean has none.
STATISTICS: Mapping[str, int | None] = {
    "mean": None, "p50": 500, "p90": 900, "p95": 950, "p99": 990, "p99.9": 999, "max": 1000,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """The served requests of one trial over all windows; each window begins with an empty queue, like a simulation."""

    rate_per_s: float | None  #: None: there were too few requests
    capacity_per_s: float  #: the rate of full batches, back to back
    response_s: Times  #: sorted times from the intended arrival to the end, without the first requests of each window
    wait_s: Times  #: times from the intended arrival to the begin of the batch, of the same requests
    service_s: Times  #: times from the begin of the batch to its end, of the same requests
    late_s: Times  #: delay with which the generator sent each request
    batches: Mapping[int, int]  #: the number of batches of each size
    utilisation: float  #: share of the time in which a batch is served


def statistic_of(ordered: Times, name: str) -> Times:
    """Return a statistic of sorted values, or of each row of them; percentiles are values that occurred."""
    thousandths = STATISTICS[name]
    if thousandths is None:
        return np.asarray(ordered.mean(axis=-1))
    rank = -(-thousandths * ordered.shape[-1] // 1000)
    return np.asarray(ordered[..., rank - 1])


def served(windows: Sequence[Requests], rate_per_s: float | None) -> Served | None:
    """Return the served requests of a trial, or None; `rate_per_s` is the wanted rate, or None for a trace."""
    known = [window for window in windows if window.done_s]
    if not known:
        return None
    rates: list[float] = []
    times_s: list[tuple[Times, Times, Times, Times]] = []
    batches, busy_s, span_s = Counter[int](), 0.0, 0.0
    for window in known:
        arrival_s, dequeue_s, start_s, done_s = (
            np.array(times) for times in (window.arrival_s, window.dequeue_s, window.start_s, window.done_s)
        )
        counted = slice(skipped(len(done_s), rate_per_s is not None), None)
        firsts = np.flatnonzero(np.diff(done_s, prepend=-np.inf))  # requests of one batch are done at the same time
        arriving_s = float(arrival_s[-1] - arrival_s[0])
        rates += [rate_per_s or (len(arrival_s) - 1) / arriving_s] if rate_per_s or arriving_s else []
        late_s = np.array(window.enqueue_s) - arrival_s
        waits_s, services_s = (start_s - arrival_s)[counted], (done_s - start_s)[counted]
        times_s.append(((done_s - arrival_s)[counted], waits_s, services_s, late_s))
        batches.update(np.diff(firsts, append=len(done_s)).tolist())
        busy_s += float((done_s - dequeue_s)[firsts].sum())
        span_s += float(done_s[-1] - arrival_s[0])
    response_s, wait_s, service_s, late_s = map(np.concatenate, zip(*times_s, strict=True))
    return Served(
        rate_per_s=fmean(rates) if rates else None,
        capacity_per_s=fmean(window.capacity_per_s for window in known),
        response_s=np.sort(response_s),
        wait_s=wait_s,
        service_s=service_s,
        late_s=late_s,
        batches=dict(sorted(batches.items())),
        utilisation=busy_s / span_s,
    )
