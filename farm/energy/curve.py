"""The readings of one meter as a curve of joules, and the readings at a window's edges. Pure."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf

from farm.model import Trace

#: A power trace with a longer gap than this, in s, does not cover the window.
LONGEST_GAP_S = 2.0


@dataclass(frozen=True, slots=True)
class Guards:
    """The settled idle on both sides of a window."""

    length_s: float
    idle_w: float  #: power of the context idle by the window's own meter
    sensor_w: float | None = None  #: the same power by the power sensor beside that meter
    free_from_ns: float = -inf  #: the end of the window before
    free_until_ns: float = inf  #: the begin of the window after


class Curve:
    """Cumulative energy over time: a counter's values, or the integral of a power trace."""

    def __init__(self, trace: Trace) -> None:
        counted = [r for r in trace.readings if r.energy_j is not None]
        powered = [r for r in trace.readings if r.power_w is not None]
        self.is_counter = bool(counted)
        readings = counted if counted else powered
        self.at_ns = [r.at_ns for r in readings]
        self.power_w = [r.power_w for r in readings if r.power_w is not None] if not counted else []
        if counted:
            self.energy_j = [r.energy_j for r in counted if r.energy_j is not None]
        else:
            steps = (
                (b - a) / 1e9 * (p + q) / 2
                for (a, b), (p, q) in zip(pairwise(self.at_ns), pairwise(self.power_w), strict=True)
            )
            self.energy_j = list(accumulate(steps, initial=0.0)) if powered else []

    def covers(self, begin_ns: int, end_ns: int) -> bool:
        """Return whether there are readings on both sides, and no gap where power is only sampled."""
        if not self.at_ns or self.at_ns[0] > begin_ns or self.at_ns[-1] < end_ns:
            return False
        if self.is_counter:
            return True
        inner = self.at_ns[bisect_right(self.at_ns, begin_ns) - 1 : bisect_left(self.at_ns, end_ns) + 1]
        return all(b - a <= LONGEST_GAP_S * 1e9 for a, b in pairwise(inner))

    def fell(self, begin_ns: int, end_ns: int) -> bool:
        """Return whether the counter went backwards between the readings around the window."""
        inner = self.energy_j[max(bisect_right(self.at_ns, begin_ns) - 1, 0) : bisect_left(self.at_ns, end_ns) + 1]
        return any(b < a for a, b in pairwise(inner))

    def at(self, t_ns: int) -> float:
        """Return the energy up to a moment in J; power is linear between samples, constant between counter readings."""
        after = bisect_left(self.at_ns, t_ns)
        if self.at_ns[after] == t_ns:
            return self.energy_j[after]
        before = after - 1
        share = (t_ns - self.at_ns[before]) / (self.at_ns[after] - self.at_ns[before])
        if self.is_counter:
            return self.energy_j[before] + share * (self.energy_j[after] - self.energy_j[before])
        p, q = self.power_w[before], self.power_w[after]
        return self.energy_j[before] + (t_ns - self.at_ns[before]) / 1e9 * (p + (p + share * (q - p))) / 2

    def settled_edges(self, begin_ns: int, end_ns: int, guards: Guards | None = None) -> tuple[int, int] | None:
        """Return the readings nearest to the window that are settled: at least half a guard outside it."""
        settle_ns = round(guards.length_s / 2 * 1e9) if guards else 0
        first = bisect_right(self.at_ns, begin_ns - settle_ns) - 1
        last = bisect_left(self.at_ns, end_ns + settle_ns)
        if first < 0 or last >= len(self.at_ns):
            return None
        outer = self.at_ns[first], self.at_ns[last]
        is_free = guards is None or (guards.free_from_ns <= outer[0] and outer[1] <= guards.free_until_ns)
        return outer if is_free else None
