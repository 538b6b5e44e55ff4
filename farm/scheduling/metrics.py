"""Prometheus metrics of the farm, read from the store at each scrape."""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import Lock, Thread
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from farm import __version__
from farm.model import MachineStatus, TrialCount, WaitCount
from farm.model.conditions import is_capability
from farm.model.errors import InputError, ServiceError
from farm.scheduling.endpoint import Endpoint
from farm.spec.capability import queue_of
from farm.store import Store

#: Bounds of the histograms, in seconds.
TRIAL_S = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 4 * 3600.0, 24 * 3600.0)
WAIT_S = (1.0, 10.0, 60.0, 600.0, 3600.0, 6 * 3600.0, 24 * 3600.0, 7 * 24 * 3600.0)
#: A value is kept for at least so many seconds, and so long that reading takes at most this share of the time.
_KEPT_S, _SHARE = 1.0, 0.05
#: A scrape waits this long for each of its three readings, and then uses older values; Prometheus waits 10 s.
PATIENCE_S = 3.0
Value = TypeVar("Value")

log = logging.getLogger(__name__)


class Kept(Generic[Value]):
    """A value that a thread reads again when it is old; None before the first reading and after one that failed."""

    def __init__(self, read: Callable[[], Value], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._lock = Lock()
        self._reading: Thread | None = None
        self._value: Value | None = None
        self._until_s = float("-inf")

    def refresh(self) -> None:
        """Start to read where the value is old and no thread reads it."""
        with self._lock:
            if self._reading is None and self._clock() >= self._until_s:
                self._reading = Thread(target=self._refresh, name="metrics", daemon=True)
                self._reading.start()

    def value(self, patience_s: float = PATIENCE_S) -> Value | None:
        """Return the value, or the older one where reading takes longer than `patience_s`."""
        reading = self._reading
        if reading is not None:
            reading.join(patience_s)
        return self._value

    def _refresh(self) -> None:
        begun_s = self._clock()
        try:
            value: Value | None = self._read()
        except ServiceError:
            value = None
        except Exception:
            log.exception("metrics")
            value = None
        took_s = self._clock() - begun_s
        with self._lock:
            self._value = value
            self._until_s = self._clock() + max(_KEPT_S, took_s / _SHARE - took_s)
            self._reading = None


class Metrics(Collector):
    """The collector of all metrics; an unreachable store or broker is a metric too."""

    def __init__(
        self, store: Store, depths: Callable[[Sequence[str]], dict[str, int]], last_round_at: Callable[[], float | None]
    ) -> None:
        """Read the store; `depths` counts messages in queues, `last_round_at` returns the controller's in Unix time."""
        self._present = Kept(lambda: (store.machines(), store.job_counts()))
        self._past = Kept(lambda: (store.trial_counts(TRIAL_S), store.wait_counts(WAIT_S)))
        self._queues: list[str] = []
        self._depths = Kept(lambda: depths(self._queues))
        self._last_round_at = last_round_at

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily | InfoMetricFamily]:
        """Yield every metric that is known."""
        yield InfoMetricFamily("wattfarm_build", "The controller's program.", {"version": __version__})
        if (at := self._last_round_at()) is not None:
            name = "wattfarm_controller_last_round_timestamp_seconds"
            yield GaugeMetricFamily(name, "When the controller last ended a round.", at)
        for kept in (self._present, self._past):
            kept.refresh()
        present, past = self._present.value(), self._past.value()
        is_up = present is not None and past is not None
        yield GaugeMetricFamily("wattfarm_store_up", "Whether the database answers.", is_up)
        if present is not None:
            machines, jobs = present
            self._queues = _queues(machines, jobs)
            yield _jobs(jobs)
            yield from _machines(machines)
        if past is not None:
            trials, waits = past
            yield from _trials(trials)
            yield _waits(waits)
        self._depths.refresh()
        yield from _broker(self._depths.value())


def _broker(depths: dict[str, int] | None) -> Iterator[GaugeMetricFamily]:
    yield GaugeMetricFamily("wattfarm_broker_up", "Whether the broker answers.", depths is not None)
    messages = GaugeMetricFamily("wattfarm_broker_messages", "Messages that wait on the broker.", labels=["queue"])
    for queue, count in (depths or {}).items():
        messages.add_metric([queue], count)
    yield messages


