"""Trials in virtual time, on a simulated board whose true joules are known.

The supervisor and the trial are the real ones, `workers.supervisor.supervisor.Supervisor` and
`workers.trial.main.lead`, with their edges, idles, sampler and report: only the clock, the work, the meters and the
trial's process are replaced. Minutes pass in milliseconds. What real time would add is drawn: the phase between sampler
and meter, and the fraction of a millisecond by which a thread wakes late.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, ClassVar, Self, cast
from unittest.mock import Mock, patch

from pydantic import JsonValue

from farm.model import (
    Baseline,
    CarbonSource,
    Claim,
    Domain,
    Frozen,
    JobSpec,
    Machine,
    MeasureSettings,
    Point,
    Quality,
    Reading,
    TrialReport,
    Window,
    WindowKind,
)
from farm.settings import Settings
from tests.benchmarks.accuracy.boards import RestlessBoard
from tests.benchmarks.accuracy.cases import SPREAD, Batches, Meters
from workers.meters import Meter
from workers.simulator import IDLE, Constant, Load, Square, drive
from workers.supervisor import sampler
from workers.supervisor.conversation import TrialEvents, handle
from workers.supervisor.stop import Stop
from workers.supervisor.supervisor import Supervisor
from workers.trial import protocol
from workers.trial.loops import run_windows
from workers.trial.main import lead
from workers.trial.stage import Line, Stage

#: A thread wakes so much late on average.
LATENESS_S = 0.0003
#: Looking at the clock takes so long.
LOOK_S = 1e-6
#: Starting the trial's process takes so long.
START_S = 0.3
#: codecarbon reads the counter so long before `start` returns and after `stop` is called: see `live.py`.
CODECARBON_BEFORE_S, CODECARBON_AFTER_S = 0.003, 0.001
_HELD = Constant(pids=(1,))
#: The modules that look at the clock; only the trial's stage stamps and sleeps at the edges of windows.
_CLOCKED = (
    "workers.supervisor.supervisor", "workers.supervisor.edges", "workers.supervisor.idles",
    "workers.supervisor.sampler", "workers.trial.main", "workers.trial.loops",
)  # fmt: skip


@dataclass(slots=True)
class Moments:
    """What is known of the edges of windows, by moment."""

    true_j: dict[int, float] = field(default_factory=dict)
    rest_j: dict[int, float] = field(default_factory=dict)  #: as if nothing had run, and nothing was loaded
    counter_j: dict[int, float] = field(default_factory=dict)  #: as a program reads it at that moment
    codecarbon_j: dict[int, float] = field(default_factory=dict)  #: as codecarbon reads it for a window that ends there


def between(energies_j: Mapping[int, float], window: Window) -> float:
    """The difference over a window of what is known at its edges."""
    return energies_j[window.end_at_ns] - energies_j[window.begin_at_ns]


@dataclass(frozen=True, slots=True)
class Run:
    """What a trial left, and what really happened."""

    report: TrialReport
    context_w: float  #: what a loaded model draws at rest, where that is part of the baseline
    moments: Moments
    powers: Sequence[Reading]  #: the readings of the power sensor

    def window(self, kind: WindowKind) -> Window:
        """The only window of a kind."""
        return next(window for window in self.report.windows if window.kind == kind)

    def true_net_j(self, kind: WindowKind = WindowKind.MEASURE) -> float:
        """Of a window: its true energy less what the board would have drawn at rest in that time.

        A setup is the work that loads the model. A board at work grows warm and leaks more: that is the work's doing,
        and no error of the method.
        """
        window = self.window(kind)
        context_w = 0.0 if kind is WindowKind.SETUP else self.context_w
        rest_j = between(self.moments.rest_j, window) + context_w * window.duration_s
        return between(self.moments.true_j, window) - rest_j


class Clock:
    """A board and the time beside it; what is due meanwhile happens."""

    def __init__(self, board: RestlessBoard, random: Random) -> None:
        self.board = board
        self.random = random
        self.idle_load: Load = IDLE
        self.moments = Moments()
        self.polling: _Polling | None = None

    def monotonic_ns(self) -> int:
        """The time, which it takes a moment to tell."""
        self.let_pass(LOOK_S, self.idle_load)
        return self.board.now_ns

    def monotonic(self) -> float:
        """The time in s."""
        return self.monotonic_ns() / 1e9

    def stamp_ns(self) -> int:
        """The time. Windows are stamped with it, so what is true at that moment is kept."""
        now_ns = self.board.now_ns
        self.moments.true_j[now_ns] = self.board.true_energy_j
        self.moments.rest_j[now_ns] = self.board.rest_j
        self.moments.counter_j[now_ns] = self._shown_j()
        return now_ns

    def sleep(self, duration_s: float) -> None:
        """Do nothing for a while, and wake a little late."""
        self.let_pass(max(duration_s, 0.0) + self.lateness_s(), self.idle_load)

    def sleep_at_edge(self, duration_s: float) -> None:
        """The same; codecarbon reads soon after the begin, or before the end."""
        begin_ns = self.board.now_ns
        self.let_pass(min(CODECARBON_AFTER_S, duration_s), self.idle_load)
        self.moments.codecarbon_j[begin_ns] = self._shown_j()
        self.let_pass(max(duration_s - CODECARBON_AFTER_S - CODECARBON_BEFORE_S, 0.0), self.idle_load)
        shown_j = self._shown_j()
        self.let_pass(min(CODECARBON_BEFORE_S, duration_s) + self.lateness_s(), self.idle_load)
        self.moments.codecarbon_j[self.board.now_ns] = shown_j

    def let_pass(self, duration_s: float, load: Load) -> None:
        """Let time pass under a load; the meters are polled when they are due."""
        end_ns = self.board.now_ns + round(duration_s * 1e9)
        while self.polling and self.polling.at_ns <= end_ns:
            self._drive(self.polling.at_ns, load)
            self.polling.poll()
        self._drive(end_ns, load)

    def lateness_s(self) -> float:
        """By how much a thread wakes late."""
        return self.random.expovariate(1 / LATENESS_S)

    def _drive(self, end_ns: int, load: Load) -> None:
        if end_ns > self.board.now_ns:
            drive(self.board, load, (end_ns - self.board.now_ns) / 1e9)

    def _shown_j(self) -> float:
        return self.board.published().energy_mj / 1e3


class _Counter:
    """The board's energy counter, as `workers.meters.nvml` reads it."""

    name, domains, quality, priority = "nvml-counter", frozenset({Domain.GPU}), Quality.COUNTER, 10
    update_period_s = 0.1
    poll_period_s: float | None = None

    def __init__(self, clock: Clock) -> None:
        self._board = clock.board

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def read(self) -> Mapping[Domain, Reading]:
        return {Domain.GPU: Reading(self._board.now_ns, energy_j=self._board.read_counter_j())}


