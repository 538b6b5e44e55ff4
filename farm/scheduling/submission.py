"""Submit a sweep: plan it for the machines in the store, store its jobs, and publish them."""

import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain

from farm.kinds.here import missing_paths
from farm.kinds.tuning.sweep import TuningSweep
from farm.model import FailureKind, Hold, JobState, Machine, MachineStatus, StatedCarbon, SweepRecord
from farm.model.errors import BrokerUnavailable
from farm.model.software import software
from farm.report.numbers import several
from farm.scheduling import routing, tuner
from farm.scheduling.adoption import adopt
from farm.scheduling.broker import Publisher
from farm.scheduling.controller import Controller
from farm.scheduling.plan import Plan, following_blocks, plan
from farm.scheduling.routing import Route
from farm.settings import Settings
from farm.spec import Sweep, stopping_rule, sweep_id
from farm.store import Revision, Store

CARBON_CHANGED = "carbon has changed: the grams of all trials follow it, except on machines that state their own"
FILE_CHANGED = "carbon has changed to a file, which is read when a trial ends: older trials have no grams by it"


@dataclass(frozen=True, slots=True)
class Submission:
    """The result of submitting a sweep."""

    sweep_id: str
    jobs: int  #: jobs planned so far
    total: int  #: all jobs, with those that a search asks for later
    added: int  #: jobs that are new, or were cancelled or invalid before
    measured: int  #: jobs that were measured before, by this sweep or by those that it adopts from
    to_go: int  #: jobs that are still to be measured
    warnings: tuple[str, ...]


def here(sweep: Sweep) -> Sweep:
    """Return the sweep with this machine as its only target: an embedded farm has no other machine."""
    return sweep.model_copy(update={"targets": ("any",)})


def planned(sweep: Sweep, store: Store, fresh: bool = False, this_machine: Settings | None = None) -> Plan:
    """Plan a sweep for the machines in the store, with notes on what it waits for, and find what was measured before.

    Args:
        sweep: The sweep.
        store: The store, which is only read.
        fresh: Whether all is measured again.
        this_machine: The settings of this machine where it alone measures: it gets every job, whatever the points
            need, and its software is asked, not looked up.
    """
    made = _planned(sweep, store, fresh, False, this_machine)
    jobs = Counter(Route.of(job.shared.target, job.queue) for job in made.jobs if job.id not in made.adopted)
    notes = _notes(sweep, store, jobs, this_machine is not None) if made.to_go else ()
    return replace(made, warnings=(*notes, *made.warnings))


def _notes(sweep: Sweep, store: Store, jobs: Mapping[Route, int], is_alone: bool) -> Iterator[str]:
    """Yield what no known machine has of what jobs wait for, and the paths that only workers may have."""
    routes = {Route(route.target): number for route, number in jobs.items()} if is_alone else jobs
    yield from routing.notes(routes, store.machines(), datetime.now(UTC))
    if not is_alone:
        yield from (f"{loc[1]}: {text}: workers read it on theirs" for loc, text in missing_paths(sweep))


def _planned(sweep: Sweep, store: Store, fresh: bool, goes_on: bool, this_machine: Settings | None) -> Plan:
    """Plan a sweep; where `goes_on` is set, the plan of a search continues from its jobs in the store."""
    latest = store.latest_generation(sweep_id(sweep))
    generation = max(latest, 1) + (1 if fresh and latest else 0)
    known = store.machines()
    machines = [status.machine for status in known]
    if isinstance(sweep, TuningSweep):
        begun = tuner.read_known(store, sweep_id(sweep, generation)) if goes_on else tuner.Known()
        made = tuner.plan(sweep, machines, generation, begun)
    else:
        made = plan(sweep, machines, generation)
    return _with_measured(sweep, made, store, _as_they_are(known, this_machine), fresh)


def _as_they_are(known: Sequence[MachineStatus], this_machine: Settings | None) -> list[Machine]:
    """Return the machines that may measure now, one of each name: the one that was seen last."""
    if this_machine is None:
        return list({status.machine.name: status.machine for status in reversed(known)}.values())
    name, simulated = this_machine.machine_name or socket.gethostname(), this_machine.simulated
    own = [s.machine for s in known if s.machine.name == name and s.machine.simulated is simulated]
    return [machine.model_copy(update={"software": software()}) for machine in own[:1]]


