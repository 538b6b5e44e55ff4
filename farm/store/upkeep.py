"""The commands and queries by which people look after their sweeps: list, rename, delete, take up again."""

from collections import defaultdict
from collections.abc import Collection, Iterator

from sqlalchemy import Connection, and_, delete, func, or_, select, update

import farm.store.tables as t
from farm.model import Deleted, JobState, Machine, Progress, SweepOverview, SweepRecord
from farm.model.errors import InputError
from farm.model.reading import Unreadable, each, reading
from farm.store.machines import machine_of
from farm.store.membership import OPEN
from farm.store.sweeps import AFRESH, SweepName, Sweeps

#: What belongs to a trial, in an order in which nothing refers to a row that is gone.
_OF_TRIALS = (t.measurement, t.sample, t.trace, t.latency, t.requests, t.epoch, t.window)


class Upkeep(Sweeps):
    """The commands and queries that concern whole sweeps."""

    def overviews(self) -> list[SweepOverview | Unreadable]:
        """Read all sweeps with the states of their jobs and their machines, the latest first.

        A search's jobs that its strategies have not asked for yet are not counted.
        """
        counting = select(t.job.c.sweep_id, t.job.c.state, func.count()).group_by(t.job.c.sweep_id, t.job.c.state)
        places = select(t.job.c.sweep_id, t.machine.c.name).join(t.machine).distinct().order_by(t.machine.c.name)
        counts: dict[str, dict[str, int]] = defaultdict(dict)
        machines: dict[str, list[str]] = defaultdict(list)
        with self.read() as connection:
            for sweep_id, state, count in connection.execute(counting):
                counts[sweep_id][state] = count
            for sweep_id, machine in connection.execute(places):
                machines[sweep_id].append(machine)

        def overview(record: SweepRecord | Unreadable) -> SweepOverview:
            if isinstance(record, Unreadable):
                raise record
            with reading("sweep", record.id, record.name):
                of_state = {JobState(state): count for state, count in counts[record.id].items()}
            return SweepOverview(record, Progress(of_state, settled=record.settled), tuple(machines[record.id]))

        return list(each(self._all(), overview))

    def machines_of(self, sweep_id: str) -> list[Machine]:
        """Read the machines that ran jobs of a sweep, by name; those of imported measurements too."""
        ran = select(t.job.c.machine_id).where(t.job.c.sweep_id == sweep_id)
        query = select(t.machine).where(t.machine.c.id.in_(ran)).order_by(t.machine.c.name, t.machine.c.id)
        with self.read() as connection:
            return [machine_of(row) for row in connection.execute(query)]

    def sweeps_named(self, name_or_id: str) -> list[SweepName]:
        """Find all sweeps of a name, or the one sweep of an id; raises InputError as `find_sweep` does."""
        known = self.sweep_names()
        return [sweep for sweep in known if sweep.name == name_or_id] or [self._find(known, name_or_id)]

    def latest_cancelled(self, name_or_id: str) -> SweepRecord:
        """Find the latest cancelled sweep of a name, or else the sweep that `find_sweep` finds."""
        cancelled = self.cancelled_sweeps()
        named = (sweep for sweep in self.sweeps_named(name_or_id) if sweep.id in cancelled)
        latest = next(named, None)
        return self.find_sweep(latest.id if latest else name_or_id)

    def rename(self, sweep_ids: Collection[str], name: str) -> None:
        """Give sweeps another name; raises InputError where another sweep has it as its name or id."""
        others = select(t.sweep.c.id).where(
            or_(t.sweep.c.name == name, t.sweep.c.id == name), t.sweep.c.id.not_in(sweep_ids)
        )
        with self.write() as connection:
            if taken := connection.scalars(others.order_by(t.sweep.c.submitted_at.desc())).first():
                raise InputError(f"{name!r} is the name or id of another sweep, {taken}: choose another name")
            connection.execute(update(t.sweep).where(t.sweep.c.id.in_(sweep_ids)).values(name=name))

    def delete_sweeps(self, sweep_ids: Collection[str]) -> Deleted:
        """Delete sweeps with their jobs, trials and all that was measured, in one transaction.

        Environments and machines stay, because trials of other sweeps may refer to them at any time.

        Raises:
            InputError: a sweep is still at work, or another counts what it measured; nothing was deleted.
        """
        jobs = t.job.c.sweep_id.in_(sweep_ids)
        mine = select(t.trial.c.id).join(t.job, t.job.c.id == t.trial.c.job_id).where(jobs)
        with self.write() as connection:
            # Controllers, submissions and late reports wait for these locks, and find nothing afterwards.
            connection.execute(select(t.sweep.c.id).where(t.sweep.c.id.in_(sweep_ids)).with_for_update())
            connection.execute(select(t.job.c.id).where(jobs).with_for_update())
            if obstacles := list(_obstacles(connection, sweep_ids)):
                raise InputError("\n".join(obstacles))
            for table in _OF_TRIALS:
                connection.execute(delete(table).where(table.c.trial_id.in_(mine)))
            trials = connection.execute(delete(t.trial).where(t.trial.c.id.in_(mine))).rowcount
            gone = connection.execute(delete(t.job).where(jobs)).rowcount
            connection.execute(delete(t.sweep).where(t.sweep.c.id.in_(sweep_ids)))
        return Deleted(jobs=gone, trials=trials)

    def requeue_cancelled(self, sweep: SweepRecord, attempts: int) -> int:
        """Queue the cancelled jobs of a sweep again for as many new attempts; returns how many jobs.

        Running jobs that were asked to stop may go on, and the controller may add jobs again.
        """
        mine = t.job.c.sweep_id == sweep.id
        settled = sweep.rule.is_fixed and not sweep.is_search
        with self.write() as connection:
            connection.execute(update(t.sweep).where(t.sweep.c.id == sweep.id).values(settled=settled))
            connection.execute(
                update(t.job).where(mine, t.job.c.state == JobState.RUNNING).values(cancel_requested=False)
            )
            statement = update(t.job).where(mine, t.job.c.state == JobState.CANCELLED)
            again = statement.values(**AFRESH, max_attempts=t.job.c.attempt + attempts)
            return connection.execute(again).rowcount


