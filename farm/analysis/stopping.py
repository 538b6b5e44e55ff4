"""The stopping rule: whether a point was repeated often enough. The controller applies it after each block. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from farm.analysis.aggregate import UnitSample, net_means
from farm.analysis.intervals import Interval
from farm.model import JobSpec, Point, StoppingRule


@dataclass(frozen=True, slots=True)
class PointStatus:
    """The repetitions and the certainty of one point on one target."""

    spec: JobSpec  #: the job of its last repetition
    planned: int  #: repetitions so far
    valid: int  #: trials with a net energy that no flag leaves out
    interval: Interval | None  #: the net energy per unit
    is_open: bool  #: another repetition is needed

    @property
    def point(self) -> Point:
        """The measured point."""
        return self.spec.point


def statuses(specs: Iterable[JobSpec], samples: Iterable[UnitSample], rule: StoppingRule) -> list[PointStatus]:
    """Return the status of each point and target, in the order of the plan; the labels of `samples` name their jobs."""
    by_job = {str(s.labels["job"]): s for s in samples}
    groups: dict[tuple[str, str], list[JobSpec]] = defaultdict(list)
    for spec in specs:
        groups[spec.target, repr(sorted(spec.point.items()))].append(spec)
    return [_status(group, [by_job[s.job] for s in group if s.job in by_job], rule) for group in groups.values()]


def _status(specs: Sequence[JobSpec], samples: Sequence[UnitSample], rule: StoppingRule) -> PointStatus:
    counted = [s for s in samples if s.is_valid and s.net_j is not None]
    values = [s.net_j for s in counted if s.net_j is not None]
    interval = net_mean(counted)
    is_sure = interval is not None and interval.relative is not None and interval.relative <= rule.target
    is_open = len(specs) < rule.max and not (is_sure and len(values) >= rule.min)
    return PointStatus(max(specs, key=lambda s: s.repetition), len(specs), len(values), interval, is_open)
