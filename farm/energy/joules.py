"""The net joules of windows: baseline subtraction, its uncertainty, and the choice of the meter. Pure.

Notation: E energy in J, P power in W, D duration in s, u standard uncertainty.

    net  = E - P_idle D
    u²(net) = u_E² + D² (u_P² + u_wander² + u_shared²) + P_idle² u_D²

u_E is that of the gross energy (`gross`), u_P that of the mean of the idle windows. The idle power moves from one idle
to the next by u_w on average, which the powers bring with them; so it does until the work, where one more is drawn:
u_wander² = u_w² (1 + 1/n) for a baseline that is the mean of n idles. u_shared is the same in all trials.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import hypot, inf, sqrt
from statistics import fmean

from farm.energy import validity
from farm.energy.curve import Sides
from farm.energy.gross import CounterReset, Energy, WindowTooShort, idle_energy, standard_error_w, window_energy
from farm.energy.modelled import MODEL_U_SHARE
from farm.model import (
    Baseline,
    Budget,
    Component,
    Domain,
    Flag,
    Measurement,
    MeasureSettings,
    Quality,
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
#: Guards are too short where they leave a larger share of the gross energy in doubt.
SMEARED_SHARE = 0.005
#: Windows in which the power at the edges equals the power between them.
_IDLE = frozenset({WindowKind.IDLE_BEFORE, WindowKind.CONTEXT_IDLE, WindowKind.IDLE_AFTER})


@dataclass(frozen=True, slots=True)
class Power:
    """A mean power and its standard uncertainties."""

    mean_w: float
    u_w: float  #: random: it differs from trial to trial
    shared_u_w: float = 0.0  #: the same in all trials of the machine
    wander_u_w: float = 0.0  #: random too: how far the idle power moves until the work


#: The idle around a window, on the monotonic clock in ns: since when, until when, and how long the model stays loaded.
#: Infinite where nothing comes before or after.
Span = tuple[float, float, float]
#: Mean idle power by meter and domain.
IdlePowers = Mapping[tuple[str, Domain], Power]


@dataclass(frozen=True, slots=True)
class Idle:
    """The idle powers of one trial: its baselines, as at rest, and what the board really drew beside its windows."""

    before: IdlePowers
    after: IdlePowers
    context: IdlePowers
    beside_setup: IdlePowers = field(default_factory=dict)  #: with nothing loaded, just before; empty: as at rest
    beside_work: IdlePowers = field(default_factory=dict)  #: with the model loaded; empty: as at rest


def mean_power(trace: Trace, window: Window) -> Power | None:
    """Return the mean power over an idle window, or None where the trace does not cover it."""
    try:
        energy = idle_energy(trace, window)
    except CounterReset:
        return None
    if energy is None:
        return None
    mean_w = energy.j / window.duration_s
    se_w = standard_error_w(trace, window.begin_at_ns, window.end_at_ns)
    return Power(mean_w, hypot(energy.u_j / window.duration_s, se_w))


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


def bare_power(before: Power | None, after: Power | None) -> Power | None:
    """Return the idle power beside a trial: the mean of before and after, or the one that is known."""
    known = [p for p in (before, after) if p is not None]
    if not known:
        return None
    return Power(
        fmean(p.mean_w for p in known),
        sqrt(sum(p.u_w**2 for p in known)) / len(known),
        max(p.shared_u_w for p in known),
        wander_u_w(known),
    )


def wander_u_w(idles: Sequence[Power]) -> float:
    """Return how far the idle power may have moved from the mean of some idles until the work, in W."""
    return max(p.wander_u_w for p in idles) * sqrt(1 + 1 / len(idles))


def net_energy(gross: Energy, baseline: Power, duration_s: float) -> Energy:
    """Return gross less baseline, with the uncertainties of both."""
    own = {
        Component.IDLE: duration_s * baseline.u_w,
        Component.WANDER: duration_s * baseline.wander_u_w,
        Component.IDLE_MODEL: duration_s * baseline.shared_u_w,
        Component.CLOCK: baseline.mean_w * DURATION_U_S,
    }
    return Energy(gross.j - baseline.mean_w * duration_s, {**gross.budget, **own})


def _with_scale(energy: Energy, trace: Trace) -> Energy:
    """Add the components in proportion to an energy: the class of its meter, and the error of a model."""
    shares = {
        Component.CLASS: trace.class_u_share,
        Component.MODEL: MODEL_U_SHARE if trace.quality is Quality.MODELLED else None,
    }
    scale = {component: share * abs(energy.j) for component, share in shares.items() if share is not None}
    return Energy(energy.j, {**energy.budget, **scale})


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
    """Return the time around a window in which nothing ran: from the end of the work before to the next begin.

    A model that is loaded may idle; once the trial is over, it is not loaded any more. At the end of a tail the power
    is back at rest, for as long as a reading looks back.
    """
    others = [w for w in windows if w.kind not in (WindowKind.IDLE_BEFORE, WindowKind.CONTEXT_IDLE)]
    ended = [w.end_at_ns for w in others if w.end_at_ns <= window.begin_at_ns and w.kind is not WindowKind.TAIL]
    until_ns = min((w.begin_at_ns for w in others if w.begin_at_ns >= window.end_at_ns), default=inf)
    unloaded = (WindowKind.IDLE_AFTER, WindowKind.TAIL)
    is_last = all(w.kind in unloaded for w in windows if w.begin_at_ns >= window.end_at_ns)
    return max(ended, default=-inf), until_ns, window.end_at_ns if is_last else until_ns


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
        except WindowTooShort:
            flags.append(Flag.TOO_SHORT)
            continue
        if measured is not None:
            found.append((trace, measured))
    if not found:
        return Measurement(
            window_kind=window.kind, window_index=window.index, domain=domain, quality=None, source=None, gross_j=None,
            flags=tuple(flags) if Flag.TOO_SHORT in flags else (*flags, Flag.METER_LOST),
        )  # fmt: skip
    trace, best = next(((t, m) for t, m in found if m.net_j is not None), found[0])  # a counter may lack its baseline
    readings = [r for t in traces for r in t.readings if window.begin_at_ns <= r.at_ns <= window.end_at_ns]
    flags += [*best.flags, *validity.of_clocks(window, readings), *validity.of_length(window, trace, settings)]
    return best.model_copy(update={"flags": tuple(flags), **_gauges(readings)})


def _measure_trace(
    window: Window, free_ns: Span, trace: Trace, sensor: Trace | None, idle: Idle, settings: MeasureSettings
) -> Measurement | None:
    key = _key(trace)
    before, after, context = idle.before.get(key), idle.after.get(key), idle.context.get(key)
    bare = bare_power(before, after)
    baseline = _chosen(window.kind, bare, context, settings.baseline)
    sides = _sides(window.kind, free_ns, bare, idle, key, _key(sensor) if sensor else None, settings)
    if window.kind in _IDLE:
        gross = idle_energy(trace, window)
    else:
        gross = window_energy(trace, window.begin_at_ns, window.end_at_ns, sides, sensor, window.batches)
    if gross is None:
        return None
    scaled = _with_scale(gross, trace)
    measurement = Measurement(
        window_kind=window.kind,
        window_index=window.index,
        domain=trace.domain,
        quality=trace.quality,
        source=trace.source,
        gross_j=gross.j,
        gross_u_j=scaled.u_j,
        baseline_bare_w=bare.mean_w if bare else None,
        baseline_context_w=context.mean_w if context else None,
        mean_w=gross.j / window.duration_s,
        flags=(Flag.TOO_SHORT,) if _is_smeared(window.kind, gross) else (),
        budget=Budget(gross=_rounded(scaled.budget)),
    )
    if baseline is None:
        return measurement
    net = net_energy(gross, baseline, window.duration_s)
    whole = _with_scale(net, trace)
    return measurement.model_copy(
        update={
            "baseline_w": baseline.mean_w,
            "net_j": net.j,
            "net_j_low": net.j - COVERAGE_FACTOR * whole.u_j,
            "net_j_high": net.j + COVERAGE_FACTOR * whole.u_j,
            "flags": (*measurement.flags, *_doubts(window.kind, net, before, after)),
            "budget": Budget(gross=measurement.budget.gross, net=_rounded(whole.budget)),
        }
    )


def _is_smeared(kind: WindowKind, gross: Energy) -> bool:
    """Return whether the guards are too short for a reading that averages, so that work is missing."""
    return kind.is_work and gross.budget.get(Component.SMEAR, 0.0) > SMEARED_SHARE * abs(gross.j)


def _rounded(budget: Components) -> dict[Component, float]:
    """Return the components with the digits that an uncertainty can have; there are many rows of them."""
    return {component: float(f"{u_j:.4g}") for component, u_j in budget.items()}


def _key(trace: Trace) -> tuple[str, Domain]:
    return trace.source, trace.domain


def _sides(
    kind: WindowKind,
    free_ns: Span,
    bare: Power | None,
    idle: Idle,
    key: tuple[str, Domain],
    sensor: tuple[str, Domain] | None,
    settings: MeasureSettings,
) -> Sides | None:
    """Return the idle on both sides of a window: with the model loaded, but for the begin of the setup."""
    loaded = {**idle.context, **idle.beside_work}
    if key not in loaded or kind is WindowKind.MARKED:  # the program runs on both sides of a window that it marks
        return None
    after = loaded[key]
    before = idle.beside_setup.get(key, bare) if kind is WindowKind.SETUP else after
    guard_s = settings.guard_s if kind.is_work else 0.0
    sensed = loaded.get(sensor) if sensor else None
    return Sides((before or after).mean_w, after.mean_w, guard_s, sensed.mean_w if sensed else None, *free_ns)


def _chosen(kind: WindowKind, bare: Power | None, context: Power | None, choice: Baseline) -> Power | None:
    """Return the baseline of a window: none for an idle window, the bare one before the model is loaded."""
    if kind in (WindowKind.IDLE_BEFORE, WindowKind.IDLE_AFTER):
        return None
    if kind in (WindowKind.SETUP, WindowKind.CONTEXT_IDLE) or choice == Baseline.BARE:
        return bare
    return replace(context, wander_u_w=wander_u_w([context])) if context else None


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
