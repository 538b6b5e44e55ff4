"""The command that stores a worker's report as a trial, once."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, delete, select, update

import farm.store.tables as t
from farm.energy.samples import samples_of
from farm.model import FailureKind, JobState, Requests, TraceReport, TrialReport
from farm.model.percentiles import percentile
from farm.store.blobs import REQUEST_TIMES, pack, pack_channel
from farm.store.engine import Database
from farm.store.outcome import outcome
from farm.store.samples import sample_row

#: A job in one of these states may still get a report of its last attempt.
_OPEN = (JobState.RUNNING, JobState.QUEUED, JobState.FAILED)

#: Built once: building takes longer than running.
_AWAITED = (
    select(
        t.job.c.max_attempts,
        t.job.c.cancel_requested,
        t.job.c.point["rate_per_s"].as_string().is_not(None).label("is_endless"),
    )
    .where(
        t.job.c.id == bindparam("of_job"),
        t.job.c.attempt == bindparam("mine"),
        t.job.c.state.in_(_OPEN),
    )
    .with_for_update()
)
_FORGET_PLACEHOLDER = delete(t.trial).where(
    t.trial.c.id == bindparam("trial"), t.trial.c.failure_kind == FailureKind.LOST
)
_SETTLE = (
    update(t.job)
    .where(t.job.c.id == bindparam("of_job"))
    .values(
        state=bindparam("next_state"),
        max_attempts=bindparam("next_max_attempts"),
        published_at=None,
        lease_owner=None,
        lease_until=None,
    )
)


class Trials(Database):
    """The command for reports of workers."""

    def complete(self, report: TrialReport) -> bool:
        """Store a report and settle its job, in one transaction; True where it was stored.

        False for a report that is stored already, whose job was claimed again or cancelled since, or whose job
        this store does not know: the caller may discard it. The report of an attempt that outlived its lease is stored
        as long as no worker has claimed the job again.
        """
        with self.write() as connection:
            mine = {"of_job": report.job, "mine": report.attempt}
            job = connection.execute(_AWAITED, mine).one_or_none()
            if job is None or not self._insert_trial(connection, report):
                return False
            _insert_series(connection, report, job.is_endless)
            next_ = outcome(
                report.failure.kind if report.failure else None,
                attempt=report.attempt,
                max_attempts=job.max_attempts,
                cancel_requested=job.cancel_requested,
            )
            connection.execute(
                _SETTLE, {"of_job": report.job, "next_state": next_.state, "next_max_attempts": next_.max_attempts}
            )
        return True

    def _insert_trial(self, connection: Connection, report: TrialReport) -> bool:
        """Insert a trial; False where this attempt has a trial that is more than a placeholder."""
        trial_id, carbon = _trial_id(report), report.carbon
        connection.execute(_FORGET_PLACEHOLDER, {"trial": trial_id})
        row = {
            "id": trial_id,
            "job_id": report.job,
            "attempt": report.attempt,
            "machine_id": report.machine,
            "environment_id": self._insert_environment(connection, report.environment),
            "started_at_utc": report.started_at_utc,
            "finished_at_utc": report.finished_at_utc,
            "duration_s": report.duration_s,
            "overhead_s": report.overhead_s,
            "failure_kind": report.failure.kind if report.failure else None,
            "failure_message": report.failure.message if report.failure else None,
            "failure_signal": report.failure.signal if report.failure else None,
            "facts": report.facts,
            "carbon_g_per_kwh": carbon.g_per_kwh,
            "carbon_pue": carbon.pue,
            "carbon_source": carbon.source,
            "carbon_is_own": carbon.is_own,
            "flags": report.flags,
            "notes": report.notes,
            "log_tail": report.log_tail,
            "stopped": report.stopped,
            "simulated": report.simulated,
        }
        statement = self.insert(t.trial).on_conflict_do_nothing().returning(t.trial.c.id)
        return connection.execute(statement, row).one_or_none() is not None

    def _insert_environment(self, connection: Connection, content: Mapping[str, JsonValue]) -> str | None:
        """Insert the environment and return its id; None where the trial died before it reported one."""
        if not content:
            return None
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
        row = {"id": digest, "content": content}
        connection.execute(self.insert(t.environment).on_conflict_do_nothing(), row)
        return digest


def _trial_id(report: TrialReport) -> str:
    return f"{report.job}.{report.attempt}"


def _insert_series(connection: Connection, report: TrialReport, is_endless: bool) -> None:
    trial = {"trial_id": _trial_id(report)}
    batches: list[tuple[Any, list[dict[str, Any]]]] = [
        (t.window, [trial | window.model_dump() for window in report.windows]),
        (t.measurement, [trial | measurement.model_dump() for measurement in report.measurements]),
        (t.sample, [trial | sample_row(sample) for sample in samples_of(report)]),
        (t.trace, [trial | _trace_row(trace) for trace in report.traces]),
        (t.epoch, [trial | epoch.model_dump() for epoch in report.epochs]),
        (t.requests, [trial | _requests_row(requests, is_endless) for requests in report.requests]),
        (t.latency, [trial | _latency_row(report.latencies_s)] if report.latencies_s else []),
    ]
    for table, rows in batches:
        if rows:
            connection.execute(table.insert(), rows)


def _trace_row(trace: TraceReport) -> dict[str, Any]:
    return {
        "domain": trace.domain,
        "source": trace.source,
        "quality": trace.quality,
        "t0_ns": trace.t0_ns,
        "offset_s": pack(trace.offset_s, 8),
        "power_w": pack_channel(trace.power_w, 4),
        "energy_j": pack_channel(trace.energy_j, 8),
        "temperature_c": pack_channel(trace.temperature_c, 4),
        "clock_hz": pack_channel(trace.clock_hz, 4),
    }


def _latency_row(values_s: Sequence[float]) -> dict[str, Any]:
    return {"values_s": pack(values_s, 8), "batches": len(values_s), **_figures_s(sorted(values_s))}


def _requests_row(requests: Requests, is_endless: bool) -> dict[str, Any]:
    """Return a row of table `requests`; where a process is endless, its first requests are not counted."""
    times_s = {name: pack(getattr(requests, name), 8) for name in REQUEST_TIMES}
    response_s = requests.response_s(is_endless)
    figures_s = {"max_s": response_s[-1] if response_s else None, **_figures_s(response_s)}
    batches = len(set(requests.done_s))  # requests of one batch are done at the same time
    return {
        "window": requests.window,
        "capacity_per_s": requests.capacity_per_s,
        **times_s,
        "counted": len(response_s),
        **{f"response_{name}": value_s for name, value_s in figures_s.items()},
        "mean_batch": len(requests.done_s) / batches if batches else None,
    }


def _figures_s(ordered_s: Sequence[float]) -> dict[str, float | None]:
    percentiles = {f"p{percent}_s": percentile(ordered_s, percent) for percent in (50, 95, 99)}
    return {"mean_s": fmean(ordered_s) if ordered_s else None, **percentiles}
