"""Services with given times and joules, a plain simulation to check the fast one against, and live trials."""

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from math import isinf
from statistics import fmean
from typing import Any

import numpy as np

from farm.analysis.intervals import Interval
from farm.kinds.serving.simulated.service import Batch, Cost, Service
from farm.load.arrivals import Poisson
from farm.load.policy import Policy
from farm.load.simulation import Course, simulate
from farm.model import (
    Domain,
    Measurement,
    MeasurementRow,
    Point,
    Quality,
    Requests,
    SweepData,
    SweepRecord,
    TrialReport,
    Window,
    WindowKind,
)
from farm.store import NewJob, Store
from tests.contract.store_records import ANNE, MACHINE, claim, job_id, new_job, record, report
from tests.loaded import Measured, loaded
from tests.summaries import NOON, TimedRow, ends, measurement_row, trial_row
from tests.trainings import sweep_of

LIVE = sweep_of("serving")
BATCHES = sweep_of("inference").model_copy(update={"id": "fedcba543210", "name": "batches"})
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
    """Batches of these sizes take one of these times, each as likely; joules and idle vary over three blocks."""
    energies = net_j or {}
    fields: dict[str, Any] = {"key": (("model", "alexnet"),), "idle_w": ends(IDLE_W, 1.0), "quality": Quality.COUNTER}
    fields |= changes
    own = sum(map(ord, str(fields["key"])))  # every network varies in a way of its own
    batches = tuple(
        Batch(
            size,
            tuple(sorted(times_s[size])),
            energies.get(size),
            by_block=_costs(own + place, times_s[size], energies.get(size), fields["idle_w"]),
        )
        for place, size in enumerate(sorted(times_s))
    )
    return Service(batches=batches, **fields)


def _costs(
    place: int, times_s: Sequence[float], net_j: Interval | None, idle_w: Interval | None
) -> dict[Hashable, Cost]:
    """What batches of one size took in three blocks; nothing of what has no interval."""
    ways = (-0.4, 0.0, 0.4)

    def value(of: Interval | None, way: float) -> float | None:
        return of.mean + way * of.half_width if of and of.half_width is not None else None

    each = {block: ways[(place + block) % 3] for block in range(3)}
    return {
        block: Cost(fmean(times_s) * (1 + 0.01 * way), value(net_j, way), value(idle_w, way))
        for block, way in each.items()
    }


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


# Live trials

SERVED: Point = {
    "model": "alexnet", "policy": "greedy:8", "rate_per_s": 50.0, "arrivals": "poisson", "requests": 512,
    "preprocess": False, "precision": "fp32", "device": "auto", "weights": "random", "images": "sample",
    "channels_last": False, "threads": None,
}  # fmt: skip
Shown = tuple[TimedRow, list[MeasurementRow], list[Requests]]


def requests_of(course: Course, window: int = 0, capacity_per_s: float = 1000.0, late_s: float = 0.0) -> Requests:
    """What a trial would report that served as simulated; each request comes so late."""
    arrival_s = course.enqueue_s[: course.served]
    begin_s, done_s = tuple(course.start_s.tolist()), tuple(course.done_s.tolist())
    return Requests(
        window=window,
        capacity_per_s=capacity_per_s,
        arrival_s=tuple(arrival_s.tolist()),
        enqueue_s=tuple((arrival_s + late_s).tolist()),
        dequeue_s=begin_s,
        start_s=begin_s,
        done_s=done_s,
    )


def shown(number: int = 0, late_s: float = 0.0, own: Service | None = None, **changes: Any) -> Shown:
    """A live trial, as `steady` serves: one window, whose joules are those of its batches, and 10 W idle between them.

    `point_...` changes a factor, `row_...` the measurement, the rest the trial.
    """
    point = SERVED | {key.removeprefix("point_"): value for key, value in changes.items() if key.startswith("point_")}
    row = {key.removeprefix("row_"): value for key, value in changes.items() if key.startswith("row_")}
    rest = {key: value for key, value in changes.items() if not key.startswith(("point_", "row_"))}
    rate_per_s = float(point["rate_per_s"] or 50.0)
    policy, one = Policy.parse(str(point["policy"])), own or steady()
    arrivals_s = Poisson(rate_per_s).times_s(int(point["requests"] or 512), np.random.default_rng(number))
    course = simulate(arrivals_s, policy, one.times_s, np.random.default_rng(number))
    assert one.net_j is not None
    net_j = sum(one.net_j[size - 1].mean for size in course.sizes.tolist())
    duration_s = float(course.end_s[-1])
    name = f"{point['model']}.{rate_per_s:g}.{policy}.{number}"
    facts = {"device": "cpu", "unit": "request"}
    fields = {"trial": name, "job": name, "kind": "serving", "repetition": number, "facts": facts, "latencies_s": ()}
    trial = trial_row(**fields | {"factors": point} | rest)
    figures = {
        "units": course.served,
        "duration_s": duration_s,
        "gross_j": net_j + IDLE_W * duration_s,
        "net_j": net_j,
        "net_j_low": net_j * 0.99,
        "net_j_high": net_j * 1.01,
        "baseline_context_w": IDLE_W,
    }
    capacity_per_s = one.capacity_per_s(policy.size)
    measured = measurement_row(trial=trial.trial, kind="serving", factors=point, **figures | row)
    return trial, [measured], [requests_of(course, 0, capacity_per_s, late_s)]


