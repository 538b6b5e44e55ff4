"""Services that take what they are told, and a plain simulation to hold the fast one against."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import isinf
from typing import Any

import numpy as np

from farm.analysis.serving import Batch, Policy, Service
from farm.intervals import Interval
from farm.model import Quality
from tests.summaries import ends

#: Quantiles that stand for a distribution.
VALUES = 4000
IDLE_W = 10.0
#: An event at which a batch may begin, and no request arrives.
_LOOK = -1


def exponential_s(mean_s: float) -> tuple[float, ...]:
    """As many values as a distribution needs to be simulated from, in order."""
    ranks = (np.arange(VALUES) + 0.5) / VALUES
    return tuple((-mean_s * np.log1p(-ranks)).tolist())


def service(
    times_s: Mapping[int, Sequence[float]], net_j: Mapping[int, Interval] | None = None, **changes: Any
) -> Service:
    """Batches of these sizes take one of these times, each as likely."""
    energies = net_j or {}
    fields: dict[str, Any] = {"key": (("model", "alexnet"),), "idle_w": ends(IDLE_W, 1.0), "quality": Quality.COUNTER}
    batches = tuple(Batch(size, tuple(sorted(times_s[size])), energies.get(size)) for size in sorted(times_s))
    return Service(batches=batches, **fields | changes)


def steady(
    fixed_s: float = 0.004, each_s: float = 0.001, fixed_j: float = 0.4, each_j: float = 0.1, **changes: Any
) -> Service:
    """A batch takes a constant and so much for each request, in time and joules; sizes 1, 2, 4, 8."""
    sizes = (1, 2, 4, 8)
    times_s = {size: [fixed_s + each_s * size] * 500 for size in sizes}
    net_j = {size: ends(fixed_j + each_j * size, 0.001 * size) for size in sizes}
    return service(times_s, net_j, **changes)


@dataclass(frozen=True, slots=True)
class Served:
    """A batch: the requests in it, from when to when."""

    requests: tuple[int, ...]
    begin_s: float
    end_s: float


def plainly(arrivals_s: Sequence[float], policy: Policy, time_s: Callable[[int, int], float]) -> list[Served]:
    """Event after event, request after request. `time_s(size, first request)` of a batch."""
    waiting: deque[int] = deque()
    served: list[Served] = []
    events = [(at_s, number) for number, at_s in enumerate(arrivals_s)]
    if not isinf(policy.timeout_s):
        events += [(at_s + policy.timeout_s, _LOOK) for at_s in arrivals_s]
    heapify(events)
    free_s = 0.0
    while events:
        now_s = events[0][0]
        while events and events[0][0] == now_s:
            _, number = heappop(events)
            if number != _LOOK:
                waiting.append(number)
        is_due = waiting and (len(waiting) >= policy.size or now_s >= arrivals_s[waiting[0]] + policy.timeout_s)
        if is_due and now_s >= free_s:
            batch = tuple(waiting.popleft() for _ in range(min(policy.size, len(waiting))))
            free_s = now_s + time_s(len(batch), batch[0])
            served.append(Served(batch, now_s, free_s))
            heappush(events, (free_s, _LOOK))
    return served
