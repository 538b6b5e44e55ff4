"""Judge the readings of a probe: how often meters publish, over how long they average, and whether they agree.

Pure. A meter that is read more often than it publishes repeats its value, so the moments at which the value changes
show the update period. Under a load that is busy in the first half of each period, the changed values show over how
long each of them averages: it is the window that explains them best, if it explains them well.
"""

from cmath import phase, rect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise
from math import inf, pi
from statistics import fmean, linear_regression, median, quantiles
from typing import Literal, TypeVar

from farm.model import Probe, Reading

T = TypeVar("T")
Sensor = Literal["instant", "smoothed"]
#: A moment in s, and the meter's value.
Point = tuple[float, float]
#: Begin and end.
Span = tuple[float, float]

#: An update period needs at least this many changes of the value.
FEWEST_CHANGES = 8
#: After a gap between readings this many times the usual one, the moment of a change is unknown.
LATE = 3.0
#: An update period of fewer readings is too short to be seen: the value changed with nearly every reading.
FEWEST_READINGS = 2.0
#: Counter and integrated power agree when they differ by less, as a share.
AGREE_WITHIN = 0.05
#: A load that raises the power by less than this share of the idle power did not reach the GPU.
LEAST_RISE = 0.2
#: The smoothed reading averages over this time, by its documentation.
SMOOTHED_S = 1.0
#: Period of the square wave over the longest averaging window that is searched. The square of the golden ratio spreads
#: the updates evenly over the wave.
WAVE_RATIO = 2.618
#: The averaging windows that are tried: the shortest as a share of the wave's period, and the step to the next.
SHORTEST, STEP = 0.01, 1.04
#: The wave's phase is searched this far around that of the readings' first harmonic, as a share of its period.
PHASE_MARGIN, PHASE_STEPS = 0.1, 14
#: A window is accepted when it explains this share of the readings' variance, ...
LEAST_R2 = 0.8
#: ... when windows that explain it nearly as well differ by at most this share, ...
LARGEST_DOUBT = 0.25
#: ... and when the swing that it implies is the one from idle to steady load within this share.
SWING_WITHIN = 0.4
#: Readings that the fit uses.
MOST_READINGS = 200


class Unknown(Exception):
    """A fact cannot be determined; the text is one line with the reason, or empty where there is no such meter."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All readings of a probe, and when each load ran, in s of the monotonic clock."""

    sensor: Sensor | None = None
    power: Sequence[Reading] = ()
    counter: Sequence[Reading] = ()
    rapl: Sequence[Reading] = ()
    idle: Span | None = None
    load: Span | None = None  #: steady
    wave: Span | None = None  #: busy for half of each period
    wave_period_s: float | None = None
    notes: Sequence[str] = ()


def judge(evidence: Evidence, probed_at: datetime) -> Probe:
    """Build the probe's result; a fact that the evidence does not show is None, with a note."""
    notes = list(evidence.notes)

    def determine(what: Callable[[], T]) -> T | None:
        try:
            return what()
        except Unknown as reason:
            notes.append(str(reason))
            return None

    over_power_load = determine(lambda: _counter_over_power_load(evidence))
    counted = determine(lambda: rhythm(evidence.counter, "energy counter"))
    return Probe(
        probed_at=probed_at,
        sensor=evidence.sensor,
        sensor_update_period_s=determine(lambda: update_period_s(evidence.power, "power sensor")),
        averaging_window_s=determine(lambda: _averaging_window_s(evidence)),
        counter_update_period_s=counted.period_s if counted else None,
        counter_update_period_u_s=counted.period_u_s if counted else None,
        counter_update_jitter_s=counted.jitter_s if counted else None,
        counter_over_power_idle=determine(lambda: _counter_over_power(evidence, evidence.idle)),
        counter_over_power_load=over_power_load,
        counter_trusted=None if over_power_load is None else abs(over_power_load - 1) < AGREE_WITHIN,
        rapl_update_period_s=determine(lambda: update_period_s(evidence.rapl, "RAPL")),
        notes=tuple(note for note in dict.fromkeys(notes) if note),
    )


def wave_period_s(update_period_s: float, sensor: Sensor) -> float:
    """Return the period of the square wave that shows the sensor's averaging window best."""
    return WAVE_RATIO * max(update_period_s, SMOOTHED_S if sensor == "smoothed" else 0.0)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The regularity of a meter's updates."""

    period_s: float
    period_u_s: float  #: the standard uncertainty of the period
    jitter_s: float  #: the mean difference in lateness between two updates


def update_period_s(readings: Sequence[Reading], meter: str) -> float:
    """Return the mean time between two values that a meter publishes; raises Unknown as `rhythm` does."""
    return rhythm(readings, meter).period_s


