"""Build the report of a trial from what its supervisor recorded. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import inf

from pydantic import JsonValue

from farm.energy import joules as energy
from farm.energy.aliasing import LARGEST_VARIATION, has_variation, least_window_s, misses_part
from farm.energy.baselines import Baselines
from farm.energy.joules import Idle, IdlePowers
from farm.energy.validity import Glance, contaminations, stopped_counters
from farm.model import (
    CPU_RATING,
    Claim,
    Domain,
    Flag,
    Measurement,
    MeasureSettings,
    Probe,
    Trace,
    TraceReport,
    TrialReport,
    Window,
    WindowKind,
)
from workers.supervisor.conversation import TrialEvents
from workers.supervisor.evidence import SMOOTHED_S
from workers.supervisor.rest import rest_of, temperature_c

#: The meter that a probe may find wrong.
COUNTER = "nvml-counter"
#: At the edge of a window the counter is polled for at most so many of its update periods.
TICK_PERIODS = 2.0
#: A guard is so many times as long as the time over which a power reading averages, where the power is integrated.
#: Simulated with an average over 1 s: guards of 0.25 s make a 5 s window 3.8 % too low, 2.4 s leave 0.03 % (p95).
GUARD_FACTOR = 2.4
#: Meters that depend on the GPU's power sensor; a counter may see more than the sensor, but nothing documents that.
SENSED = (COUNTER, "nvml-power")


@dataclass(frozen=True, slots=True)
class Observed:
    """The records of a supervisor about one trial."""

    started_at_utc: datetime
    control: str | None  #: the reason for an idle before the trial; None: there was none
    idles: Sequence[Window]  #: control idles before and after the trial, and tails outside it
    events: TrialEvents
    traces: Sequence[Trace]
    probe: Probe | None
    glances: Sequence[Glance]
    notes: Sequence[str]  #: notes on meters and tails
    log_tail: str
    rating: str | None = None  #: the rated power from which the CPU's joules are modelled, and who says so

    @property
    def windows(self) -> list[Window]:
        """The windows in order of time."""
        return sorted((*self.idles, *self.events.windows), key=lambda w: w.begin_at_ns)

    @property
    def disturbances(self) -> list[str]:
        """A line for each window in which others used the machine."""
        return contaminations(self.windows, self.glances)

    @property
    def trusted(self) -> list[Trace]:
        """The traces without a counter that the probe found wrong; power is integrated instead."""
        return [t for t in self.traces if not (self.distrusts_counter and t.source == COUNTER)]

    @property
    def distrusts_counter(self) -> bool:
        """Whether the GPU has an energy counter that the probe found wrong."""
        is_there = any(t.source == COUNTER and t.readings for t in self.traces)
        return is_there and self.probe is not None and self.probe.counter_trusted is False

    def idle(self, baselines: Baselines) -> Idle:
        """Return the idle powers beside the trial: measured in its windows, else as the model predicts."""
        before, after, context = (
            self._powers(kind) for kind in (WindowKind.IDLE_BEFORE, WindowKind.IDLE_AFTER, WindowKind.CONTEXT_IDLE)
        )
        at_rest = baselines.at_rest(*before) or baselines.bare()
        setup_ns = next((w.begin_at_ns for w in self.windows if w.kind is WindowKind.SETUP), inf)
        return Idle(
            before=at_rest,
            after=baselines.at_rest(*after),
            context=baselines.at_rest(*context),
            beside_setup=baselines.away(at_rest, temperature_c(self.traces, setup_ns)),
            beside_work=context[0],
        )

    def _powers(self, kind: WindowKind) -> tuple[IdlePowers, float | None]:
        """Return the mean powers over an idle window, and the mean temperature."""
        window = next((w for w in self.windows if w.kind is kind), None)
        rest = rest_of(self.traces, window)
        return energy.idle_powers(self.traces, window), rest.temperature_c if rest else None


def add_probe(trace: Trace, probe: Probe | None) -> Trace:
    """Return the trace with what the probe found about its meter."""
    if probe is None:
        return trace
    found_s = {
        COUNTER: probe.counter_update_period_s,
        "nvml-power": probe.sensor_update_period_s,
        "rapl": probe.rapl_update_period_s,
    }.get(trace.source)
    is_counter = trace.source == COUNTER
    return replace(
        trace,
        update_period_s=found_s or trace.update_period_s,
        update_period_u_s=probe.counter_update_period_u_s if is_counter else None,
        averaging_window_s=probe.averaging_window_s if trace.source.startswith("nvml-") else None,
        update_jitter_s=probe.counter_update_jitter_s if is_counter else None,
    )


def ticks_within_s(probe: Probe | None) -> Mapping[str, float]:
    """Return the longest wait for a tick of the GPU's counter at the edge of a window, where it may be polled."""
    if probe is None or probe.counter_update_period_s is None or not probe.counter_steady_when_polled:
        return {}
    return {COUNTER: TICK_PERIODS * probe.counter_update_period_s}


