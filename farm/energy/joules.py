"""The joules of windows from traces: integration, baseline subtraction, uncertainty. Pure; no other module does this.

Notation: E energy in J, P power in W, D duration in s, u standard uncertainty.

    net  = E - P_idle D
    u²(net) = u_E² + D² u_P² + P_idle² u_D²        u_P² = SE² + (P_before - P_after)² / 12
    u_E²    = (P_idle u_age)² + ((P - P_idle) (1 - s) T)² / 6 + (1 - s) D² SE² + J_warm² / 12

The counter is published every T: each of its two readings is up to T old, and their ages differ by u_age, while the
board idles between guards. Where nothing more is known, u_age² = T²/6. The probe may know T, its u_T, and the mean
difference in lateness between two updates (the jitter). Then readings A apart differ by a whole T with probability r/T:

    u_age² = r (T - r)        r = |A - n T| + n u_T + jitter        n T: the whole number of periods next to A

Where r / T is above `RARE`, a 95 % interval must include that T, and u_age = T/2. For a window without guards, its own
P replaces P_idle, with T²/6 unless the window is idle.

The sensor sees a share s of the time: at either end it catches too much or too little of the step from idle to P, and
between them the mean of its readings has a standard error SE. J_warm is the energy that the guards drew above the
context idle, as the power sensor saw it: it is subtracted, with the uncertainty of an even change.
The board's gain error is in none of these: it cancels in ratios on one board, and only there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import hypot, inf, sqrt
from statistics import fmean

from farm.energy import validity
from farm.energy.curve import Curve, Guards
from farm.model import (
    Baseline,
    Budget,
    Component,
    Domain,
    Flag,
    Measurement,
    MeasureSettings,
    Reading,
    Trace,
    Window,
    WindowKind,
)
from farm.model.energies import COVERAGE_FACTOR, Components

#: Standard uncertainty of a window's duration: both clock stamps are taken beside their events.
DURATION_U_S = 1e-4
#: The baseline has drifted when before and after differ by more than the larger of these.
DRIFT_SHARE, DRIFT_W = 0.03, 2.0
#: ... and by more than this many standard uncertainties of that difference: a meter's own error is no drift.
DRIFT_FACTOR = 2.0
#: A net energy below so many standard uncertainties is within its noise.
NOISE_FACTOR = 3.0
#: A 95 % interval may leave out an error in at most this share of the windows; half of 5 %, because a net energy has
#: two ages in it, its own and its baseline's.
RARE = 1 / 40
#: Windows in which the power at the edges equals the power between them.
_IDLE = frozenset({WindowKind.IDLE_BEFORE, WindowKind.CONTEXT_IDLE, WindowKind.IDLE_AFTER})


@dataclass(frozen=True, slots=True)
class Power:
    """A mean power and its standard uncertainties."""

    mean_w: float
    u_w: float  #: random: it differs from trial to trial
    shared_u_w: float = 0.0  #: the same in all trials of the machine
    wander_u_w: float = 0.0  #: random too: how far the idle power moves until the work


@dataclass(frozen=True, slots=True)
class Energy:
    """An energy and the components of its standard uncertainty."""

    j: float
    budget: Components

    @property
    def u_j(self) -> float:
        """The combined standard uncertainty."""
        return hypot(*self.budget.values())


class CounterReset(Exception):
    """A counter went backwards inside the window, so the joules are unknown."""


#: Begin and end on the monotonic clock, in ns; infinite where nothing comes before or after.
Span = tuple[float, float]
#: Mean idle power by meter and domain.
IdlePowers = Mapping[tuple[str, Domain], Power]


@dataclass(frozen=True, slots=True)
class Idle:
    """The idle powers beside one trial."""

    before: IdlePowers
    after: IdlePowers
    context: IdlePowers


def window_energy(
    trace: Trace, begin_ns: int, end_ns: int, guards: Guards | None = None, sensor: Trace | None = None
) -> Energy | None:
    """Return the energy of a trace between two moments, or None where the trace does not cover them.

    With guards, the readings in the settled idle on both sides are used, and the energy of this idle is subtracted, so
    that a counter published late, or a sensor that smears the step, loses nothing. Without such readings there is no
    correction. `sensor` is the power trace beside a counter; it shows how much the power varied. Raises CounterReset
    when a counter went backwards.
    """
    curve = Curve(trace)
    outer = curve.settled_edges(begin_ns, end_ns, guards) if guards else None
    begin, end = outer or (begin_ns, end_ns)
    if not curve.covers(begin, end):
        return None
    if curve.is_counter and curve.fell(begin, end):
        raise CounterReset(trace.source)
    j = curve.at(end) - curve.at(begin)
    duration_s = (end_ns - begin_ns) / 1e9
    if guards is None or outer is None:
        return Energy(j, {Component.AGE: abs(j) / duration_s * trace.update_period_s / sqrt(6)})
    polled = sensor or trace
    before, after = (guards.free_from_ns, begin, begin_ns), (end_ns, end_ns, end)
    warm_j = sum(_warm_j(polled, guards.sensor_w, *guard) for guard in (before, after))
    j -= guards.idle_w * ((end - begin) / 1e9 - duration_s) + warm_j
    age_u_j = guards.idle_w * _age_u_s(trace, (end - begin) / 1e9) if curve.is_counter else 0.0
    unseen = trace.unseen if curve.is_counter else 1.0  # polling places the step within a period, whatever is seen
    step_u_j = (j / duration_s - guards.idle_w) * unseen * trace.update_period_s / sqrt(6)
    return Energy(
        j,
        {
            Component.AGE: age_u_j,
            Component.STEP: abs(step_u_j),
            Component.SAMPLING: _sampling_u_j(polled, begin_ns, end_ns),
            Component.WARM: abs(warm_j) / sqrt(12),
        },
    )


def _warm_j(sensor: Trace, idle_w: float | None, rest_ns: float, begin_ns: int, end_ns: int) -> float:
    """Return the J that a guard drew above the context idle: after work, clocks and leakage fall slowly.

    It is 0 where no sensor shows it, or where the sensor's average includes the time before the rest at `rest_ns`.
    """
    if idle_w is None or sensor.averaging_window_s is None:
        return 0.0
    settled_ns = rest_ns + (sensor.update_period_s + sensor.averaging_window_s) * 1e9
    powers_w = _powers_w(sensor, max(begin_ns, settled_ns), end_ns)
    return (fmean(powers_w) - idle_w) * (end_ns - begin_ns) / 1e9 if powers_w else 0.0


def _powers_w(trace: Trace, begin_ns: float, end_ns: float) -> list[float]:
    """Return the readings of a power sensor between two moments."""
    return [r.power_w for r in trace.readings if r.power_w is not None and begin_ns <= r.at_ns <= end_ns]


def _age_u_s(trace: Trace, apart_s: float) -> float:
    """Return the uncertainty of the difference in age between two readings, in s; a value is up to T old when read.

    Readings A apart differ in age by r = A mod T or by r - T, and the variance is r (T - r). The mean of that over A is
    T²/6, which is used where T is not known well enough for r.
    """
    period_s = trace.update_period_s
    if trace.update_period_u_s is None or trace.update_jitter_s is None:
        return period_s / sqrt(6)
    periods = round(apart_s / period_s)
    doubt_s = periods * trace.update_period_u_s + trace.update_jitter_s
    if doubt_s > period_s / 4:
        return period_s / sqrt(6)
    off_s = abs(apart_s - periods * period_s) + doubt_s
    return sqrt(off_s * (period_s - off_s)) if off_s <= RARE * period_s else period_s / 2


def _sampling_u_j(sensor: Trace, begin_ns: int, end_ns: int) -> float:
    """Return the uncertainty in J within a window, where a sensor sees part of the time; 0 where it reads no power."""
    settled_ns = begin_ns + round(2 * sensor.update_period_s * 1e9)  # later readings were seen in the window
    return sqrt(sensor.unseen) * _standard_error(sensor, settled_ns, end_ns) * (end_ns - begin_ns) / 1e9


def mean_power(trace: Trace, window: Window) -> Power | None:
    """Return the mean power over an idle window, or None where the trace does not cover it."""
    try:
        energy = _idle_energy(trace, window)
    except CounterReset:
        return None
    if energy is None:
        return None
    mean_w = energy.j / window.duration_s
    standard_error_w = _standard_error(trace, window.begin_at_ns, window.end_at_ns)
    return Power(mean_w, hypot(energy.u_j / window.duration_s, standard_error_w))


def _idle_energy(trace: Trace, window: Window) -> Energy | None:
    """Return `window_energy` of a window without edges in power: between readings of one age there is no error."""
    energy = window_energy(trace, window.begin_at_ns, window.end_at_ns)
    edges = Curve(trace).settled_edges(window.begin_at_ns, window.end_at_ns)
    if energy is None or edges is None:
        return energy
    age_u_s = _age_u_s(trace, (edges[1] - edges[0]) / 1e9)
    return Energy(energy.j, {Component.AGE: abs(energy.j) / window.duration_s * age_u_s})


def _standard_error(trace: Trace, begin_ns: int, end_ns: int) -> float:
    """Estimate the standard error of the mean power from neighbouring quarters of the window; 0 if unknown.

    For independent samples this is their standard deviation over the root of their number. Power that repeats with the
    batch averages out within a quarter, and in the mean; slow changes do not.
    """
    samples = _powers_w(trace, begin_ns, end_ns)
    if len(samples) < 2:
        return 0.0
    length = max(len(samples) // 4, 1)
    sums = list(accumulate(samples, initial=0.0))
    means = [(b - a) / length for a, b in zip(sums, sums[length:], strict=False)]
    differences = [b - a for a, b in zip(means, means[length:], strict=False)]
    variance = fmean(d**2 for d in differences) / 2
    return sqrt(variance * length / len(samples))


def idle_powers(traces: Iterable[Trace], window: Window | None) -> dict[tuple[str, Domain], Power]:
    """Return the mean power of every trace that covers an idle window."""
    if window is None:
        return {}
    powers = {(t.source, t.domain): mean_power(t, window) for t in traces}
    return {key: power for key, power in powers.items() if power is not None}


def drift(before: Power | None, after: Power | None) -> tuple[float, bool]:
    """Return how far the idle power moved in W, and whether that is too far to be the meter's error."""
    if before is None or after is None:
        return 0.0, False
    moved_w = abs(before.mean_w - after.mean_w)
    doubt_w = DRIFT_FACTOR * hypot(before.u_w, after.u_w)
    return moved_w, moved_w > max(DRIFT_SHARE * before.mean_w, DRIFT_W, doubt_w)


