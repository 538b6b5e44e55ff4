"""Whether a GPU's power is back at its rest: after work it may stay above its idle for seconds. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean, pstdev

from farm.model import Domain, Reading, Trace, Window

#: At rest means: the last readings are at most so many standard deviations of the rest above it, or this share.
WITHIN_SIGMAS, WITHIN_SHARE = 3.0, 0.03
READINGS = 2
#: A warmer board leaks more: so much more of the power at rest is allowed for each degree, where the slope is unknown.
LEAKAGE_SHARE_PER_C = 0.01
#: There is nothing to wait for where the meter has given no reading for this long.
SILENT_S = 2.0


@dataclass(frozen=True, slots=True)
class Rest:
    """Power and temperature of a board on which nothing runs."""

    power_w: float
    noise_w: float = 0.0  #: standard deviation of the readings
    temperature_c: float | None = None
    warmest_c: float | None = None

    def is_met(self, traces: Sequence[Trace], now_ns: int, leakage_w_per_c: float | None = None) -> bool:
        """Return whether the newest readings are low enough. They may be lower: the rest may be that of a warm board.

        Args:
            traces: the readings so far.
            now_ns: the moment, monotonic.
            leakage_w_per_c: the slope of the idle power; None: unknown.
        """
        newest = _powers(traces)[-READINGS:]
        if not newest or now_ns - newest[-1].at_ns > SILENT_S * 1e9:
            return True  # its meter is lost
        per_c = LEAKAGE_SHARE_PER_C * self.power_w if leakage_w_per_c is None else leakage_w_per_c
        return all(r.power_w is not None and r.power_w <= self._limit_w(r, per_c) for r in newest)

    def _limit_w(self, reading: Reading, per_c: float) -> float:
        noise_w = max(WITHIN_SIGMAS * self.noise_w, WITHIN_SHARE * self.power_w)
        if reading.temperature_c is None or self.temperature_c is None:
            return self.power_w + noise_w
        return self.power_w + noise_w + per_c * max(reading.temperature_c - self.temperature_c, 0.0)


def rest_of(traces: Sequence[Trace], window: Window | None) -> Rest | None:
    """Return the rest that an idle window shows, or None where no meter reads the power of a GPU in it."""
    inside = [r for r in _powers(traces) if window and window.begin_at_ns <= r.at_ns <= window.end_at_ns]
    powers_w = [r.power_w for r in inside if r.power_w is not None]
    temperatures_c = [r.temperature_c for r in inside if r.temperature_c is not None]
    if not powers_w:
        return None
    return Rest(
        fmean(powers_w),
        pstdev(powers_w),
        fmean(temperatures_c) if temperatures_c else None,
        max(temperatures_c, default=None),
    )


def temperature_c(traces: Sequence[Trace], until_ns: float = inf) -> float | None:
    """Return the GPU's temperature in the newest reading until a moment; None: unknown."""
    return next((r.temperature_c for r in reversed(_powers(traces)) if r.at_ns <= until_ns), None)


def _powers(traces: Sequence[Trace]) -> list[Reading]:
    """Return the readings of the GPU's power sensor, in order of time."""
    return [r for t in traces if t.domain is Domain.GPU for r in t.readings if r.power_w is not None]
