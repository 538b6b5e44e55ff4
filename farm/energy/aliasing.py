"""Aliasing: the error of a sensor that sees only part of the time, and how a trial avoids it. Pure.

A sensor publishes a value every T seconds and averages over the last W of them: an A100's sees 25 of every 100 ms.
Where batches repeat in step with the sensor, it sees the same part of each batch again and again. Then its readings,
and a counter that adds them up, are off by tens of percent, and repetitions do not show it.
"""

from collections.abc import Sequence
from random import Random
from statistics import fmean, stdev

from farm.model import MeasureSettings

#: Batch and update period are in step when their ratio is so close to a fraction with a denominator up to this.
RESONANCE, LARGEST_DENOMINATOR = 0.02, 4
#: Batches are also in step when this many of them fill one update period to within `RESONANCE` of it.
#: Simulated with a sensor that sees a quarter of the time, a 10 s window is off by 4 to 8 % (rms) where the batch is a
#: fifth, sixth or seventh of the period, by less than 1 % a thousandth of the period beside that, and by less than 3 %
#: at other fractions with these denominators.
IN_STEP_WITHIN = range(5, 8)
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


def has_alias_risk(batch_s: float, update_period_s: float, averaging_window_s: float | None) -> bool:
    """Return whether batches of this length may run in step with the sensor.

    Batches shorter than half the averaging window blur within it; where the window is unknown, none is too short.
    A sensor that sees nearly all of the time misses nothing.
    """
    blurs = averaging_window_s is not None and batch_s <= averaging_window_s / 2
    if blurs or not misses_part(update_period_s, averaging_window_s):
        return False
    ratio = batch_s / update_period_s
    fractions = (round(ratio * n) / n for n in range(1, LARGEST_DENOMINATOR + 1))
    is_near = any(fraction > 0 and abs(ratio - fraction) < RESONANCE for fraction in fractions)
    return is_near or any(abs(n * ratio - 1) < RESONANCE for n in IN_STEP_WITHIN)


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