def has_drifted(idle: Idle) -> bool:
    """Return whether any meter saw the idle power move too far."""
    return any(drift(power, idle.after.get(key))[1] for key, power in idle.before.items())


def bare_power(before: Power | None, after: Power | None) -> Power | None:
    """Return the idle power beside a trial: the mean of before and after, or the one that is known."""
    known = [p for p in (before, after) if p is not None]
    if not known:
        return None
    mean_w = fmean(p.mean_w for p in known)
    se_w = sqrt(sum(p.u_w**2 for p in known)) / len(known)
    return Power(mean_w, se_w, max(p.shared_u_w for p in known), drift(before, after)[0] / sqrt(12))


def net_energy(gross: Energy, baseline: Power, duration_s: float) -> Energy:
    """Return gross less baseline, with the uncertainties of both."""
    own = {
        Component.IDLE: duration_s * baseline.u_w,
        Component.WANDER: duration_s * baseline.wander_u_w,
        Component.IDLE_MODEL: duration_s * baseline.shared_u_w,
        Component.CLOCK: baseline.mean_w * DURATION_U_S,
    }
    return Energy(gross.j - baseline.mean_w * duration_s, {**gross.budget, **own})


def measurements(
    windows: Sequence[Window], traces: Sequence[Trace], idle: Idle, settings: MeasureSettings
) -> tuple[Measurement, ...]:
    """Return a measurement of every window x metered domain, by the best meter that covers it, else with nulls."""
    domains = sorted({t.domain for t in traces})
    return tuple(
        _measure_domain(w, _free_ns(w, windows), [t for t in traces if t.domain == d], d, idle, settings)
        for w in windows
        for d in domains
    )


