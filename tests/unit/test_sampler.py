import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import EntryPoint
from itertools import pairwise
from pathlib import Path
from typing import Self

import pytest

from farm.model import Domain, Quality, Reading
from farm.model.errors import MeterLost, MeterUnavailable
from farm.settings import Settings
from workers import meters as meters_module
from workers.meters import Meter, open_meters
from workers.supervisor import sampler
from workers.supervisor.sampler import Sampler

PERIOD_S = 0.02


class ScriptedMeter:
    """Counts its readings; fails at the one it is told to."""

    update_period_s = 0.001
    priority = 10

    def __init__(
        self,
        name: str = "scripted",
        *,
        domains: frozenset[Domain] = frozenset({Domain.CPU}),
        quality: Quality = Quality.COUNTER,
        poll_period_s: float | None = PERIOD_S,
        lost_at: int | None = None,
        missing: str | None = None,
    ) -> None:
        self.name, self.domains, self.quality, self.poll_period_s = name, domains, quality, poll_period_s
        self.lost_at, self.missing = lost_at, missing
        self.reads = 0
        self.is_open = False
        self.read_by: list[str] = []
        self.third_read = threading.Event()
        self._reading = threading.Lock()

    def __enter__(self) -> Self:
        if self.missing:
            raise MeterUnavailable(self.missing)
        self.is_open = True
        return self

    def __exit__(self, *exc: object) -> None:
        self.is_open = False

    def read(self) -> Mapping[Domain, Reading]:
        assert self._reading.acquire(blocking=False), "two threads read one meter at once"
        self.reads += 1
        self.read_by.append(threading.current_thread().name)
        if self.reads >= 3:
            self.third_read.set()
        try:
            if self.reads == self.lost_at:
                raise MeterLost("it fell off the bus")
            at_ns = time.monotonic_ns()
            return {domain: Reading(at_ns, energy_j=float(self.reads)) for domain in self.domains}
        finally:
            self._reading.release()


def test_a_polled_meter_is_read_again_and_again_in_order() -> None:
    meter = ScriptedMeter()
    with Sampler([meter], PERIOD_S) as running:
        assert meter.third_read.wait(10)
    (trace,) = running.traces()
    assert (trace.source, trace.domain, trace.quality) == ("scripted", Domain.CPU, Quality.COUNTER)
    assert trace.update_period_s == 0.001
    assert [r.energy_j for r in trace.readings] == [float(i + 1) for i in range(meter.reads)]
    assert all(a.at_ns < b.at_ns for a, b in pairwise(trace.readings))
    assert set(meter.read_by) == {"sampler"}


def test_a_meter_of_the_edges_is_read_on_request_only() -> None:
    counter, polled = ScriptedMeter("edges", poll_period_s=None), ScriptedMeter("polled")
    with Sampler([counter, polled], PERIOD_S) as running:
        assert polled.third_read.wait(10)
        assert counter.reads == 0
        running.read_now()
        running.read_now()
    assert counter.reads == 2
    assert counter.read_by == [threading.current_thread().name] * 2
    assert threading.current_thread().name in polled.read_by


class TickingMeter(ScriptedMeter):
    """Shows a new value at each of the readings that it is told."""

    def __init__(self, *ticks: int, lost_at: int | None = None) -> None:
        super().__init__("counter", poll_period_s=None, lost_at=lost_at)
        self.ticks = ticks
        self.asked_ns: list[int] = []

    def read(self) -> Mapping[Domain, Reading]:
        readings = super().read()
        self.asked_ns.append(readings[Domain.CPU].at_ns)
        value_j = float(sum(self.reads >= tick for tick in self.ticks))
        return {domain: replace(reading, energy_j=value_j) for domain, reading in readings.items()}


