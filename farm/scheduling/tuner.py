"""The loop of a tuning sweep: when the trainings of a configuration are over, the strategy chooses the next one.

A study is one strategy with one seed on one point of the workload, for one target. All its knowledge is in the store,
so any controller may continue it at any time: the ids of a configuration's jobs follow from its study and number.
"""

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import cast

from farm import kinds
from farm.kinds import restored
from farm.kinds.tuning.strategies import Objective, Strategy
from farm.kinds.tuning.sweep import TuningSweep
from farm.model import Asked, Domain, JobSpec, JobState, Machine, Point, Stopped, SweepRecord
from farm.model.errors import InputError
from farm.scheduling.plan import Plan, PlannedJob, check_size, queue_for_spec, specs_of, targets_of, warn_of_timeouts
from farm.scheduling.tuning import Finished, Pending, Study, ask, check, load, size, thresholds
from farm.spec import canonical_json, sweep_id
from farm.store import AskedJob, Trained, TunerStore

OVER = (JobState.DONE, JobState.FAILED)


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """A study with its id, its size, and the part of the spec that its jobs share."""

    id: str
    study: Study
    size: int  #: the number of configurations
    spec: JobSpec  #: its point has the factors of the workload, the strategy and its seed


@dataclass(frozen=True, slots=True)
class Known:
    """The jobs and results of a search in the store."""

    jobs: Sequence[AskedJob] = ()
    trained: Sequence[Trained] = ()  #: the results of at least the studies that may ask for another configuration


def plan(sweep: TuningSweep, machines: Sequence[Machine], generation: int = 1, known: Known = Known()) -> Plan:
    """Plan the configurations that the studies can ask for now; these are the first ones where nothing is known.

    Raises InputError where a strategy cannot search this space or is not installed, when there is no machine to plan
    for, or too much to plan.
    """
    for strategy in sweep.tuning.strategies:
        check(_study(sweep, strategy, sweep.tuning.seeds[0]))
    own_id = sweep_id(sweep, generation)
    found = studies(sweep, own_id, targets_of(sweep, machines))
    jobs = check_size(sweep, _total(sweep, found))
    first = tuple(plan_next_jobs(sweep, found, known))
    return Plan(own_id, first, warn_of_timeouts(sweep, (job.spec for job in first)), jobs)


def studies(sweep: TuningSweep, sweep_id: str, targets: Sequence[str]) -> tuple[PlannedStudy, ...]:
    """Return every study of a sweep: point of the workload x target x strategy x seed."""
    tuning = sweep.tuning
    sizes = {strategy.name: size(_study(sweep, strategy, tuning.seeds[0])) for strategy in tuning.strategies}
    each = [_study(sweep, strategy, seed) for strategy in tuning.strategies for seed in tuning.seeds]
    return tuple(
        PlannedStudy(_study_id(spec, study), study, sizes[study.strategy.name], _spec_of(spec, study))
        for spec in specs_of(sweep, targets, sweep_id)
        for study in each
    )


def _study(sweep: TuningSweep, strategy: Strategy, seed: int) -> Study:
    return Study(strategy, sweep.tuning.space, sweep.tuning.trials, seed, sweep.tuning.objectives)


def _study_id(spec: JobSpec, study: Study) -> str:
    identity = (spec.sweep, canonical_json(spec.point), study.strategy.name, str(study.seed), spec.target)
    return _digest(*identity)


def _spec_of(spec: JobSpec, study: Study) -> JobSpec:
    point = {**spec.point, "strategy": study.strategy.name, "tuning_seed": study.seed}
    return spec.model_copy(update={"point": point})


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def plan_next_jobs(sweep: TuningSweep, found: Sequence[PlannedStudy], known: Known) -> list[PlannedJob]:
    """Plan the next jobs, so that each study has as many open configurations as allowed; in the order of the plan."""
    trained_of: dict[str, list[Trained]] = defaultdict(list)
    for training in known.trained:
        trained_of[training.study].append(training)
    jobs = (
        job
        for study, own in studies_with_room(sweep, found, known.jobs)
        for spec in _ask_for_specs(sweep, study, own, trained_of[study.id])
        for job in _jobs(sweep, found, spec)
    )
    return sorted(jobs, key=lambda job: job.ordinal)


