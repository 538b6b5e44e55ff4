"""Wait until a GPU is at rest again: its leakage follows its temperature, so a warm idle is a wrong baseline."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from farm.model import Reading, Trace
from workers.supervisor.sampler import Sampler
from workers.supervisor.stop import Stop

#: At rest means: at most this far above the resting temperature and power, in this many readings in a row.
WITHIN_C = 2.0
WITHIN_SHARE = 0.03
READINGS = 5
#: The wait ends where the meter has given no reading for this long.
SILENT_S = 2.0


@dataclass(frozen=True, slots=True)
class Rest:
    """Power and temperature of a board on which nothing has run for a while."""

    power_w: float
    temperature_c: float

    def is_met(self, reading: Reading) -> bool:
        """Return whether a reading is low enough. It may be lower: the rest may have been read from a warmer board."""
        if reading.power_w is None or reading.temperature_c is None:
            return False
        is_cool = reading.temperature_c <= self.temperature_c + WITHIN_C
        return is_cool and reading.power_w <= self.power_w * (1 + WITHIN_SHARE)


def rest_of(traces: Sequence[Trace], begin_ns: int, end_ns: int) -> Rest | None:
    """Return the means over an idle window, or None where no meter reads both power and temperature."""
    inside = [r for r in _complete(traces) if begin_ns <= r.at_ns <= end_ns]
    powers = [r.power_w for r in inside if r.power_w is not None]
    temperatures = [r.temperature_c for r in inside if r.temperature_c is not None]
    return Rest(fmean(powers), fmean(temperatures)) if powers and temperatures else None


def cool_down(sampler: Sampler, rest: Rest, period_s: float, at_most_s: float, stop: Stop) -> str | None:
    """Wait until the board is at rest, with one reading a period and at least one.

    Returns:
        A note where the board is not at rest when the time is over; else None.
    """
    met, readings = 0, 0
    while not stop.wait(period_s):
        readings += 1
        last = max(_complete(sampler.traces()), key=lambda r: r.at_ns, default=None)
        if last is None or time.monotonic_ns() - last.at_ns > SILENT_S * 1e9:
            return None  # its meter is lost: there is nothing to wait for
        met = met + 1 if rest.is_met(last) else 0
        is_late = readings * period_s >= at_most_s
        if met == READINGS or (met and is_late):
            return None
        if is_late:
            now = f"{last.power_w:.0f} W at {last.temperature_c:.0f} °C"
            then = f"{rest.power_w:.0f} W at {rest.temperature_c:.0f} °C"
            return f"not at rest after {at_most_s:g} s: {now}, rest is {then}"
    return None


def _complete(traces: Sequence[Trace]) -> list[Reading]:
    readings = (r for trace in traces for r in trace.readings)
    return [r for r in readings if r.power_w is not None and r.temperature_c is not None]
