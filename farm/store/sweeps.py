"""The commands of users on a sweep: submit, find, cancel, retry."""

import difflib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Insert, Row, and_, bindparam, column, func, or_, select, text, update

import farm.store.tables as t
from farm.model import FailureKind, JobSpec, JobState, MeasureSettings, Repetition, SweepRecord
from farm.model.errors import InputError
from farm.model.reading import Unreadable, each, readable, reading, unreadable
from farm.store.engine import Database
from farm.store.membership import LAST_SUBMITTED, OPEN, sweep_of

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

#: Jobs that one statement stores: memory holds no more rows than these.
_BATCH = 1000
_SORTED = json.JSONEncoder(sort_keys=True)
#: The columns of a new job; the others are null.
_COLUMNS = (
    *("id", "sweep_id", "key", "ordinal", "block", "repetition", "target", "queue", "priority"),
    *("state", "attempt", "max_attempts", "cancel_requested", "adopts", "point", "spec"),
)
_JSON_ROWS = text("jsonb_populate_recordset(CAST(NULL AS job), :rows)").bindparams(bindparam("rows", type_=t.Json))
#: The number of repetitions of a sweep depends on its results.
_ADAPTS = t.sweep.c.rule["min"].as_integer() != t.sweep.c.rule["max"].as_integer()
_PLANNED = tuple(
    t.job.c[name]
    for name in ("id", "sweep_id", "ordinal", "block", "queue", "priority", "max_attempts", "spec", "adopts")
)
_LATEST_FIRST = (LAST_SUBMITTED.desc(), t.sweep.c.id)
#: The fields of a sweep that each submission sets anew.
_RENEWED = {"text", "meaning", "carbon", "renewed_at", "hold_below_g_per_kwh", "hold_until", "hold_note"}
#: The values of a job that waits as a new job does.
AFRESH: Mapping[str, Any] = {
    "state": JobState.QUEUED,
    "published_at": None,
    "lease_owner": None,
    "lease_until": None,
    "cancel_requested": False,
}


@dataclass(frozen=True, slots=True)
class NewJob:
    """A planned job on its way into the store."""

    id: str
    ordinal: int  #: place in the plan
    block: int
    queue: str
    priority: int  #: 0 is the highest
    max_attempts: int
    spec: JobSpec
    adopts: str | None = None  #: the job of another sweep whose trials it counts as its own


@dataclass(frozen=True, slots=True)
class SweepName:
    """What people call a sweep."""

    id: str
    name: str


