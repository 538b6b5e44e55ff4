"""The queries of operators: the progress of sweeps, the work of machines, and the jobs that wait."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, Float, Row, Subquery, and_, case, cast, func, select

import farm.store.tables as t
from farm.model import (
    Condition,
    Domain,
    EndedTrial,
    Hold,
    JobState,
    Machine,
    MachineState,
    Progress,
    RunningJob,
    Temperature,
    TrialCount,
    WaitCount,
    Waiting,
)
from farm.model.conditions import is_capability
from farm.model.reading import each, readable, reading
from farm.store.engine import Database
from farm.store.machines import PRESENT_S, known_machines, read_live
from farm.store.membership import MEASURED_BY

#: The time left is estimated from this many trials of each machine.
_TYPICAL = 20
#: To find them, this many trials of a machine are read, because trials of other sweeps are among them.
_LOOKED_AT = 100
#: The condition of a machine is that of this many last trials.
RECENT = 50
#: The temperature of a machine is read from this many last trials: older ones do not count.
_WARM = 5
_RUNNING_JOB = TypeAdapter(RunningJob)
_ENDED_TRIAL = TypeAdapter(EndedTrial)


class Operations(Database):
    """The queries on progress and machines; none of them writes."""

    def progress(self, sweep_id: str, planned: int = 0) -> Progress:
        """Count a sweep's jobs by state, and read what the display of its progress needs; `planned`: jobs in all.

        Raises Unreadable.
        """
        counting = select(t.job.c.state, func.count()).where(t.job.c.sweep_id == sweep_id).group_by(t.job.c.state)
        with reading("sweep", sweep_id), self.read() as connection:
            found = Progress(
                counts={JobState(state): count for state, count in connection.execute(counting)},
                priority=connection.scalar(select(t.job.c.priority).where(t.job.c.sweep_id == sweep_id).limit(1)),
                settled=bool(connection.scalar(select(t.sweep.c.settled).where(t.sweep.c.id == sweep_id))),
                planned=planned,
                hold=_hold(connection, sweep_id),
            )
            if found.is_over:
                return found
            running = self._running(connection)
            available, notes = self._available(connection, sweep_id, running)
            return replace(
                found,
                running=tuple(job for job in running if job.sweep == sweep_id),
                waiting=tuple(_waiting(connection, sweep_id)),
                available=available,
                recent_s=_recent_s(connection, sweep_id, available),
                notes=notes,
            )

    def ended(self, sweep_id: str) -> list[EndedTrial]:
        """Read the sweep's trials among the last ones of each machine, the newest last, without unreadable ones."""
        with self.read() as connection:
            machines = connection.execute(select(t.machine.c.id, t.machine.c.name).where(~t.machine.c.imported)).all()
            found = [trial for machine in machines for trial in _ended(connection, sweep_id, machine)]
        return sorted(found, key=attrgetter("finished_at"))

    def waiting(self) -> list[Waiting]:
        """Count the jobs that wait, by sweep, target and what their points need."""
        with self.read() as connection:
            return _waiting(connection)

    def running(self) -> list[RunningJob]:
        """Read the jobs that run on the farm, by name of the machine."""
        with self.read() as connection:
            return self._running(connection)

    def conditions(self) -> dict[str, Condition]:
        """Read the running job and the last trials of each machine, by the machine's id."""
        with self.read() as connection:
            running = {job.machine_id: job for job in self._running(connection)}
            ids = connection.scalars(select(t.machine.c.id)).all()
            return {machine: _condition(connection, machine, running.get(machine)) for machine in ids}

    def job_counts(self) -> dict[tuple[str, str], int]:
        """Count all jobs of the farm by state and target."""
        in_order = (t.job.c.sweep_id, t.job.c.state, t.job.c.target)  # of the index: nothing has to be sorted
        query = select(t.job.c.state, t.job.c.target, func.count()).group_by(*in_order)
        counts: dict[tuple[str, str], int] = defaultdict(int)
        with self.read() as connection:
            for state, target, count in connection.execute(query):
                counts[state, target] += count
        return counts

    def trial_counts(self, bounds_s: Sequence[float]) -> list[TrialCount]:
        """Count all trials of the farm by machine, end and flags; durations are counted up to each of the bounds."""
        duration = t.trial.c.duration_s
        keys = (t.machine.c.name, t.trial.c.failure_kind, t.trial.c.flags)
        query = (
            select(*keys, func.count(), func.coalesce(func.sum(duration), 0.0), *_within(duration, bounds_s))
            .select_from(t.trial.outerjoin(t.machine, t.machine.c.id == t.trial.c.machine_id))
            .group_by(*keys)
        )
        with self.read() as connection:
            return [
                TrialCount(
                    machine=machine,
                    failure=failure,
                    flags=_words(flags),
                    trials=trials,
                    seconds=seconds,
                    within=tuple(within),
                )
                for machine, failure, flags, trials, seconds, *within in connection.execute(query)
            ]

    def wait_counts(self, bounds_s: Sequence[float]) -> list[WaitCount]:
        """Count jobs by how long they waited, from the submission of their sweep until their first attempt.

        Jobs that the controller added later and jobs of later attempts are left out: nobody knows since when they wait.
        """
        wait_s = self._between_s(t.sweep.c.submitted_at, t.job.c.claimed_at)
        planned_at_once = and_(~t.sweep.c.is_search, t.job.c.block < t.sweep.c.rule["min"].as_integer())
        query = (
            select(t.job.c.target, func.count(), func.sum(wait_s), *_within(wait_s, bounds_s))
            .join(t.sweep, t.sweep.c.id == t.job.c.sweep_id)
            .where(t.job.c.attempt == 1, t.job.c.claimed_at.is_not(None), planned_at_once)
            .group_by(t.job.c.target)
        )
        with self.read() as connection:
            return [
                WaitCount(target, jobs, seconds, tuple(within))
                for target, jobs, seconds, *within in connection.execute(query)
            ]

    def _running(self, connection: Connection) -> list[RunningJob]:
        """Read the jobs that run; what a trial does now is known where its worker's last heartbeat is recent."""
        is_current = and_(t.machine.c.running_job == t.job.c.id, t.machine.c.last_seen_at >= self.now(-PRESENT_S))
        query = _RUNNING.add_columns(case((is_current, t.machine.c.live)).label("live"))
        return readable(each(connection.execute(query), _running_job))

    def _available(
        self, connection: Connection, sweep_id: str, running: Sequence[RunningJob]
    ) -> tuple[tuple[Machine, ...], tuple[tuple[str, str], ...]]:
        """Read the machines that run a sweep, and those that are present, active and idle; and their notes."""
        mine = {job.machine_id for job in running if job.sweep == sweep_id}
        busy = {job.machine_id for job in running} - mine
        since = connection.execute(select(self.now(-PRESENT_S))).scalar_one()
        found = [
            status
            for status in readable(known_machines(connection))
            if status.machine.id in mine
            or (
                status.machine.id not in busy
                and status.wanted_state == MachineState.ACTIVE
                and status.last_seen_at >= since
            )
        ]
        notes = ((s.machine.name, note) for s in found if s.last_seen_at >= since for note in s.live.notes)
        return tuple(status.machine for status in found), tuple(notes)

    def _between_s(self, begin: ColumnElement[datetime], end: ColumnElement[datetime]) -> ColumnElement[float]:
        """Return the seconds from one time to another."""
        if self.is_sqlite:
            return (func.julianday(end) - func.julianday(begin)) * timedelta(days=1).total_seconds()
        return cast(func.extract("epoch", end - begin), Float)


