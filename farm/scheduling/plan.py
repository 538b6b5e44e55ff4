"""Plan the jobs of a sweep: the same sweep gives the same jobs, in the same order, wherever it is planned."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from random import Random
from typing import TYPE_CHECKING

from farm import kinds
from farm.kinds import Kind
from farm.model import JobSpec, Machine, Point, Scalar
from farm.model.conditions import is_capability
from farm.model.errors import InputError
from farm.spec import MAX_JOBS, Sweep, canonical_json, profile_settings, remaining, sweep_id
from farm.spec.capability import queue_of

if TYPE_CHECKING:
    from farm.store import NewJob

#: The time of a trial outside its windows: process, imports, set-up, report.
OVERHEAD_S = 2.0
#: A trial may take this many times its expected duration, and so many seconds more: large networks load slowly.
SLACK, SLACK_S = 10, 300.0
#: The time limit of a trial of unknown duration.
UNKNOWN_LIMIT_S = 86_400.0


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """One job that is not stored yet."""

    id: str
    ordinal: int  #: place in the order of the whole plan
    block: int  #: the number of the block, which has every point once
    queue: str
    repetition: int
    seed: int
    shared: JobSpec  #: the part of the spec that the jobs of its point and target share

    @property
    def spec(self) -> JobSpec:
        """The job's own spec, made on demand: a plan may have tens of thousands of jobs."""
        return self.shared.model_copy(update={"job": self.id, "repetition": self.repetition, "seed": self.seed})

    def new(self, priority: int, max_attempts: int, adopts: str | None = None) -> "NewJob":
        """Return the job as the store accepts it."""
        from farm.store import NewJob  # noqa: PLC0415 - to plan needs no database

        return NewJob(self.id, self.ordinal, self.block, self.queue, priority, max_attempts, self.spec, adopts)


@dataclass(frozen=True, slots=True)
class Plan:
    """Every job of a sweep that can be planned before anything is measured, in order."""

    sweep_id: str
    jobs: tuple[PlannedJob, ...]
    warnings: tuple[str, ...]  #: lines for the user
    total: int  #: the number of all jobs, with those that a search asks for later
    measured: int = 0  #: jobs that need no measurement: it is stored, of this sweep or of one that it adopts from
    failed: int = 0  #: jobs that have failed, and stay as they are
    adopted: Mapping[str, str] = field(default_factory=dict)  #: a measured job of another sweep, by the job

    @property
    def to_go(self) -> int:
        """The number of jobs that are still to be measured."""
        return self.total - self.measured - self.failed


def points(sweep: Sweep) -> tuple[Point, ...]:
    """Return the combinations of the factors that are not excluded, the last factor changing fastest."""
    return tuple(remaining(sweep.workload, sweep.exclude))


def plan(sweep: Sweep, machines: Sequence[Machine], generation: int = 1) -> Plan:
    """Plan randomised complete blocks: per target, each repetition has every point once, in its own seeded order.

    Plans the fewest repetitions that the sweep asks for.
    Raises InputError when there is no machine to plan for, or too much to plan.
    """
    kind = kinds.get(sweep.kind)
    specs = specs_of(sweep, targets_of(sweep, machines), sweep_id(sweep, generation))
    number = check_size(sweep, len(specs) * sweep.repetitions.min)
    blocks = (plan_block(kind, specs, block, block * len(specs)) for block in range(sweep.repetitions.min))
    jobs = tuple(chain.from_iterable(blocks))
    return Plan(sweep_id(sweep, generation), jobs, warn_of_timeouts(sweep, specs), number)


def following_blocks(sweep: Sweep, made: Plan, until: int) -> Iterable[PlannedJob]:
    """Plan the repetitions after the fewest up to `until`, or to the most that the sweep allows."""
    kind, specs = kinds.get(sweep.kind), [job.shared for job in made.jobs if job.block == 0]
    for block in range(sweep.repetitions.min, min(until, sweep.repetitions.max)):
        yield from plan_block(kind, specs, block, block * len(specs))


def check_size(sweep: Sweep, jobs: int) -> int:
    """Return the number of jobs; raises InputError where a sweep makes too many."""
    if jobs > MAX_JOBS:
        raise InputError(f"{sweep.name} makes {jobs} jobs, at most {MAX_JOBS} are allowed: split the sweep")
    return jobs


def warn_of_timeouts(sweep: Sweep, specs: Iterable[JobSpec]) -> tuple[str, ...]:
    """Warn of a time limit that no trial can keep; `specs`: of the sweep's jobs."""
    kind = kinds.get(sweep.kind)
    needed_s = max((trial_s(kind, spec) for spec in specs), default=0.0)
    if sweep.time_limit is None or sweep.time_limit >= needed_s:
        return ()
    limit = f"time_limit: {sweep.time_limit:g} s"
    return (f"{limit} is less than a trial needs ({needed_s:.0f} s): all will time out",)


