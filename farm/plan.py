"""From a sweep to its jobs: the same sweep gives the same jobs, in the same order, wherever it is planned."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from farm.errors import InputError
from farm.model import JobSpec, Machine, MeasureSettings, Point, queue_for
from farm.spec import MAX_JOBS, Sweep, canonical_json, profile_settings, remaining, sweep_id
from farm.spec.types import TARGET_WORDS, suggestion

OVERHEAD_S = 2.0  #: of a trial: process, imports, set-up, report
SLACK = 10  #: a trial may take this many times what it should,
SLACK_S = 300.0  #: and this much more: large networks are slow to load and to compile


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """One job, before anybody has stored it."""

    id: str
    ordinal: int  #: place in the order of the whole plan
    block: int  #: the repetition: each block has every point once
    queue: str
    spec: JobSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """Every job of a sweep, in order."""

    sweep_id: str
    jobs: tuple[PlannedJob, ...]
    warnings: tuple[str, ...]  #: one line each, for the user


def points(sweep: Sweep) -> tuple[Point, ...]:
    """The combinations of the factors that are not excluded, the last factor changing fastest."""
    return tuple(remaining(sweep.workload, sweep.exclude))


def plan(sweep: Sweep, machines: Sequence[Machine], generation: int = 1) -> Plan:
    """Randomised complete blocks: per target, each repetition has every point once, in a seeded order of its own.

    Plans the fewest repetitions that the sweep asks for.
    Raises InputError when there is no machine to plan for, or too much to plan.
    """
    targets = _targets(sweep, machines)
    by_key = {canonical_json(point): point for point in points(sweep)}
    number = len(by_key) * len(targets) * sweep.repetitions.min
    if number > MAX_JOBS:
        raise InputError(f"{sweep.name} makes {number} jobs, at most {MAX_JOBS} are allowed: split the sweep")
    planned = sweep_id(sweep, generation)
    measure = profile_settings(sweep.measure)
    jobs = tuple(
        PlannedJob(
            id=(job := _job_id(planned, key, target, block)),
            ordinal=ordinal,
            block=block,
            queue=queue_for(target),
            spec=JobSpec(
                job=job,
                sweep=planned,
                kind=sweep.kind,
                point=by_key[key],
                repetition=block,
                target=target,
                measure=measure,
                seed=sweep.seed,
                time_limit_s=sweep.time_limit or default_time_limit_s(measure),
                carbon_country=sweep.carbon.country if sweep.carbon else None,
            ),
        )
        for ordinal, (block, target, key) in enumerate(_order(sorted(by_key), targets, sweep))
    )
    return Plan(planned, jobs, (*_absent(sweep, machines), *_hasty(sweep, measure)))


def expected_duration_s(measure: MeasureSettings) -> float:
    """How long one trial takes where nothing is slow; the idle after one is the idle before the next."""
    windows_s = measure.windows * (measure.window_s + 2 * measure.guard_s)
    return measure.idle_s + measure.context_idle_s + measure.warmup_s + windows_s + measure.latency_s + OVERHEAD_S


def default_time_limit_s(measure: MeasureSettings) -> float:
    """The time limit of a trial whose sweep sets none: it stops what hangs, not what is slow."""
    return SLACK * expected_duration_s(measure) + SLACK_S


def _targets(sweep: Sweep, machines: Sequence[Machine]) -> list[str]:
    if sweep.targets == ("any",):
        return ["any"]
    if sweep.targets == ("each-hardware",):
        if not machines:
            raise InputError(
                "targets: each-hardware needs a machine, and none is registered: start `farm worker` first"
            )
        return [f"hw:{name}" for name in sorted({machine.hardware_class for machine in machines})]
    return [f"machine:{name}" for name in sorted(sweep.targets)]


def _order(keys: Sequence[str], targets: Sequence[str], sweep: Sweep) -> Iterator[tuple[int, str, str]]:
    """Block, target and point of every job: block after block, each shuffled anew on each target."""
    for block in range(sweep.repetitions.min):
        for target in targets:
            shuffled = list(keys)
            Random(f"{sweep.seed}/{target}/{block}").shuffle(shuffled)  # noqa: S311 - an order, not a secret
            for key in shuffled:
                yield block, target, key


def _job_id(sweep: str, key: str, target: str, block: int) -> str:
    return hashlib.sha256("\n".join((sweep, key, target, str(block))).encode()).hexdigest()[:16]


def _absent(sweep: Sweep, machines: Sequence[Machine]) -> Iterator[str]:
    known = {machine.name for machine in machines}
    for name in sorted(set(sweep.targets) - set(TARGET_WORDS) - known):
        yield (
            f"no machine {name!r} is registered{suggestion(name, {name: name for name in known})}: "
            "its jobs wait until a `farm worker` of that name starts"
        )


def _hasty(sweep: Sweep, measure: MeasureSettings) -> Iterator[str]:
    needed_s = expected_duration_s(measure)
    if sweep.time_limit is not None and sweep.time_limit < needed_s:
        yield f"time_limit: {sweep.time_limit:g} s is less than a trial needs ({needed_s:.0f} s): all will time out"
