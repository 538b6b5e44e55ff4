"""The stopping rule: whether a point was repeated often enough. The controller applies it after each block. Pure.

The points of a sweep on one machine end together, once the spread that they have in common gives the wanted interval.
If each point ended as soon as its own interval happened to be narrow, intervals would hold the truth less often than
they say: whoever looks often stops on luck. A common spread has little luck.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from farm.analysis.aggregate import UnitSample, net_means, net_trials
from farm.analysis.intervals import Interval, expanded_u
from farm.analysis.means import Trials, together
from farm.analysis.moderation import Spread, common
from farm.analysis.quantiles import f_tail
from farm.model import Point, Repetition, StoppingRule

#: A decision rests on at least so many degrees of freedom: five trials of one point, or three of each of two points.
FREEDOM_NEEDED = 4
#: A point goes on alone while its own interval is this many times as wide as wanted.
FAR = 1.5
#: A spread that is smaller than chance makes it so often is the point's own.
HARDLY = 0.01
#: An interval is as narrow as repetitions can make it when it is this many times as wide as the shared part alone.
ALMOST = 1.25


@dataclass(frozen=True, slots=True)
class PointStatus:
    """The repetitions and the certainty of one point on one target."""

    last: Repetition  #: its last repetition
    planned: int  #: repetitions so far
    valid: int  #: trials with a net energy that no flag leaves out
    interval: Interval | None  #: the net energy per unit
    is_open: bool  #: another repetition is needed

    @property
    def point(self) -> Point:
        """The measured point."""
        return self.last.point


def statuses(planned: Iterable[Repetition], samples: Iterable[UnitSample], rule: StoppingRule) -> list[PointStatus]:
    """Return the status of each point and target, in the order of the plan; the labels of `samples` name their jobs."""
    by_job = {str(s.labels["job"]): s for s in samples}
    jobs: dict[tuple[str, str], list[Repetition]] = defaultdict(list)
    for one in planned:
        jobs[one.target, repr(sorted(one.point.items()))].append(one)
    counted = [
        [s for job in own if (s := by_job.get(job.job)) is not None and s.is_valid and s.net_j is not None]
        for own in jobs.values()
    ]
    trials = [net_trials(group) for group in counted]
    spreads = _common_spreads(trials)
    return [
        PointStatus(
            last=max(own, key=lambda one: one.repetition),
            planned=len(own),
            valid=len(group.values),
            interval=mean,
            is_open=len(own) < rule.max and not _is_enough(group, mean, spreads.get(group.place), rule),
        )
        for own, group, mean in zip(jobs.values(), trials, net_means(counted), strict=True)
    ]


def _common_spreads(groups: Sequence[Trials]) -> dict[Hashable, Spread]:
    """Return the relative spread that the points of each place have in common."""
    places: dict[Hashable, list[Trials]] = defaultdict(list)
    for group in groups:
        if group.place is not None and group.spread is not None:
            places[group.place].append(group)
    return {
        place: common([spread for group in own if (spread := group.spread) is not None], together(own))
        for place, own in places.items()
    }


def _is_enough(group: Trials, mean: Interval | None, common: Spread | None, rule: StoppingRule) -> bool:
    """Return whether more trials of a point are not needed, or are of no use.

    Args:
        group: The trials of the point.
        mean: Their mean.
        common: The relative spread that the points of its place have in common; None: of several places, or unknown.
        rule: The wanted interval, and the fewest trials.
    """
    own = group.spread
    if len(group.values) < max(rule.min, 2) or mean is None or mean.relative is None or own is None:
        return False
    spread = own if common is None or _is_quieter(own, common) else common
    shared_u = group.shared_u / abs(mean.mean)
    wanted = max(rule.target, ALMOST * expanded_u(Spread(0.0, 1), 1, shared_u))
    typical = expanded_u(spread, len(group.values), shared_u)
    return spread.freedom >= FREEDOM_NEEDED and typical <= wanted and mean.relative <= FAR * wanted


def _is_quieter(own: Spread, common: Spread) -> bool:
    """Return whether chance alone would hardly make the trials of a point agree so well."""
    ratio = own.variance / common.variance if common.variance else 1.0
    return f_tail(ratio, own.freedom, common.freedom) > 1 - HARDLY
