"""Exports: measurements as flat records whose first columns are a contract."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from enum import StrEnum
from functools import cache
from types import NoneType
from typing import Any, get_args, get_type_hints

from farm.model import CarbonFactor, MeasurementRow, Point, Requests, Scalar, SweepRecord, TrialRow
from farm.model.energies import combined
from farm.model.errors import InputError
from farm.report.files import Sheet, common_type
from farm.store import Store
from farm.store.exports import MEASUREMENT, MeasuredTrial, decoded


def _plain_type(hint: Any) -> type:
    """Return the type of a column from the type of a field that may be None; every type but numbers is text."""
    own = next(kind for kind in (*get_args(hint), hint) if kind is not NoneType)
    return own if own in {bool, int, float} else str


class Rows(StrEnum):
    """The subject of a row of an export."""

    MEASUREMENT = "measurement"  #: a domain in a window
    BATCH = "batch"  #: a batch that was timed
    REQUEST = "request"  #: a request of a live trial


#: The first columns and their order are a contract with the readers of exports; more columns may follow.
IDENTITY = ("sweep", "job", "trial", "attempt", "machine", "hardware_class", "environment", "kind")
# The factors stand here, each in a column of its own.
MEASURED = (
    *("repetition", "window", "window_index", "begin_at_ns", "end_at_ns", "started_at_utc", "duration_s", "units"),
    *("domain", "quality", "source", "gross_j", "baseline_w", "net_j", "net_j_low", "net_j_high", "mean_w"),
    *("temperature_c", "flags", "simulated", "imported"),
)
_CONTRACT = {*IDENTITY, "factors", *MEASURED}
#: The carbon factor of the trial, and the grams of the window's gross joules.
_CARBON: dict[str, type] = {
    "carbon_g_per_kwh": float, "carbon_pue": float, "carbon_source": str, "carbon_g": float,
}  # fmt: skip
FURTHER = (*(field.name for field in fields(MeasurementRow) if field.name not in _CONTRACT), *_CARBON)
#: The place of the gross joules among the figures of a row, which follow its five columns of kind and time.
_GROSS_J = MEASUREMENT.index("gross_j") - 5
#: The type of each column, factors excepted.
_TYPES = {name: _plain_type(hint) for name, hint in get_type_hints(MeasurementRow).items()} | _CARBON


def exported(store: Store, sweep: SweepRecord, rows: Rows, carbon: CarbonFactor | None = None) -> Sheet:
    """Read the rows of a sweep; they are read while they are written.

    Args:
        store: The store.
        sweep: The record of the sweep.
        rows: The subject of a row.
        carbon: The intensity of every trial's electricity; None: what its machine or the sweep states.

    Raises:
        InputError: The sweep has no batches or no requests.
    """
    if rows is Rows.MEASUREMENT:
        return measurements(store.points(sweep.id), store.measured(sweep.id), carbon)
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
    return Sheet.of(found)


def measurements(
    points: Sequence[Point],
    trials: Iterable[tuple[MeasuredTrial, Sequence[Sequence[Any]]]],
    carbon: CarbonFactor | None = None,
) -> Sheet:
    """Return a row for each domain in each window; flags are one text, separated by semicolons.

    Args:
        points: Every point of the sweep; their factors become columns.
        trials: Each trial with its measurements in order; their columns are `farm.store.exports.MEASUREMENT`.
        carbon: The intensity of every trial's electricity; None: what is known of each.
    """
    known = {*IDENTITY, *MEASURED, *FURTHER}
    factors = [name for name in dict.fromkeys(name for point in points for name in point) if name not in known]
    types = {name: _TYPES[name] for name in (*IDENTITY, *MEASURED, *FURTHER)}
    return Sheet(
        (*IDENTITY, *factors, *MEASURED, *FURTHER),
        (row for trial, rows in trials for row in _rows(trial, rows, factors, carbon)),
        types | {name: common_type(point.get(name) for point in points) for name in factors},
    )


def _rows(
    trial: MeasuredTrial, rows: Sequence[Sequence[Any]], factors: Sequence[str], carbon: CarbonFactor | None
) -> Iterator[tuple[Scalar, ...]]:
    own_carbon = CarbonFactor(trial.carbon_g_per_kwh, trial.carbon_pue, trial.carbon_source or "")
    factor = own_carbon if carbon is None else carbon.at(trial.carbon_pue)
    stated = (factor.g_per_kwh, factor.pue, factor.source or None)
    point = decoded(trial.factors)
    first = (
        *(getattr(trial, name) for name in IDENTITY), *(point.get(name) for name in factors), trial.repetition,
    )  # fmt: skip
    stamps, last = (trial.simulated, trial.imported), (trial.sweep_name, trial.machine_id, trial.failure)
    for kind, index, begin_ns, end_ns, started, *figures, flags, gross_u, bare, context, clock, budget in rows:
        span = (None, None, None) if trial.imported else (begin_ns, end_ns, started.isoformat())
        duration_s = (end_ns - begin_ns) / 1e9 or None
        raised = "" if flags == trial.flags == "[]" else _flags(trial.flags, flags)
        own = (*first, kind, index, *span, duration_s, *figures, raised)
        net = json.loads(budget)["net"]
        parts = (combined(net, shared=False), combined(net, shared=True), budget)
        grams = factor.grams(figures[_GROSS_J])
        yield (*own, *stamps, gross_u, bare, context, clock, *last, *parts, *stated, grams)


@cache
def _flags(*texts: str) -> str:
    """Return all flags of some JSON lists."""
    return ";".join(sorted({flag for text in texts for flag in decoded(text)}))


def _trial_values(trial: TrialRow) -> dict[str, Any]:
    identity: dict[str, Any] = {name: getattr(trial, name) for name in IDENTITY}
    flags = {"flags": ";".join(trial.flags), "simulated": trial.simulated}
    return identity | trial.factors | {"repetition": trial.repetition} | flags


def _batches(trial: TrialRow) -> Iterator[dict[str, Any]]:
    own = _trial_values(trial)
    return (own | {"batch": index, "service_s": value_s} for index, value_s in enumerate(trial.latencies_s))


def _requests(trial: TrialRow, served: Requests) -> Iterator[dict[str, Any]]:
    """Yield the requests of a window; times count from its start, and requests of one batch were dequeued together."""
    own = _trial_values(trial) | {"window_index": served.window}
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
