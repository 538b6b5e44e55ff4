"""The trials that a sweep counts: those of its own jobs, and those of other revisions that its jobs adopted.

A job that adopted counts the trials of another job as its own: it is done, and is never claimed. Whatever reads the
results of a sweep finds their trials by `COUNTED`, so that every query counts the same trials. What publishes, claims,
cancels or retries looks at the jobs alone.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Row, and_, case, func, select

import farm.store.tables as t
from farm.model import FailureKind, JobState, SweepRecord
from farm.model.reading import reading
from farm.store.engine import Database

OPEN = (JobState.QUEUED, JobState.RUNNING)
#: The job whose trials a job counts: the one that it adopted, or itself.
MEASURED_BY = func.coalesce(t.job.c.adopts, t.job.c.id)
#: Each trial with every job that counts it.
COUNTED = t.trial.join(t.job, t.trial.c.job_id == MEASURED_BY)
#: When a sweep was submitted last.
LAST_SUBMITTED = func.coalesce(t.sweep.c.renewed_at, t.sweep.c.submitted_at, type_=t.sweep.c.submitted_at.type)
_ADOPTED = t.job.alias("adopted")


def of_sweeps(sweep_ids: Collection[str]) -> ColumnElement[bool]:
    """Select the jobs of these sweeps; of no sweep: all jobs, but each trial once, with the job that measured it."""
    return t.job.c.sweep_id.in_(sweep_ids) if sweep_ids else t.job.c.adopts.is_(None)


def sweep_of(row: Row[*tuple[Any, ...]]) -> SweepRecord:
    """Return the sweep of a row of its table; raises Unreadable."""
    with reading("sweep", row.id, row.name):
        return SweepRecord.model_validate({name: getattr(row, name) for name in SweepRecord.model_fields})


@dataclass(frozen=True, slots=True)
class MeasuredJob:
    """A job whose last trial measured: another revision of its sweep may adopt it."""

    id: str
    spec: Mapping[str, Any]  #: a JobSpec as JSON, perhaps of an older program
    machine_id: str
    machine: str  #: the machine's name
    environment: Mapping[str, JsonValue]  #: the software of the trial; empty: unknown


@dataclass(frozen=True, slots=True)
class KnownJob:
    """How a stored job stands, for who plans it again."""

    state: JobState
    attempt: int
    adopts: str | None

    @property
    def may_adopt(self) -> bool:
        """Whether the job waits or was cancelled, and never began."""
        return self.attempt == 0 and self.state in (JobState.QUEUED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Revision:
    """Another sweep of the same name."""

    id: str
    submitted_at: datetime
    open: int  #: jobs that wait or run
    measured: int  #: jobs that it measured itself
    counted: int  #: of these, the jobs that the sweep in question adopted


def _is_spec(spec: object) -> bool:
    """Return whether a spec has what adoption compares: what cannot be read is not adopted."""
    types = {"kind": str, "point": dict, "repetition": int, "measure": dict, "seed": int}
    return isinstance(spec, dict) and all(isinstance(spec.get(name), kind) for name, kind in types.items())


class Membership(Database):
    """The queries on what the revisions of a sweep have in common; none of them writes."""

    def measured_beside(self, sweep_id: str, name: str, since: datetime | None = None) -> list[MeasuredJob]:
        """Read the jobs that other sweeps of a name measured, the latest first; no search, and no import.

        Args:
            sweep_id: The sweep that is left out.
            name: The name of the sweeps.
            since: Leave out what was measured before.
        """
        last = (t.trial.c.attempt == t.job.c.attempt, t.trial.c.failure_kind.is_(None), t.job.c.adopts.is_(None))
        query = (
            select(
                *(t.job.c.id, t.job.c.spec, t.trial.c.machine_id, t.machine.c.name, t.trial.c.environment_id),
            )
            .select_from(COUNTED.join(t.sweep).join(t.machine, t.machine.c.id == t.trial.c.machine_id))
            .where(t.sweep.c.name == name, t.sweep.c.id != sweep_id, ~t.sweep.c.is_search, ~t.sweep.c.imported, *last)
            .where(t.job.c.state == JobState.DONE)
            .order_by(t.trial.c.finished_at_utc.desc(), t.job.c.id)
        )
        if since is not None:
            query = query.where(t.trial.c.finished_at_utc >= since)
        with self.read() as connection:
            rows = connection.execute(query).all()
            known = select(t.environment).where(t.environment.c.id.in_({row.environment_id for row in rows}))
            software = {row.id: row.content for row in connection.execute(known)}
        return [
            MeasuredJob(job, spec, machine_id, machine, software.get(environment, {}))
            for job, spec, machine_id, machine, environment in rows
            if _is_spec(spec)
        ]

    def known_jobs(self, sweep_id: str) -> dict[str, KnownJob]:
        """Read how the jobs of a sweep stand, by id; empty for one that was not submitted yet.

        One that failed as invalid counts as queued: the next submission queues it again.
        """
        last = (t.trial.c.job_id == t.job.c.id, t.trial.c.attempt == t.job.c.attempt)
        is_invalid = select(t.trial.c.id).where(*last, t.trial.c.failure_kind == FailureKind.INVALID).exists()
        state = case((and_(t.job.c.state == JobState.FAILED, is_invalid), JobState.QUEUED), else_=t.job.c.state)
        query = select(t.job.c.id, state, t.job.c.attempt, t.job.c.adopts).where(t.job.c.sweep_id == sweep_id)
        with reading("sweep", sweep_id), self.read() as connection:
            return {job: KnownJob(JobState(state), *rest) for job, state, *rest in connection.execute(query)}

    def other_revisions(self, name: str, sweep_id: str) -> list[Revision]:
        """Read the other sweeps of a name, the last submitted first."""
        measured = (t.job.c.state == JobState.DONE) & t.job.c.adopts.is_(None)
        query = (
            select(
                t.sweep.c.id,
                LAST_SUBMITTED,
                func.count(case((t.job.c.state.in_(OPEN), 1))),
                func.count(case((measured, 1))),
                func.count(_ADOPTED.c.id),
            )
            .select_from(
                t.sweep.outerjoin(t.job, t.job.c.sweep_id == t.sweep.c.id).outerjoin(
                    _ADOPTED, (_ADOPTED.c.adopts == t.job.c.id) & (_ADOPTED.c.sweep_id == sweep_id)
                )
            )
            .where(t.sweep.c.name == name, t.sweep.c.id != sweep_id)
            .group_by(t.sweep.c.id)
            .order_by(LAST_SUBMITTED.desc(), t.sweep.c.id)
        )
        with self.read() as connection:
            return [Revision(*row) for row in connection.execute(query)]