class Sweeps(Database):
    """The commands and queries of users on sweeps."""

    def submit(self, sweep: SweepRecord, jobs: Iterable[NewJob]) -> int:
        """Store a sweep and its jobs in one transaction; returns how many jobs were queued, or queued again.

        Submitting twice is harmless: known jobs stay as they are. A cancelled sweep is resumed: cancelled jobs are
        queued, and a running job with a requested cancel may go on. A job that adopts is done, also where it waited
        before, and never began. The electricity and the hold are always those of the last submission: jobs that wait
        are held, or no longer held.
        """
        with self.write() as connection:
            connection.execute(self.insert(t.sweep).on_conflict_do_nothing(), sweep.model_dump())
            # Two submits of one sweep at once would block each other among their jobs; this lock lets them take turns.
            connection.execute(select(t.sweep.c.id).where(t.sweep.c.id == sweep.id).with_for_update())
            again = sweep.model_dump(include=_RENEWED)
            connection.execute(update(t.sweep).where(t.sweep.c.id == sweep.id).values(again))
            insert = self._insert_jobs()
            statement = insert.on_conflict_do_update(
                index_elements=[t.job.c.sweep_id, t.job.c.key],
                set_={name: insert.excluded[name] for name in (*AFRESH, "adopts")}
                | {"max_attempts": t.job.c.attempt + insert.excluded.max_attempts},
                where=or_(
                    t.job.c.state == JobState.CANCELLED,
                    and_(t.job.c.state == JobState.QUEUED, t.job.c.attempt == 0, insert.excluded.adopts.is_not(None)),
                ),
            )
            queued = 0
            for rows in _batches(sweep.id, jobs):
                adopted, waiting = ([row for row in rows if bool(row["adopts"]) is adopts] for adopts in (True, False))
                self._inserted(connection, statement, adopted)
                queued += self._inserted(connection, statement, waiting)
            connection.execute(
                update(t.job)
                .where(t.job.c.sweep_id == sweep.id, t.job.c.state == JobState.RUNNING)
                .values(cancel_requested=False)
            )
            if sweep.hold_until is not None:
                waits = (t.job.c.sweep_id == sweep.id, t.job.c.state == JobState.QUEUED)
                connection.execute(update(t.job).where(*waits).values(published_at=None))
            if queued:
                connection.execute(update(t.sweep).where(t.sweep.c.id == sweep.id).values(settled=sweep.settled))
        return queued

    def extend(self, sweep_id: str, jobs: Sequence[NewJob]) -> int:
        """Add jobs that follow from results, unless the sweep was settled meanwhile; returns how many are new.

        Where two controllers plan the same work, the first plan is stored.
        """
        with self.write() as connection:
            is_settled = select(t.sweep.c.settled).where(t.sweep.c.id == sweep_id).with_for_update()
            if not jobs or connection.scalar(is_settled) is not False:  # None: it was deleted
                return 0
            statement = self._insert_jobs().on_conflict_do_nothing()
            return self._inserted(connection, statement, [_row(sweep_id, job) for job in jobs])

    def _insert_jobs(self) -> "sqlite.Insert | postgresql.Insert":
        """Return an INSERT of jobs: SQLite takes rows, PostgreSQL one JSON array of them.

        To PostgreSQL's driver, a thousand rows are 15,000 parameters that it must find in the statement.
        """
        insert = self.insert(t.job)
        if self.is_sqlite:
            return insert.values({name: bindparam(name) for name in _COLUMNS})
        return insert.from_select(_COLUMNS, select(*map(column, _COLUMNS)).select_from(_JSON_ROWS))

    def _inserted(self, connection: Connection, statement: Insert, rows: Sequence[dict[str, Any]]) -> int:
        """Run a statement of `_insert_jobs`; returns how many rows it inserted or updated."""
        if not rows:
            return 0
        counted = statement.execution_options(preserve_rowcount=True)
        return connection.execute(counted, rows if self.is_sqlite else {"rows": rows}).rowcount

    def undecided(self) -> list[SweepRecord | Unreadable]:
        """Read the sweeps without open jobs that may need more repetitions; searches are left to `searches`."""
        is_open = select(t.job.c.id).where(t.job.c.sweep_id == t.sweep.c.id, t.job.c.state.in_(OPEN)).exists()
        query = select(t.sweep).where(~t.sweep.c.is_search, t.sweep.c.settled.is_(False), ~is_open)
        with self.read() as connection:
            return list(each(connection.execute(query), sweep_of))

    def settle(self, sweep_id: str) -> None:
        """Record that a sweep gets no more jobs."""
        with self.write() as connection:
            connection.execute(update(t.sweep).where(t.sweep.c.id == sweep_id).values(settled=True))

    def jobs(self, sweep_id: str, ids: Sequence[str] | None = None) -> list[NewJob]:
        """Read the jobs of a sweep as they were planned, in order; raises Unreadable.

        `ids`: only these jobs. A spec takes much longer to read than its `repetitions`.
        """
        query = select(*_PLANNED).where(t.job.c.sweep_id == sweep_id).order_by(t.job.c.ordinal)
        if ids is None:
            queries = [query]
        else:
            queries = [query.where(t.job.c.id.in_(ids[n : n + _BATCH])) for n in range(0, len(ids), _BATCH)]
        with self.read() as connection:
            found = [_job_of(row) for one in queries for row in connection.execute(one)]
        return sorted(found, key=attrgetter("ordinal"))

    def last_block(self, sweep_id: str) -> list[NewJob]:
        """Read the jobs of a sweep that were planned last; raises Unreadable."""
        mine = t.job.c.sweep_id == sweep_id
        last = select(func.max(t.job.c.block)).where(mine).scalar_subquery()
        with self.read() as connection:
            return [_job_of(row) for row in connection.execute(select(*_PLANNED).where(mine, t.job.c.block == last))]

    def repetitions(self, sweep_id: str) -> list[Repetition]:
        """Read the place of each job of a sweep, in the order of the plan; raises Unreadable."""
        columns = (t.job.c.id, t.job.c.target, t.job.c.point, t.job.c.repetition, t.job.c.ordinal)
        query = select(*columns).where(t.job.c.sweep_id == sweep_id).order_by(t.job.c.ordinal)
        with self.read() as connection:
            found = [Repetition(*row) for row in connection.execute(query)]
        with reading("sweep", sweep_id):
            if broken := next((one for one in found if not isinstance(one.point, dict)), None):
                raise TypeError(f"the point of job {broken.job} is no JSON object")
        return found

    def cancel(self, sweep_id: str) -> tuple[int, int]:
        """Cancel the jobs that wait and ask those that run to stop; returns how many of each."""
        mine = t.job.c.sweep_id == sweep_id
        with self.write() as connection:
            # This is first, so that no controller adds jobs meanwhile.
            connection.execute(update(t.sweep).where(t.sweep.c.id == sweep_id).values(settled=True))
            cancelled = connection.execute(
                update(t.job)
                .where(mine, t.job.c.state == JobState.QUEUED)
                .values(state=JobState.CANCELLED, lease_owner=None, lease_until=None)
            )
            asked = connection.execute(
                update(t.job).where(mine, t.job.c.state == JobState.RUNNING).values(cancel_requested=True)
            )
            return cancelled.rowcount, asked.rowcount

    def retry(self, sweep_id: str, attempts: int, after: FailureKind | None = None) -> int:
        """Queue the failed jobs again for as many new attempts, beside the old ones; returns how many jobs.

        `after`: only those whose last attempt failed in that way.
        """
        statement = update(t.job).where(t.job.c.sweep_id == sweep_id, t.job.c.state == JobState.FAILED)
        if after is not None:
            last = (t.trial.c.job_id == t.job.c.id, t.trial.c.attempt == t.job.c.attempt)
            statement = statement.where(select(t.trial.c.id).where(*last, t.trial.c.failure_kind == after).exists())
        of_sweep = update(t.sweep).where(t.sweep.c.id == sweep_id, or_(t.sweep.c.is_search, _ADAPTS))
        with self.write() as connection:
            statement = statement.values(**AFRESH, max_attempts=t.job.c.attempt + attempts)
            queued = connection.execute(statement).rowcount
            if queued:  # their results may ask for more jobs
                connection.execute(of_sweep.values(settled=False))
        return queued

    def sweeps(self) -> list[SweepRecord]:
        """Read all sweeps, the last submitted first, without those of `unreadable_sweeps`."""
        return readable(self._all())

    def unreadable_sweeps(self) -> list[Unreadable]:
        """Return why sweeps cannot be read, for people."""
        return unreadable(self._all())

    def _all(self) -> list[SweepRecord | Unreadable]:
        with self.read() as connection:
            return list(each(connection.execute(select(t.sweep).order_by(*_LATEST_FIRST)), sweep_of))

    def cancelled_sweeps(self) -> set[str]:
        """Return the ids of the sweeps with jobs that were cancelled and not queued again."""
        asked_to_stop = and_(t.job.c.state == JobState.RUNNING, t.job.c.cancel_requested)
        query = select(t.job.c.sweep_id).where(or_(t.job.c.state == JobState.CANCELLED, asked_to_stop)).distinct()
        with self.read() as connection:
            return set(connection.scalars(query))

    def find_sweep(self, name_or_id: str | None = None) -> SweepRecord:
        """Find a sweep by its id, by its name (the latest), or by the beginning of its id; None: the latest of all.

        A cancelled sweep is never the latest of all, and of a name only where each of that name is cancelled.
        Raises InputError, with suggestions, and Unreadable.
        """
        found = self._find(self.sweep_names(), name_or_id)
        with self.read() as connection:
            row = connection.execute(select(t.sweep).where(t.sweep.c.id == found.id)).one_or_none()
        if row is None:
            raise InputError(f"sweep {found.name} ({found.id}) was deleted a moment ago")
        return sweep_of(row)

    def sweep_names(self) -> list[SweepName]:
        """Read the ids and names of all sweeps, the last submitted first; those of unreadable ones too."""
        query = select(t.sweep.c.id, t.sweep.c.name).order_by(*_LATEST_FIRST)
        with self.read() as connection:
            return [SweepName(*row) for row in connection.execute(query)]

    def _find(self, known: Sequence[SweepName], name_or_id: str | None) -> SweepName:
        for sweep in known:
            if sweep.id == name_or_id:
                return sweep
        named = [sweep for sweep in known if name_or_id in (None, sweep.name)]
        if named:
            cancelled = self.cancelled_sweeps()
            if live := next((sweep for sweep in named if sweep.id not in cancelled), None):
                return live
            if name_or_id is not None:
                return named[0]
            raise InputError("all sweeps were cancelled: name one, `farm list` shows them")
        begun = [sweep for sweep in known if name_or_id and sweep.id.startswith(name_or_id)]
        if len({_content(sweep.id) for sweep in begun}) == 1:
            return begun[0]
        raise InputError(_not_found(name_or_id or "", known, begun))

    def latest_generation(self, content_id: str) -> int:
        """Return how often this content was started afresh: 0 never, 1 as CONTENT_ID, n as CONTENT_ID.n."""
        ids = select(t.sweep.c.id).where(
            or_(t.sweep.c.id == content_id, t.sweep.c.id.startswith(f"{content_id}.", autoescape=True))
        )
        with self.read() as connection:
            suffixes = [sweep_id.partition(".")[2] for sweep_id in connection.scalars(ids)]
        return max((int(suffix or 1) for suffix in suffixes), default=0)


