"""From a sweep to queued jobs, or to the plan that a dry run shows."""

from dataclasses import dataclass
from datetime import UTC, datetime

from farm.controller import Controller
from farm.errors import BrokerUnavailable
from farm.model import SweepRecord
from farm.plan import Plan, plan
from farm.queue import Bell
from farm.settings import Settings
from farm.spec import Sweep, stopping_rule, sweep_id
from farm.store import NewJob, Store


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of a sweep."""

    sweep_id: str
    jobs: int
    added: int  #: jobs that were not there before, or were cancelled before
    warnings: tuple[str, ...]


def here(sweep: Sweep) -> Sweep:
    """The sweep for this machine alone, whatever its targets: an embedded farm has no other."""
    return sweep.model_copy(update={"targets": ("any",)})


def planned(sweep: Sweep, store: Store, fresh: bool = False) -> Plan:
    """The plan of a sweep on the machines that the store knows; `fresh` measures it all again."""
    generation = store.latest_generation(sweep_id(sweep))
    return plan(sweep, [m.machine for m in store.machines()], max(generation, 1) + (1 if fresh and generation else 0))


def enqueue(sweep: Sweep, text: str, store: Store, settings: Settings, fresh: bool = False) -> Submission:
    """Store the jobs of a sweep; those that are there stay as they are. Nothing is published yet."""
    made = planned(sweep, store, fresh)
    rule = stopping_rule(sweep)
    record = SweepRecord(
        id=made.sweep_id,
        name=sweep.name,
        kind=sweep.kind,
        submitted_at=datetime.now(UTC),
        text=text,
        meaning=sweep.model_dump_json(),
        rule=rule,
        settled=rule.is_fixed,
    )
    jobs = [
        NewJob(
            id=job.id,
            ordinal=job.ordinal,
            block=job.block,
            queue=job.queue,
            priority=sweep.priority,
            max_attempts=settings.max_attempts,
            spec=job.spec,
        )
        for job in made.jobs
    ]
    return Submission(made.sweep_id, len(jobs), store.submit(record, jobs), made.warnings)


def publish(store: Store, settings: Settings) -> None:
    """Ring for what was stored; raises BrokerUnavailable with the comfort that nothing is lost."""
    try:
        Controller(store, Bell(settings), settings).publish()
    except BrokerUnavailable as error:
        raise BrokerUnavailable(f"{error}. The jobs are stored: `farm serve` rings for them once it is back") from error
