"""Waits until a GPU is back at rest: leakage follows temperature, and a warm idle would be a wrong baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from farm.model import Reading, Trace
from workers.sampler import Sampler
from workers.stop import Stop

#: At rest: this near to the resting temperature, and to the resting power, for so many looks in a row.
WITHIN_C = 2.0
WITHIN_SHARE = 0.03
LOOKS = 5


@dataclass(frozen=True, slots=True)
class Rest:
    """What a board draws, and how warm it is, when nothing has run for a while."""

    power_w: float
    temperature_c: float

    def is_met(self, reading: Reading) -> bool:
        """Whether a reading is as near as it must be."""
        if reading.power_w is None or reading.temperature_c is None:
            return False
        is_cool = reading.temperature_c <= self.temperature_c + WITHIN_C
        return is_cool and abs(reading.power_w - self.power_w) <= WITHIN_SHARE * self.power_w


def rest_of(traces: Sequence[Trace], begin_ns: int, end_ns: int) -> Rest | None:
    """The mean over an idle window; None where no meter tells power and temperature."""
    inside = [r for r in _telling(traces) if begin_ns <= r.at_ns <= end_ns]
    powers = [r.power_w for r in inside if r.power_w is not None]
    temperatures = [r.temperature_c for r in inside if r.temperature_c is not None]
    return Rest(fmean(powers), fmean(temperatures)) if powers and temperatures else None


def cool_down(sampler: Sampler, rest: Rest, period_s: float, at_most_s: float, stop: Stop) -> str | None:
    """Look once a period until the board is at rest; returns a note where it is not in time."""
    met, looked = 0, 0
    last: Reading | None = None
    while met < LOOKS:
        if looked * period_s >= at_most_s:
            now = f"{last.power_w:.0f} W at {last.temperature_c:.0f} °C" if last else "nothing is read"
            then = f"{rest.power_w:.0f} W at {rest.temperature_c:.0f} °C"
            return f"not at rest after {at_most_s:.0f} s: {now}, rest is {then}"
        if stop.wait(period_s):
            return None
        looked += 1
        last = max(_telling(sampler.traces()), key=lambda r: r.at_ns, default=None)
        met = met + 1 if last is not None and rest.is_met(last) else 0
    return None


def _telling(traces: Sequence[Trace]) -> list[Reading]:
    readings = (r for trace in traces for r in trace.readings)
    return [r for r in readings if r.power_w is not None and r.temperature_c is not None]