def _job_of(row: Row[*tuple[Any, ...]]) -> NewJob:
    with reading("sweep", row.sweep_id, part=f"job {row.id}: "):
        spec = JobSpec.model_validate(row.spec)
        return NewJob(row.id, row.ordinal, row.block, row.queue, row.priority, row.max_attempts, spec, row.adopts)


def _batches(sweep_id: str, jobs: Iterable[NewJob]) -> Iterator[list[dict[str, Any]]]:
    rows = (_row(sweep_id, job) for job in jobs)
    return iter(lambda: list(islice(rows, _BATCH)), [])


def _row(sweep_id: str, job: NewJob) -> dict[str, Any]:
    spec = job.spec
    return {
        "id": job.id,
        "sweep_id": sweep_id,
        "key": hashlib.sha256(_SORTED.encode(_work(spec)).encode()).hexdigest()[:24],
        "ordinal": job.ordinal,
        "block": job.block,
        "repetition": spec.repetition,
        "target": spec.target,
        "queue": job.queue,
        "priority": job.priority,
        "state": JobState.DONE if job.adopts else JobState.QUEUED,
        "attempt": 0,
        "max_attempts": job.max_attempts,
        "cancel_requested": False,
        "adopts": job.adopts,
        "point": spec.point,
        "spec": _dumped(spec),
    }


