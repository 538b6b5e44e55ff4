"""The controller's side of a queued job: who waits to be published, who was, and who could come.

Jobs of a held sweep are in no outbox until the hold ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    func,
    literal,
    literal_column,
    or_,
    select,
    update,
)

import farm.store.tables as t
from farm.model import JobMessage, JobState, Machine, MachineState
from farm.model.reading import Unreadable, each
from farm.store.engine import Database
from farm.store.machines import machine_of
from farm.store.tables import UtcDateTime


def _is(state: JobState, job: FromClause = t.job) -> ColumnElement[bool]:
    """Write the state out in the query: a partial index serves only a query that names its state."""
    return job.c.state == literal_column(f"'{state}'")


_IN_OUTBOX = and_(_is(JobState.QUEUED), t.job.c.published_at.is_(None))


@dataclass(frozen=True, slots=True)
class UnpublishedJobs:
    """A sweep that has jobs in the outbox for a queue."""

    sweep_id: str
    queue: str  #: a queue of the broker, or a capability
    submitter: str
    priority: int  #: the priority of its first job; all jobs of a sweep have the same


@dataclass(frozen=True, slots=True)
class AtWork:
    """The number of jobs of a submitter that run, or are published and wait, on one queue with one priority."""

    queue: str
    submitter: str
    priority: int
    is_running: bool
    jobs: int


class Publishing(Database):
    """The queries and commands on the outbox and on sent messages."""

    def outbox(self, sweep_id: str | None = None) -> list[UnpublishedJobs]:
        """Count what waits to be published, in the order of submission; reads one index entry for each line of it."""
        given = {} if sweep_id is None else {"of_sweep": sweep_id}
        with self.read() as connection:
            return [UnpublishedJobs(*row) for row in connection.execute(_outbox(of_one=bool(given)), given)]

    def unpublished(self, sweep_id: str, queue: str, limit: int) -> list[JobMessage]:
        """Read the first jobs of a sweep that wait to be published on a queue, in the order of the plan."""
        query = self._waiting(sweep_id).where(_IN_OUTBOX, t.job.c.queue == queue)
        return self._messages(query.order_by(t.job.c.ordinal).limit(limit))

    def at_work(self, sweep_id: str | None = None) -> list[AtWork]:
        """Count the running jobs, and the published jobs that wait."""
        given = {} if sweep_id is None else {"of_sweep": sweep_id}
        queries = (_at_work(of_one=bool(given), is_running=is_running) for is_running in (True, False))
        with self.read() as connection:
            return [AtWork(*row) for query in queries for row in connection.execute(query, given)]

    def present(self, within_s: float) -> list[Machine | Unreadable]:
        """Read the machines that take jobs now: they are active, and were seen within the time."""
        query = select(t.machine).where(
            t.machine.c.wanted_state == MachineState.ACTIVE, t.machine.c.last_seen_at >= self.now(-within_s)
        )
        with self.read() as connection:
            return list(each(connection.execute(query.order_by(t.machine.c.name)), machine_of))

    def stale_messages(self, *, older_than_s: float, limit: int, sweep_id: str | None = None) -> list[JobMessage]:
        """Find queued jobs whose message was sent longer ago than that: where their queue is empty, it was lost."""
        return self._messages(self._stale(older_than_s, sweep_id).limit(limit))

    def overtaken_messages(self, *, older_than_s: float, limit: int, sweep_id: str | None = None) -> list[JobMessage]:
        """Find stale messages that are certainly lost: a job that was published later, and is no more urgent, runs."""
        later = t.job.alias("later")
        is_later = and_(later.c.published_at > t.job.c.published_at, later.c.priority >= t.job.c.priority)
        runs = select(later.c.id).where(_is(JobState.RUNNING, later), later.c.queue == t.job.c.queue, is_later)
        return self._messages(self._stale(older_than_s, sweep_id).where(runs.exists()).limit(limit))

    def unpublish(self, sweep_id: str) -> None:
        """Forget the messages sent for a sweep's queued jobs, because their broker is gone."""
        statement = update(t.job).where(t.job.c.sweep_id == sweep_id, t.job.c.state == JobState.QUEUED)
        with self.write() as connection:
            connection.execute(statement.values(published_at=None))

    def mark_published(self, messages: Sequence[JobMessage]) -> None:
        """Record that messages were sent; a job that was claimed since is left alone, because it may need a new one."""
        if not messages:
            return
        statement = (
            update(t.job)
            .where(
                t.job.c.id == bindparam("message_job"),
                t.job.c.attempt == bindparam("message_attempt"),
                t.job.c.state == JobState.QUEUED,
            )
            .values(published_at=self.now())
        )
        with self.write() as connection:
            connection.execute(
                statement, [{"message_job": message.job, "message_attempt": message.attempt} for message in messages]
            )

    def _waiting(self, sweep_id: str | None) -> Select[str, int, str, int]:
        due = or_(t.job.c.not_before.is_(None), t.job.c.not_before <= self.now())
        query = select(t.job.c.id, t.job.c.attempt, t.job.c.queue, t.job.c.priority)
        query = query.where(_is(JobState.QUEUED), due)
        return query if sweep_id is None else query.where(t.job.c.sweep_id == sweep_id)

    def _stale(self, older_than_s: float, sweep_id: str | None) -> Select[str, int, str, int]:
        query = self._waiting(sweep_id).where(t.job.c.published_at < self.now(-older_than_s))
        return query.order_by(t.job.c.priority, t.job.c.published_at, t.job.c.ordinal)

    def _messages(self, query: Select[str, int, str, int]) -> list[JobMessage]:
        with self.read() as connection:
            return [
                JobMessage(job=job, attempt=attempt, queue=queue, priority=priority)
                for job, attempt, queue, priority in connection.execute(query)
            ]