def studies_with_room(
    sweep: TuningSweep, found: Sequence[PlannedStudy], jobs: Iterable[AskedJob]
) -> Iterator[tuple[PlannedStudy, Sequence[AskedJob]]]:
    """Yield the studies that may ask for another configuration now, each with its jobs so far."""
    jobs_of: dict[str, list[AskedJob]] = defaultdict(list)
    for job in jobs:
        jobs_of[job.study].append(job)
    for study in found:
        own = jobs_of[study.id]
        if len(_firsts(own)) < study.size and len(_open(own)) < sweep.tuning.parallel:
            yield study, own


def _ask_for_specs(
    sweep: TuningSweep, study: PlannedStudy, jobs: Sequence[AskedJob], trained: Iterable[Trained]
) -> Iterator[JobSpec]:
    """Yield the specs of the next configurations of a study; one without a result is pending for later ones."""
    history = tuple(finished_trials(study.study, jobs, trained))
    known = {trial.number for trial in history}
    pending = [Pending(j.number, _params(study.study, j.point)) for j in _firsts(jobs) if j.number not in known]
    while len(pending) < sweep.tuning.parallel and len(history) + len(pending) < study.size:
        number = len(history) + len(pending)
        params, asked = _ask_timed(study, history, pending, number)
        point = {**study.spec.point, **params, "configuration": number}
        rule, epochs = sweep.tuning.pruning, cast("int", point["epochs"])
        rungs = thresholds(rule, number, history, epochs) if rule else ()
        yield study.spec.model_copy(update={"point": point, "asked": asked, "rungs": rungs})
        pending.append(Pending(number, params))


def _ask_timed(
    study: PlannedStudy, history: Sequence[Finished], pending: Sequence[Pending], number: int
) -> tuple[Point, Asked]:
    """Ask the strategy, and time the answer; the import of Optuna is not counted."""
    name = study.study.strategy.name
    load(name)
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    try:
        params = ask(study.study, history, pending, number)
    except (ArithmeticError, RuntimeError, ValueError) as error:  # such as a matrix that cannot be inverted
        reason = " ".join(str(error).split())
        raise InputError(f"strategy {name} could not choose configuration {number} ({reason})") from error
    took_s, took_cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    return params, Asked(study=study.id, number=number, sampler_s=took_s, sampler_cpu_s=took_cpu_s)


def finished_trials(study: Study, jobs: Sequence[AskedJob], trained: Iterable[Trained]) -> Iterator[Finished]:
    """Yield the configurations of a study whose repetitions are all over, in the order of their numbers."""
    of_number: dict[int, list[Trained]] = defaultdict(list)
    for training in trained:
        of_number[training.number].append(training)
    open_ = _open(jobs)
    for job in _firsts(jobs):
        if job.number not in open_:
            yield _average(study, job, of_number[job.number])


def _average(study: Study, job: AskedJob, trained: Sequence[Trained]) -> Finished:
    """Average over the repetitions that measured.

    The accuracy is that of the trained network, after the last epoch; accuracies per epoch end where the first
    repetition ended. A configuration has failed where no repetition measured, or an objective is unknown.
    """
    measured = [training for training in trained if training.accuracies]
    values = [_mean(_value(training, objective) for training in measured) for objective in study.objectives]
    known = [value for value in values if value is not None]
    return Finished(
        number=job.number,
        params=_params(study, job.point),
        values=tuple(known) if len(known) == len(values) else None,
        accuracies=tuple(fmean(at_epoch) for at_epoch in zip(*(t.accuracies for t in measured), strict=False)),
        is_pruned=any(training.stopped == Stopped.PRUNED for training in measured),
    )


def _value(training: Trained, objective: Objective) -> float | None:
    if objective == "accuracy":
        return training.accuracies[-1]
    return training.energies_j.get(Domain.of_device(training.device or "cpu"))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _firsts(jobs: Iterable[AskedJob]) -> list[AskedJob]:
    """Return one job of each configuration, in the order of their numbers."""
    one_of = {job.number: job for job in jobs}
    return [one_of[number] for number in sorted(one_of)]


