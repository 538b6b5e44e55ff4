"""From what a supervisor saw and heard to the report that the store keeps. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from farm import energy
from farm.energy import Idle, IdlePowers
from farm.model import Claim, Flag, MeasureSettings, Trace, TraceReport, TrialReport, Window, WindowKind
from farm.validity import Glance, contaminations
from workers.conversation import Heard


@dataclass(frozen=True, slots=True)
class SharedIdle:
    """The idle after one trial, which serves as the idle before the next."""

    window: Window
    powers: IdlePowers


@dataclass(frozen=True, slots=True)
class Observed:
    """One trial as its supervisor saw it."""

    started_at_utc: datetime
    shared: SharedIdle | None
    before: Window | None
    heard: Heard
    after: Window | None
    traces: Sequence[Trace]
    glances: Sequence[Glance]
    notes: Sequence[str]  #: on meters and cooling
    flags: Sequence[Flag]
    log_tail: str

    @property
    def windows(self) -> list[Window]:
        """In order of time."""
        return [w for w in (self.before, *self.heard.windows, self.after) if w is not None]

    def idle(self) -> Idle:
        """The idle powers beside the trial."""
        by_kind = {w.kind: w for w in self.windows}
        before = energy.idle_powers(self.traces, by_kind.get(WindowKind.IDLE_BEFORE))
        return Idle(
            before=self.shared.powers if self.shared else before,
            after=energy.idle_powers(self.traces, self.after),
            context=energy.idle_powers(self.traces, by_kind.get(WindowKind.CONTEXT_IDLE)),
        )


def assemble(
    claim: Claim, seen: Observed, machine: str, finished_at_utc: datetime, duration_s: float, simulated: bool
) -> TrialReport:
    """Compute energies, overhead and flags; what depends on the machine's state is in `seen`."""
    spec, heard = claim.spec, seen.heard
    measurements = energy.measurements(seen.windows, seen.traces, seen.idle(), spec.measure)
    disturbed = contaminations(seen.windows, seen.glances)
    flags = [*heard.flags, *seen.flags, *([Flag.CONTAMINATED] if disturbed else [])]
    return TrialReport(
        job=spec.job,
        attempt=claim.attempt,
        machine=machine,
        started_at_utc=seen.started_at_utc,
        finished_at_utc=finished_at_utc,
        duration_s=duration_s,
        overhead_s=_overhead_s(duration_s, seen.windows[1 if seen.shared else 0 :], spec.measure),
        failure=heard.failure,
        windows=tuple(seen.windows),
        measurements=measurements,
        traces=tuple(_trace_report(t) for t in seen.traces if t.readings),
        latencies_s=heard.latencies_s,
        environment=heard.facts.environment if heard.facts else {},
        facts=_facts(heard),
        flags=tuple(sorted(set(flags))),
        notes=(*seen.notes, *heard.notes, *disturbed),
        log_tail=seen.log_tail,
        simulated=simulated,
    )


def _facts(heard: Heard) -> Mapping[str, JsonValue]:
    facts = heard.facts
    return {**facts.workload, "device": facts.device, "unit": facts.unit} if facts else {}


def _overhead_s(duration_s: float, own_windows: Sequence[Window], measure: MeasureSettings) -> float:
    """What the trial cost outside the windows that measure: spawn, setup, cooling, teardown, arithmetic."""
    measuring = [w for w in own_windows if w.kind != WindowKind.SETUP]
    guards_s = sum(2 * measure.guard_s for w in measuring if w.kind == WindowKind.MEASURE)
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
