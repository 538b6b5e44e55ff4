"""The probe: read this machine's meters often for half a minute, idle and under known loads; `evidence` judges them.

Nothing else may measure meanwhile: the caller holds the machine's lock. The energy counter is read as often as the
power sensor: a counter that frequent reading disturbs is not trusted, because other programs read it too.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from farm.model import Domain, JobSpec, MeasureSettings, Probe, Reading, Window, WindowKind
from farm.model.errors import MeterError, MeterUnavailable
from farm.settings import Settings
from workers.meters import Meter
from workers.meters.nvml import NvmlCounter, NvmlPower
from workers.meters.rapl import Rapl
from workers.supervisor.conversation import follow
from workers.supervisor.evidence import Evidence, Sensor, Span, Unknown, judge, update_period_s, wave_period_s
from workers.supervisor.output import Output
from workers.supervisor.sampler import TICK_STEP_S, Sampler
from workers.supervisor.stop import Stop
from workers.supervisor.zygote import Zygote
from workers.trial import protocol

#: The GPU's meters are read this often: as a counter at the edge of a window, if the probe trusts it.
POLL_S = TICK_STEP_S
#: RAPL publishes every millisecond: it is read this often, for so long.
RAPL_POLL_S, RAPL_S = 0.0002, 0.3
#: A load runs this long before it is measured: until clocks, power and a sensor that averages over a second settle.
SETTLE_S = 1.5
#: Period of the load that never rests.
STEADY_PERIOD_S = 0.1
#: A load may take this much longer than its window: it starts a process and opens the device.
START_WITHIN_S = 60.0

M = TypeVar("M", bound=Meter)


class _EagerCounter(NvmlCounter):
    """The energy counter, read more often than in any trial."""

    poll_period_s: float | None = POLL_S


class _EagerPower(NvmlPower):
    """The power sensor, read more often than it publishes."""

    poll_period_s: float | None = POLL_S


@dataclass(frozen=True, slots=True)
class Lengths:
    """The lengths of the parts of the probe."""

    idle_s: float = 10.0
    load_s: float = 10.0
    wave_s: float = 8.0


#: The lengths that the measuring rules require.
RULED = Lengths()


def run_probe(settings: Settings, zygote: Zygote, lengths: Lengths = RULED) -> Probe:
    """Probe the GPU that the settings name, and RAPL. It takes half a minute with a GPU, and a moment without.

    Must run in the main thread, as the zygote requires. Raises FarmError where no trial can be started.
    """
    probed_at = datetime.now(UTC)
    notes: list[str] = []
    rapl = _watch_rapl(settings, notes)
    with ExitStack() as stack:
        power = _entered(_EagerPower(settings), stack, notes)
        counter = _entered(_EagerCounter(settings), stack, notes)
        if power is None:
            return judge(Evidence(rapl=rapl, notes=notes), probed_at)
        sampler = stack.enter_context(Sampler([power] if counter is None else [power, counter], POLL_S))
        burn = _Burn(settings, zygote, sampler, notes)
        idle = _idle(lengths.idle_s)
        load = burn.run(lengths.load_s, STEADY_PERIOD_S, 1.0)
        period_s = _wave_period_s(power, sampler)
        wave = burn.run(lengths.wave_s, period_s, 0.5) if period_s is not None else None
        notes += (f"meter {line} was lost in the probe" for line in sampler.lost)
        evidence = Evidence(
            sensor=_sensor(power),
            power=_readings(power, sampler),
            counter=_readings(counter, sampler) if counter is not None else (),
            rapl=rapl,
            idle=idle,
            load=load,
            wave=wave,
            wave_period_s=period_s,
            notes=notes,
        )
    return judge(evidence, probed_at)


@dataclass(frozen=True, slots=True)
class _Edges:
    """The edges of a load; it knows of no rest."""

    sampler: Sampler

    def read_now(self) -> None:
        self.sampler.read_now()

    def settle(self, _windows: Sequence[Window]) -> Sequence[Window]:
        return ()


@dataclass(frozen=True, slots=True)
class _Burn:
    """Runs known loads on the device, each in a fresh trial."""

    settings: Settings
    zygote: Zygote
    sampler: Sampler
    notes: list[str]  #: why a load failed

    def run(self, length_s: float, period_s: float, busy_share: float) -> Span | None:
        """Run one load, and return its begin and end; None where it failed."""
        spec = _spec(length_s, period_s, busy_share)
        with Output() as output, closing(Stop()) as stop:
            events = follow(self.zygote.spawn(output), protocol.Start(spec=spec), _Edges(self.sampler), stop)
        if events.failure is not None:
            self.notes.append(f"the probe's load failed: {events.failure.message}")
        spans = [(w.begin_at_ns / 1e9, w.end_at_ns / 1e9) for w in events.windows if w.kind is WindowKind.MEASURE]
        return spans[0] if spans else None


def _spec(length_s: float, period_s: float, busy_share: float) -> JobSpec:
    return JobSpec(
        job="probe",
        sweep="probe",
        kind="burn",
        point={"period_s": period_s, "busy_share": busy_share, "device": "auto"},
        repetition=0,
        target="any",
        measure=MeasureSettings(
            profile="quick",
            window_s=length_s,
            windows=1,
            min_iterations=1,
            idle_s=length_s,
            cool_down_max_s=0.0,
            context_idle_s=POLL_S,
            warmup_s=SETTLE_S,
            warmup_max_s=SETTLE_S,
            latency_s=POLL_S,
            latency_max_batches=1,
            guard_s=0.0,
            poll_period_s=POLL_S,
        ),
        seed=0,
        time_limit_s=START_WITHIN_S + SETTLE_S + length_s,
    )


def _idle(length_s: float) -> Span:
    begin_s = time.monotonic()
    time.sleep(length_s)
    return begin_s, time.monotonic()


def _wave_period_s(power: NvmlPower, sampler: Sampler) -> float | None:
    """Choose the wave that suits the sensor's update period, where the readings so far show it."""
    try:
        return wave_period_s(update_period_s(_readings(power, sampler), "power sensor"), _sensor(power))
    except Unknown:
        return None


def _sensor(power: NvmlPower) -> Sensor:
    return "instant" if power.is_instant else "smoothed"


def _readings(meter: Meter, sampler: Sampler) -> Sequence[Reading]:
    return next(trace.readings for trace in sampler.traces() if trace.source == meter.name)


def _entered(meter: M, stack: ExitStack, notes: list[str]) -> M | None:
    """Open the meter, or add a note and return None."""
    try:
        stack.enter_context(meter)
    except MeterUnavailable as error:
        notes.append(str(error))
        return None
    return meter


def _watch_rapl(settings: Settings, notes: list[str]) -> Sequence[Reading]:
    """Read the CPU packages' counter for a moment."""
    readings: list[Reading] = []
    end_s = time.monotonic() + RAPL_S
    try:
        with Rapl(settings) as rapl:
            while time.monotonic() < end_s:
                readings.append(rapl.read()[Domain.CPU])
                time.sleep(RAPL_POLL_S)
    except MeterError as error:
        notes.append(str(error))
    return readings