def test_a_counter_that_may_be_polled_is_read_at_its_tick() -> None:
    counter, plain = TickingMeter(4, 6), ScriptedMeter("plain", poll_period_s=None)
    with Sampler([counter, plain], PERIOD_S, {"counter": 60.0}) as running:
        running.read_now()
        running.read_now()
    assert not running.has_missed_tick
    traces = {trace.source: trace.readings for trace in running.traces()}
    assert [r.energy_j for r in traces["counter"]] == [1.0, 2.0]
    assert [r.is_tick for r in traces["counter"]] == [True, True]
    assert [r.is_tick for r in traces["plain"]] == [False, False]
    first = traces["counter"][0]
    assert first.tick_step_s is not None
    step_ns = first.tick_step_s * 1e9
    assert counter.asked_ns[2] < first.at_ns < counter.asked_ns[2] + step_ns
    assert first.at_ns == pytest.approx(counter.asked_ns[2] + step_ns / 2, abs=2)
    assert step_ns >= counter.asked_ns[3] - counter.asked_ns[2]


@pytest.mark.parametrize("lost_at", [None, 3])
def test_a_counter_that_does_not_tick_in_time_leaves_its_last_reading(lost_at: int | None) -> None:
    counter = TickingMeter(lost_at=lost_at)
    with Sampler([counter], PERIOD_S, {"counter": 0.05}) as running:
        running.read_now()
    (trace,) = running.traces()
    (reading,) = trace.readings
    assert (reading.energy_j, reading.is_tick, reading.at_ns) == (0.0, False, counter.asked_ns[-1])
    assert running.has_missed_tick
    assert bool(running.lost) is (lost_at is not None)


class ClassedMeter(ScriptedMeter):
    """A meter whose maker states its accuracy."""

    class_u_share = 0.01


def test_traces_bring_the_accuracy_that_a_maker_states() -> None:
    with Sampler([ClassedMeter("classed"), ScriptedMeter("plain")], PERIOD_S) as running:
        running.read_now()
    assert {t.source: t.class_u_share for t in running.traces()} == {"classed": 0.01, "plain": None}


def test_each_meter_is_polled_no_faster_than_it_allows() -> None:
    slow, fast = ScriptedMeter("slow", poll_period_s=60.0), ScriptedMeter("fast")
    with Sampler([slow, fast], PERIOD_S):
        assert fast.third_read.wait(10)
    assert slow.reads == 1


def test_the_farm_may_poll_more_slowly_than_a_meter_allows() -> None:
    meter = ScriptedMeter()
    with Sampler([meter], poll_period_s=60.0) as running:
        running.read_now()
        time.sleep(3 * PERIOD_S)
    assert meter.reads <= 2


def test_readings_keep_to_the_schedule_however_late_one_was() -> None:
    """Moments that have passed are left out; those that follow are still multiples of the period."""
    turn = sampler._Turn(sampler._Source(ScriptedMeter()), period_s=0.5, due_s=100.0)
    due_s = []
    for now_s in (100.001, 100.502, 103.3, 103.5):
        turn.advance(now_s)
        due_s.append(turn.due_s)
    assert due_s == [100.5, 101.0, 103.5, 104.0]


def test_a_lost_meter_is_left_alone_and_its_trace_kept() -> None:
    broken, sound = ScriptedMeter("broken", lost_at=2), ScriptedMeter("sound")
    with Sampler([broken, sound], PERIOD_S) as running:
        assert sound.third_read.wait(10)
        running.read_now()
    traces = {trace.source: trace for trace in running.traces()}
    assert len(traces["broken"].readings) == 1
    assert len(traces["sound"].readings) == sound.reads
    assert broken.reads == 2
    assert running.lost == ("broken: it fell off the bus",)


def test_one_trace_a_domain_even_before_the_first_reading() -> None:
    meter = ScriptedMeter(domains=frozenset({Domain.CPU, Domain.DRAM}), poll_period_s=None)
    running = Sampler([meter], PERIOD_S)
    assert [(t.domain, t.readings) for t in running.traces()] == [(Domain.CPU, ()), (Domain.DRAM, ())]
    assert running.lost == ()


