"""One queue, one server, batches: from arrivals to the moments at which each request is served."""

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
    """What happened, batch by batch; requests are numbered in the order in which they arrived, and are served so."""

    enqueue_s: Times  #: of each request, those that were never served too
    sizes: Counts  #: of each batch
    begin_s: Times  #: of each batch
    end_s: Times  #: of each batch

    @property
    def served(self) -> int:
        """Requests; the others still waited for their batch to fill when arrivals ended."""
        return int(self.sizes.sum())

    @property
    def start_s(self) -> Times:
        """Of each request that was served. Taking it off the queue takes no time here: it is dequeued at once."""
        return np.repeat(self.begin_s, self.sizes)

    @property
    def done_s(self) -> Times:
        """Of each request that was served."""
        return np.repeat(self.end_s, self.sizes)

    @property
    def response_s(self) -> Times:
        """From enqueue to done, of each request that was served."""
        return self.done_s - self.enqueue_s[: self.served]


def simulate(
    arrivals_s: Times, policy: Policy, service_s: Sequence[Sequence[float]], random: np.random.Generator
) -> Course:
    """Serve requests until none can be. `service_s[k - 1]`: times that a batch of k may take, each as likely.

    A batch at a time, since its size depends on the end of the one before. A plain loop over lists: it takes about a
    microsecond a batch, numpy's scalars would take ten times that.
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
