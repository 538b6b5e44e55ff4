"""The windows of live trials: requests arrive in real time, wait, and are served in batches.

    arrivals (a process of its own) -> queue -> policy -> batch -> network

The server sleeps while the queue is empty. Each request has five stamps: planned arrival, arrival, taken off the queue,
given to the network with its batch, and done, with the device synchronized. Every window begins with an empty queue
and ends when the last request is done.
"""

import time
from dataclasses import dataclass
from math import ceil
from typing import Protocol, cast

import numpy as np

from farm.load.arrivals import Arrivals, Recorded
from farm.load.policy import Policy, requests_in
from farm.model import Flag, JobSpec, Requests, WindowKind
from workers.kinds.serving.arrivals import Queue
from workers.trial import protocol
from workers.trial.loops import Loops, Repeatable
from workers.trial.stage import Stage
from workers.trial.workload import InvalidWorkload

#: A window is cut where serving its requests would take so many times as long as their arrival.
PATIENCE = 10


class Servable(Repeatable, Protocol):
    """A workload that serves requests: `take` puts a batch together, `serve` runs it; a step is a full batch."""

    @property
    def policy(self) -> Policy: ...
    @property
    def arrivals(self) -> Arrivals: ...
    @property
    def requests(self) -> int | None: ...  #: requests in a measure window; None: the default, or all of a trace
    def take(self, first: int, count: int) -> None: ...
    def serve(self, count: int) -> None: ...  #: enqueues what was taken


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of requests that are served together; times are monotonic ns."""

    size: int
    dequeue_ns: int
    start_ns: int
    done_ns: int


def run(stage: Stage, workload: Servable) -> None:
    """Warm up with full batches, which show the capacity; then run as many windows as the settings want."""
    fastest_s = min(part.batch_s for part in Loops(stage, workload).warm_up())  # the others may have been disturbed
    served = [
        _window(stage, workload, index, workload.policy.size / fastest_s) for index in range(stage.measure.windows)
    ]
    rate_per_s, capacity_per_s = workload.arrivals.rate_per_s, max(own.capacity_per_s for own in served)
    if rate_per_s >= capacity_per_s:
        note = f"{rate_per_s:.4g} requests/s, and {workload.policy} can serve {capacity_per_s:.4g}/s: the queue grows"
        stage.doubt(Flag.SATURATED, note)


def _window(stage: Stage, workload: Servable, index: int, warm_per_s: float) -> Requests:
    """Serve the requests of one window, and report them; `warm_per_s`: the capacity that the warm-up showed."""
    planned_ns = arrivals_ns(stage.spec, workload, index)
    span_s = max(planned_ns[-1] / 1e9, stage.measure.window_s)
    bearable = workload.policy.filled(ceil(PATIENCE * span_s * warm_per_s))
    offsets_ns = planned_ns[:bearable]
    if bearable < len(planned_ns):
        stage.doubt(None, f"window {index} was cut to {bearable} of {len(planned_ns)} requests: all take too long")
    with Queue(offsets_ns) as queue:
        stage.settle()
        with stage.window(WindowKind.MEASURE, index, stage.measure.guard_s, stage.measure.windows) as tally:
            begin_ns = queue.open()
            batches = serve(workload, queue, len(offsets_ns))
            tally.units = len(offsets_ns)
        enqueued_ns = [queue.arrived_ns(request) for request in range(len(offsets_ns))]
    busy_s = sum(batch.done_ns - batch.dequeue_ns for batch in batches) / 1e9
    capacity_per_s = max(warm_per_s, len(offsets_ns) / busy_s)  # full batches are at least as fast as the others
    served = build_requests(index, capacity_per_s, begin_ns, offsets_ns, enqueued_ns, batches)
    stage.line.send(protocol.Served(requests=served))
    return served


def arrivals_ns(spec: JobSpec, workload: Servable, index: int) -> list[int]:
    """Draw the arrival times of a window's requests. In one repetition every policy has the same arrivals.

    Raises InvalidWorkload where the last request would arrive after the trial's time limit.
    """
    arrivals, count = workload.arrivals, workload.requests
    if isinstance(arrivals, Recorded):
        count = min(count or len(arrivals.stamps_s), len(arrivals.stamps_s))
    else:
        count = requests_in(spec.measure.window_s, arrivals.rate_per_s, count, workload.policy)
    times_s = arrivals.times_s(count, np.random.default_rng((spec.seed, spec.repetition, index)))[:count]
    if times_s[-1] > spec.time_limit_s:
        limit = f"the trial's time limit of {spec.time_limit_s:.0f} s"
        raise InvalidWorkload(f"arrivals: the last request would arrive after {times_s[-1]:.4g} s, beyond {limit}")
    return cast("list[int]", np.rint(times_s * 1e9).astype(np.int64).tolist())


def serve(workload: Servable, queue: Queue, count: int) -> list[Batch]:
    """Serve so many requests under the policy; the last ones do not wait for a batch that cannot fill."""
    policy, first = workload.policy, 0
    batches: list[Batch] = []
    while first < count:
        waiting = _await_batch(queue, policy, first, count) - first
        size = min(waiting, policy.size)
        dequeue_ns = time.monotonic_ns()
        workload.take(first, size)
        start_ns = time.monotonic_ns()
        workload.serve(size)
        workload.synchronize()
        batches.append(Batch(size, dequeue_ns, start_ns, time.monotonic_ns()))
        first += size
    return batches


def _await_batch(queue: Queue, policy: Policy, first: int, count: int) -> int:
    """Wait until the next batch may start; returns how many requests have arrived. `first` is the first that waits."""
    arrived = queue.wait(first + 1)
    full = min(first + policy.size, count)
    if arrived >= full:
        return arrived
    until_ns = None if policy.is_fixed else queue.arrived_ns(first) + round(policy.timeout_s * 1e9)
    return queue.wait(full, until_ns)


def build_requests(
    window: int,
    capacity_per_s: float,
    begin_ns: int,
    offsets_ns: list[int],
    enqueued_ns: list[int],
    batches: list[Batch],
) -> Requests:
    """Give every request its times, in seconds since the queue was opened."""

    def of_batches(name: str) -> tuple[float, ...]:
        return tuple((getattr(batch, name) - begin_ns) / 1e9 for batch in batches for _ in range(batch.size))

    return Requests(
        window=window,
        capacity_per_s=capacity_per_s,
        arrival_s=tuple(offset_ns / 1e9 for offset_ns in offsets_ns),
        enqueue_s=tuple((at_ns - begin_ns) / 1e9 for at_ns in enqueued_ns),
        dequeue_s=of_batches("dequeue_ns"),
        start_s=of_batches("start_ns"),
        done_s=of_batches("done_ns"),
    )
