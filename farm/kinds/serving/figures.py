"""The figures of a load, simulated or live: response times, batches and joules."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log, sqrt

from scipy.special import stdtrit

from farm.analysis.intervals import CONFIDENCE, Interval
from farm.load.arrivals import Times
from farm.load.served import STATISTICS


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one network under one arrival process and one policy.

    Intervals of simulated times show how sure the simulation is; intervals of live times show how far trials differ.
    """

    requests: int  #: number of requests on which the figures rest
    unserved: int  #: requests whose batch was not full when arrivals ended
    load: float  #: rate / capacity
    response_s: Mapping[str, Interval]  #: response times by the names of `STATISTICS`
    batches: Mapping[int, int]  #: number of batches by size
    utilisation: float  #: share of the time in which a batch is served
    net_j: Interval | None  #: joules of a request above idle
    gross_j: Interval | None  #: joules of a request with its share of the idle time
    interpolated: float = 0.0  #: share of the batches whose size is between two measured sizes
    service_s: Interval | None = None  #: mean time of a request's batch, from begin to end
    busy_s: Interval | None = None  #: time for which a request occupies the server: its share of its batch's time
    timed: int | None = None  #: least number of measured times of a batch size; None: the figures are live

    @property
    def is_saturated(self) -> bool:
        """Return True if requests arrive faster than full batches are served: the queue grows without bound."""
        return self.load >= 1

    def is_claim(self, statistic: str) -> bool:
        """Return True if there are enough requests and measured times to bound a statistic with 99 % confidence."""
        return min(self.requests, self.requests if self.timed is None else self.timed) >= needed(statistic)

    @property
    def mean_batch(self) -> float | None:
        """Return the mean number of requests in a batch; None if no batch was served."""
        count = sum(self.batches.values())
        return sum(size * number for size, number in self.batches.items()) / count if count else None


def needed(statistic: str) -> int:
    """Return how many values a claim of a statistic needs: 459 for p99, 1 if it is not a percentile."""
    thousandths = STATISTICS[statistic]
    return 1 if thousandths in {None, 1000} else ceil(log(0.01) / log((thousandths or 0) / 1000))


def around(value: float | Times, parts: Times | None) -> Interval:
    """Return an interval around a value by Student's t.

    Args:
        value: the value of the whole.
        parts: the same figure for each part of the whole; without two parts the width is unknown.
    """
    if parts is None or len(parts) < 2:
        return Interval(float(value), None, None)
    half = float(stdtrit(len(parts) - 1, 0.5 + CONFIDENCE / 2)) * float(parts.std(ddof=1)) / sqrt(len(parts))
    return Interval(float(value), float(value) - half, float(value) + half)