def plan_block(kind: Kind, specs: Sequence[JobSpec], block: int, first_ordinal: int) -> tuple[PlannedJob, ...]:
    """Plan one repetition of some jobs of one sweep: target by target, each in a seeded order of its own.

    Args:
        kind: the kind of the sweep.
        specs: one job of each point and target, of any repetition.
        block: the number of the repetition.
        first_ordinal: place of the first job in the plan of the sweep.
    """
    order: list[JobSpec] = []
    for target in sorted({spec.target for spec in specs}):
        of_target = sorted((s for s in specs if s.target == target), key=_point_text)
        Random(f"{_sweep_seed(kind, of_target[0])}/{target}/{block}").shuffle(of_target)  # noqa: S311 - an order, not a secret
        order += of_target
    return tuple(_planned(kind, spec, block, first_ordinal + place) for place, spec in enumerate(order))


def _planned(kind: Kind, spec: JobSpec, block: int, ordinal: int) -> PlannedJob:
    identity = "\n".join((spec.sweep, _point_text(spec), spec.target, str(block)))
    job = hashlib.sha256(identity.encode()).hexdigest()[:16]
    seed = _sweep_seed(kind, spec) + (block if kind.seeds_differ else 0)
    return PlannedJob(job, ordinal, block, queue_for_spec(kind, spec), block, seed, spec)


def queue_for_spec(kind: Kind, spec: JobSpec) -> str:
    """Return the queue of a job: that of its target, or a capability where its point needs more of a machine."""
    return queue_of(spec.target, tuple(kind.requirements(spec.point)))


def _point_text(spec: JobSpec) -> str:
    """Return the canonical JSON of a job's point."""
    return _canonical(tuple(spec.point), *spec.point.values())


@lru_cache(typed=True)  # typed: 1, 1.0 and True are different levels of a factor
def _canonical(names: tuple[str, ...], *values: Scalar) -> str:
    return canonical_json(dict(zip(names, values, strict=True)))


def _sweep_seed(kind: Kind, spec: JobSpec) -> int:
    """Return the seed of the sweep, from that of one of its jobs."""
    return spec.seed - (spec.repetition if kind.seeds_differ else 0)


def specs_of(sweep: Sweep, targets: Sequence[str], sweep_id: str) -> list[JobSpec]:
    """Return, for each point on each target, the part of the spec that its jobs share."""
    kind = kinds.get(sweep.kind)
    first = JobSpec(
        job="",
        sweep=sweep_id,
        kind=kind.runs,
        point={},
        repetition=0,
        target="",
        measure=profile_settings(sweep.measure),
        seed=sweep.seed,
        time_limit_s=sweep.time_limit or UNKNOWN_LIMIT_S,
        resumable=kind.resumable,
    )
    by_key = {canonical_json(point): point for point in points(sweep)}
    each_point = [_add_limit(kind, sweep, first.model_copy(update={"point": by_key[key]})) for key in sorted(by_key)]
    return [spec.model_copy(update={"target": t}) for t in targets for spec in each_point]


def _add_limit(kind: Kind, sweep: Sweep, spec: JobSpec) -> JobSpec:
    """Add a time limit where the sweep sets none: it stops a trial that hangs, but not a slow one."""
    if sweep.time_limit is not None or kind.expected_s(spec) is None:
        return spec
    return spec.model_copy(update={"time_limit_s": SLACK * trial_s(kind, spec) + SLACK_S})


def trial_s(kind: Kind, spec: JobSpec) -> float:
    """Return the expected seconds of a trial; without its work, where the duration of that is unknown.

    The idle after one trial is the idle before the next, and counts once.
    """
    idle_s = spec.measure.idle_s / spec.measure.control_every
    return idle_s + spec.measure.context_idle_s + OVERHEAD_S + (kind.expected_s(spec) or 0.0)


def targets_of(sweep: Sweep, machines: Sequence[Machine]) -> list[str]:
    """Return the targets of a sweep's jobs; raises InputError where there is no machine to plan for."""
    match sweep.targets:
        case ("any",):
            return ["any"]
        case ("each-hardware" | "each-machine" as word,):
            if not machines:
                raise InputError(f"targets: {word} needs a machine, and none is registered: start `farm worker` first")
            if word == "each-machine":
                return sorted({f"machine:{machine.name}" for machine in machines})
            return sorted({f"hw:{machine.hardware_class}" for machine in machines})
    return [target if is_capability(target) else f"machine:{target}" for target in sorted(sweep.targets)]