class _Power(_Counter):
    """The board's power sensor."""

    name, quality = "nvml-power", Quality.SAMPLED
    poll_period_s: float | None = 0.1

    def __init__(self, clock: Clock, is_smoothed: bool) -> None:
        super().__init__(clock)
        self._is_smoothed = is_smoothed

    def read(self) -> Mapping[Domain, Reading]:
        shown = self._board.published()
        power_w = (shown.average_mw if self._is_smoothed else shown.instant_mw) / 1e3
        temperature_c = float(shown.temperature_c)
        return {Domain.GPU: Reading(self._board.now_ns, power_w=power_w, temperature_c=temperature_c)}


class _Polling(sampler.Sampler):
    """The sampler without its thread: the clock polls when it is time."""

    def __init__(self, clock: Clock, meters: Sequence[Meter], poll_period_s: float, ticks: Mapping[str, float]) -> None:
        super().__init__(meters, poll_period_s, ticks)
        self._clock = clock
        self._period_ns = round(poll_period_s * 1e9)
        self._due_ns = self.at_ns = clock.monotonic_ns() + clock.random.randrange(self._period_ns)

    def __enter__(self) -> Self:
        self._clock.polling = self
        return self

    def __exit__(self, *exc: object) -> None:
        self._clock.polling = None

    def poll(self) -> None:
        """Read what is polled."""
        for source in self._sources:
            if source.meter.poll_period_s is not None:
                source.keep(source.ask())
        self._due_ns += self._period_ns
        self.at_ns = self._due_ns + round(self._clock.lateness_s() * 1e9)


class _Line(Line):
    """Both ends of the trial's line."""

    _trial: ClassVar[Any] = SimpleNamespace(channel=SimpleNamespace(send=lambda _order: None))

    def __init__(self, clock: Clock, edges: Any, events: TrialEvents) -> None:
        self._clock = clock
        self._edges = edges
        self._events = events

    def send(self, event: Frozen) -> None:
        """What the supervisor does at this event is done at once."""
        if isinstance(event, protocol.Edge):
            self._clock.let_pass(self._clock.lateness_s(), self._clock.idle_load)
        handle(cast("protocol.Event", event), self._trial, self._edges, self._events)

    def receive(self) -> protocol.Order:
        return protocol.Go()


class _Work:
    """Batches as a workload."""

    unit: ClassVar[str] = "batch"

    def __init__(self, clock: Clock, batches: Batches, meters: Meters) -> None:
        self._clock = clock
        self._batches = batches
        self._setup = meters.setup

    def setup(self, point: Point, device: str, seed: int) -> None:
        self._clock.idle_load = _HELD
        duration_s = self._clock.random.uniform(self._setup.shortest_s, self._setup.longest_s)
        self._clock.let_pass(duration_s, Constant(self._setup.load, _HELD.pids))

    def run(self, stage: Stage) -> None:
        run_windows(stage, self)

    def step(self) -> int:
        clock, batches = self._clock, self._batches
        batch_s = batches.batch_s * clock.random.gauss(1.0, SPREAD)
        load = Square(batch_s, batches.busy, batches.waiting, batches.busy_share, clock.board.now_ns, _HELD.pids)
        clock.let_pass(batch_s, load)
        return 1

    def synchronize(self) -> None: ...

    def facts(self) -> Mapping[str, JsonValue]:
        return {}

    def close(self) -> None:
        self._clock.idle_load = IDLE


