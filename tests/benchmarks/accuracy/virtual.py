"""One trial in virtual time, on a simulated board whose true joules are known.

The trial's own code runs, `workers.trial.main.lead`, and what makes joules of its windows: only the clock, the work and
the meters are replaced. Minutes pass in milliseconds. What real time would add is drawn: the phase between sampler and
sensor, and the fraction of a millisecond by which a thread wakes late.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import ClassVar, cast
from unittest.mock import Mock, patch

from pydantic import JsonValue

from farm.energy.baselines import Baselines
from farm.model import (
    Domain,
    Frozen,
    JobSpec,
    MeasureSettings,
    Point,
    Probe,
    Quality,
    Reading,
    Trace,
    Window,
    WindowKind,
)
from tests.benchmarks.accuracy.cases import SPREAD, Batches
from workers.simulator import IDLE, Board, Constant, Load, Preset, Square, drive
from workers.supervisor.conversation import TrialEvents
from workers.supervisor.idles import Idles
from workers.supervisor.report import Observed, add_probe
from workers.supervisor.rest import Rest, rest_of
from workers.supervisor.supervisor import SETTLE_S
from workers.trial import protocol
from workers.trial.loops import run_windows
from workers.trial.main import lead
from workers.trial.stage import Line, Stage

#: A thread wakes so much late on average.
LATENESS_S = 0.0003
#: Building a model and moving it to the board, which is at work to the end of it.
SETUP_S, SETUP_LOAD = 2.0, 0.2
#: codecarbon reads the counter so long before `start` returns and after `stop` is called: see `live.py`.
CODECARBON_BEFORE_S, CODECARBON_AFTER_S = 0.003, 0.001
#: What a probe finds of a counter that publishes at perfectly regular moments: see `tests/unit/test_probe.py`.
PERIOD_U, JITTER_S = 3e-5, 0.0008
_HELD = Constant(pids=(1,))
_ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Moments:
    """What is known of the edges of windows and of sleeps, by moment."""

    true_j: dict[int, float] = field(default_factory=dict)
    counter_j: dict[int, float] = field(default_factory=dict)  #: as a program reads it at that moment
    codecarbon_j: dict[int, float] = field(default_factory=dict)  #: as codecarbon reads it for a window that ends there


@dataclass(frozen=True, slots=True)
class Run:
    """What a trial left, and what really happened."""

    observed: Observed
    baselines: Baselines
    settings: MeasureSettings
    moments: Moments

    def window(self, kind: WindowKind) -> Window:
        """The only window of a kind."""
        return next(window for window in self.observed.windows if window.kind == kind)

    def true_net_j(self) -> float:
        """Of the measure window: its true energy less the true mean power of the context idle x its duration.

        A board at work grows warm and leaks more: that is the work's doing, and no error of the method.
        """
        measured, idle = self.window(WindowKind.MEASURE), self.window(WindowKind.CONTEXT_IDLE)
        idle_w = between(self.moments.true_j, idle) / idle.duration_s
        return between(self.moments.true_j, measured) - idle_w * measured.duration_s


def between(energies_j: Mapping[int, float], window: Window) -> float:
    """The difference over a window of what is known at its edges."""
    return energies_j[window.end_at_ns] - energies_j[window.begin_at_ns]


def known(preset: Preset) -> Probe:
    """The verdict of a probe without error, but for what its own reading leaves open."""
    sensor = preset.sensor
    return Probe(
        probed_at=_ANY_DAY,
        sensor="instant",
        sensor_update_period_s=sensor.update_s,
        averaging_window_s=sensor.averaging_s,
        counter_update_period_s=sensor.update_s,
        counter_update_period_u_s=PERIOD_U * sensor.update_s,
        counter_update_jitter_s=JITTER_S,
        counter_trusted=True,
    )


class Machine:
    """A board, the clock beside it, and what was read of its meters."""

    def __init__(self, preset: Preset, poll_period_s: float, random: Random) -> None:
        self.board = Board(preset, seed=random.randrange(2**32))
        self.idle_load: Load = IDLE
        self.random = random
        self.moments = Moments()
        self._counted: list[Reading] = []
        self._polled: list[Reading] = []
        self._poll_ns = round(poll_period_s * 1e9)
        self._due_ns = self._poll_at_ns = random.randrange(self._poll_ns)

    def monotonic_ns(self) -> int:
        """The time. Windows are stamped with it, so what is true at that moment is kept."""
        now_ns = self.board.now_ns
        self.moments.true_j[now_ns] = self.board.true_energy_j
        self.moments.counter_j[now_ns] = self._shown_j()
        return now_ns

    def sleep(self, duration_s: float) -> None:
        """Do nothing for a while, and wake a little late; codecarbon reads soon after the begin, or before the end."""
        begin_ns = self.board.now_ns
        self.let_pass(min(CODECARBON_AFTER_S, duration_s), self.idle_load)
        self.moments.codecarbon_j[begin_ns] = self._shown_j()
        self.let_pass(max(duration_s - CODECARBON_AFTER_S - CODECARBON_BEFORE_S, 0.0), self.idle_load)
        shown_j = self._shown_j()
        self.let_pass(min(CODECARBON_BEFORE_S, duration_s) + self._lateness_s(), self.idle_load)
        self.moments.codecarbon_j[self.board.now_ns] = shown_j

    def let_pass(self, duration_s: float, load: Load) -> None:
        """Let time pass under a load; the power is polled when it is due."""
        end_ns = self.board.now_ns + round(duration_s * 1e9)
        while self._poll_at_ns <= end_ns:
            self._drive(self._poll_at_ns, load)
            self._poll()
            self._due_ns += self._poll_ns
            self._poll_at_ns = self._due_ns + round(self._lateness_s() * 1e9)
        self._drive(end_ns, load)

    def read_meters(self) -> None:
        """What the supervisor does at an edge."""
        self.let_pass(self._lateness_s(), self.idle_load)
        self._counted.append(Reading(self.board.now_ns, energy_j=self.board.read_counter_j()))
        self._poll()

    def idle(self, kind: WindowKind, duration_s: float) -> Window:
        """An idle of the supervisor's, no trial alive."""
        self.read_meters()
        begin_ns = self.monotonic_ns()
        self.sleep(duration_s)
        end_ns = self.monotonic_ns()
        self.read_meters()
        return Window(kind=kind, begin_at_ns=begin_ns, end_at_ns=end_ns, started_at_utc=_ANY_DAY)

    def settle(self, rest: Rest | None, settings: MeasureSettings) -> None:
        """Wait until the board is at rest, as `workers.supervisor.edges` does."""
        begin_ns, limit_ns = self.board.now_ns, settings.cool_down_max_s * 1e9
        while rest and not rest.is_met(self.traces(), self.board.now_ns) and self.board.now_ns - begin_ns < limit_ns:
            self.let_pass(settings.poll_period_s, self.idle_load)

    def traces(self) -> tuple[Trace, Trace]:
        """What counter and sensor have said."""
        period_s = self.board.preset.sensor.update_s
        return (
            Trace(Domain.GPU, "nvml-counter", Quality.COUNTER, period_s, tuple(self._counted)),
            Trace(Domain.GPU, "nvml-power", Quality.SAMPLED, period_s, tuple(self._polled)),
        )

    def _shown_j(self) -> float:
        return self.board.published().energy_mj / 1e3

    def _poll(self) -> None:
        shown = self.board.published()
        power_w, temperature_c = shown.instant_mw / 1e3, float(shown.temperature_c)
        self._polled.append(Reading(self.board.now_ns, power_w=power_w, temperature_c=temperature_c))

    def _drive(self, end_ns: int, load: Load) -> None:
        if end_ns > self.board.now_ns:
            drive(self.board, load, (end_ns - self.board.now_ns) / 1e9)

    def _lateness_s(self) -> float:
        return self.random.expovariate(1 / LATENESS_S)