def _dumped(spec: JobSpec) -> dict[str, Any]:
    """Convert the spec to JSON values; the jobs of a sweep share most of them."""
    own = {"measure": _settings(spec.measure), "rungs": [rung.model_dump(mode="json") for rung in spec.rungs]}
    return spec.__dict__ | own | {"asked": spec.asked.model_dump(mode="json") if spec.asked else None}


@lru_cache
def _settings(measure: MeasureSettings) -> dict[str, Any]:
    return measure.model_dump(mode="json")


def _work(spec: JobSpec) -> list[object]:
    """Return the key that a sweep has once: of a study, the configuration's number, whatever its parameters are."""
    if spec.asked is not None:
        return [spec.kind, spec.asked.study, spec.asked.number, spec.repetition]
    return [spec.kind, spec.point, spec.target, spec.repetition]


def _content(sweep_id: str) -> str:
    return sweep_id.partition(".")[0]


def _not_found(wanted: str, known: Sequence[SweepName], begun: Sequence[SweepName]) -> str:
    if not known:
        return "no sweep was submitted yet: begin with `farm submit SWEEP.yaml`"
    if begun:
        return f"{wanted!r} fits {len(begun)} sweeps: {', '.join(sweep.id for sweep in begun[:5])}"
    names = dict.fromkeys(name for sweep in known for name in (sweep.name, sweep.id))
    close = difflib.get_close_matches(wanted, names, n=3) or list(dict.fromkeys(s.name for s in known))[:3]
    return f"no sweep {wanted!r}: did you mean {' or '.join(close)}? `farm list` shows all"
