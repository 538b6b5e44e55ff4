"""A simulation of one queue and one server with batches."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from farm.load.arrivals import Times
from farm.load.policy import Policy

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """The course of a simulation, batch by batch; requests are served in the order in which they arrive."""

    enqueue_s: Times  #: arrival of each request, including those never served
    sizes: Counts  #: size of each batch
    begin_s: Times  #: begin of each batch
    end_s: Times  #: end of each batch

    @property
    def served(self) -> int:
        """Number of served requests; the others still waited for a full batch when arrivals ended."""
        return int(self.sizes.sum())

    @property
    def start_s(self) -> Times:
        """Begin of service of each served request, which is also the moment at which it leaves the queue."""
        return np.repeat(self.begin_s, self.sizes)

    @property
    def done_s(self) -> Times:
        """End of service of each served request."""
        return np.repeat(self.end_s, self.sizes)

    @property
    def response_s(self) -> Times:
        """Time from enqueue to the end, of each served request."""
        return self.done_s - self.enqueue_s[: self.served]


def simulate(
    arrivals_s: Times, policy: Policy, service_s: Sequence[Sequence[float]], random: np.random.Generator
) -> Course:
    """Serve requests until no batch can begin.

    The size of a batch depends on the end of the previous one, so there is one step for each batch. A plain loop over
    lists takes about a microsecond for each; numpy's scalars would take ten times as long.

    Args:
        arrivals_s: The times of arrival, in order.
        policy: The batch policy.
        service_s: At k - 1 the equally likely durations of a batch of k.
        random: The generator that draws durations.
    """
    size, timeout_s, count = policy.size, policy.timeout_s, len(arrivals_s)
    arrivals = [*arrivals_s.tolist(), *[inf] * size]  # a batch that the last requests do not fill is never full
    chances = random.random(count).tolist()
    firsts, begins, ends = [], [], []
    first, free_s = 0, -inf
    while first < count:
        begin_s = max(min(arrivals[first] + timeout_s, arrivals[first + size - 1]), free_s)
        if begin_s == inf:
            break
        beyond = bisect_right(arrivals, begin_s, first, first + size)
        times_s = service_s[beyond - first - 1]
        free_s = begin_s + times_s[int(chances[first] * len(times_s))]
        firsts.append(first)
        begins.append(begin_s)
        ends.append(free_s)
        first = beyond
    return Course(arrivals_s, np.diff(np.array([*firsts, first])), np.array(begins), np.array(ends))
