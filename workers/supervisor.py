"""One trial from idle to report: idle, spawn, follow, idle again, compute. A trial's failure is a result.

The supervisor never imports torch and never spins: it blocks on the trial's socket and on the stop request, while the
sampler's thread reads the meters at one steady rate from the first idle to the last.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Self

from pydantic import JsonValue

from farm import energy
from farm.energy import Idle, IdlePowers, Trace
from farm.model import Claim, Flag, JobSpec, Measurement, TraceReport, TrialReport, Window, WindowKind
from farm.settings import Settings
from workers import protocol
from workers.conversation import Heard, follow
from workers.meters import Meter
from workers.meters.codecarbon import carbon_intensity_g_per_kwh
from workers.sampler import Sampler, open_meters
from workers.stop import Stop
from workers.zygote import Zygote

#: The idle after one trial serves as the idle before the next that starts within this time.
SHARE_IDLE_WITHIN_S = 5.0
#: Between the death of a trial and the idle after it.
SETTLE_S = 0.25
LOG_TAIL_BYTES = 4000


@dataclass(frozen=True)
class _Idle:
    """An idle window and what each meter drew in it."""

    window: Window
    powers: IdlePowers


class Supervisor:
    """Runs trials on this machine, one at a time, from the thread that entered it."""

    def __init__(self, settings: Settings, machine_id: str) -> None:
        self._settings = settings
        self._machine_id = machine_id
        self._zygote = Zygote()
        self._meters: Sequence[Meter] | None = None  #: None: to be entered before the next trial
        self._meter_notes: Sequence[str] = ()
        self._entered_meters = ExitStack()
        self._gpu_index = 0
        self._last_idle: _Idle | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.push(self)
            self._zygote.start()
            self._enter_meters(self._gpu_index)
            stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._entered_meters.close()
        self._zygote.close()

    def _enter_meters(self, gpu_index: int) -> Sequence[Meter]:
        """The meters of this machine and that GPU; entered anew for another GPU, and after a trial that lost one."""
        if self._meters is None or gpu_index != self._gpu_index:
            self._entered_meters.close()
            settings = self._settings.model_copy(update={"gpu_index": gpu_index})
            self._meters, self._meter_notes = open_meters(settings, self._entered_meters)
            self._gpu_index, self._last_idle = gpu_index, None
        return self._meters

    def run(self, claim: Claim, stop: Stop) -> TrialReport:
        """One attempt at a job; a report whatever happens to the trial."""
        spec, started, begun_s = claim.spec, datetime.now(UTC), time.monotonic()
        meters = self._enter_meters(_gpu_index(spec))
        with tempfile.TemporaryFile() as log_file, Sampler(meters, spec.measure.poll_period_s) as sampler:
            shared = self._take_last_idle(spec.measure.idle_s)
            before = shared.window if shared else _idle(WindowKind.IDLE_BEFORE, spec, sampler, stop)
            heard = Heard(failure=stop.failure)
            if stop.failure is None:
                heard = follow(self._zygote.spawn(log_file), spec, sampler, stop)
            after = None
            if heard.failure is None and not stop.wait(SETTLE_S):
                after = _idle(WindowKind.IDLE_AFTER, spec, sampler, stop)
            traces, lost, log_tail = sampler.traces(), sampler.lost, _tail(log_file)
        windows = [w for w in (before, *heard.windows, after) if w is not None]
        idle = _idle_beside(traces, windows, shared)
        if lost:
            self._meters = None
        elif after is not None:
            self._last_idle = _Idle(after, idle.after)
        measurements = energy.measurements(windows, traces, idle, spec.measure)
        duration_s = time.monotonic() - begun_s
        return TrialReport(
            job=spec.job,
            attempt=claim.attempt,
            machine=self._machine_id,
            started_at_utc=started,
            finished_at_utc=datetime.now(UTC),
            duration_s=duration_s,
            overhead_s=_overhead_s(duration_s, windows[1 if shared else 0 :], spec),
            failure=heard.failure,
            windows=tuple(windows),
            measurements=measurements,
            traces=tuple(_trace_report(t) for t in traces if t.readings),
            latencies_s=heard.latencies_s,
            environment=heard.facts.environment if heard.facts else {},
            facts=_facts(heard.facts),
            carbon_g_per_kwh=carbon_intensity_g_per_kwh(spec.carbon_country) if spec.carbon_country else None,
            flags=_flags(heard.flags, measurements),
            notes=(*self._meter_notes, *(f"meter {name} was lost in this trial" for name in lost), *heard.notes),
            log_tail=log_tail,
            simulated=self._settings.simulated,
        )

    def _take_last_idle(self, at_least_s: float) -> _Idle | None:
        """The idle after the last trial, where nothing ran since, and it is fresh and long enough; it serves once."""
        last, self._last_idle = self._last_idle, None
        if last is None or last.window.duration_s < at_least_s:
            return None
        if time.monotonic_ns() - last.window.end_at_ns > SHARE_IDLE_WITHIN_S * 1e9:
            return None
        return _Idle(last.window.model_copy(update={"kind": WindowKind.IDLE_BEFORE}), last.powers)


def _gpu_index(spec: JobSpec) -> int:
    """The GPU that the trial runs on: N of cuda:N, else the first."""
    device, _, index = str(spec.point.get("device")).partition(":")
    return int(index) if device == "cuda" and index.isdecimal() else 0


def _idle(kind: WindowKind, spec: JobSpec, sampler: Sampler, stop: Stop) -> Window | None:
    """Wait and meter; None when a stop cut it short."""
    sampler.read_now()
    begin_ns, started = time.monotonic_ns(), datetime.now(UTC)
    if stop.wait(spec.measure.idle_s):
        return None
    end_ns = time.monotonic_ns()
    sampler.read_now()
    return Window(kind=kind, begin_at_ns=begin_ns, end_at_ns=end_ns, started_at_utc=started)


def _idle_beside(traces: Sequence[Trace], windows: Sequence[Window], shared: _Idle | None) -> Idle:
    by_kind = {w.kind: w for w in windows}
    return Idle(
        before=shared.powers if shared else energy.idle_powers(traces, by_kind.get(WindowKind.IDLE_BEFORE)),
        after=energy.idle_powers(traces, by_kind.get(WindowKind.IDLE_AFTER)),
        context=energy.idle_powers(traces, by_kind.get(WindowKind.CONTEXT_IDLE)),
    )


def _facts(facts: protocol.Facts | None) -> Mapping[str, JsonValue]:
    return {**facts.workload, "device": facts.device, "unit": facts.unit} if facts else {}


def _flags(heard: Sequence[Flag], measurements: Sequence[Measurement]) -> tuple[Flag, ...]:
    return tuple(sorted({*heard, *(flag for m in measurements for flag in m.flags)}))


def _overhead_s(duration_s: float, own_windows: Sequence[Window], spec: JobSpec) -> float:
    """What the trial cost outside the windows that measure: spawn, setup, teardown, arithmetic."""
    measuring = [w for w in own_windows if w.kind != WindowKind.SETUP]
    guards_s = sum(2 * spec.measure.guard_s for w in measuring if w.kind == WindowKind.MEASURE)
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


def _tail(log_file: IO[bytes]) -> str:
    size = log_file.seek(0, 2)
    log_file.seek(max(size - LOG_TAIL_BYTES, 0))
    return log_file.read().decode(errors="replace")