def _running_job(row: Row[*tuple[Any, ...]]) -> RunningJob:
    with reading("sweep", row.sweep, row.sweep_name, f"job {row.job}: "):
        return _RUNNING_JOB.validate_python({**row._mapping, "live": read_live(row.live).trial})


def _hold(connection: Connection, sweep_id: str) -> Hold | None:
    columns = (t.sweep.c.hold_below_g_per_kwh, t.sweep.c.hold_until, t.sweep.c.hold_note)
    held = (t.sweep.c.id == sweep_id, t.sweep.c.hold_until.is_not(None))
    row = connection.execute(select(*columns).where(*held)).one_or_none()
    return None if row is None else Hold(*row)


def _within(value: ColumnElement[float], bounds: Sequence[float]) -> list[ColumnElement[int]]:
    """Count, for each bound, the values that are no larger."""
    return [func.count(case((value <= bound, 1))) for bound in bounds]


_RUNNING = (
    select(
        t.job.c.id.label("job"),
        t.job.c.attempt,
        t.job.c.sweep_id.label("sweep"),
        t.sweep.c.name.label("sweep_name"),
        t.job.c.point,
        t.job.c.repetition,
        t.job.c.machine_id,
        t.machine.c.name.label("machine"),
        t.machine.c.hardware_class,
        t.job.c.claimed_at.label("since"),
    )
    .join(t.machine, t.machine.c.id == t.job.c.machine_id)
    .join(t.sweep, t.sweep.c.id == t.job.c.sweep_id)
    .where(t.job.c.state == JobState.RUNNING)
    .order_by(t.machine.c.name)
)


def _waiting(connection: Connection, sweep_id: str | None = None) -> list[Waiting]:
    in_order = (t.job.c.sweep_id, t.job.c.state, t.job.c.target, t.job.c.queue)  # of the index: nothing is sorted
    query = select(t.job.c.sweep_id, t.job.c.target, func.count(), t.job.c.queue)
    query = query.where(t.job.c.state == JobState.QUEUED).group_by(*in_order).order_by(*in_order)
    if sweep_id is not None:
        query = query.where(t.job.c.sweep_id == sweep_id)
    return [
        Waiting(sweep, target, jobs, queue if is_capability(queue) else "")
        for sweep, target, jobs, queue in connection.execute(query)
    ]