def rhythm(readings: Sequence[Reading], meter: str) -> Rhythm:
    """Fit a line through the moments at which a meter's value changed; it may publish the same value again.

    The jitter is the mean difference between any two moments' distances from the line. It includes the reader's own
    period and any slow drift. The uncertainty of the period is that of the first and the last moment alone, because
    with a drift the moments are not independent.

    Raises Unknown where the value changes too seldom, or with every reading.
    """
    points = list(_points(readings))
    if len(points) < 2:
        raise Unknown
    changes = list(_changes(points))
    if len(changes) < FEWEST_CHANGES:
        raise Unknown(f"update period of the {meter}: its value changed {len(changes)} times only")
    intervals_s = [b - a for (a, _), (b, _) in pairwise(changes)]
    single_s = min(quantiles(intervals_s, n=10), key=lambda period_s: _misfit(intervals_s, period_s))
    polled_s = median(b - a for (a, _), (b, _) in pairwise(points))
    if single_s < FEWEST_READINGS * polled_s:
        raise Unknown(f"update period of the {meter}: below {FEWEST_READINGS * polled_s:.4f} s, too short to be seen")
    short_s = [interval_s for interval_s in intervals_s if 0.5 * single_s < interval_s < 3.5 * single_s]
    mean_s = sum(short_s) / sum(round(interval_s / single_s) for interval_s in short_s)
    updates = list(accumulate((round(interval_s / mean_s) for interval_s in intervals_s), initial=0))
    moments_s = list(accumulate(intervals_s, initial=0.0))
    period_s, first_s = linear_regression(updates, moments_s)
    late_s = [at_s - first_s - period_s * n for n, at_s in zip(updates, moments_s, strict=True)]
    jitter_s = _mean_difference(late_s)
    return Rhythm(period_s, jitter_s / updates[-1], jitter_s)


def _mean_difference(values: Sequence[float]) -> float:
    """Return Gini's mean difference: the mean distance between two values."""
    count = len(values)
    return 2 * sum((2 * i - count + 1) * value for i, value in enumerate(sorted(values))) / (count * (count - 1))


def _misfit(intervals_s: Sequence[float], period_s: float) -> float:
    """Return how far the intervals are from one or more whole periods."""
    return fmean(abs(i / period_s - max(round(i / period_s), 1)) for i in intervals_s)


def _points(readings: Sequence[Reading]) -> Iterator[Point]:
    for reading in readings:
        value = reading.energy_j if reading.power_w is None else reading.power_w
        if value is not None:
            yield reading.at_ns / 1e9, value


def _changes(points: Sequence[Point]) -> Iterator[Point]:
    """Yield each new value, and when it came: between two readings. Changes that a late reading hid are left out."""
    latest_s = LATE * median(b - a for (a, _), (b, _) in pairwise(points))
    for (before_s, before), (after_s, after) in pairwise(points):
        if after != before and after_s - before_s <= latest_s:
            yield (before_s + after_s) / 2, after


def _inside(points: Sequence[Point], span: Span) -> list[Point]:
    return [point for point in points if span[0] <= point[0] <= span[1]]


def _mean_w(powers: Sequence[Point], span: Span | None) -> float:
    """Return the mean power in a span, weighted by time."""
    inside = _inside(powers, span) if span else []
    if len(inside) < 2:
        raise Unknown
    steps = pairwise(inside)
    return sum((b_s - a_s) * (a_w + b_w) / 2 for (a_s, a_w), (b_s, b_w) in steps) / (inside[-1][0] - inside[0][0])


def _swing_w(evidence: Evidence) -> float:
    """Return how much the steady load raised the power; raises Unknown where it did not."""
    powers = list(_points(evidence.power))
    idle_w, load_w = _mean_w(powers, evidence.idle), _mean_w(powers, evidence.load)
    if load_w < (1 + LEAST_RISE) * idle_w:
        raise Unknown(
            f"the load did not reach the GPU ({idle_w:.0f} W idle, {load_w:.0f} W loaded): "
            "farm doctor shows whether torch can use the GPU"
        )
    return load_w - idle_w


def _counter_over_power(evidence: Evidence, span: Span | None) -> float:
    """Return counted joules over integrated power, from one change of the counter to another."""
    counted = _inside(list(_points(evidence.counter)), span) if span else []
    powers = list(_points(evidence.power))
    if len(counted) < 2 or not powers:
        raise Unknown
    if any(b < a for (_, a), (_, b) in pairwise(counted)):
        raise Unknown("the energy counter fell while it was probed: the driver was reset, probe again")
    changes = list(_changes(counted))
    (begin_s, begin_j), (end_s, end_j) = (changes[0], changes[-1]) if len(changes) > 1 else (counted[0], counted[-1])
    mean_w = _mean_w(powers, (begin_s, end_s))
    if mean_w <= 0:
        raise Unknown("the power sensor reads 0: the energy counter cannot be compared with it")
    return (end_j - begin_j) / (mean_w * (end_s - begin_s))


