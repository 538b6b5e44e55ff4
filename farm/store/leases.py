"""Leases: which worker holds a job, and what happens when the worker falls silent."""

from typing import Any

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, Row, bindparam, case, select, update

import farm.store.tables as t
from farm import __version__
from farm.model import Claim, FailureKind, Heartbeat, JobSpec, JobState, MachineState, Owner
from farm.model.errors import WorkerOutdated
from farm.store.engine import Database
from farm.store.outcome import outcome

_UNHELD = {"published_at": None, "lease_owner": None, "lease_until": None}
_ATTEMPT = (t.job.c.id, t.job.c.attempt, t.job.c.machine_id, t.job.c.claimed_at)
#: Built once: building takes longer than running.
_CLAIM = (
    update(t.job)
    .where(
        t.job.c.id == bindparam("of_job"),
        t.job.c.state == JobState.QUEUED,
        t.job.c.attempt == bindparam("seen"),
        select(t.machine.c.id)
        .where(t.machine.c.id == bindparam("machine"), t.machine.c.wanted_state == MachineState.ACTIVE)
        .exists(),
        ~select(t.sweep.c.id).where(t.sweep.c.id == t.job.c.sweep_id, t.sweep.c.hold_until.is_not(None)).exists(),
    )
    .values(
        state=JobState.RUNNING,
        attempt=t.job.c.attempt + 1,
        machine_id=bindparam("machine"),
        lease_owner=bindparam("owner"),
    )
    .returning(
        *_ATTEMPT,
        t.job.c.spec,
        select(t.sweep.c.name).where(t.sweep.c.id == t.job.c.sweep_id).scalar_subquery().label("sweep_name"),
        t.job.c.queue,
        select(t.sweep.c.carbon).where(t.sweep.c.id == t.job.c.sweep_id).scalar_subquery().label("carbon"),
    )
)


class Leases(Database):
    """The commands on leases, of workers and of the controller. All are compare-and-set on the job's row."""

    def claim(self, job: str, seen: int, owner: Owner, machine_id: str, lease_s: float) -> Claim | None:
        """Start an attempt on a registered machine, after a message that saw `seen` attempts.

        None where the message is stale (another worker was faster, or the job was cancelled), and where the machine is
        paused or drained, or the sweep is held. None also for a spec that no program can read: its job fails.
        Raises WorkerOutdated for a spec that this program cannot read; the job stays as it was.
        """
        statement = _CLAIM.values(claimed_at=self.now(), lease_until=self.now(lease_s))
        mine = {"of_job": job, "seen": seen, "machine": machine_id, "owner": str(owner)}
        with self.write() as connection:
            won = connection.execute(statement, mine).one_or_none()
            if won is None:
                return None
            if not isinstance(won.spec, dict):  # no program can read it: the job must not be offered to all workers
                connection.execute(update(t.job).where(t.job.c.id == job).values(state=JobState.FAILED, **_UNHELD))
                self._insert_placeholder(connection, won, FailureKind.INVALID, "its spec is no JSON object")
                return None
            return Claim(
                spec=_read(won.spec, job),
                attempt=won.attempt,
                sweep_name=won.sweep_name,
                intensity_file=won.carbon.get("file") if isinstance(won.carbon, dict) else None,
                queue=won.queue,
            )

    def return_message(self, job: str, attempt: int) -> bool:
        """Return a message that this worker cannot handle: the controller publishes the job again at once.

        False where the sender has not recorded the message as sent yet, which would undo this: try again in a moment.
        """
        mine = (t.job.c.id == job, t.job.c.attempt == attempt, t.job.c.state == JobState.QUEUED)
        taken_back = update(t.job).where(*mine, t.job.c.published_at.is_not(None)).values(published_at=None)
        with self.write() as connection:
            was_noted = connection.execute(taken_back).rowcount > 0
            return was_noted or connection.scalar(select(t.job.c.id).where(*mine)) is None

    def heartbeat(self, job: str, attempt: int, owner: Owner, lease_s: float) -> Heartbeat:
        """Renew the lease, even after it ran out, as long as no other worker has claimed the job."""
        statement = (
            update(t.job)
            .where(t.job.c.id == job, t.job.c.attempt == attempt, t.job.c.lease_owner == str(owner))
            .values(state=JobState.RUNNING, lease_until=self.now(lease_s))
            .returning(t.job.c.cancel_requested)
        )
        with self.write() as connection:
            cancel = connection.execute(statement).scalar_one_or_none()
        return Heartbeat(held=cancel is not None, cancel=bool(cancel))

    def release(self, owner: Owner) -> int:
        """Queue the jobs of a stopping worker again at once; that attempt does not count. Returns how many jobs."""
        statement = (
            update(t.job)
            .where(t.job.c.lease_owner == str(owner), t.job.c.state == JobState.RUNNING)
            .values(
                state=case((t.job.c.cancel_requested, JobState.CANCELLED), else_=JobState.QUEUED),
                max_attempts=t.job.c.max_attempts + 1,
                published_at=None,
                lease_owner=None,
                lease_until=None,
            )
        )
        with self.write() as connection:
            return connection.execute(statement).rowcount

    def lose(self, owner: Owner) -> list[str]:
        """Take back the jobs of a dead worker, as if their leases had run out; returns the jobs' ids."""
        return self._lose(t.job.c.lease_owner == str(owner), "its worker died")

    def expire_leases(self) -> list[str]:
        """Take back the jobs whose leases ran out; returns their ids.

        Each attempt gets a trial with the failure `lost`, a placeholder. A report that arrives before the job is
        claimed again replaces it.
        """
        return self._lose(t.job.c.lease_until < self.now(), "its worker fell silent and the lease ran out")

    def _lose(self, which: ColumnElement[bool], why: str) -> list[str]:
        query = select(*_ATTEMPT, t.job.c.max_attempts, t.job.c.cancel_requested)
        query = query.where(t.job.c.state == JobState.RUNNING, which)
        query = query.with_for_update(skip_locked=True)
        with self.write() as connection:
            jobs = connection.execute(query).all()
            for job in jobs:
                next_ = outcome(
                    FailureKind.LOST,
                    attempt=job.attempt,
                    max_attempts=job.max_attempts,
                    cancel_requested=job.cancel_requested,
                )
                connection.execute(
                    update(t.job).where(t.job.c.id == job.id).values(state=next_.state, published_at=None)
                )
                self._insert_placeholder(connection, job, FailureKind.LOST, why)
        return [job.id for job in jobs]

    def _insert_placeholder(
        self, connection: Connection, job: Row[*tuple[Any, ...]], failure: FailureKind, why: str
    ) -> None:
        """Insert a trial for an attempt of which no report may come; `job`: a row with the columns of `_ATTEMPT`."""
        placeholder = {
            "id": f"{job.id}.{job.attempt}",
            "job_id": job.id,
            "attempt": job.attempt,
            "machine_id": job.machine_id,
            "started_at_utc": job.claimed_at,
            "finished_at_utc": self.now(),
            "failure_kind": failure,
            "failure_message": why,
            "facts": {},
            "carbon_is_own": False,
            "flags": [],
            "notes": [],
            "log_tail": "",
            "simulated": False,
        }
        connection.execute(self.insert(t.trial).values(placeholder).on_conflict_do_nothing())


def _read(spec: object, job: str) -> JobSpec:
    try:
        return JobSpec.model_validate(spec)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "its spec"
        raise WorkerOutdated(
            f"job {job} asks for what wattfarm {__version__} does not know ({where}): "
            "update wattfarm on this machine to the controller's version"
        ) from None
