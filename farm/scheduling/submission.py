"""Submit a sweep: plan it for the machines in the store, store its jobs, and publish them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain

from farm.kinds.here import missing_paths
from farm.kinds.tuning.sweep import TuningSweep
from farm.model import CarbonSource, FailureKind, Hold, SweepRecord
from farm.model.errors import BrokerUnavailable
from farm.scheduling import routing, tuner
from farm.scheduling.broker import Publisher
from farm.scheduling.controller import Controller
from farm.scheduling.plan import Plan, plan
from farm.scheduling.routing import Route
from farm.settings import Settings
from farm.spec import Sweep, stopping_rule, sweep_id
from farm.store import Store

CARBON_CHANGED = "carbon has changed: it counts for trials from now on, those that were measured keep theirs"


@dataclass(frozen=True, slots=True)
class Submission:
    """The result of submitting a sweep."""

    sweep_id: str
    jobs: int  #: jobs planned so far
    total: int  #: all jobs, with those that a search asks for later
    added: int  #: jobs that are new, or were cancelled or invalid before
    warnings: tuple[str, ...]


def here(sweep: Sweep) -> Sweep:
    """Return the sweep with this machine as its only target: an embedded farm has no other machine."""
    return sweep.model_copy(update={"targets": ("any",)})


def planned(sweep: Sweep, store: Store, fresh: bool = False, is_alone: bool = False) -> Plan:
    """Plan a sweep for the machines in the store, with notes on what it waits for; `fresh` measures all of it again.

    An embedded farm `is_alone`: its machine gets every job, whatever the points need.
    """
    made = _planned(sweep, store, fresh, goes_on=False)
    jobs = Counter(Route.of(job.shared.target, job.queue) for job in made.jobs)
    return replace(made, warnings=(*_notes(sweep, store, jobs, is_alone), *made.warnings))


def _notes(sweep: Sweep, store: Store, jobs: Mapping[Route, int], is_alone: bool) -> Iterator[str]:
    """Yield what no known machine has of what jobs wait for, and the paths that only workers may have."""
    routes = {Route(route.target): number for route, number in jobs.items()} if is_alone else jobs
    yield from routing.notes(routes, store.machines(), datetime.now(UTC))
    if not is_alone:
        yield from (f"{loc[1]}: {text}: workers read it on theirs" for loc, text in missing_paths(sweep))


def _planned(sweep: Sweep, store: Store, fresh: bool, goes_on: bool) -> Plan:
    """Plan a sweep; where `goes_on` is set, the plan of a search continues from its jobs in the store."""
    latest = store.latest_generation(sweep_id(sweep))
    generation = max(latest, 1) + (1 if fresh and latest else 0)
    machines = [status.machine for status in store.machines()]
    if isinstance(sweep, TuningSweep):
        begun = tuner.read_known(store, sweep_id(sweep, generation)) if goes_on else tuner.Known()
        return tuner.plan(sweep, machines, generation, begun)
    return plan(sweep, machines, generation)


def enqueue(
    sweep: Sweep,
    text: str,
    store: Store,
    settings: Settings,
    fresh: bool = False,
    hold: Hold | None = None,
    is_alone: bool = False,
) -> Submission:
    """Store the jobs of a sweep; known jobs stay as they are. Nothing is published yet.

    Jobs that failed as invalid are queued again, because their user has mended the reason meanwhile, or sees it again.
    Its waiting jobs are held as this submission says; without a hold they wait no longer. `is_alone`: see `planned`.
    """
    made = _planned(sweep, store, fresh, goes_on=True)
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
        carbon=CarbonSource.model_validate(sweep.carbon.model_dump()) if sweep.carbon else CarbonSource(),
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
    added += store.retry(made.sweep_id, settings.max_attempts, after=FailureKind.INVALID)
    waiting = {Route(w.target, w.capability): w.jobs for w in store.progress(made.sweep_id).waiting}
    notes = _notes(sweep, store, waiting, is_alone) if waiting else ()
    warnings = (*notes, *made.warnings, *([CARBON_CHANGED] if changed else []))
    return Submission(made.sweep_id, len(made.jobs) + len(before), made.total, added, warnings)


def publish(store: Store, settings: Settings) -> None:
    """Publish the stored jobs; raises BrokerUnavailable, whose text adds that the jobs are stored."""
    try:
        Controller(store, Publisher(settings), settings).publish()
    except BrokerUnavailable as error:
        raise BrokerUnavailable(f"{error}. The jobs are stored: `farm serve` publishes them once it is back") from error