def _last_trials(machine_id: str) -> Subquery:
    """Select the last trials of a machine, of any sweep."""
    names = ("id", "job_id", "duration_s", "failure_kind", "finished_at_utc", "flags", "notes")
    own = select(*(t.trial.c[name] for name in names)).where(t.trial.c.machine_id == machine_id)
    return own.order_by(t.trial.c.finished_at_utc.desc()).limit(_LOOKED_AT).subquery()


def _ended(connection: Connection, sweep_id: str, machine: Row[str, str]) -> list[EndedTrial]:
    last, sample = _last_trials(machine.id), t.sample
    whole = and_(sample.c.trial_id == last.c.id, sample.c.own_device, sample.c.part == t.WHOLE)
    figures = (sample.c.unit, sample.c.units, sample.c.duration_s, sample.c.gross_j, sample.c.quality)
    query = (
        select(
            *(last.c.id, last.c.finished_at_utc, last.c.failure_kind, last.c.flags, last.c.notes),
            *(t.job.c.point, t.job.c.repetition, sample.c.flags.label("work_flags"), *figures),
        )
        .select_from(last.join(t.job, t.job.c.id == last.c.job_id).outerjoin(sample, whole))
        .where(t.job.c.sweep_id == sweep_id)
    )
    return readable(each(connection.execute(query), partial(_ended_trial, sweep_id, machine.name)))


def _ended_trial(sweep_id: str, machine: str, row: Row[*tuple[Any, ...]]) -> EndedTrial:
    names = ("point", "repetition", "notes", "unit", "units", "duration_s", "gross_j", "quality")
    with reading("sweep", sweep_id, part=f"trial {row.id}: "):
        return _ENDED_TRIAL.validate_python(
            {
                "trial": row.id,
                "machine": machine,
                "finished_at": row.finished_at_utc,
                "failure": row.failure_kind,
                "flags": row.flags if row.work_flags is None else [*filter(None, row.work_flags.split(";"))],
                **{name: getattr(row, name) for name in names},
            }
        )


def _recent_s(connection: Connection, sweep_id: str, available: Sequence[Machine]) -> dict[str, tuple[float, ...]]:
    found: dict[str, list[float]] = defaultdict(list)
    for machine in available:
        last = _last_trials(machine.id)
        query = (
            select(last.c.duration_s)
            .join(t.job, last.c.job_id == MEASURED_BY)
            .where(t.job.c.sweep_id == sweep_id, last.c.failure_kind.is_(None))
            .order_by(last.c.finished_at_utc.desc())
            .limit(_TYPICAL)
        )
        found[machine.hardware_class] += connection.scalars(query)
    return {name: tuple(durations) for name, durations in found.items() if durations}


def _condition(connection: Connection, machine_id: str, running: RunningJob | None) -> Condition:
    last = (
        select(t.trial.c.id, t.trial.c.flags, t.trial.c.failure_kind)
        .where(t.trial.c.machine_id == machine_id)
        .order_by(t.trial.c.finished_at_utc.desc())
        .limit(RECENT)
    )
    trials = connection.execute(last).all()
    flags: dict[str, int] = defaultdict(int)
    for trial in trials:
        for flag in _words(trial.flags):
            flags[flag] += 1
    return Condition(
        running=running,
        trials=len(trials),
        failed=sum(trial.failure_kind is not None for trial in trials),
        flagged=sum(bool(_words(trial.flags)) for trial in trials),
        flags=dict(sorted(flags.items(), key=lambda item: -item[1])),
        temperature=next(filter(None, (_temperature(connection, trial.id) for trial in trials[:_WARM])), None),
    )


def _words(flags: object) -> tuple[str, ...]:
    """Return the flags of a trial, those of newer programs too; none where the column holds something else."""
    return tuple(map(str, flags)) if isinstance(flags, list) else ()


def _temperature(connection: Connection, trial_id: str) -> Temperature | None:
    """Read the last temperature of a trial, of its warmest domain."""
    query = (
        select(
            t.measurement.c.domain,
            t.measurement.c.temperature_c,
            t.window.c.started_at_utc,
            t.window.c.begin_at_ns,
            t.window.c.end_at_ns,
        )
        .select_from(t.measurement.join(t.window))
        .where(t.measurement.c.trial_id == trial_id, t.measurement.c.temperature_c.is_not(None))
        .order_by(t.window.c.end_at_ns.desc(), t.measurement.c.temperature_c.desc())
        .limit(1)
    )
    row: Row[str, float, datetime, int, int] | None = connection.execute(query).one_or_none()
    if row is None:
        return None
    length = timedelta(seconds=(row.end_at_ns - row.begin_at_ns) / 1e9)
    return Temperature(Domain(row.domain), row.temperature_c, row.started_at_utc + length)
