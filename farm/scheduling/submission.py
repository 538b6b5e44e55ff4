"""Submit a sweep: plan it for the machines in the store, store its jobs, and publish them."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain

from farm.kinds.tuning.sweep import TuningSweep
from farm.model import Hold, StatedCarbon, SweepRecord
from farm.model.errors import BrokerUnavailable
from farm.scheduling import routing, tuner
from farm.scheduling.broker import Publisher
from farm.scheduling.controller import Controller
from farm.scheduling.plan import Plan, plan, targets_of
from farm.settings import Settings
from farm.spec import Sweep, stopping_rule, sweep_id
from farm.store import Store

CARBON_CHANGED = "carbon has changed: the grams of all trials follow it, except on machines that state their own"
FILE_CHANGED = "carbon has changed to a file, which is read when a trial ends: older trials have no grams by it"


@dataclass(frozen=True, slots=True)
class Submission:
    """The result of submitting a sweep."""

    sweep_id: str
    jobs: int  #: jobs planned so far
    total: int  #: all jobs, with those that a search asks for later
    added: int  #: jobs that are new, or were cancelled before
    warnings: tuple[str, ...]


def here(sweep: Sweep) -> Sweep:
    """Return the sweep with this machine as its only target: an embedded farm has no other machine."""
    return sweep.model_copy(update={"targets": ("any",)})


def planned(sweep: Sweep, store: Store, fresh: bool = False, goes_on: bool = False) -> Plan:
    """Plan a sweep for the machines in the store; `fresh` measures all of it again.

    Where `goes_on` is set, the plan of a search continues from its jobs in the store.
    """
    latest = store.latest_generation(sweep_id(sweep))
    generation = max(latest, 1) + (1 if fresh and latest else 0)
    known = store.machines()
    machines = [status.machine for status in known]
    if isinstance(sweep, TuningSweep):
        begun = tuner.read_known(store, sweep_id(sweep, generation)) if goes_on else tuner.Known()
        made = tuner.plan(sweep, machines, generation, begun)
    else:
        made = plan(sweep, machines, generation)
    waits = routing.notes(targets_of(sweep, machines), known, datetime.now(UTC))
    return replace(made, warnings=(*waits, *made.warnings))


def enqueue(
    sweep: Sweep, text: str, store: Store, settings: Settings, fresh: bool = False, hold: Hold | None = None
) -> Submission:
    """Store the jobs of a sweep; known jobs stay as they are. Nothing is published yet.

    Its waiting jobs are held as this submission says; without a hold they wait no longer.
    """
    made = planned(sweep, store, fresh, goes_on=True)
    rule = stopping_rule(sweep)
    is_search = isinstance(sweep, TuningSweep)
    record = SweepRecord(
        id=made.sweep_id,
        name=sweep.name,
        kind=sweep.kind,
        submitted_at=datetime.now(UTC),
        text=text,
        meaning=sweep.model_dump_json(exclude_unset=True),  # a sweep may refuse a field that its text did not set
        rule=rule,
        settled=rule.is_fixed and not is_search,
        submitter=settings.submitter,
        is_search=is_search,
        carbon=sweep.carbon.looked_up() if sweep.carbon else StatedCarbon(),
        hold_below_g_per_kwh=hold.below_g_per_kwh if hold else None,
        hold_until=hold.until if hold else None,
    )
    changed = [known for known in store.sweeps() if known.id == record.id and known.carbon != record.carbon]
    # Jobs of a search that were asked for before, and cancelled since, are in no plan.
    before = store.jobs(made.sweep_id) if is_search else []
    jobs = chain(
        (job.new(sweep.priority, settings.max_attempts) for job in made.jobs),
        (replace(job, max_attempts=settings.max_attempts) for job in before),
    )
    added = store.submit(record, jobs)
    notes = [FILE_CHANGED if record.carbon.file else CARBON_CHANGED] if changed else []
    warnings = (*made.warnings, *notes)
    return Submission(made.sweep_id, len(made.jobs) + len(before), made.total, added, warnings)


def publish(store: Store, settings: Settings) -> None:
    """Publish the stored jobs; raises BrokerUnavailable, whose text adds that the jobs are stored."""
    try:
        Controller(store, Publisher(settings), settings).publish()
    except BrokerUnavailable as error:
        raise BrokerUnavailable(f"{error}. The jobs are stored: `farm serve` publishes them once it is back") from error
