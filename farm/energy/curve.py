"""The readings of one meter as a curve of joules, and the readings at a window's edges. Pure."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf

from farm.model import Trace

#: A power trace with a longer gap than this, in s, does not cover the window.
LONGEST_GAP_S = 2.0


#: The reading at the end of a window may be so many lags of the meter away, where an idle follows.
SETTLED_WITHIN = 6


@dataclass(frozen=True, slots=True)
class Sides:
    """The idle on both sides of a window."""

    before_w: float  #: power of that idle by the window's own meter
    after_w: float
    guard_s: float = 0.0  #: the settled idle that was added on both sides
    sensor_w: float | None = None  #: power of the context idle by the power sensor beside that meter
    free_from_ns: float = -inf  #: the end of the work before
    free_until_ns: float = inf  #: the begin of the work after, or of the idle without a model
    loaded_until_ns: float = inf  #: the model idles until then, and the trial does not end before


@dataclass(frozen=True, slots=True)
class Edge:
    """A reading beside a window."""

    at_ns: int
    tick_step_s: float | None = None  #: see `Reading`

    @property
    def is_tick(self) -> bool:
        """Whether the value was published at that moment."""
        return self.tick_step_s is not None


class Curve:
    """Cumulative energy over time: a counter's values, or the integral of a power trace."""

    def __init__(self, trace: Trace) -> None:
        counted = [r for r in trace.readings if r.energy_j is not None]
        powered = [r for r in trace.readings if r.power_w is not None]
        self.is_counter = bool(counted)
        readings = counted if counted else powered
        self.at_ns = [r.at_ns for r in readings]
        self._steps_s = [r.tick_step_s for r in readings]
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

    def outer_edges(self, begin_ns: int, end_ns: int, sides: Sides, lag_s: float) -> tuple[Edge, Edge] | None:
        """Return the readings nearest to a window that show all of it, or None where the idle beside it has none.

        They lie half a guard outside, if there is a guard with a reading. At the end a later reading is taken while the
        meter lags behind, if that is near, and still in the idle: all but a reading at a tick of the counter do lag.
        """
        for settle_s in (sides.guard_s / 2, 0.0):
            first = bisect_right(self.at_ns, begin_ns - round(settle_s * 1e9)) - 1
            last = bisect_left(self.at_ns, end_ns + round(settle_s * 1e9))
            if first >= 0 and last < len(self.at_ns):
                last = self._settled(last, end_ns, lag_s, sides.loaded_until_ns)
                if sides.free_from_ns <= self.at_ns[first] and self.at_ns[last] <= sides.free_until_ns:
                    return self._edge(first), self._edge(last)
        return None

    def _settled(self, last: int, end_ns: int, lag_s: float, loaded_until_ns: float) -> int:
        """Return the first reading from `last` on that does not lag behind the end, or the last one that is near."""
        until_ns = min(end_ns + SETTLED_WITHIN * lag_s * 1e9, loaded_until_ns)
        while not self._edge(last).is_tick and self.at_ns[last] < end_ns + lag_s * 1e9:
            if last + 1 == len(self.at_ns) or self.at_ns[last + 1] > until_ns:
                break
            last += 1
        return last

    def _edge(self, index: int) -> Edge:
        return Edge(self.at_ns[index], self._steps_s[index])

    @property
    def spacing_s(self) -> float:
        """The mean time between two readings."""
        return (self.at_ns[-1] - self.at_ns[0]) / 1e9 / max(len(self.at_ns) - 1, 1)