def _free_ns(window: Window, windows: Sequence[Window]) -> Span:
    """Return the time around a window in which nothing else ran: from the end of the last window to the next begin."""
    ended = [w.end_at_ns for w in windows if w.end_at_ns <= window.begin_at_ns]
    began = [w.begin_at_ns for w in windows if w.begin_at_ns >= window.end_at_ns]
    return max(ended, default=-inf), min(began, default=inf)


def _measure_domain(
    window: Window, free_ns: Span, traces: Sequence[Trace], domain: Domain, idle: Idle, settings: MeasureSettings
) -> Measurement:
    flags: list[Flag] = []
    sensor = next((t for t in traces if any(r.power_w is not None for r in t.readings)), None)
    found: list[tuple[Trace, Measurement]] = []
    for trace in sorted(traces, key=lambda t: t.quality.rank):
        if validity.stands_still(trace):
            flags.append(Flag.COUNTER_UNTRUSTED)
            continue
        try:
            measured = _measure_trace(window, free_ns, trace, sensor, idle, settings)
        except CounterReset:
            flags.append(Flag.COUNTER_RESET)
            continue
        if measured is not None:
            found.append((trace, measured))
    if not found:
        return Measurement(
            window_kind=window.kind, window_index=window.index, domain=domain, quality=None, source=None, gross_j=None,
            flags=(*flags, Flag.METER_LOST),
        )  # fmt: skip
    trace, best = next(((t, m) for t, m in found if m.net_j is not None), found[0])  # a counter may lack its baseline
    readings = [r for t in traces for r in t.readings if window.begin_at_ns <= r.at_ns <= window.end_at_ns]
    flags += [*best.flags, *validity.of_clocks(window, readings), *validity.of_length(window, trace, settings)]
    return best.model_copy(update={"flags": tuple(flags), **_gauges(readings)})