def live(sweep: SweepRecord, *trials: Shown, domain: Domain | None = None) -> SweepData:
    """What a command loads of live trials."""
    served = {trial.trial: requests for trial, _, requests in trials}
    return loaded(sweep, *((trial, rows) for trial, rows, _ in trials), domain=domain, requests=served)


def timed(size: int, number: int = 0, own: Service | None = None, **changes: Any) -> Measured:
    """A trial of kind inference: 400 batches of that size, as `steady` serves them."""
    one = own or steady()
    assert one.net_j is not None
    duration_s, net_j = 400 * one.mean_s[size - 1], 400 * one.net_j[size - 1].mean
    point = {name: SERVED[name] for name in ("model", "precision", "device", "weights", "channels_last", "threads")}
    made = trial_row(
        trial=f"timed.{size}.{number}",
        repetition=number,
        factors={**point, "batch_size": size, "compile": False} | changes,
        latencies_s=tuple(one.times_s[size - 1]),
    )
    figures = {"gross_j": net_j + IDLE_W * duration_s, "net_j": net_j, "net_j_low": net_j * 0.99}
    spans = {"units": 400 * size, "duration_s": duration_s, "baseline_context_w": IDLE_W, "net_j_high": net_j * 1.01}
    return made, [measurement_row(trial=made.trial, factors=made.factors, **figures | spans)]


@contextmanager
def serving(
    url: str, policies: Sequence[str] = ("greedy:8", "fixed:8"), rates: Sequence[float] = (50.0, 150.0), **changes: Any
) -> Iterator[tuple[Store, SweepRecord]]:
    """A store where a network served under each load, three times; `changes` of every trial."""
    sweep = record(name="serving").model_copy(update={"kind": "serving", "text": "name: serving\nkind: serving\n"})
    loads = [(policy, rate_per_s, number) for number in range(3) for rate_per_s in rates for policy in policies]
    with Store.open(url, create=True) as store:
        store.register_machine(MACHINE, ANNE, "0.1.0")
        store.submit(sweep, [_job(sweep, place, *load) for place, load in enumerate(loads)])
        for place, (policy, rate_per_s, number) in enumerate(loads):
            one = shown(number, point_policy=policy, point_rate_per_s=rate_per_s)
            claim(store, job_id(place))
            assert store.complete(_report(job_id(place), *one).model_copy(update=changes))
        yield store, sweep


def _job(sweep: SweepRecord, place: int, policy: str, rate_per_s: float, repetition: int) -> NewJob:
    job = new_job(place, sweep.id)
    point = SERVED | {"policy": policy, "rate_per_s": rate_per_s}
    return replace(job, spec=job.spec.model_copy(update={"kind": "serving", "point": point, "repetition": repetition}))


def _report(job: str, trial: TimedRow, rows: Sequence[MeasurementRow], requests: Sequence[Requests]) -> TrialReport:
    (row,) = rows
    end_ns = 10**9 + round((row.duration_s or 0) * 1e9)
    measured = Window(
        kind=WindowKind.MEASURE, begin_at_ns=10**9, end_at_ns=end_ns, started_at_utc=NOON, units=row.units
    )
    measurement = Measurement(
        window_kind=WindowKind.MEASURE, window_index=0, domain=row.domain, quality=row.quality, source=row.source,
        gross_j=row.gross_j, net_j=row.net_j, net_j_low=row.net_j_low, net_j_high=row.net_j_high,
        baseline_context_w=row.baseline_context_w,
    )  # fmt: skip
    own: dict[str, Any] = {"windows": (measured,), "measurements": (measurement,), "requests": tuple(requests)}
    return report(job, 1, **own, facts=dict(trial.facts))