def _obstacles(connection: Connection, sweep_ids: Collection[str]) -> Iterator[str]:
    """Yield why sweeps cannot be deleted, a line for each sweep."""
    at_work = (
        select(t.sweep.c.name, t.sweep.c.id, func.count(t.job.c.id))
        .outerjoin(t.job, and_(t.job.c.sweep_id == t.sweep.c.id, t.job.c.state.in_(OPEN)))
        .where(t.sweep.c.id.in_(sweep_ids))
        .group_by(t.sweep.c.name, t.sweep.c.id, t.sweep.c.settled)
        .having(or_(func.count(t.job.c.id) > 0, ~t.sweep.c.settled))
        .order_by(t.sweep.c.id)
    )
    for name, sweep_id, jobs in connection.execute(at_work):
        what = f"{jobs} of its jobs wait or run" if jobs else "the controller may still add jobs"
        yield f"{name} ({sweep_id}) is not over, {what}: `farm cancel {sweep_id}` first"
    adopter, adopter_sweep = t.job.alias("adopter"), t.sweep.alias("adopter_sweep")
    counted = (
        select(t.sweep.c.name, t.sweep.c.id, adopter_sweep.c.id, func.count())
        .select_from(
            t.job.join(t.sweep)
            .join(adopter, adopter.c.adopts == t.job.c.id)
            .join(adopter_sweep, adopter_sweep.c.id == adopter.c.sweep_id)
        )
        .where(t.sweep.c.id.in_(sweep_ids), adopter_sweep.c.id.not_in(sweep_ids))
        .group_by(t.sweep.c.name, t.sweep.c.id, adopter_sweep.c.id)
        .order_by(t.sweep.c.id, adopter_sweep.c.id)
    )
    for name, sweep_id, by, jobs in connection.execute(counted):
        yield f"{name} ({sweep_id}) measured {jobs} jobs that {by} counts as its own: `farm rm {by}` first"