def _measure_trace(
    window: Window, free_ns: Span, trace: Trace, sensor: Trace | None, idle: Idle, settings: MeasureSettings
) -> Measurement | None:
    key = (trace.source, trace.domain)
    before, after, context = idle.before.get(key), idle.after.get(key), idle.context.get(key)
    bare = bare_power(before, after)
    baseline = _chosen(window.kind, bare, context, settings.baseline, drift(before, after)[0])
    gross = _gross_energy(window, free_ns, trace, sensor, idle, settings.guard_s)
    if gross is None and window.kind == WindowKind.IDLE_BEFORE and before is not None:
        # shared with the trial before: this trial has its power and not its trace
        gross = Energy(before.mean_w * window.duration_s, {Component.IDLE: before.u_w * window.duration_s})
    if gross is None:
        return None
    measurement = Measurement(
        window_kind=window.kind,
        window_index=window.index,
        domain=trace.domain,
        quality=trace.quality,
        source=trace.source,
        gross_j=gross.j,
        gross_u_j=gross.u_j,
        baseline_bare_w=bare.mean_w if bare else None,
        baseline_context_w=context.mean_w if context else None,
        mean_w=gross.j / window.duration_s,
        budget=Budget(gross=_rounded(gross.budget)),
    )
    if baseline is None:
        return measurement
    net = net_energy(gross, baseline, window.duration_s)
    return measurement.model_copy(
        update={
            "baseline_w": baseline.mean_w,
            "net_j": net.j,
            "net_j_low": net.j - COVERAGE_FACTOR * net.u_j,
            "net_j_high": net.j + COVERAGE_FACTOR * net.u_j,
            "flags": _doubts(window.kind, net, before, after),
            "budget": Budget(gross=_rounded(gross.budget), net=_rounded(net.budget)),
        }
    )


def _rounded(budget: Components) -> dict[Component, float]:
    """Return the components with the digits that an uncertainty can have; there are many rows of them."""
    return {component: float(f"{u_j:.4g}") for component, u_j in budget.items()}


def _gross_energy(
    window: Window, free_ns: Span, trace: Trace, sensor: Trace | None, idle: Idle, guard_s: float
) -> Energy | None:
    if window.kind in _IDLE:
        return _idle_energy(trace, window)
    context = idle.context.get((trace.source, trace.domain))
    guards = None
    if window.kind.is_work and guard_s > 0 and context is not None:
        seen = idle.context.get((sensor.source, sensor.domain)) if sensor else None
        guards = Guards(guard_s, context.mean_w, seen.mean_w if seen else None, *free_ns)
    return window_energy(trace, window.begin_at_ns, window.end_at_ns, guards, sensor)


def _chosen(
    kind: WindowKind, bare: Power | None, context: Power | None, choice: Baseline, moved_w: float
) -> Power | None:
    """Return the baseline of a window: none for an idle window, the bare one before the model is loaded."""
    if kind in (WindowKind.IDLE_BEFORE, WindowKind.IDLE_AFTER):
        return None
    if kind in (WindowKind.SETUP, WindowKind.CONTEXT_IDLE) or choice == Baseline.BARE:
        return bare
    return replace(context, wander_u_w=moved_w / sqrt(12)) if context else None


def _doubts(kind: WindowKind, net: Energy, before: Power | None, after: Power | None) -> tuple[Flag, ...]:
    if not (kind.is_work or kind == WindowKind.LATENCY):
        return ()
    doubts = []
    if drift(before, after)[1]:
        doubts.append(Flag.BASELINE_DRIFT)
    if net.j < NOISE_FACTOR * net.u_j:
        doubts.append(Flag.BELOW_NOISE)
    return tuple(doubts)


def _gauges(readings: Sequence[Reading]) -> dict[str, float | None]:
    """Return mean temperature and clock."""
    temperatures = [r.temperature_c for r in readings if r.temperature_c is not None]
    clocks = [r.clock_hz for r in readings if r.clock_hz is not None]
    return {
        "temperature_c": fmean(temperatures) if temperatures else None,
        "clock_hz": fmean(clocks) if clocks else None,
    }
