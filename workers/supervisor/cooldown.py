"""Waits until a GPU is back at rest: leakage follows temperature, and a warm idle would be a wrong baseline."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from farm.model import Reading, Trace
from workers.supervisor.sampler import Sampler
from workers.supervisor.stop import Stop

#: At rest: so little above the resting temperature, and the resting power, for so many looks in a row.
WITHIN_C = 2.0
WITHIN_SHARE = 0.03
LOOKS = 5
#: A meter that has said nothing for so long is not waited for.
SILENT_S = 2.0


@dataclass(frozen=True, slots=True)
class Rest:
    """What a board draws, and how warm it is, when nothing has run for a while."""

    power_w: float
    temperature_c: float

    def is_met(self, reading: Reading) -> bool:
        """Whether a reading is low enough; a board may be cooler still: the rest was learnt on a warmer one."""
        if reading.power_w is None or reading.temperature_c is None:
            return False
        is_cool = reading.temperature_c <= self.temperature_c + WITHIN_C
        return is_cool and reading.power_w <= self.power_w * (1 + WITHIN_SHARE)


def rest_of(traces: Sequence[Trace], begin_ns: int, end_ns: int) -> Rest | None:
    """The mean over an idle window; None where no meter tells power and temperature."""
    inside = [r for r in _telling(traces) if begin_ns <= r.at_ns <= end_ns]
    powers = [r.power_w for r in inside if r.power_w is not None]
    temperatures = [r.temperature_c for r in inside if r.temperature_c is not None]
    return Rest(fmean(powers), fmean(temperatures)) if powers and temperatures else None


def cool_down(sampler: Sampler, rest: Rest, period_s: float, at_most_s: float, stop: Stop) -> str | None:
    """Look once a period until the board is at rest, and once at least; a note where it is not when time is up."""
    met, looked = 0, 0
    while not stop.wait(period_s):
        looked += 1
        last = max(_telling(sampler.traces()), key=lambda r: r.at_ns, default=None)
        if last is None or time.monotonic_ns() - last.at_ns > SILENT_S * 1e9:
            return None  # its meter is lost: there is nothing to wait for
        met = met + 1 if rest.is_met(last) else 0
        is_late = looked * period_s >= at_most_s
        if met == LOOKS or (met and is_late):
            return None
        if is_late:
            now = f"{last.power_w:.0f} W at {last.temperature_c:.0f} °C"
            then = f"{rest.power_w:.0f} W at {rest.temperature_c:.0f} °C"
            return f"not at rest after {at_most_s:g} s: {now}, rest is {then}"
    return None


def _telling(traces: Sequence[Trace]) -> list[Reading]:
    readings = (r for trace in traces for r in trace.readings)
    return [r for r in readings if r.power_w is not None and r.temperature_c is not None]
