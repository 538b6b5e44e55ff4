"""What was measured as flat records: the export's contract."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from enum import StrEnum
from typing import Any

from farm.model import MeasurementRow, Requests, SweepRecord, TrialRow
from farm.model.errors import InputError
from farm.store import Store


class Rows(StrEnum):
    """What a row of an export is."""

    MEASUREMENT = "measurement"  #: a window x domain
    BATCH = "batch"  #: of the latency pass
    REQUEST = "request"  #: of a live trial


#: The first columns and their order are a contract with whoever reads an export; more may follow.
IDENTITY = ("sweep", "job", "trial", "attempt", "machine", "hardware_class", "environment", "kind")
# between these two: the factors, each a column of its own
MEASURED = (
    *("repetition", "window", "window_index", "begin_at_ns", "end_at_ns", "started_at_utc", "duration_s", "units"),
    *("domain", "quality", "source", "gross_j", "baseline_w", "net_j", "net_j_low", "net_j_high", "mean_w"),
    *("temperature_c", "flags", "simulated", "imported"),
)
_CONTRACT = {*IDENTITY, "factors", *MEASURED}
FURTHER = tuple(field.name for field in fields(MeasurementRow) if field.name not in _CONTRACT)


def exported(store: Store, sweep: SweepRecord, rows: Rows) -> list[dict[str, Any]]:
    """A sweep's records of one kind; raises InputError where it has no batches or no requests."""
    if rows is Rows.MEASUREMENT:
        return records(store.measurement_rows(sweep.id))
    trials = store.trial_rows(sweep.id)
    if rows is Rows.BATCH:
        found = [record for trial in trials for record in _batches(trial)]
    else:
        served = store.requests(sweep.id)
        windows = ((trial, own) for trial in trials for own in served.get(trial.trial, ()))
        found = [record for trial, own in windows for record in _requests(trial, own)]
    if not found:
        of = {Rows.BATCH: "timed batches", Rows.REQUEST: "live requests"}[rows]
        raise InputError(f"--rows {rows}: {sweep.name}, of kind {sweep.kind}, has no {of}")
    return found


def records(rows: Iterable[MeasurementRow]) -> list[dict[str, Any]]:
    """One record a window x domain; flags are one text, separated by semicolons."""
    return [_record(row) for row in rows]


def _record(row: MeasurementRow) -> dict[str, Any]:
    record: dict[str, Any] = {name: getattr(row, name) for name in IDENTITY}
    record |= row.factors
    record |= {name: getattr(row, name) for name in (*MEASURED, *FURTHER)}
    started = row.started_at_utc.isoformat() if row.started_at_utc else None
    return record | {"started_at_utc": started, "flags": ";".join(row.flags)}


def _of_trial(trial: TrialRow) -> dict[str, Any]:
    identity: dict[str, Any] = {name: getattr(trial, name) for name in IDENTITY}
    flags = {"flags": ";".join(trial.flags), "simulated": trial.simulated}
    return identity | trial.factors | {"repetition": trial.repetition} | flags


def _batches(trial: TrialRow) -> Iterator[dict[str, Any]]:
    own = _of_trial(trial)
    return (own | {"batch": index, "service_s": value_s} for index, value_s in enumerate(trial.latencies_s))


def _requests(trial: TrialRow, served: Requests) -> Iterator[dict[str, Any]]:
    """Times count from when the window's requests began to come; those of a batch were dequeued together."""
    own = _of_trial(trial) | {"window_index": served.window}
    times = zip(served.arrival_s, served.enqueue_s, served.dequeue_s, served.start_s, served.done_s, strict=True)
    for index, (arrival_s, enqueue_s, dequeue_s, start_s, done_s) in enumerate(times):
        yield own | {
            "request": index,
            "arrival_s": arrival_s,
            "enqueue_s": enqueue_s,
            "dequeue_s": dequeue_s,
            "start_s": start_s,
            "done_s": done_s,
            "response_s": done_s - arrival_s,
        }