class _Supervisor:
    """The other end of the trial's line."""

    def __init__(self, machine: Machine, settings: MeasureSettings) -> None:
        self._machine = machine
        self._settings = settings
        self.events = TrialEvents()

    def edge(self) -> None:
        self._machine.read_meters()

    def settle(self) -> None:
        context = next((w for w in self.events.windows if w.kind is WindowKind.CONTEXT_IDLE), None)
        self._machine.settle(rest_of(self._machine.traces(), context), self._settings)

    def send(self, event: Frozen) -> None:
        if isinstance(event, protocol.Closed):
            self.events.windows.append(event.window)
        elif isinstance(event, protocol.Doubt):
            self.events.flags += [event.flag] if event.flag else []


class _Work:
    """Batches as a workload."""

    unit: ClassVar[str] = "batch"

    def __init__(self, machine: Machine, batches: Batches) -> None:
        self._machine = machine
        self._batches = batches

    def setup(self, point: Point, device: str, seed: int) -> None:
        self._machine.let_pass(SETUP_S, Constant(SETUP_LOAD, _HELD.pids))
        self._machine.idle_load = _HELD

    def run(self, stage: Stage) -> None:
        run_windows(stage, self)

    def step(self) -> int:
        machine, batches = self._machine, self._batches
        batch_s = batches.batch_s * machine.random.gauss(1.0, SPREAD)
        load = Square(batch_s, batches.busy, batches.waiting, batches.busy_share, machine.board.now_ns, _HELD.pids)
        machine.let_pass(batch_s, load)
        return 1

    def synchronize(self) -> None: ...

    def facts(self) -> Mapping[str, JsonValue]:
        return {}

    def close(self) -> None:
        self._machine.idle_load = IDLE