def test_leaving_ends_the_thread() -> None:
    threads = set(threading.enumerate())
    for meters in ([], [ScriptedMeter(poll_period_s=None)], [ScriptedMeter(poll_period_s=60.0)]):
        with Sampler(meters, PERIOD_S):
            pass
    assert set(threading.enumerate()) == threads


class TestOpenMeters:
    @pytest.fixture
    def registry(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ScriptedMeter]]:
        meters: dict[str, ScriptedMeter] = {}

        def load(name: str) -> Callable[[Settings], Meter]:
            return lambda _: meters[name]

        monkeypatch.setattr(meters_module, "installed", lambda: meters)
        monkeypatch.setattr(meters_module, "load", load)
        yield meters
        assert not any(meter.is_open for meter in meters.values())

    def test_enters_what_is_there_and_reports_once_what_is_not(self, registry: dict[str, ScriptedMeter]) -> None:
        registry["counter"] = ScriptedMeter("counter", missing="no driver: install it")
        registry["power"] = ScriptedMeter("power", missing="no driver: install it")
        registry["rapl"] = ScriptedMeter("rapl")
        with ExitStack() as stack:
            meters, missing = open_meters(Settings(), stack)
            assert registry["rapl"].is_open
        assert meters == [registry["rapl"]]
        assert missing == ["no driver: install it"]

    def test_of_two_meters_of_one_quality_the_lower_priority_comes_first(
        self, registry: dict[str, ScriptedMeter]
    ) -> None:
        for name, priority in (("late", 20), ("b", 10), ("a", 10)):
            registry[name] = ScriptedMeter(name)
            registry[name].priority = priority
        registry["sampled"] = ScriptedMeter("sampled", quality=Quality.SAMPLED)
        with ExitStack() as stack:
            meters, _ = open_meters(Settings(), stack)
        assert [meter.name for meter in meters] == ["a", "b", "late", "sampled"]

    def test_a_package_that_cannot_be_imported_costs_its_meter_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        entry = EntryPoint("plug", "no_such_package:Plug", meters_module.GROUP)
        monkeypatch.setattr(meters_module, "installed", lambda: {"plug": entry})
        with ExitStack() as stack:
            meters, (line,) = open_meters(Settings(), stack)
        assert meters == []
        assert line.startswith("meter plug cannot be imported (No module named 'no_such_package')")

    def test_a_model_is_used_only_where_nothing_measures(self, registry: dict[str, ScriptedMeter]) -> None:
        registry["rapl"] = ScriptedMeter("rapl")
        registry["model"] = ScriptedMeter("model", quality=Quality.MODELLED)
        with ExitStack() as stack:
            assert open_meters(Settings(), stack) == ([registry["rapl"]], [])
        registry["rapl"].missing = "no RAPL"
        with ExitStack() as stack:
            assert open_meters(Settings(), stack) == ([registry["model"]], ["no RAPL"])

    def test_a_gpu_does_not_stand_in_for_the_cpu(self, registry: dict[str, ScriptedMeter]) -> None:
        registry["gpu"] = ScriptedMeter("gpu", domains=frozenset({Domain.GPU}))
        registry["model"] = ScriptedMeter("model", quality=Quality.MODELLED)
        with ExitStack() as stack:
            meters, _ = open_meters(Settings(), stack)
        assert meters == list(registry.values())

    def test_this_machine_always_has_a_figure_for_its_cpu(self, tmp_path: Path) -> None:
        """The real registry, on a machine whose RAPL is not to be read."""
        with ExitStack() as stack:
            meters, missing = open_meters(Settings(powercap_root=tmp_path), stack)
            cpu = [meter for meter in meters if Domain.CPU in meter.domains]
            assert [meter.name for meter in cpu] == ["codecarbon"]
        assert any("RAPL" in line for line in missing)