def _with_measured(sweep: Sweep, made: Plan, store: Store, machines: Sequence[Machine], fresh: bool) -> Plan:
    """Add to a plan what its sweep has measured, and what it adopts from other sweeps of its name.

    A search adopts nothing: its strategies choose each configuration after the results of all before it. A sweep that
    was begun with --fresh adopts only what was measured since.
    """
    known = store.known_jobs(made.sweep_id)
    began_fresh = next((own.submitted_at for own in store.sweeps() if own.id == made.sweep_id and own.fresh), None)
    adopts = not (fresh or isinstance(sweep, TuningSweep))
    before = store.measured_beside(made.sweep_id, sweep.name, since=began_fresh) if adopts else []
    counted = {own.adopts for own in known.values()}
    measured = [one for one in before if one.id not in counted]
    further = following_blocks(sweep, made, 1 + max((one.spec["repetition"] for one in measured), default=-1))
    free = [job for job in chain(made.jobs, further) if job.id not in known or known[job.id].may_adopt]
    found = adopt(free, measured, machines)
    later = tuple(job for job in free if job.id in found.jobs and job.block >= sweep.repetitions.min)
    states = {job: own.state for job, own in known.items()} | dict.fromkeys(found.jobs, JobState.DONE)
    there = {job.id for job in made.jobs} | {job for job, state in states.items() if state != JobState.CANCELLED}
    return replace(
        made,
        jobs=(*made.jobs, *later),
        total=made.total if isinstance(sweep, TuningSweep) else len(there),
        measured=sum(state is JobState.DONE for state in states.values()),
        failed=sum(state is JobState.FAILED for state in states.values()),
        adopted=found.jobs,
        warnings=(*made.warnings, *found.notes, *_open_elsewhere(store.other_revisions(sweep.name, made.sweep_id))),
    )


def _open_elsewhere(revisions: Iterable[Revision]) -> Iterator[str]:
    """Yield a line for each other sweep of the name that has open jobs."""
    for other in revisions:
        if other.open:
            yield (
                f"sweep {other.id}, of the same name, still has {several(other.open, 'open job')}: "
                f"`farm cancel {other.id}` cancels {'it' if other.open == 1 else 'them'}"
            )


def enqueue(
    sweep: Sweep,
    text: str,
    store: Store,
    settings: Settings,
    fresh: bool = False,
    hold: Hold | None = None,
    *,
    is_alone: bool = False,
) -> Submission:
    """Store the jobs of a sweep; known jobs stay as they are. Nothing is published yet.

    Jobs that failed as invalid are queued again, because their user has mended the reason meanwhile, or sees it again.
    Its waiting jobs are held as this submission says; without a hold they wait no longer. Where this machine alone
    measures (`is_alone`), only its own earlier measurements count.
    """
    this_machine = settings if is_alone else None
    made = _planned(sweep, store, fresh, True, this_machine)
    rule = stopping_rule(sweep)
    is_search, now = isinstance(sweep, TuningSweep), datetime.now(UTC)
    record = SweepRecord(
        id=made.sweep_id,
        name=sweep.name,
        kind=sweep.kind,
        submitted_at=now,
        text=text,
        meaning=sweep.model_dump_json(exclude_unset=True),  # a sweep may refuse a field that its text did not set
        rule=rule,
        settled=rule.is_fixed and not is_search,
        submitter=settings.submitter,
        is_search=is_search,
        carbon=sweep.carbon.looked_up() if sweep.carbon else StatedCarbon(),
        hold_below_g_per_kwh=hold.below_g_per_kwh if hold else None,
        hold_until=hold.until if hold else None,
        fresh=fresh,
        renewed_at=now,
    )
    changed = [known for known in store.sweeps() if known.id == record.id and known.carbon != record.carbon]
    # Jobs of a search that were asked for before, and cancelled since, are in no plan.
    before = store.jobs(made.sweep_id) if is_search else []
    jobs = chain(
        (job.new(sweep.priority, settings.max_attempts, made.adopted.get(job.id)) for job in made.jobs),
        (replace(job, max_attempts=settings.max_attempts) for job in before),
    )
    added = store.submit(record, jobs)
    added += store.retry(made.sweep_id, settings.max_attempts, after=FailureKind.INVALID)
    waiting = {Route(w.target, w.capability): w.jobs for w in store.progress(made.sweep_id).waiting}
    notes = _notes(sweep, store, waiting, is_alone) if waiting else ()
    of_carbon = [FILE_CHANGED if record.carbon.file else CARBON_CHANGED] if changed else []
    warnings = (*notes, *made.warnings, *of_carbon)
    return Submission(
        made.sweep_id, len(made.jobs) + len(before), made.total, added, made.measured, made.to_go, warnings
    )


def require_broker(settings: Settings) -> None:
    """Raise InputError where the settings name no broker, before anything is stored for it."""
    Publisher(settings)


def publish(store: Store, settings: Settings) -> None:
    """Publish the stored jobs; raises BrokerUnavailable, whose text adds that the jobs are stored."""
    try:
        Controller(store, Publisher(settings), settings).publish()
    except BrokerUnavailable as error:
        raise BrokerUnavailable(f"{error}. The jobs are stored: `farm serve` publishes them once it is back") from error