def answer(metrics: Metrics, where: str) -> str:
    """Answer scrapes at [HOST:]PORT from a thread that ends with the process; returns the URL.

    Raises InputError for text that is not an address, and for an address that cannot be used.
    """
    host, port = _address(where)
    registry = CollectorRegistry()
    registry.register(metrics)
    ProcessCollector(registry=registry)
    try:
        server = Endpoint(host, port, make_wsgi_app(registry))
    except OSError as error:
        raise InputError(f"--metrics {where}: {error.strerror or error}: choose another with FARM_METRICS") from None
    server.start()
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{server.server_port}/metrics"


def _address(where: str) -> tuple[str, int]:
    text = where if ":" in where else f":{where}"
    try:
        url = urlsplit(f"//{text}")
        host, port = url.hostname, url.port
    except ValueError:
        host, port = None, None
    if port is None or url.path or url.query or url.username:
        raise InputError(f"--metrics: expected PORT or HOST:PORT, got {where!r}")
    return host or "127.0.0.1", port


def _queues(machines: Iterable[MachineStatus], jobs: Iterable[tuple[str, str]]) -> list[str]:
    """List the broker's queues that a machine serves, and those of all jobs in the store."""
    served = {queue for status in machines for queue in status.machine.queues}
    return sorted(served | {queue_of(target) for _, target in jobs if not is_capability(target)})


def _jobs(jobs: Mapping[tuple[str, str], int]) -> GaugeMetricFamily:
    found = GaugeMetricFamily("wattfarm_jobs", "Jobs by where they stand.", labels=["state", "queue"])
    for (state, target), count in jobs.items():
        found.add_metric([state, queue_of(target)], count)
    return found


def _machines(machines: Sequence[MachineStatus]) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
    seen = GaugeMetricFamily(
        "wattfarm_machine_last_seen_timestamp_seconds", "Last sign of life of its worker.", labels=["machine"]
    )
    info = GaugeMetricFamily(
        "wattfarm_machine_info", "Always 1.", labels=["machine", "hardware_class", "version", "wanted_state"]
    )
    spool = GaugeMetricFamily("wattfarm_spool_reports", "Reports that wait on its disk.", labels=["machine"])
    refused = CounterMetricFamily(
        "wattfarm_messages_rejected", "Messages that its worker rejected, since it started.", labels=["machine"]
    )
    latest = {m.machine.name: m for m in reversed(machines)}  # among machines of one name the one seen last comes first
    for name, status in latest.items():
        seen.add_metric([name], status.last_seen_at.timestamp())
        info.add_metric([name, status.machine.hardware_class, status.version, status.wanted_state], 1)
        spool.add_metric([name], status.spooled)
        refused.add_metric([name], status.rejected)
    yield from (seen, info, spool, refused)


def _trials(counts: Sequence[TrialCount]) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
    ends: Counter[tuple[str, str]] = Counter()
    flags: Counter[tuple[str, str]] = Counter()
    for count in counts:
        machine = count.machine or ""
        ends[machine, count.failure or "measured"] += count.trials
        flags.update({(flag, machine): count.trials for flag in count.flags})
    trials = CounterMetricFamily("wattfarm_trials", "Trials by how they ended.", labels=["machine", "outcome"])
    for (machine, outcome), number in ends.items():
        trials.add_metric([machine, outcome], number)
    flagged = CounterMetricFamily("wattfarm_trial_flags", "Trials that carry a flag.", labels=["flag", "machine"])
    for (flag, machine), number in flags.items():
        flagged.add_metric([flag, machine], number)
    yield trials
    yield flagged
    measured = HistogramMetricFamily(
        "wattfarm_trial_seconds", "How long trials took that measured.", labels=["machine"]
    )
    by_machine: dict[str, list[TrialCount]] = defaultdict(list)
    for count in counts:
        if count.failure is None:
            by_machine[count.machine or ""].append(count)
    for machine, alike in by_machine.items():
        within = [sum(c.within[i] for c in alike) for i in range(len(TRIAL_S))]
        buckets = _buckets(TRIAL_S, within, sum(c.trials for c in alike))
        measured.add_metric([machine], buckets, sum_value=sum(c.seconds for c in alike))
    yield measured


def _waits(counts: Sequence[WaitCount]) -> HistogramMetricFamily:
    waits = HistogramMetricFamily(
        "wattfarm_queue_wait_seconds",
        "From when a sweep was submitted until the first attempt at each of its jobs.",
        labels=["queue"],
    )
    for count in counts:
        waits.add_metric([queue_of(count.target)], _buckets(WAIT_S, count.within, count.jobs), sum_value=count.seconds)
    return waits


def _buckets(bounds: Sequence[float], within: Sequence[int], number: int) -> list[tuple[str, float]]:
    return [*zip(map(str, bounds), map(float, within), strict=True), ("+Inf", float(number))]
