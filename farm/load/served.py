"""Requests that were served in real time: their response times, batches and load, and the statistics of such times."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from farm.load.arrivals import Times
from farm.model import Requests

#: What may be asked of response times: the order statistic in thousandths; none for mean and max.
STATISTICS: Mapping[str, int | None] = {
    "mean": None, "p50": 500, "p90": 900, "p95": 950, "p99": 990, "p99.9": 999, "max": 1000,
}  # fmt: skip
#: An endless process starts with an empty queue; this share of its requests is not counted.
WARM_UP = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """What one trial served, window after window; each window begins with an empty queue, as a simulation does."""

    rate_per_s: float | None  #: None: there were too few requests
    capacity_per_s: float  #: of full batches, back to back
    response_s: Times  #: from the intended arrival to done, in order of length, without the first of each window
    wait_s: Times  #: of the same requests: from the intended arrival until their batch began
    service_s: Times  #: of the same requests: from then to done
    late_s: Times  #: of every request: from the intended arrival until the generator sent it
    batches: Mapping[int, int]  #: how many there were of each size
    utilisation: float  #: share of the time in which a batch is served


def skipped(requests: int, is_endless: bool) -> int:
    """How many of the first requests are not counted."""
    return round(requests * WARM_UP) if is_endless else 0


def statistic_of(ordered: Times, name: str) -> Times:
    """Of values in order, or of each row of them; percentiles by nearest rank: values that occurred."""
    thousandths = STATISTICS[name]
    if thousandths is None:
        return np.asarray(ordered.mean(axis=-1))
    rank = -(-thousandths * ordered.shape[-1] // 1000)
    return np.asarray(ordered[..., rank - 1])


def served(windows: Sequence[Requests], rate_per_s: float | None) -> Served | None:
    """Of one trial; `rate_per_s`: that was asked for, None of a trace, which has an end. None where none was served."""
    known = [window for window in windows if window.done_s]
    if not known:
        return None
    each = [_Window.of(window, rate_per_s) for window in known]
    rates = [window.rate_per_s for window in each if window.rate_per_s is not None]
    return Served(
        rate_per_s=fmean(rates) if rates else None,
        capacity_per_s=fmean(window.capacity_per_s for window in known),
        response_s=np.sort(np.concatenate([window.response_s for window in each])),
        wait_s=np.concatenate([window.wait_s for window in each]),
        service_s=np.concatenate([window.service_s for window in each]),
        late_s=np.concatenate([window.late_s for window in each]),
        batches=dict(sorted(sum((window.batches for window in each), Counter[int]()).items())),
        utilisation=sum(window.busy_s for window in each) / sum(window.span_s for window in each),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """One window; what a batch shares counts once."""

    rate_per_s: float | None
    response_s: Times
    wait_s: Times
    service_s: Times
    late_s: Times
    batches: Counter[int]
    busy_s: float
    span_s: float

    @classmethod
    def of(cls, requests: Requests, rate_per_s: float | None) -> "_Window":
        arrival_s, dequeue_s, start_s, done_s = (
            np.array(times) for times in (requests.arrival_s, requests.dequeue_s, requests.start_s, requests.done_s)
        )
        counted = slice(skipped(len(done_s), rate_per_s is not None), None)
        firsts = np.flatnonzero(np.diff(done_s, prepend=-np.inf))
        return cls(
            rate_per_s=rate_per_s or _rate_per_s(arrival_s),
            response_s=(done_s - arrival_s)[counted],
            wait_s=(start_s - arrival_s)[counted],
            service_s=(done_s - start_s)[counted],
            late_s=np.array(requests.enqueue_s) - arrival_s,
            batches=Counter(np.diff(firsts, append=len(done_s)).tolist()),
            busy_s=float((done_s - dequeue_s)[firsts].sum()),
            span_s=float(done_s[-1] - arrival_s[0]),
        )


def _rate_per_s(arrival_s: Times) -> float | None:
    """Mean rate between the first request and the last."""
    span_s = float(arrival_s[-1] - arrival_s[0])
    return (len(arrival_s) - 1) / span_s if span_s else None
