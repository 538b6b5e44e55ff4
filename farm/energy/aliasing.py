"""Aliasing: the error of a sensor that sees only part of the time, and how a trial avoids it. Pure.

A sensor publishes a value every T seconds and averages over the last W of them: an A100's sees 25 of every 100 ms.
Where batches repeat in step with the sensor, it sees the same part of each batch again and again. Then its readings,
and a counter that adds them up, are off by tens of percent, and repetitions do not show it.

The power of batches of length p, one after the other, is a sum of harmonics h/p. The average over W weakens each of
them by sinc(h W / p); over the N = D/T readings of a window of length D, its mean is at most as large as

    d(h) = min(1, 1 / (N |sin(pi h T / p)|))

of its amplitude: 1 in step, and of the order of 1/N elsewhere. The phase is random. The shape of the power within a
batch is unknown: it is taken to step, at an unknown moment, by `SWING` times the mean power above idle, which gives
harmonic h the variance swing^2 / (pi h)^2:

    u_beat = D swing / pi * sqrt(sum of (sinc(h W / p) d(h) / h)^2 over h)
"""

from collections.abc import Sequence
from math import inf, pi, sin, sqrt
from random import Random
from statistics import fmean, stdev

from farm.model import MeasureSettings

#: The harmonics that are added up: the others hold less than 1 % of the power's variation.
HARMONICS = range(1, 61)
#: The power of a batch that keeps the board busy for 80 % of the time, and idle for the rest, swings by so many times
#: its mean.
SWING = 1.25
#: Relative standard uncertainty of an update period that is nominal.
NOMINAL_U_SHARE = 0.002
#: Trials pause at random where the error would be larger than this share of the net energy (standard uncertainty).
LARGEST_BEAT = 0.02
#: A sensor that sees at least this share of the time counts as seeing all of it.
SEES_ALL = 0.9
#: Repetitions that differ by more (standard deviation over mean) may have caught different parts of a batch.
LARGEST_VARIATION = 0.05
#: The longest random pause after a batch, as a share of it. Simulated with a sensor that sees a quarter of the time:
#: in step the error of a 10 s window falls from 30 % to below 2 % (rms), for a twentieth of the time.
JITTER_SHARE = 0.1
#: The updates of the meter that a measure window spans, by profile.
UPDATES_IN_WINDOW = {"full": 100, "screening": 50, "quick": 20}


def misses_part(update_period_s: float, averaging_window_s: float | None) -> bool:
    """Return whether a sensor misses a relevant part of the time; with an unknown averaging window it may."""
    return averaging_window_s is None or averaging_window_s < SEES_ALL * update_period_s


def beat_share(
    batch_s: float, window_s: float, every_s: float, averaging_s: float | None, period_u_share: float | None = None
) -> float:
    """Return the standard uncertainty that batches in step with a sensor leave, as a share of the net energy.

    Args:
        batch_s: The mean time from the begin of one batch to that of the next.
        window_s: The length of the window.
        every_s: The time between two readings of the sensor.
        averaging_s: The part of that time which it sees; None: unknown, it may see a moment.
        period_u_share: Relative standard uncertainty of `every_s`; None: it is nominal.
    """
    if not misses_part(every_s, averaging_s):
        return 0.0
    off = (NOMINAL_U_SHARE if period_u_share is None else period_u_share) * every_s / batch_s
    readings, ratio = window_s / every_s, every_s / batch_s
    variance = sum(_harmonic(h, ratio, readings, off, (averaging_s or 0.0) / batch_s) for h in HARMONICS)
    return SWING / pi * sqrt(variance)


def _harmonic(h: int, ratio: float, readings: float, off: float, averaged: float) -> float:
    """Return the variance that one harmonic leaves; `off` is the uncertainty of the ratio of the two periods."""
    x = pi * h * averaged
    seen = sin(x) / x if x else 1.0
    from_step = max(abs(h * ratio - round(h * ratio)) - h * off, 0.0)
    beat = readings * sin(pi * from_step)
    return (seen * min(1.0, 1 / beat if beat else inf) / h) ** 2


def has_alias_risk(batch_s: float, window_s: float, update_period_s: float, averaging_window_s: float | None) -> bool:
    """Return whether batches of this length leave a large error, in a window of that length."""
    return beat_share(batch_s, window_s, update_period_s, averaging_window_s) > LARGEST_BEAT


def has_variation(energies_j: Sequence[float]) -> bool:
    """Return whether windows differ more in energy per unit than a sensor that sees all of the time would show."""
    if len(energies_j) < 2:
        return False
    return stdev(energies_j) > LARGEST_VARIATION * abs(fmean(energies_j))


def draw_pause_s(batch_s: float, random: Random) -> float:
    """Return a random pause after a batch in s, so that the next batch begins at another phase of the sensor."""
    return random.uniform(0.0, JITTER_SHARE * batch_s)


def least_window_s(settings: MeasureSettings, update_period_s: float) -> float:
    """Return the shortest measure window in s that meters with this update period allow."""
    return max(settings.window_s, UPDATES_IN_WINDOW[settings.profile] * update_period_s)
