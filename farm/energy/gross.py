"""The gross joules of a window by one meter, and what late, coarse and part-time readings leave open. Pure.

Notation: E energy in J, P power in W, D duration in s, u standard uncertainty, T the meter's update period, W the part
of it that a sensor averages over.

    E = E(end reading) - E(begin reading) - P_idle (time between the readings - D) - J_warm
    u²(E) = (P_idle u_age)² + u_step² + u_sampling² + u_beat² + u_smear² + J_warm² / 12        step = P - P_idle

**Age.** A counter is published every T: each of its two readings is up to T old, and their ages differ by u_age, while
the board idles beside the window. A reading at a tick of the counter has no age but half a polling step. Otherwise,
where nothing more is known, u_age² = T²/6. The probe may know T, its u_T, and the mean difference in lateness between
two updates (the jitter). Then readings A apart differ by a whole T with probability r/T:

    u_age² = r (T - r)        r = |A - n T| + n u_T + jitter        n T: the whole number of periods next to A

Where r / T is above `RARE`, a 95 % interval must include that T, and u_age = T/2.

**Lag.** A reading shows what happened up to `lag` ago: T, and W more where power is integrated. One that is taken g
after the end of the work misses (lag - g)² / 2 lag of it on average, which is added. Behind a guard it misses nothing.

**Step.** A sensor that sees a share s of the time catches too much or too little of the step from idle to P at either
end: ((1 - s) T)² / 6. Where power is polled about as often as it is published, one value may be read twice, or missed:
a 95 % interval must include it. Between the ends the mean of the readings has a standard error, and batches may run in
step with them (`aliasing`). J_warm is the energy that the guards drew above the idle, as the power sensor saw it: it is
subtracted, with the uncertainty of an even change.

The board's gain error is in none of these: it cancels in ratios on one board, and only there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import hypot, sqrt
from statistics import fmean, pstdev

from farm.energy.aliasing import beat_share
from farm.energy.curve import Curve, Edge, Sides
from farm.model import Component, Domain, Trace, Window
from farm.model.energies import Components

#: A 95 % interval may leave out an error in at most this share of the windows; half of 5 %, because a net energy has
#: two ages in it, its own and its baseline's.
RARE = 1 / 40
#: Joules are unknown where readings may miss more than this share of the window.
LARGEST_MISSED_SHARE = 0.25


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


class WindowTooShort(Exception):
    """The window is so short for its meter that the joules are unknown."""


def window_energy(
    trace: Trace,
    begin_ns: int,
    end_ns: int,
    sides: Sides | None = None,
    sensor: Trace | None = None,
    batches: int | None = None,
) -> Energy | None:
    """Return the energy of a trace between two moments, or None where the trace does not cover them.

    With the idle on both sides, readings in that idle are used, and its energy is subtracted, so that a counter
    published late, or a sensor that smears the step, loses nothing. Without it there is no correction.

    Args:
        trace: The readings of the meter.
        begin_ns: The begin of the window.
        end_ns: Its end.
        sides: The idle on both sides; None: unknown.
        sensor: The power trace beside a counter; it shows how much the power varied.
        batches: The batches that ran in the window; None: unknown, or the work does not repeat.

    Raises:
        CounterReset: The counter went backwards.
        WindowTooShort: The readings may miss too much of the window, or a power sensor has no reading of its own in it.
    """
    curve, duration_s = Curve(trace), (end_ns - begin_ns) / 1e9
    edges = curve.outer_edges(begin_ns, end_ns, sides, _lag_s(trace, curve)) if sides else None
    begin, end = (edges[0].at_ns, edges[1].at_ns) if edges else (begin_ns, end_ns)
    if not curve.covers(begin, end):
        return None
    if curve.is_counter and curve.fell(begin, end):
        raise CounterReset(trace.source)
    j = curve.at(end) - curve.at(begin)
    if sides is None or edges is None:
        return Energy(j, {Component.AGE: abs(j) / duration_s * trace.update_period_s / sqrt(6)})
    if not curve.is_counter and duration_s < trace.update_period_s:
        raise WindowTooShort
    polled = sensor or trace
    warm_j = 0.0
    if sides.guard_s:
        before, after = (sides.free_from_ns, begin, begin_ns), (end_ns, end_ns, end)
        warm_j = sum(_warm_j(polled, sides.sensor_w, *guard) for guard in (before, after))
    j -= sides.before_w * (begin_ns - begin) / 1e9 + sides.after_w * (end - end_ns) / 1e9 + warm_j
    late = _Late.of(edges, sides, end_ns, _lag_s(trace, curve))
    j = late.complete(j, duration_s, sides)
    steps_w = (j / duration_s - sides.before_w, j / duration_s - sides.after_w)
    step_w = hypot(*steps_w) / sqrt(2)
    every_s = trace.update_period_s if curve.is_counter else max(trace.update_period_s, curve.spacing_s)
    budget = {
        Component.AGE: sides.after_w * _edges_u_s(trace, edges) if curve.is_counter else 0.0,
        Component.STEP: hypot(_step_u_j(trace, curve, steps_w), step_w * late.u_s if curve.is_counter else 0.0),
        Component.SAMPLING: hypot(
            _sampling_u_j(polled, begin_ns, end_ns, every_s),
            0.0 if curve.is_counter else curve.spacing_s / 2 * _spread_w(trace, begin_ns, end_ns),
        ),
        Component.WARM: abs(warm_j) / sqrt(12),
    }
    if not curve.is_counter and late.s:
        budget[Component.SMEAR] = step_w * late.s
    if batches and trace.domain is Domain.GPU:
        share = beat_share(duration_s / batches, duration_s, every_s, trace.averaging_window_s, period_u_share(trace))
        budget[Component.BEAT] = step_w * duration_s * share
    return Energy(j, budget)


@dataclass(frozen=True, slots=True)
class _Late:
    """The work that the readings around a window miss at its end, less that of an earlier window which they hold."""

    off_s: float  #: in seconds of the window's power
    s: float  #: both together
    u_s: float  #: standard uncertainty for readings of any age
    shift_s: float  #: by so much more idle is in the end's reading than in the begin's: seconds of idle after, ...
    shifted_before_s: float  #: ... and before

    @classmethod
    def of(cls, edges: tuple[Edge, Edge], sides: Sides, end_ns: int, lag_s: float) -> "_Late":
        begin, end = edges
        lost_s = 0.0 if end.is_tick else max(lag_s - (end.at_ns - end_ns) / 1e9, 0.0)
        held_s = 0.0 if begin.is_tick else max(lag_s - (begin.at_ns - sides.free_from_ns) / 1e9, 0.0)
        missed_s, kept_s = lost_s**2 / (2 * lag_s), held_s**2 / (2 * lag_s)
        return cls(
            off_s=missed_s - kept_s,
            s=missed_s + kept_s,
            u_s=hypot(*(sqrt(x**3 / (3 * lag_s)) for x in (lost_s, held_s))),
            shift_s=0.0 if end.is_tick else lag_s / 2,
            shifted_before_s=0.0 if begin.is_tick else lag_s / 2,
        )

    def complete(self, j: float, duration_s: float, sides: Sides) -> float:
        """Return the joules with what the readings miss. Raises WindowTooShort where that is too much."""
        if self.s > LARGEST_MISSED_SHARE * duration_s:
            raise WindowTooShort
        j += sides.after_w * self.shift_s - sides.before_w * self.shifted_before_s
        return (j - sides.after_w * self.off_s) / (1 - self.off_s / duration_s)


def _lag_s(trace: Trace, curve: Curve) -> float:
    """Return the longest time until a reading shows all that happened."""
    if curve.is_counter:
        return trace.update_period_s
    return trace.update_period_s + (trace.averaging_window_s or trace.update_period_s)


def _step_u_j(trace: Trace, curve: Curve, steps_w: tuple[float, float]) -> float:
    """Return the uncertainty in J of the moments of the two steps: from the idle before to the work, and back.

    It is unknown in which part of its period a sensor looks. That shifts both moments by up to half the unseen time,
    and cancels where the steps are equal.
    """
    both_w = hypot(*steps_w) / sqrt(2)
    unseen_s = trace.unseen * trace.update_period_s
    unseen_j = hypot(both_w * unseen_s / sqrt(6), (steps_w[0] - steps_w[1]) * unseen_s / 2)
    if curve.is_counter:
        return unseen_j if trace.domain is Domain.GPU else 0.0  # other counters add up all energy
    return hypot(both_w * curve.spacing_s / 2, unseen_j)


def period_u_share(trace: Trace) -> float | None:
    """Return the relative standard uncertainty of the update period; None: the period is nominal."""
    return None if trace.update_period_u_s is None else trace.update_period_u_s / trace.update_period_s


def idle_energy(trace: Trace, window: Window) -> Energy | None:
    """Return the energy of a window without edges in power: between readings of one age there is no error."""
    energy = window_energy(trace, window.begin_at_ns, window.end_at_ns)
    curve = Curve(trace)
    edges = curve.outer_edges(window.begin_at_ns, window.end_at_ns, Sides(0.0, 0.0), 0.0)
    if energy is None or edges is None:
        return energy
    if curve.is_counter:
        return Energy(energy.j, {Component.AGE: abs(energy.j) / window.duration_s * _edges_u_s(trace, edges)})
    spread_w = _spread_w(trace, window.begin_at_ns, window.end_at_ns)
    return Energy(energy.j, {Component.SAMPLING: curve.spacing_s / 2 * spread_w})


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


def _edges_u_s(trace: Trace, edges: tuple[Edge, Edge]) -> float:
    """Return the uncertainty of the difference in age between the readings at two edges, in s."""
    begin, end = edges
    steps_s = [edge.tick_step_s for edge in edges if edge.tick_step_s is not None]
    if not steps_s:
        return _age_u_s(trace, (end.at_ns - begin.at_ns) / 1e9)
    return hypot(*steps_s, *[trace.update_period_s] * (2 - len(steps_s))) / sqrt(12)


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


def _sampling_u_j(sensor: Trace, begin_ns: int, end_ns: int, every_s: float) -> float:
    """Return the uncertainty in J that a sensor leaves which sees part of each `every_s`; 0 where it reads no power."""
    settled_ns = begin_ns + round(2 * sensor.update_period_s * 1e9)  # later readings were seen in the window
    unseen = max(1 - (sensor.averaging_window_s or 0.0) / max(every_s, sensor.update_period_s), 0.0)
    return sqrt(unseen) * standard_error_w(sensor, settled_ns, end_ns) * (end_ns - begin_ns) / 1e9


def _spread_w(trace: Trace, begin_ns: int, end_ns: int) -> float:
    """Return the standard deviation of the power that a sensor showed within a window."""
    powers_w = _powers_w(trace, begin_ns, end_ns)
    return pstdev(powers_w) if powers_w else 0.0


def standard_error_w(trace: Trace, begin_ns: int, end_ns: int) -> float:
    """Estimate the standard error of the mean power from neighbouring quarters of the window; 0 if unknown.

    For independent samples this is their standard deviation over the root of their number. Power that repeats with the
    batch averages out within a quarter, and in the mean; slow changes do not.
    """
    return _standard_error(_powers_w(trace, begin_ns, end_ns))


def _standard_error(samples: Sequence[float]) -> float:
    if len(samples) < 2:
        return 0.0
    length = max(len(samples) // 4, 1)
    sums = list(accumulate(samples, initial=0.0))
    means = [(b - a) / length for a, b in zip(sums, sums[length:], strict=False)]
    differences = [b - a for a, b in zip(means, means[length:], strict=False)]
    variance = fmean(d**2 for d in differences) / 2
    return sqrt(variance * length / len(samples))