def run_trial(
    preset: Preset, batches: Batches, settings: MeasureSettings, random: Random, *, knows_sensor: bool = True
) -> Run:
    """One trial from the first idle to the last; one that knows its sensor keeps out of step with it."""
    machine = Machine(preset, settings.poll_period_s, random)
    machine.let_pass(random.uniform(1.0, 2.0), IDLE)
    before = machine.idle(WindowKind.IDLE_BEFORE, settings.idle_s)
    supervisor, work = _Supervisor(machine, settings), _Work(machine, batches)
    spec = _spec(settings, random.randrange(2**32))
    start = protocol.Start(spec=spec)
    if knows_sensor:
        sensor = preset.sensor
        knows = {"meter_period_s": sensor.update_s, "sensor_period_s": sensor.update_s}
        start = start.model_copy(update={**knows, "sensor_window_s": sensor.averaging_s})
    with _in_time_of(machine):
        lead(Stage(cast("Line", supervisor), start, "cuda:0"), work)
    work.close()
    machine.let_pass(SETTLE_S, IDLE)
    machine.settle(rest_of(machine.traces(), before), settings)
    after = machine.idle(WindowKind.IDLE_AFTER, settings.idle_s)
    probe = known(preset)
    observed = Observed(
        started_at_utc=_ANY_DAY,
        control="the first trial",
        idles=(before, after),
        events=supervisor.events,
        traces=[add_probe(trace, probe) for trace in machine.traces()],
        probe=probe,
        glances=(),
        notes=(),
        log_tail="",
    )
    idles = Idles()
    idles.learn(spec, observed.windows, observed.traces, is_disturbed=False)
    return Run(observed, idles.baselines, settings, machine.moments)


def _spec(settings: MeasureSettings, seed: int) -> JobSpec:
    return JobSpec(
        job="accuracy", sweep="accuracy", kind="inference", point={}, repetition=0, target="any", measure=settings,
        seed=seed, time_limit_s=3600,
    )  # fmt: skip


@contextmanager
def _in_time_of(machine: Machine) -> Iterator[None]:
    """The trial's code looks at the machine's clock; collecting garbage and telling versions would take real time."""
    now_ns = machine.monotonic_ns
    clock = SimpleNamespace(sleep=machine.sleep, monotonic_ns=now_ns, perf_counter_ns=now_ns)
    with (
        patch.multiple("workers.trial.main", time=clock, gc=Mock(), environment=dict),
        patch.multiple("workers.trial.stage", time=clock),
        patch.multiple("workers.trial.loops", time=clock),
    ):
        yield