def _counter_over_power_load(evidence: Evidence) -> float:
    _swing_w(evidence)
    return _counter_over_power(evidence, evidence.load)


def _averaging_window_s(evidence: Evidence) -> float:
    if evidence.wave is None or evidence.wave_period_s is None:
        raise Unknown
    swing_w = _swing_w(evidence)
    changes = list(_changes(_inside(list(_points(evidence.power)), evidence.wave)))
    return averaging_window_s(changes[-MOST_READINGS:], evidence.wave_period_s, swing_w)


@dataclass(frozen=True, slots=True)
class _Fit:
    """The fit of the readings by an averaging window."""

    window_s: float
    error: float  #: the mean squared error, as a share of the variance
    swing_w: float  #: the swing of the load that the fit implies


def averaging_window_s(updates: Sequence[Point], period_s: float, swing_w: float) -> float:
    """Return the time over which each published power averages, up to half the period of the load's square wave.

    Args:
        updates: each published value and when it came.
        period_s: the period of the wave, whose phase is unknown.
        swing_w: the power from idle to steady load.

    Raises Unknown where no window, or more than one, explains the readings.
    """
    if len(updates) < FEWEST_CHANGES:
        raise Unknown(f"averaging window: the power sensor changed {len(updates)} times only under the square wave")
    windows_s = [SHORTEST * period_s]
    while windows_s[-1] * STEP <= period_s / 2:
        windows_s.append(windows_s[-1] * STEP)
    peak_s = _peak_s(updates, period_s)
    fits = [_fit(updates, period_s, peak_s, window_s) for window_s in windows_s]
    best = min(fits, key=lambda fit: fit.error)
    if best.error > 1 - LEAST_R2 or abs(best.swing_w / swing_w - 1) > SWING_WITHIN:
        raise Unknown(
            f"averaging window: the readings do not follow a load with a period of {period_s:.3g} s: "
            f"it is longer than {period_s / 2:.2g} s, or other programs disturbed the load"
        )
    likely = [f.window_s for f in fits if f.error <= best.error * (1 + 4 / (len(updates) - 4))]
    if likely[-1] - likely[0] > 2 * LARGEST_DOUBT * best.window_s:
        raise Unknown(f"averaging window: between {likely[0]:.2g} and {likely[-1]:.2g} s, not known better")
    return best.window_s


def _peak_s(updates: Sequence[Point], period_s: float) -> float:
    """Return the moment, modulo the period, at which the first harmonic of the readings is highest."""
    mean = fmean(value for _, value in updates)
    harmonic = sum((value - mean) * rect(1.0, 2 * pi * (at_s % period_s) / period_s) for at_s, value in updates)
    return phase(harmonic) / (2 * pi) * period_s


def _fit(updates: Sequence[Point], period_s: float, peak_s: float, window_s: float) -> _Fit:
    """Find the best phase for a window, by ternary search around the peak: mid of the busy half, half a window late."""
    middle_s = peak_s - period_s / 4 - window_s / 2
    low_s, high_s = middle_s - PHASE_MARGIN * period_s, middle_s + PHASE_MARGIN * period_s
    best = _Fit(window_s, inf, 0.0)
    for _ in range(PHASE_STEPS):
        third_s = (high_s - low_s) / 3
        left = _explain(updates, period_s, low_s + third_s, window_s)
        right = _explain(updates, period_s, high_s - third_s, window_s)
        if left.error < right.error:
            high_s -= third_s
        else:
            low_s += third_s
        best = min(best, left, right, key=lambda fit: fit.error)
    return best


def _explain(updates: Sequence[Point], period_s: float, begin_s: float, window_s: float) -> _Fit:
    """Regress the readings on the share of each averaging window in which a wave from `begin_s` on was busy."""
    shares = [
        (_busy_s(at_s - begin_s, period_s) - _busy_s(at_s - begin_s - window_s, period_s)) / window_s
        for at_s, _ in updates
    ]
    values = [value for _, value in updates]
    mean_share, mean_value = fmean(shares), fmean(values)
    shares_2 = sum((share - mean_share) ** 2 for share in shares)
    values_2 = sum((value - mean_value) ** 2 for value in values)
    both = sum((s - mean_share) * (v - mean_value) for s, v in zip(shares, values, strict=True))
    if shares_2 == 0 or values_2 == 0:
        return _Fit(window_s, inf, 0.0)
    return _Fit(window_s, 1 - both**2 / (shares_2 * values_2), both / shares_2)


def _busy_s(until_s: float, period_s: float) -> float:
    """Return the time for which a wave that began to be busy at 0 has been busy."""
    periods, rest_s = divmod(until_s, period_s)
    return periods * period_s / 2 + min(rest_s, period_s / 2)