def suit_meters(measure: MeasureSettings, probe: Probe | None) -> MeasureSettings:
    """Return the settings with measure windows and guards that are long enough for the GPU's meters.

    A window spans enough of their updates. Where power is integrated, a guard outlasts the sensor's average: its
    readings half a guard outside the window must be free of the window's own power. Who wants no guards gets none.
    """
    if probe is None:
        return measure
    periods_s = (probe.sensor_update_period_s, probe.counter_update_period_s)
    longest_s = max((p for p in periods_s if p is not None), default=0.0)
    averaging_s = SMOOTHED_S if probe.sensor == "smoothed" else probe.averaging_window_s or 0.0
    counts = probe.counter_update_period_s is not None and probe.counter_trusted is not False
    least_guard_s = 0.0 if counts or measure.guard_s == 0 else GUARD_FACTOR * averaging_s
    return measure.model_copy(
        update={
            "window_s": least_window_s(measure, longest_s),
            "guard_s": max(measure.guard_s, least_guard_s),
        }
    )


def assemble(
    claim: Claim,
    seen: Observed,
    baselines: Baselines,
    machine: str,
    finished_at_utc: datetime,
    duration_s: float,
    simulated: bool,
) -> TrialReport:
    """Compute energies, overhead and flags from what was recorded, and from what is known of the machine's idle."""
    spec, events = claim.spec, seen.events
    measurements = energy.measurements(seen.windows, seen.trusted, seen.idle(baselines), spec.measure)
    disturbed = seen.disturbances
    in_step = resonances(events, measurements, seen.probe)
    flags = [*events.flags]
    flags += [Flag.ALIAS_RISK] if in_step else []
    flags += [Flag.CONTAMINATED] if disturbed else []
    flags += [Flag.COUNTER_UNTRUSTED] if seen.distrusts_counter else []
    return TrialReport(
        job=spec.job,
        attempt=claim.attempt,
        machine=machine,
        started_at_utc=seen.started_at_utc,
        finished_at_utc=finished_at_utc,
        duration_s=duration_s,
        overhead_s=_overhead_s(duration_s, seen.windows, spec.measure),
        failure=events.failure,
        windows=tuple(seen.windows),
        measurements=measurements,
        traces=tuple(_trace_report(t) for t in seen.traces if t.readings),
        latencies_s=events.latencies_s,
        requests=events.requests,
        epochs=events.epochs,
        stopped=events.stopped,
        environment=events.facts.environment if events.facts else {},
        facts=_facts(events, seen, baselines),
        flags=tuple(sorted(set(flags))),
        notes=(*seen.notes, *events.notes, *in_step, *disturbed, *stopped_counters(seen.traces)),
        log_tail=seen.log_tail,
        simulated=simulated,
    )


def resonances(events: TrialEvents, measurements: Sequence[Measurement], probe: Probe | None) -> list[str]:
    """Return a note where the measure windows differ so much that batches may run in step with the power sensor.

    Windows with another doubt, such as a lowered clock, are left out, because they may differ for that reason. Windows
    whose intervals overlap may differ by noise alone.
    """
    period_s = probe.sensor_update_period_s if probe else None
    if probe is None or period_s is None or not misses_part(period_s, probe.averaging_window_s):
        return []
    if events.facts is None or not events.facts.device.startswith("cuda"):
        return []
    units = {w.index: w.units for w in events.windows if w.kind == WindowKind.MEASURE}
    sensed = [m for m in measurements if m.window_kind == WindowKind.MEASURE and m.domain == Domain.GPU]
    per_unit_j = [
        (m.net_j_low / count, m.net_j / count, m.net_j_high / count)
        for m in sensed
        if m.source in SENSED and all(flag.is_note for flag in m.flags) and (count := units[m.window_index])
        if m.net_j_low is not None and m.net_j is not None and m.net_j_high is not None
    ]
    if not has_variation([net_j for _, net_j, _ in per_unit_j]):
        return []
    if max(low_j for low_j, _, _ in per_unit_j) <= min(high_j for _, _, high_j in per_unit_j):
        return []
    what = f"net joules per {events.facts.unit} varied by over {LARGEST_VARIATION:.0%} between measure windows"
    return [f"{what}: they may have run in step with the power sensor, which longer windows average out"]


def _facts(events: TrialEvents, seen: Observed, baselines: Baselines) -> Mapping[str, JsonValue]:
    """Return the facts of the workload, and what its baseline rests on."""
    facts = events.facts
    if facts is None:
        return {}
    baseline = {"control_idle": seen.control, "idles_of_model": len(baselines.bare_idles)}
    rating = {CPU_RATING: seen.rating} if seen.rating else {}
    return {**facts.workload, "device": facts.device, "unit": facts.unit, **baseline, **rating}


def _overhead_s(duration_s: float, windows: Sequence[Window], measure: MeasureSettings) -> float:
    """Return the time outside the windows that measure: spawn, setup, tails, teardown, arithmetic."""
    measuring = [w for w in windows if w.kind not in (WindowKind.SETUP, WindowKind.TAIL)]
    guards_s = sum(2 * measure.guard_s for w in measuring if w.kind.is_work)
    return duration_s - sum(w.duration_s for w in measuring) - guards_s


def _trace_report(trace: Trace) -> TraceReport:
    t0_ns = trace.readings[0].at_ns
    return TraceReport(
        domain=trace.domain,
        source=trace.source,
        quality=trace.quality,
        t0_ns=t0_ns,
        offset_s=tuple((r.at_ns - t0_ns) / 1e9 for r in trace.readings),
        power_w=tuple(r.power_w for r in trace.readings),
        energy_j=tuple(r.energy_j for r in trace.readings),
        temperature_c=tuple(r.temperature_c for r in trace.readings),
        clock_hz=tuple(r.clock_hz for r in trace.readings),
    )
