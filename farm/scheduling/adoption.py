"""Adoption: which planned jobs were measured before, by another revision of their sweep. Pure.

A measured job counts for a planned one where both do the same work (kind of workload, point, repetition, seed) by the
same settings of measuring, and a machine that the planned job may run on has measured it, with the hardware and the
software that it has now. Time limit, priority, target and electricity change no measurement.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from farm.model import Machine, MeasureSettings
from farm.model.software import difference
from farm.report.numbers import several
from farm.scheduling.plan import PlannedJob
from farm.scheduling.routing import Route
from farm.spec import canonical_json
from farm.store import MeasuredJob

#: Reasons that the notes of one submission name.
NAMED = 3


@dataclass(frozen=True, slots=True)
class Adopted:
    """The planned jobs that were measured before, and why others were not."""

    jobs: Mapping[str, str]  #: the measured job, by the planned job that counts its trials
    notes: tuple[str, ...] = ()  #: why what was measured before does not count, one line for each reason


def adopt(planned: Iterable[PlannedJob], measured: Sequence[MeasuredJob], machines: Sequence[Machine]) -> Adopted:
    """Find for each planned job a measured one that counts for it; no measured job counts twice.

    Args:
        planned: The jobs, in the order of the plan.
        measured: What sweeps of the same name measured, the latest first.
        machines: The machines that the jobs may run on, with the hardware and the software that they have now.
    """
    of_work: dict[tuple[object, ...], list[MeasuredJob]] = defaultdict(list)
    for one in measured:
        of_work[one.spec["kind"], canonical_json(one.spec["point"]), one.spec["repetition"]].append(one)
    jobs = list(planned) if of_work else []
    shared = {id(job.shared): job.shared for job in jobs}  # by the jobs of its point and target
    points = {key: canonical_json(spec.point) for key, spec in shared.items()}
    current = {machine.id: machine for machine in machines}
    found: dict[str, str] = {}
    reasons: Counter[str] = Counter()
    for job in jobs:
        candidates = of_work[job.shared.kind, points[id(job.shared)], job.repetition]
        obstacles = [_obstacle(job, one, current) for one in candidates]
        if None in obstacles:
            found[job.id] = candidates.pop(obstacles.index(None)).id
        else:
            reasons.update([why for why in obstacles if why][:1])
    return Adopted(found, tuple(_notes(reasons)))


def _obstacle(job: PlannedJob, measured: MeasuredJob, current: Mapping[str, Machine]) -> str | None:
    """Return why a job that did the same work does not count, empty where a user expects that; None: it counts."""
    machine = current.get(measured.machine_id)
    now = _settings(job.shared.measure)
    if changed := [name for name, value in now.items() if measured.spec["measure"].get(name) != value]:
        name, more = changed[0], f", and {len(changed) - 1} more settings" if len(changed) > 1 else ""
        return f"measure.{name} was {measured.spec['measure'].get(name)}, now {now[name]}{more}"
    if measured.spec["seed"] != job.seed:
        return f"the seed was {measured.spec['seed']}, now {job.seed}"
    if machine is None:
        has_changed = any(own.name == measured.machine for own in current.values())
        return f"{measured.machine} has other hardware now" if has_changed else f"{measured.machine} measured them"
    if not Route(job.shared.target).fits(machine):
        return ""
    changed_to = difference(measured.environment, machine.software)
    return None if changed_to is None else f"{machine.name}: {changed_to}"


@lru_cache
def _settings(measure: MeasureSettings) -> dict[str, Any]:
    return measure.model_dump(mode="json")


def _notes(reasons: Counter[str]) -> Iterator[str]:
    for why, jobs in reasons.most_common(NAMED):
        yield f"{several(jobs, 'earlier trial')} of this name {'does' if jobs == 1 else 'do'} not count: {why}"