@cache
def _outbox(of_one: bool) -> Select[str, str, str, int]:
    """Build the query once: building takes longer than running it, and it runs every second beside a measurement."""
    first = select(t.sweep.c.id.label("sweep_id"), _first_queue(t.sweep.c.id).label("queue"))
    first = first.where(t.sweep.c.hold_until.is_(None))
    if of_one:
        first = first.where(t.sweep.c.id == bindparam("of_sweep"))
    part = first.cte("part", recursive=True)
    following = _first_queue(part.c.sweep_id, part.c.queue)
    part = part.union_all(select(part.c.sweep_id, following).where(part.c.queue.is_not(None)))
    of_part = (t.job.c.sweep_id == part.c.sweep_id, t.job.c.queue == part.c.queue)
    priority = select(t.job.c.priority).where(_IN_OUTBOX, *of_part).order_by(t.job.c.ordinal).limit(1)
    return (
        select(part.c.sweep_id, part.c.queue, t.sweep.c.submitter, priority.scalar_subquery())
        .join(t.sweep, t.sweep.c.id == part.c.sweep_id)
        .where(part.c.queue.is_not(None))
        .order_by(t.sweep.c.submitted_at, part.c.sweep_id, part.c.queue)
    )


@cache
def _at_work(of_one: bool, is_running: bool) -> Select[str, str, int, bool, int]:
    """Build this query once as well."""
    keys = (t.job.c.queue, t.sweep.c.submitter, t.job.c.priority)
    query = select(*keys, literal(is_running), func.count()).join(t.sweep, t.sweep.c.id == t.job.c.sweep_id)
    if of_one:
        query = query.where(t.job.c.sweep_id == bindparam("of_sweep"))
    if is_running:
        return query.where(_is(JobState.RUNNING)).group_by(*keys)
    # Not "is not null", for which SQLite would read every job that waits.
    published = t.job.c.published_at > literal(datetime.min.replace(tzinfo=UTC), UtcDateTime())
    return query.where(_is(JobState.QUEUED), published).group_by(*keys)


def _first_queue(sweep_id: ColumnElement[str], after: ColumnElement[str] | None = None) -> ScalarSelect[str]:
    query = select(func.min(t.job.c.queue)).where(_IN_OUTBOX, t.job.c.sweep_id == sweep_id)
    return (query if after is None else query.where(t.job.c.queue > after)).scalar_subquery()
