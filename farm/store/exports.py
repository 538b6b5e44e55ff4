"""The rows of an export, read so that memory holds only a part of a large sweep."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Text, bindparam, func, select, text
from sqlalchemy import cast as sql_cast

import farm.store.tables as t
from farm.model import Point
from farm.store.blobs import REQUEST_TIMES, unpack_known
from farm.store.carbon import FACTOR
from farm.store.engine import Database
from farm.store.membership import COUNTED

#: Trials whose rows are in memory at a time: a trial has tens of measurements, but thousands of batches or requests.
_TRIALS, _FEW_TRIALS = 500, 10


class MeasuredTrial(NamedTuple):
    """The values that the rows of one trial share."""

    sweep: str
    sweep_name: str
    job: str
    trial: str
    attempt: int
    machine: str | None
    machine_id: str | None
    hardware_class: str | None
    environment: str | None
    kind: str
    factors: str  #: the point, as JSON
    repetition: int
    flags: str  #: the flags of the trial, as JSON
    simulated: bool
    imported: bool
    failure: str | None
    carbon_g_per_kwh: float | None
    carbon_pue: float
    carbon_source: str | None


#: The index of a measure window, and the times of its requests, by REQUEST_TIMES.
ServedWindow = tuple[int, Sequence[Sequence[float]]]

_JOINED = COUNTED.join(t.sweep, t.sweep.c.id == t.job.c.sweep_id).outerjoin(
    t.machine, t.machine.c.id == t.trial.c.machine_id
)
_MEASURED = (
    select(
        t.job.c.sweep_id,
        t.sweep.c.name,
        t.job.c.id,
        t.trial.c.id,
        t.trial.c.attempt,
        t.machine.c.name,
        t.trial.c.machine_id,
        t.machine.c.hardware_class,
        t.trial.c.environment_id,
        t.sweep.c.kind,
        sql_cast(t.job.c.point, Text),
        t.job.c.repetition,
        sql_cast(t.trial.c.flags, Text),
        t.trial.c.simulated,
        t.sweep.c.imported,
        t.trial.c.failure_kind,
        *FACTOR,
    )
    .select_from(_JOINED)
    .order_by(t.job.c.ordinal, t.trial.c.attempt)
)
#: The columns of a measurement in the order of the export, without those of its trial.
MEASUREMENT = (
    *("window_kind", "window_index", "begin_at_ns", "end_at_ns", "started_at_utc", "units", "domain", "quality"),
    *("source", "gross_j", "baseline_w", "net_j", "net_j_low", "net_j_high", "mean_w", "temperature_c", "flags"),
    *("gross_u_j", "baseline_bare_w", "baseline_context_w", "clock_hz", "budget"),
)
_TEXTS = {name: sql_cast(t.measurement.c[name], Text) for name in ("flags", "budget")}
_KNOWN = {**t.window.c, **t.measurement.c, **_TEXTS}
_ROWS = (
    select(t.measurement.c.trial_id, *(_KNOWN[name] for name in MEASUREMENT))
    .select_from(t.measurement.join(t.window))
    .order_by(t.measurement.c.trial_id, t.window.c.begin_at_ns, t.measurement.c.domain)
)


class Exports(Database):
    """The queries of an export; none of them writes."""

    def measured(self, sweep_id: str) -> Iterator[tuple[MeasuredTrial, Sequence[Sequence[Any]]]]:
        """Read the trials of a sweep in the order of its plan, each with its rows of MEASUREMENT; failed trials too."""
        with self.read() as connection:
            for some in _parts(connection, sweep_id, _TRIALS):
                rows = connection.execute(_ROWS.where(t.measurement.c.trial_id.in_(some)))
                own = {trial: [row[1:] for row in found] for trial, found in groupby(rows, itemgetter(0))}
                for name, trial in some.items():
                    yield trial, own.get(name, ())

    def timed(self, sweep_id: str) -> Iterator[tuple[MeasuredTrial, Sequence[float]]]:
        """Read the trials of a sweep as `measured` does, each with the duration in s of each batch."""
        query = select(t.latency.c.trial_id, t.latency.c.values_s)
        with self.read() as connection:
            for some in _parts(connection, sweep_id, _FEW_TRIALS):
                own = dict(connection.execute(query.where(t.latency.c.trial_id.in_(some))).all())
                for name, trial in some.items():
                    yield trial, unpack_known(own[name], 8) if name in own else ()

    def served(self, sweep_id: str) -> Iterator[tuple[MeasuredTrial, Sequence[ServedWindow]]]:
        """Read the trials of a sweep as `measured` does, each with the requests that it served, window by window."""
        query = select(t.requests).order_by(t.requests.c.trial_id, t.requests.c.window)
        with self.read() as connection:
            for some in _parts(connection, sweep_id, _FEW_TRIALS):
                own: dict[str, list[ServedWindow]] = defaultdict(list)
                for row in connection.execute(query.where(t.requests.c.trial_id.in_(some))).mappings():
                    own[row["trial_id"]].append((row["window"], [unpack_known(row[n], 8) for n in REQUEST_TIMES]))
                for name, trial in some.items():
                    yield trial, own.get(name, ())

    def epochs(self, sweep_id: str) -> Iterator[tuple[MeasuredTrial, Sequence[Mapping[str, Any]]]]:
        """Read the trials of a sweep as `measured` does, each with its rows of view v_epoch."""
        query = text("SELECT * FROM v_epoch WHERE sweep = :sweep AND trial IN :trials ORDER BY trial, epoch")
        query = query.bindparams(bindparam("trials", expanding=True))
        with self.read() as connection:
            for some in _parts(connection, sweep_id, _TRIALS):
                rows = connection.execute(query, {"sweep": sweep_id, "trials": list(some)}).mappings()
                epochs = {trial: [dict(row) for row in found] for trial, found in groupby(rows, itemgetter("trial"))}
                for name, trial in some.items():
                    yield trial, epochs.get(name, ())

    def points(self, sweep_id: str) -> list[Point]:
        """Read the different points of a sweep's jobs, in the order of the plan."""
        point = sql_cast(t.job.c.point, Text)
        query = select(point).where(t.job.c.sweep_id == sweep_id).group_by(point).order_by(func.min(t.job.c.ordinal))
        with self.read() as connection:
            return [decoded(text) for text in connection.scalars(query)]


def _parts(connection: Connection, sweep_id: str, most: int) -> Iterator[dict[str, MeasuredTrial]]:
    """Read the trials of a sweep in the order of its plan by their ids, so many at a time."""
    mine = _MEASURED.where(t.job.c.sweep_id == sweep_id)
    trials = iter(connection.scalars(mine.with_only_columns(t.trial.c.id)).all())
    while some := list(islice(trials, most)):
        yield {row[3]: MeasuredTrial._make(row) for row in connection.execute(mine.where(t.trial.c.id.in_(some)))}


@cache
def decoded(text: str) -> Any:
    """Parse a JSON value, once for each text; the caller must not change it."""
    return json.loads(text)