def _open(jobs: Iterable[AskedJob]) -> frozenset[int]:
    """Return the numbers of configurations with repetitions that wait, run, or were cancelled and may be retried."""
    return frozenset(job.number for job in jobs if job.state not in OVER)


def _params(study: Study, point: Point) -> Point:
    """Return the part of a point that the study chose."""
    return study.space.fill(lambda name, _: point[name])


def _jobs(sweep: TuningSweep, found: Sequence[PlannedStudy], spec: JobSpec) -> Iterator[PlannedJob]:
    """Yield a job for each repetition of a configuration.

    All configurations of a number are a block, in a seeded order, so that a drift affects all strategies equally. The
    seed of a job depends on its repetition only: configurations differ in their hyperparameters alone.
    """
    study, number, repetitions = (
        cast("Asked", spec.asked).study,
        cast("Asked", spec.asked).number,
        sweep.repetitions.min,
    )
    order = [(s.id, repetition) for s in found for repetition in range(repetitions)]
    Random(f"{sweep.seed}/{number}").shuffle(order)  # noqa: S311 - an order, not a secret
    queue = queue_for_spec(kinds.get(sweep.kind), spec)
    for repetition in range(repetitions):
        yield PlannedJob(
            id=_digest(study, str(number), str(repetition)),
            ordinal=number * len(order) + order.index((study, repetition)),
            block=number,
            queue=queue,
            repetition=repetition,
            seed=sweep.seed + repetition,
            shared=spec,
        )


def advance(store: TunerStore, search: SweepRecord, max_attempts: int) -> tuple[int, str | None]:
    """Ask for the next configurations of a tuning sweep, and settle it when there are no more.

    Returns:
        The number of jobs added, and a note for the user where there is one.

    Raises:
        InputError: a strategy cannot be asked.
    """
    sweep, jobs = _restored(search), store.asked_jobs(search.id)
    found = studies(sweep, search.id, sorted({job.target for job in jobs}))
    if len(jobs) >= _total(sweep, found):
        store.settle(search.id)
        return 0, None
    asking = [study.id for study, _ in studies_with_room(sweep, found, jobs)]
    trained = store.trained(search.id, asking) if asking else []
    new = [job.new(sweep.priority, max_attempts) for job in plan_next_jobs(sweep, found, Known(jobs, trained))]
    return store.extend(search.id, new), _unmetered(sweep, trained)


def read_known(store: TunerStore, sweep_id: str) -> Known:
    """Read what the store knows of a search; nothing is known of one that was not submitted yet."""
    jobs = store.asked_jobs(sweep_id)
    return Known(jobs, store.trained(sweep_id, {job.study for job in jobs}) if jobs else ())


def total(store: TunerStore, search: SweepRecord) -> int:
    """Return the number of all jobs that a search will have; 0 for other sweeps, where it is unknown.

    Raises InputError for a search that cannot be read.
    """
    if not search.is_search:
        return 0
    sweep = _restored(search)
    return _total(sweep, studies(sweep, search.id, sorted({job.target for job in store.asked_jobs(search.id)})))


def _total(sweep: TuningSweep, found: Iterable[PlannedStudy]) -> int:
    return sum(study.size for study in found) * sweep.repetitions.min


def _restored(search: SweepRecord) -> TuningSweep:
    sweep = cast("TuningSweep", restored(search))
    if sweep_id(sweep) != search.id.partition(".")[0]:
        raise InputError("this version of the program reads its text differently: submit it again with --fresh")
    return sweep


def _unmetered(sweep: TuningSweep, trained: Iterable[Trained]) -> str | None:
    if "energy" not in sweep.tuning.objectives or all(_value(t, "energy") is not None for t in trained):
        return None
    return (
        "objective energy: no meter knows the joules of some trainings, which count as failed: "
        "`farm doctor` shows what a machine can meter, `farm results` shows these trials"
    )