class Worker(Supervisor):
    """A worker of a machine with such meters; one that does not know its sensor's rhythm cannot keep out of step."""

    def __init__(self, meters: Meters, random: Random, *, keeps_out_of_step: bool = True) -> None:
        home = SimpleNamespace(home=Path(), simulated=True, simulator=None, carbon=CarbonSource())
        super().__init__(cast("Settings", home), Machine(id="m", name="m", hardware_class="simulated", hardware={}))
        self._simulated = meters
        self._keeps_out_of_step = keeps_out_of_step
        self.clock = Clock(RestlessBoard(meters.preset, meters.restlessness, random), random)
        self.probe = meters.probe
        self.clock.let_pass(random.uniform(1.0, 2.0), IDLE)

    def trial(self, batches: Batches, settings: MeasureSettings) -> Run:
        """Run one trial."""
        self.clock.moments = Moments()
        point: Point = {"model": "m", "batch_s": batches.batch_s}
        seed = self.clock.random.randrange(2**32)
        spec = JobSpec(
            job=f"accuracy-{seed}", sweep="accuracy", kind="inference", point=point, repetition=0,
            target="any", measure=settings, seed=seed, time_limit_s=3600,
        )  # fmt: skip
        with self._in_virtual_time(batches):
            report = self.run(Claim(spec=spec, attempt=1), _Stop(self.clock))
        trace = next(trace for trace in report.traces if trace.source == _Power.name)
        moments_ns = (trace.t0_ns + round(offset_s * 1e9) for offset_s in trace.offset_s)
        powers = [Reading(ns, power_w=w) for ns, w in zip(moments_ns, trace.power_w, strict=True)]
        context_w = self.clock.board.preset.silicon.context_w if settings.baseline is Baseline.CONTEXT else 0.0
        return Run(report, context_w, self.clock.moments, powers)

    def _enter_meters(self, gpu: str) -> Sequence[Meter]:
        power = _Power(self.clock, self._simulated.is_smoothed)
        return [_Counter(self.clock), power] if self._simulated.has_counter else [power]

    @contextmanager
    def _in_virtual_time(self, batches: Batches) -> Iterator[None]:
        """The code looks at the machine's clock; collecting garbage and telling versions would take real time."""
        clock = self.clock

        def follow(_trial: object, start: protocol.Start, edges: object, _stop: Stop, _viewer: object) -> TrialEvents:
            clock.let_pass(START_S, IDLE)
            events, work = TrialEvents(), _Work(clock, batches, self._simulated)
            knows = start if self._keeps_out_of_step else start.model_copy(update={"sensor_period_s": None})
            lead(Stage(_Line(clock, edges, events), knows, "cuda:0"), work)
            work.close()
            events.is_done = True
            return events

        def polling(meters: Sequence[Meter], poll_period_s: float, ticks: Mapping[str, float]) -> _Polling:
            return _Polling(clock, meters, poll_period_s, ticks)

        now_ns = clock.monotonic_ns
        everywhere = SimpleNamespace(
            monotonic_ns=now_ns, perf_counter_ns=now_ns, monotonic=clock.monotonic, sleep=clock.sleep
        )
        at_edges = SimpleNamespace(monotonic_ns=clock.stamp_ns, sleep=clock.sleep_at_edge)
        watch = SimpleNamespace(glances=(), look=lambda: None, close=lambda: None)
        with ExitStack() as stack:
            for module in _CLOCKED:
                stack.enter_context(patch.multiple(module, time=everywhere))
            stack.enter_context(patch.multiple("workers.trial.stage", time=at_edges))
            stack.enter_context(patch.multiple("workers.trial.loops", make_timer=Mock(return_value=None)))
            stack.enter_context(patch.multiple("workers.trial.main", gc=Mock(), environment=dict))
            stack.enter_context(patch("workers.supervisor.supervisor.Sampler", polling))
            stack.enter_context(patch("workers.supervisor.supervisor.Watch", lambda *_: watch))
            stack.enter_context(patch("workers.supervisor.supervisor.follow", follow))
            stack.enter_context(patch.object(self, "_zygote", Mock()))
            yield


class _Stop(Stop):
    """Nobody stops a trial; to wait for that is to sleep."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.failure = None

    def wait(self, seconds: float) -> bool:
        self._clock.sleep(seconds)
        return False
