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
    blocks: Sequence[Hashable] = ()  #: the block of each value: one trial of every point, one after another
    place: Hashable = None  #: the points of one place may borrow; None: the trials are of several points or places

    @property
    def shared_u(self) -> float:
        """The standard uncertainty of their mean that all trials share."""
        return fmean(self.shared_us) if self.shared_us else 0.0

    @property
    def spread(self) -> Spread | None:
        """The relative variance of the trials, which is that of their logarithms; None if it is unknown."""
        if len(self.values) < 2 or min(self.values) <= 0:
            return None
        own, mean = spread_of(self.values), fmean(self.values)
        return Spread(own.variance / mean**2, own.freedom)


def means(groups: Sequence[Trials]) -> list[Interval | None]:
    """Return the mean of each group with its interval; None where no value is known."""
    return [
        replace(mean_interval(own.values, us=own.us, shared_us=own.shared_us, spread=spread), points=points)
        if own.values
        else None
        for own, (spread, points) in zip(groups, spreads(groups), strict=True)
    ]


def spreads(groups: Sequence[Trials]) -> list[tuple[Spread | None, int]]:
    """Return the variance that each interval rests on, and of how many points it is: 0 if it is the group's own.

    Fewer than two values have none.
    """
    borrowed = _borrowed(groups)
    found: list[tuple[Spread | None, int]] = []
    for at, group in enumerate(groups):
        relative, points = borrowed.get(at, (None, 0))
        if relative is not None:
            found.append((Spread(relative.variance * fmean(group.values) ** 2, relative.freedom), points))
        else:
            found.append((spread_of(group.values) if len(group.values) > 1 else None, 0))
    return found


def _borrowed(groups: Sequence[Trials]) -> dict[int, tuple[Spread, int]]:
    """Return the moderated spread of the groups that borrow, and of how many points it is."""
    lenders: dict[Hashable, dict[int, Spread]] = defaultdict(dict)
    for at, group in enumerate(groups):
        if group.place is not None and len(group.values) >= TRIALS_NEEDED and (own := group.spread) is not None:
            lenders[group.place][at] = own
    found: dict[int, tuple[Spread, int]] = {}
    for of in lenders.values():
        after = moderated(list(of.values()), together([groups[at] for at in of]))
        found |= {at: (spread, len(of)) for (at, own), spread in zip(of.items(), after, strict=True) if spread != own}
    return found


def together(groups: Sequence[Trials]) -> float:
    """Return the share of the variance between trials that all points of a block have in common; 0 without blocks.

    It is the mean product of the deviations of two points in one block, over the mean square.
    """
    deviations: dict[Hashable, list[float]] = defaultdict(list)
    for group in groups:
        mean = fmean(group.values)
        for block, value in zip(group.blocks, group.values, strict=bool(group.blocks)):
            deviations[block].append(value / mean - 1)
    squares = [deviation**2 for own in deviations.values() for deviation in own]
    pairs = sum(len(own) * (len(own) - 1) for own in deviations.values())
    if not pairs or not any(squares):
        return 0.0
    product = (sum(sum(own) ** 2 for own in deviations.values()) - sum(squares)) / pairs
    return max(product / fmean(squares), 0.0)
