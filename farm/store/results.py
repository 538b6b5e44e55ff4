"""The queries that read failures and measurements."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection, Row, Select, Text, func, or_, select
from sqlalchemy import cast as sql_cast

import farm.store.tables as t
from farm.energy.samples import WORK
from farm.model import (
    Asked,
    Budget,
    Domain,
    Epoch,
    FailedTrial,
    Failure,
    FailureKind,
    Flag,
    JobSpec,
    JobState,
    MeasurementRow,
    MeasureSettings,
    Plan,
    Quality,
    Requests,
    Stopped,
    TraceReport,
    TrialRow,
    Window,
    WindowKind,
)
from farm.model.energies import combined
from farm.model.errors import InputError
from farm.store.blobs import REQUEST_TIMES, unpack_channel, unpack_known
from farm.store.carbon import FACTOR
from farm.store.engine import Database
from farm.store.membership import COUNTED, of_sweeps
from farm.store.samples import BATCH, carbon_factor, shared


class Results(Database):
    """The queries of results; none of them writes."""

    def failures(self, sweep_id: str) -> list[FailedTrial]:
        """Read every failed trial of a sweep, in the order of the plan."""
        query = (
            select(
                t.trial.c.job_id,
                t.job.c.point,
                t.job.c.repetition,
                t.job.c.state,
                t.trial.c.attempt,
                t.trial.c.failure_kind,
                t.trial.c.failure_message,
                t.trial.c.failure_signal,
            )
            .select_from(COUNTED)
            .where(t.job.c.sweep_id == sweep_id, t.trial.c.failure_kind.is_not(None))
            .order_by(t.job.c.ordinal, t.trial.c.attempt)
        )
        with self.read() as connection:
            return [
                FailedTrial(
                    job=row.job_id,
                    point=row.point,
                    repetition=row.repetition,
                    attempt=row.attempt,
                    failure=_known_failure(row),
                    state=JobState(row.state),
                )
                for row in connection.execute(query)
            ]

    def measurement_rows(
        self, *sweep_ids: str, kinds: Collection[WindowKind] | None = None
    ) -> Iterator[MeasurementRow]:
        """Read the rows of these sweeps (none: of all) in the order of their plans, of some or all kinds of window."""
        query = _of(sweep_ids, _MEASUREMENTS)
        if kinds is not None:
            query = query.where(t.window.c.kind.in_(kinds))
        with self.read() as connection:
            for row in connection.execute(query.execution_options(yield_per=BATCH)):
                yield _measurement_row(row)

    def trial_rows(self, *sweep_ids: str) -> Iterator[TrialRow]:
        """Read the trials of these sweeps (none: of all), failed ones too, in the order of their plans."""
        with self.read() as connection:
            epochs: dict[str, list[Epoch]] = defaultdict(list)
            for row in connection.execute(_of(sweep_ids, _EPOCHS)).mappings():
                epochs[row["trial_id"]].append(Epoch.model_validate({k: v for k, v in row.items() if k != "trial_id"}))
            parsed = lru_cache(BATCH)(json.loads)
            for trial in connection.execute(_of(sweep_ids, _TRIALS).execution_options(yield_per=BATCH)):
                yield _trial_row(trial, tuple(epochs.get(trial.trial, ())), parsed)

    def find_trial(self, name: str) -> TrialRow:
        """Find a trial by its id JOB.ATTEMPT, or the last trial of a job by the job's id or the beginning of that.

        Raises InputError, with what to do.
        """
        begins = or_(t.trial.c.id == name, t.job.c.id == name, t.job.c.id.startswith(name, autoescape=True))
        query = select(t.trial.c.id, t.trial.c.job_id).select_from(COUNTED).where(begins).order_by(t.trial.c.attempt)
        with self.read() as connection:
            found = connection.execute(query.limit(BATCH)).all()
            ids = {row.id for row in found}
            jobs = {row.job_id for row in found}
            if name not in ids and (len(jobs) != 1 or not name):
                raise InputError(_no_trial(connection, name, sorted(jobs)))
            wanted = name if name in ids else found[-1].id
            (row,) = connection.execute(_TRIALS.where(t.trial.c.id == wanted, t.job.c.id == t.trial.c.job_id))
            return _trial_row(row, (), json.loads)

    def traces(self, trial_id: str) -> list[TraceReport]:
        """Read the readings of every meter during a trial."""
        query = select(t.trace).where(t.trace.c.trial_id == trial_id).order_by(t.trace.c.domain, t.trace.c.source)
        with self.read() as connection:
            return [_trace(row) for row in connection.execute(query)]

    def windows(self, trial_id: str) -> list[Window]:
        """Read the windows of a trial, in order of time."""
        query = select(t.window).where(t.window.c.trial_id == trial_id).order_by(t.window.c.begin_at_ns)
        with self.read() as connection:
            found = connection.execute(query).mappings()
            return [Window.model_validate({k: v for k, v in row.items() if k != "trial_id"}) for row in found]

    def requests(self, *sweep_ids: str) -> dict[str, list[Requests]]:
        """Read the requests that the live trials of these sweeps (none: of all) served, by trial, window by window."""
        found: dict[str, list[Requests]] = defaultdict(list)
        with self.read() as connection:
            for row in connection.execute(_of(sweep_ids, _REQUESTS)).mappings():
                times_s = {name: tuple(unpack_known(row[name], 8)) for name in REQUEST_TIMES}
                own = Requests(window=row["window"], capacity_per_s=row["capacity_per_s"], **times_s)
                found[row["trial_id"]].append(own)
        return dict(found)

    def meters(self, sweep_id: str) -> dict[tuple[Domain, str | None, Quality | None], int]:
        """Count the windows of work that each meter measured, by domain, meter and quality."""
        columns = (t.measurement.c.domain, t.measurement.c.source, t.measurement.c.quality)
        mine = (t.job.c.sweep_id == sweep_id, t.measurement.c.window_kind.in_(WORK))
        query = select(*columns, func.count()).select_from(_JOINED.join(t.window).join(t.measurement))
        query = query.where(*mine).group_by(*columns).order_by(*columns)
        with self.read() as connection:
            return {
                (Domain(domain), source, Quality(quality) if quality else None): count
                for domain, source, quality, count in connection.execute(query)
            }

    def plan(self, sweep_id: str) -> Plan:
        """Read what the jobs of a sweep have in common, and what distinguishes them."""
        mine, first = t.job.c.sweep_id == sweep_id, func.min(t.job.c.ordinal)
        point = sql_cast(t.job.c.point, Text)
        with self.read() as connection:
            points = connection.scalars(select(point).where(mine).group_by(point).order_by(first)).all()
            targets = connection.scalars(select(t.job.c.target).where(mine).group_by(t.job.c.target).order_by(first))
            spec = connection.scalar(select(t.job.c.spec).where(mine).order_by(t.job.c.ordinal).limit(1))
            planned = JobSpec.model_validate(spec) if spec else None  # an import has no specs
            return Plan(
                points=[json.loads(one) for one in points],
                targets=targets.all() if planned else (),
                measure=planned.measure if planned else None,
                seed=planned.seed if planned else None,
            )

    def measure_settings(self, sweep_id: str) -> list[MeasureSettings]:
        """Read the different settings by which the jobs of a sweep measure; an import has none."""
        settings = sql_cast(t.job.c.spec["measure"], Text).label("settings")
        query = select(settings).where(t.job.c.sweep_id == sweep_id).distinct().order_by("settings")
        with self.read() as connection:
            return [
                MeasureSettings.model_validate_json(one)
                for one in connection.scalars(query)
                if one not in {None, "null"}
            ]

    def environments(self, *sweep_ids: str) -> dict[str, Mapping[str, JsonValue]]:
        """Read the environments of the trials of these sweeps (none: of all), by id, in the order of their plans."""
        with self.read() as connection:
            ids = list(connection.scalars(_of(sweep_ids, _ENVIRONMENTS)))
            query = select(t.environment).where(t.environment.c.id.in_(ids))
            found = {row.id: row.content for row in connection.execute(query)}
        return {own: found[own] for own in ids}


_IDENTITY = (
    t.job.c.sweep_id.label("sweep"),
    t.sweep.c.name.label("sweep_name"),
    t.job.c.id.label("job"),
    t.trial.c.id.label("trial"),
    t.trial.c.attempt,
    t.machine.c.name.label("machine"),
    t.trial.c.machine_id,
    t.machine.c.hardware_class,
    t.trial.c.environment_id.label("environment"),
    t.sweep.c.kind,
    t.job.c.point.label("factors"),
    t.job.c.repetition,
)
_JOINED = COUNTED.join(t.sweep, t.sweep.c.id == t.job.c.sweep_id).outerjoin(
    t.machine, t.machine.c.id == t.trial.c.machine_id
)
#: An imported window keeps its duration only.
_UNSTAMPED: dict[str, Any] = dict.fromkeys(("begin_at_ns", "end_at_ns", "started_at_utc"))
_ORDER = (t.sweep.c.submitted_at, t.sweep.c.id, t.job.c.ordinal, t.trial.c.attempt)
_WINDOW = (t.window.c.begin_at_ns, t.window.c.end_at_ns, t.window.c.started_at_utc, t.window.c.units)
_MEASUREMENTS = (
    select(
        *_IDENTITY,
        *_WINDOW,
        *(column for column in t.measurement.c if column.name not in {"trial_id", "flags"}),
        t.measurement.c.flags.label("measurement_flags"),
        t.trial.c.flags.label("trial_flags"),
        t.trial.c.simulated,
        t.sweep.c.imported,
        t.trial.c.failure_kind,
    )
    .select_from(_JOINED.join(t.window).join(t.measurement))
    .order_by(*_ORDER, t.window.c.begin_at_ns, t.measurement.c.domain)
)
#: Columns in JSON that are parsed once for many trials.
_TEXTS = frozenset({"facts", "flags", "notes"})
#: Columns whose values many trials share.
_SHARED = (
    *("sweep", "sweep_name", "machine", "machine_id", "hardware_class", "environment", "kind", "target", "log_tail"),
)
_TRIALS = (
    select(
        *(column for column in _IDENTITY if column.name != "factors"),
        sql_cast(t.job.c.point, Text).label("factors"),
        t.job.c.target,
        t.job.c.block,
        *(
            sql_cast(column, Text).label(column.name) if column.name in _TEXTS else column
            for column in t.trial.c
            if column.name not in {"id", "job_id", "attempt", "machine_id", "environment_id"}
            and not column.name.startswith("carbon_")
        ),
        *FACTOR,
        t.sweep.c.imported,
        t.job.c.spec["asked"].label("asked"),
    )
    .select_from(_JOINED)
    .order_by(*_ORDER)
)
_EPOCHS = (
    select(*t.epoch.c)
    .select_from(COUNTED.join(t.epoch, t.epoch.c.trial_id == t.trial.c.id))
    .order_by(t.epoch.c.trial_id, t.epoch.c.index)
)
_REQUESTS = select(*t.requests.c).select_from(_JOINED.join(t.requests)).order_by(*_ORDER, t.requests.c.window)
_ENVIRONMENTS = (
    select(t.trial.c.environment_id)
    .select_from(_JOINED)
    .where(t.trial.c.environment_id.is_not(None))
    .group_by(t.trial.c.environment_id)
    .order_by(func.min(t.sweep.c.submitted_at), func.min(t.sweep.c.id), func.min(t.job.c.ordinal))
)


def _of(sweep_ids: Collection[str], query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return query.where(of_sweeps(sweep_ids))


def _measurement_row(row: Row[*tuple[Any, ...]]) -> MeasurementRow:
    fields = row._asdict()
    flags = {*fields.pop("trial_flags"), *fields.pop("measurement_flags")}
    failure = fields.pop("failure_kind")
    budget = Budget.model_construct(**row.budget)
    return MeasurementRow(
        **fields
        | {
            "window": WindowKind(fields.pop("window_kind")),
            "duration_s": (row.end_at_ns - row.begin_at_ns) / 1e9 or None,
            "domain": Domain(row.domain),
            "quality": Quality(row.quality) if row.quality else None,
            "flags": tuple(Flag(flag) for flag in sorted(flags)),
            "failure": FailureKind(failure) if failure else None,
            "budget": budget,
            "net_u_random_j": combined(budget.net, shared=False),
            "net_u_shared_j": combined(budget.net, shared=True),
        }
        | (_UNSTAMPED if row.imported else {})
    )


def _trial_row(row: Row[*tuple[Any, ...]], epochs: tuple[Epoch, ...], parsed: Callable[[str], Any]) -> TrialRow:
    """Build a trial; `parsed` reads JSON, and may return one object for equal texts."""
    fields = row._asdict()
    failure = _known_failure(row) if row.failure_kind else None
    for name in ("failure_kind", "failure_message", "failure_signal"):
        del fields[name]
    carbon = carbon_factor(*(fields.pop(f"carbon_{name}") for name in ("g_per_kwh", "pue", "source")))
    return TrialRow(
        **fields
        | dict(zip(_SHARED, shared(*(fields[name] for name in _SHARED)), strict=True))
        | {
            "failure": failure,
            "carbon": carbon,
            "factors": parsed(row.factors),
            "facts": parsed(row.facts),
            "flags": tuple(Flag(flag) for flag in parsed(row.flags)),
            "notes": tuple(parsed(row.notes)),
            "stopped": Stopped(row.stopped) if row.stopped else None,
            "asked": Asked.model_validate(row.asked) if row.asked else None,
            "epochs": epochs,
        }
    )


def _no_trial(connection: Connection, name: str, jobs: Sequence[str]) -> str:
    """Build the error for an unknown trial, with the command that lists trials."""
    if jobs:
        return f"{name!r} fits {len(jobs)} jobs: {', '.join(jobs[:3])}"
    job_id = name.rpartition(".")[0] or name
    job = connection.execute(select(t.job.c.state, t.job.c.attempt).where(t.job.c.id.in_((name, job_id)))).first()
    if job is None:
        return f"no trial {name!r}: `farm status SWEEP` names those that failed, `farm export SWEEP` all that measured"
    if job.attempt == 0:
        return f"job {job_id} is {job.state}: it has had no trial yet"
    return f"job {job_id} has no trial {name!r}: it is {job.state}, attempt {job.attempt}"


def _known_failure(row: Row[*tuple[Any, ...]]) -> Failure:
    return Failure(kind=FailureKind(row.failure_kind), message=row.failure_message, signal=row.failure_signal)


def _trace(row: Row[*tuple[Any, ...]]) -> TraceReport:
    offset_s = tuple(unpack_known(row.offset_s, 8))
    length = len(offset_s)
    return TraceReport(
        domain=row.domain,
        source=row.source,
        quality=row.quality,
        t0_ns=row.t0_ns,
        offset_s=offset_s,
        power_w=unpack_channel(row.power_w, 4, length),
        energy_j=unpack_channel(row.energy_j, 8, length),
        temperature_c=unpack_channel(row.temperature_c, 4, length),
        clock_hz=unpack_channel(row.clock_hz, 4, length),
    )
