"""The idle power of a machine, modelled from its recent idles, so that not every trial needs idles of its own. Pure.

    P = P_loaded + b (T - T_rest)        for each meter; what is loaded: nothing, or a network

A warm board leaks more: b is one slope for all that may be loaded, from the differences within each of them. Baselines
are corrected to the temperature at rest, so that the heat of one trial is not taken off the next one.

Uncertainty: the random part is how far the idle moves from one idle to the next, after the correction and pooled over
what was loaded: rms(difference) / sqrt(2), wider by Student's t where there are few pairs. The shared part is the
slope's, times the distance from rest. Only a GPU shows a temperature: the other domains have no slope.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from math import hypot, sqrt
from statistics import fmean

from farm.energy.joules import DRIFT_SHARE, DRIFT_W, IdlePowers, Power
from farm.model import Domain

#: The model remembers so many idles.
MOST_IDLES = 60
#: The bare idle power is the mean of so many of the latest idles.
LATEST = 3
#: A slope needs idles whose temperatures differ by this much.
LEAST_SPREAD_C = 3.0
#: A board on which nothing ran for so long is at rest.
SETTLED_AFTER_S = 120.0
#: A temperature so far outside those that were seen asks for a control idle, and so does a last one that is so old, ...
BEYOND_C, STALE_AFTER_S = 2.0, 900.0
#: ... or that was so many standard uncertainties from what the model predicted.
SURPRISE_FACTOR = 3.0
#: The 97.5 % quantile of Student's t over that of the normal distribution, by degrees of freedom; then 1 + 1.3 / n.
_T_RATIOS = (6.5, 2.2, 1.63, 1.42, 1.32)

#: A meter and its domain.
Key = tuple[str, Domain]


@dataclass(frozen=True, slots=True)
class SeenIdle:
    """An idle that nobody disturbed."""

    at_s: float  #: its end, monotonic
    loaded: str  #: what was loaded; empty: nothing
    powers: IdlePowers
    temperature_c: float | None = None  #: mean
    warmest_c: float | None = None
    rested_s: float = 0.0  #: the time for which nothing had run before


@dataclass(frozen=True, slots=True)
class Slope:
    """The idle power's dependence on the temperature."""

    w_per_c: float = 0.0
    u_w_per_c: float = 0.0


