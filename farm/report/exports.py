"""Measurements as flat records: the export's contract."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from farm.store import MeasurementRow

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


def records(rows: Iterable[MeasurementRow]) -> list[dict[str, Any]]:
    """One record a window x domain; flags are one text, separated by semicolons."""
    return [_record(row) for row in rows]


def _record(row: MeasurementRow) -> dict[str, Any]:
    record: dict[str, Any] = {name: getattr(row, name) for name in IDENTITY}
    record |= row.factors
    record |= {name: getattr(row, name) for name in (*MEASURED, *FURTHER)}
    started = row.started_at_utc.isoformat() if row.started_at_utc else None
    return record | {"started_at_utc": started, "flags": ";".join(row.flags)}
