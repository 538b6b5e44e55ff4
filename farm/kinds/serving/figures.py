"""The figures of a load, simulated or live: response times, batches and joules, and how sure each statistic is."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log, sqrt

from scipy.special import stdtrit

from farm.analysis.intervals import CONFIDENCE, Interval
from farm.load.arrivals import Times
from farm.load.served import STATISTICS


@dataclass(frozen=True, slots=True)
class Figures:
    """What one network comes to under one arrival process and one policy.

    Intervals of simulated times say how sure the simulation is, those of live times how far trials differ.
    """

    requests: int  #: that the figures rest on
    unserved: int  #: still waited for their batch to fill when arrivals ended
    load: float  #: rate / capacity
    response_s: Mapping[str, Interval]  #: by name, as in `STATISTICS`
    batches: Mapping[int, int]  #: how many there were of each size
    utilisation: float  #: share of the time in which a batch is served
    net_j: Interval | None  #: of a request, above idle
    gross_j: Interval | None  #: of a request, with its share of the idle
    interpolated: float = 0.0  #: share of the batches whose size is between two that were measured
    service_s: Interval | None = None  #: mean of a request's batch, from begin to end
    timed: int | None = None  #: measured times behind the batch size that has the fewest; None: live, none is drawn

    @property
    def is_saturated(self) -> bool:
        """Return True if requests arrive faster than full batches are served: the queue grows without bound."""
        return self.load >= 1

    def is_claim(self, statistic: str) -> bool:
        """Whether there are requests and measured times enough to bound that order statistic with 99 % confidence."""
        return min(self.requests, self.requests if self.timed is None else self.timed) >= needed(statistic)

    @property
    def mean_batch(self) -> float | None:
        """Requests in a batch; None where none was served."""
        count = sum(self.batches.values())
        return sum(size * number for size, number in self.batches.items()) / count if count else None


def needed(statistic: str) -> int:
    """How many values it takes to claim a percentile: 459 for p99; one for what is no percentile."""
    thousandths = STATISTICS[statistic]
    return 1 if thousandths in {None, 1000} else ceil(log(0.01) / log((thousandths or 0) / 1000))


def around(value: float | Times, parts: Times | None) -> Interval:
    """As Student's t has it, from the same figure of parts of the whole; without two parts its width is unknown."""
    if parts is None or len(parts) < 2:
        return Interval(float(value), None, None)
    half = float(stdtrit(len(parts) - 1, 0.5 + CONFIDENCE / 2)) * float(parts.std(ddof=1)) / sqrt(len(parts))
    return Interval(float(value), float(value) - half, float(value) + half)
