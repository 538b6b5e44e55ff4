"""Means over trials whose points tell each other's spread. Pure.

Three trials say little about how far trials of their point differ; those of all points that were measured in one sweep
on one machine say much. See `moderation`.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from farm.analysis.intervals import Interval, mean_interval, spread_of
from farm.analysis.moderation import Spread, moderated

#: A point needs so many trials before it borrows from other points, or lends to them.
TRIALS_NEEDED = 3


@dataclass(frozen=True, slots=True)
class Trials:
    """One figure of the trials of a group."""

    values: Sequence[float]
    us: Sequence[float] = ()  #: standard uncertainties of the values by their meters
    shared_us: Sequence[float] = ()  #: the part of them that all trials share
    place: Hashable = None  #: the points of one place may borrow; None: the trials are of several points or places

    @property
    def spread(self) -> Spread | None:
        """The relative variance of the trials, which is that of their logarithms; None if no other point can use it."""
        if self.place is None or len(self.values) < TRIALS_NEEDED or min(self.values) <= 0:
            return None
        own, mean = spread_of(self.values), fmean(self.values)
        return Spread(own.variance / mean**2, own.freedom)


def means(groups: Sequence[Trials]) -> list[Interval | None]:
    """Return the mean of each group with its interval; None where no value is known."""
    own = [group.spread for group in groups]
    borrowed = _borrowed(groups, own)
    found: list[Interval | None] = []
    for place, group in enumerate(groups):
        if not group.values:
            found.append(None)
            continue
        spread, points = borrowed.get(place, (None, 0))
        absolute = spread and Spread(spread.variance * fmean(group.values) ** 2, spread.freedom)
        mean = mean_interval(group.values, us=group.us, shared_us=group.shared_us, spread=absolute)
        found.append(replace(mean, points=points))
    return found


def _borrowed(groups: Sequence[Trials], own: Sequence[Spread | None]) -> dict[int, tuple[Spread, int]]:
    """Return the moderated spread of the groups that borrow, and of how many points it is."""
    lenders: dict[Hashable, list[int]] = defaultdict(list)
    for at, group in enumerate(groups):
        if own[at] is not None:
            lenders[group.place].append(at)
    found: dict[int, tuple[Spread, int]] = {}
    for places in lenders.values():
        before = [spread for at in places if (spread := own[at]) is not None]
        for at, kept, spread in zip(places, before, moderated(before), strict=True):
            if spread != kept:
                found[at] = spread, len(places)
    return found
