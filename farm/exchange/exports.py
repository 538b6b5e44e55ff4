"""Exports: measurements as flat records whose first columns are a contract."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from enum import StrEnum
from functools import cache
from itertools import chain, islice
from operator import itemgetter
from types import NoneType
from typing import Any, get_args, get_type_hints

from farm import kinds
from farm.model import CarbonFactor, MeasurementRow, Point, Scalar, SweepRecord
from farm.model.energies import combined
from farm.model.errors import InputError
from farm.report.cells import as_type, fitting_type
from farm.report.document import Column, Document, Form, Note, Row, Table
from farm.report.files import Sheet
from farm.report.numbers import several
from farm.store import Store
from farm.store.blobs import REQUEST_TIMES
from farm.store.exports import MEASUREMENT, MeasuredTrial, ServedWindow, decoded
from farm.store.views import VIEWS


def _plain_type(hint: Any) -> type:
    """Return the type of a column from the type of a field that may be None; every type but numbers is text."""
    own = next(kind for kind in (*get_args(hint), hint) if kind is not NoneType)
    return own if own in {bool, int, float} else str


class Rows(StrEnum):
    """The subject of a row of an export."""

    MEASUREMENT = "measurement"  #: a domain in a window
    BATCH = "batch"  #: a batch that was timed
    REQUEST = "request"  #: a request of a live trial
    EPOCH = "epoch"  #: an epoch of a training


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


#: The last columns of an export of single trials' series, with their types; IDENTITY, factors and these precede them.
_SERIES = {"repetition": int, "flags": str, "simulated": bool}
_OWN: Mapping[Rows, Mapping[str, type]] = {
    Rows.BATCH: {"batch": int, "service_s": float},
    Rows.REQUEST: {"window_index": int, "request": int, **dict.fromkeys((*REQUEST_TIMES, "response_s"), float)},
    Rows.EPOCH: {
        name: VIEWS["v_epoch"][name].type
        for name in (
            *("epoch", "train_loss", "validation_loss", "accuracy", "train_s", "window_index", "window_epochs"),
            *("domain", "quality", "gross_j", "net_j"),
        )
    },
}
_WHAT = {Rows.BATCH: "timed batches", Rows.REQUEST: "live requests", Rows.EPOCH: "epochs"}
#: The columns of a preview besides the factors that differ, the most useful first.
_MOST_COLUMNS, _MOST_FACTORS = 8, 3
_PREVIEWED = (
    *("repetition", "batch", "service_s", "request", "arrival_s", "response_s", "epoch", "train_loss", "accuracy"),
    *("window", "domain", "gross_j", "net_j", "duration_s", "train_s"),
)


def exported(store: Store, sweep: SweepRecord, rows: Rows, carbon: CarbonFactor | None = None) -> Sheet:
    """Read the rows of a sweep; they are read while they are written.

    Args:
        store: The store.
        sweep: The record of the sweep.
        rows: The subject of a row.
        carbon: The intensity of every trial's electricity; None: what its machine or the sweep states.

    Raises:
        InputError: The sweep has no such rows.
    """
    points = store.points(sweep.id)
    factors = factor_types(sweep.kind, points)
    if rows is Rows.MEASUREMENT:
        return measurements(factors, store.measured(sweep.id), carbon)
    found = _series(store, sweep, rows, factors)
    first = next(found, None)
    if first is None:
        raise InputError(f"--rows {rows}: {sweep.name}, of kind {sweep.kind}, has no {_WHAT[rows]}")
    types = {**{name: _TYPES[name] for name in IDENTITY}, **factors, **_SERIES, **_OWN[rows]}
    return Sheet(list(types), chain([first], found), types)


def factor_types(kind: str, points: Sequence[Point]) -> dict[str, type]:
    """Return the types of all factors of a sweep, in order: as kinds declare them, and text for a user's own.

    Args:
        kind: The kind of the sweep, which need not be installed.
        points: Every point of the sweep; an import may have factors of any name and type.
    """
    own = kinds.get(kind).factor_types if kind in kinds.names() else {}
    known = {**kinds.factor_types(), **own}
    named = dict.fromkeys((*own, *(name for point in points for name in point)))
    return {
        name: fitting_type([point.get(name) for point in points], known.get(name, str), str)
        for name in named
        if name not in _CONTRACT
    }


def measurements(
    factors: Mapping[str, type],
    trials: Iterable[tuple[MeasuredTrial, Sequence[Sequence[Any]]]],
    carbon: CarbonFactor | None = None,
) -> Sheet:
    """Return a row for each domain in each window; flags are one text, separated by semicolons.

    Args:
        factors: The type of each factor, which has a column.
        trials: Each trial with its measurements in order; their columns are `farm.store.exports.MEASUREMENT`.
        carbon: The intensity of every trial's electricity; None: what is known of each.
    """
    types = {name: _TYPES[name] for name in (*IDENTITY, *MEASURED, *FURTHER)}
    return Sheet(
        (*IDENTITY, *factors, *MEASURED, *FURTHER),
        (row for trial, rows in trials for row in _rows(trial, rows, factors, carbon)),
        {**types, **factors},
    )


def preview(sheet: Sheet, most: int = 10) -> Document:
    """Return the first rows of an export with its most useful columns, for people."""
    rows = [dict(zip(sheet.columns, row, strict=True)) for row in islice(sheet.rows, most + 1)]
    named = [name for name in sheet.columns if name not in {*_TYPES, *_SERIES} and len({row[name] for row in rows}) > 1]
    shown = [name for name in dict.fromkeys((*named[:_MOST_FACTORS], *_PREVIEWED)) if name in sheet.columns][
        :_MOST_COLUMNS
    ]
    forms = {int: Form.COUNT, float: Form.NUMBER}
    columns = [Column(name, name, forms.get(sheet.types[name], Form.TEXT)) for name in shown]
    of = f"The first {most} rows" if len(rows) > most else f"All {several(len(rows), 'row')}"
    more = f"{of}, with {len(shown)} of {len(sheet.columns)} columns: --format csv prints all, -o FILE.csv writes them."
    return Document([Table(columns, list(map(Row, rows[:most]))), Note(more)])


def _rows(
    trial: MeasuredTrial, rows: Sequence[Sequence[Any]], factors: Mapping[str, type], carbon: CarbonFactor | None
) -> Iterator[tuple[Scalar, ...]]:
    own_carbon = CarbonFactor(trial.carbon_g_per_kwh, trial.carbon_pue, trial.carbon_source or "")
    factor = own_carbon if carbon is None else carbon.at(trial.carbon_pue)
    stated = (factor.g_per_kwh, factor.pue, factor.source or None)
    first = _first(trial, factors)
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


def _first(trial: MeasuredTrial, factors: Mapping[str, type]) -> tuple[Scalar, ...]:
    """Return the values with which every row of a trial begins."""
    point = decoded(trial.factors)
    levels = (as_type(point.get(name), kind) for name, kind in factors.items())
    return (*(getattr(trial, name) for name in IDENTITY), *levels, trial.repetition)


def _series(store: Store, sweep: SweepRecord, rows: Rows, factors: Mapping[str, type]) -> Iterator[tuple[Scalar, ...]]:
    """Yield the rows of the series of single trials."""
    found: Iterable[tuple[MeasuredTrial, Iterable[tuple[Scalar, ...]]]]
    match rows:
        case Rows.BATCH:
            found = ((trial, enumerate(times_s)) for trial, times_s in store.timed(sweep.id))
        case Rows.REQUEST:
            found = ((trial, _requests(windows)) for trial, windows in store.served(sweep.id))
        case _:
            found = ((trial, map(itemgetter(*_OWN[rows]), own)) for trial, own in store.epochs(sweep.id))
    for trial, series in found:
        first = (*_first(trial, factors), _flags(trial.flags), trial.simulated)
        for record in series:
            yield (*first, *record)


def _requests(windows: Iterable[ServedWindow]) -> Iterator[tuple[Scalar, ...]]:
    """Yield the requests of each window; times count from its start, and those of one batch were dequeued together."""
    for window, times in windows:
        for index, (arrival_s, *others_s, done_s) in enumerate(zip(*times, strict=True)):
            yield window, index, arrival_s, *others_s, done_s, done_s - arrival_s