@dataclass(frozen=True, slots=True)
class Baselines:
    """The model: the recent idles of one machine, in order of time."""

    idles: tuple[SeenIdle, ...] = ()

    def including(self, idles: Iterable[SeenIdle]) -> "Baselines":
        """Return the model that knows these idles too."""
        return Baselines((*self.idles, *idles)[-MOST_IDLES:])

    @property
    def bare_idles(self) -> list[SeenIdle]:
        """The idles with nothing loaded."""
        return [idle for idle in self.idles if not idle.loaded]

    @property
    def rest_c(self) -> float | None:
        """The temperature at rest: that of the last idle after a long rest, or the coolest since; None: unknown."""
        rest_c: float | None = None
        for idle in self.bare_idles:
            if idle.temperature_c is not None and (
                rest_c is None or idle.rested_s >= SETTLED_AFTER_S or idle.temperature_c < rest_c
            ):
                rest_c = idle.temperature_c
        return rest_c

    def slope(self, key: Key) -> Slope:
        """Return the slope of one meter; 0 where the temperatures do not differ enough to show it."""
        off: list[tuple[float, float]] = []  # each idle less the mean of its group: °C and W
        own_u_w: list[float] = []
        used = 0
        for group in self._groups(key) if key[1] is Domain.GPU else []:
            points = [(i.temperature_c, i.powers[key]) for i in group if i.temperature_c is not None]
            temperatures_c = [c for c, _ in points]
            if points and max(temperatures_c) - min(temperatures_c) >= LEAST_SPREAD_C:
                mean_c, mean_w = fmean(temperatures_c), fmean(power.mean_w for _, power in points)
                off += [(c - mean_c, power.mean_w - mean_w) for c, power in points]
                own_u_w += [power.u_w for _, power in points]
                used += 1
        if not off:
            return Slope()
        squares = sum(c * c for c, _ in off)
        w_per_c = max(sum(c * w for c, w in off) / squares, 0.0)
        scatter_w = _scatter_w([w - w_per_c * c for c, w in off], len(off) - used - 1)
        return Slope(w_per_c, max(*own_u_w, scatter_w or 0.0) / sqrt(squares))

    def wander_w(self, key: Key) -> float | None:
        """Return how far the idle power moves from one idle to the next, as a standard uncertainty; None: unknown."""
        slope = self.slope(key)
        moved_w = [
            b.powers[key].mean_w
            - a.powers[key].mean_w
            - slope.w_per_c * (self._above_rest_c(b.temperature_c) - self._above_rest_c(a.temperature_c))
            for group in self._groups(key)
            for a, b in pairwise(group)
        ]
        scatter_w = _scatter_w(moved_w, len(moved_w) - (slope.w_per_c > 0))
        return None if scatter_w is None else scatter_w / sqrt(2)

    def at_rest(self, powers: IdlePowers, temperature_c: float | None) -> dict[Key, Power]:
        """Return idle powers at a temperature as they would be at rest, with all parts of their uncertainty."""
        above_c = self._above_rest_c(temperature_c)
        corrected = {}
        for key, power in powers.items():
            slope, wander_w = self.slope(key), self.wander_w(key)
            if wander_w is None:  # as far as an idle may move without a flag
                wander_w = max(DRIFT_SHARE * power.mean_w, DRIFT_W) / sqrt(12)
            shared_u_w = hypot(power.shared_u_w, slope.u_w_per_c * above_c)
            corrected[key] = Power(power.mean_w - slope.w_per_c * above_c, power.u_w, shared_u_w, wander_w)
        return corrected

    def away(self, powers: Mapping[Key, Power], temperature_c: float | None) -> dict[Key, Power]:
        """Return idle powers at rest as they are at another temperature."""
        above_c = self._above_rest_c(temperature_c)
        return {key: replace(p, mean_w=p.mean_w + self.slope(key).w_per_c * above_c) for key, p in powers.items()}

    def bare(self) -> dict[Key, Power]:
        """Predict the idle power with nothing loaded, at rest: the mean of the latest idles; empty without any."""
        latest = [self.at_rest(idle.powers, idle.temperature_c) for idle in self.bare_idles[-LATEST:]]
        predicted = {}
        for key in latest[-1] if latest else ():
            powers = [own[key] for own in latest if key in own]
            predicted[key] = Power(
                fmean(p.mean_w for p in powers),
                sqrt(sum(p.u_w**2 for p in powers)) / len(powers),
                max(p.shared_u_w for p in powers),
                powers[-1].wander_u_w,
            )
        return predicted

    def control_reason(self, now_s: float, temperature_c: float | None) -> str | None:
        """Return why a control idle is due at this time and temperature, or None."""
        bare = self.bare_idles
        if not bare:
            return "no idle of this machine is known"
        if now_s - bare[-1].at_s > STALE_AFTER_S:
            return f"the last one is over {STALE_AFTER_S / 60:.0f} min old"
        seen_c = [c for idle in bare for c in (idle.temperature_c, idle.warmest_c) if c is not None]
        known_c = temperature_c if seen_c else None
        if known_c is not None and not min(seen_c) - BEYOND_C <= known_c <= max(seen_c) + BEYOND_C:
            return f"no idle at {known_c:.0f} °C is known"
        if self.is_surprised:
            return "the last one differed from what the model predicted"
        return None

    @property
    def is_surprised(self) -> bool:
        """Whether the last bare idle was far from what the idles before it predicted."""
        if not self.bare_idles:
            return False
        last = self.bare_idles[-1]
        before = Baselines(tuple(idle for idle in self.idles if idle is not last))
        predicted, found = before.bare(), before.at_rest(last.powers, last.temperature_c)
        return any(
            abs(power.mean_w - predicted[key].mean_w)
            > max(
                SURPRISE_FACTOR * hypot(power.u_w, power.shared_u_w, power.wander_u_w),
                DRIFT_SHARE * predicted[key].mean_w,
            )
            for key, power in found.items()
            if key in predicted
        )

    def _groups(self, key: Key) -> list[list[SeenIdle]]:
        """Return the idles that this meter saw, one list for each thing that was loaded."""
        seen = sorted((idle for idle in self.idles if key in idle.powers), key=lambda idle: idle.loaded)
        return [list(group) for _, group in groupby(seen, key=lambda idle: idle.loaded)]

    def _above_rest_c(self, temperature_c: float | None) -> float:
        rest_c = self.rest_c
        return 0.0 if temperature_c is None or rest_c is None else temperature_c - rest_c


def _scatter_w(residuals_w: Sequence[float], freedom: int) -> float | None:
    """Return the root mean square of residuals, wide enough for their degrees of freedom; None without any."""
    if freedom < 1:
        return None
    ratio = _T_RATIOS[freedom - 1] if freedom <= len(_T_RATIOS) else 1 + 1.3 / freedom
    return ratio * sqrt(sum(w * w for w in residuals_w) / freedom)
