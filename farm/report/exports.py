"""Measurements as flat records: the export's contract."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from farm.store import MeasurementRow

_COLUMNS = [f.name for f in fields(MeasurementRow)]


def records(rows: Iterable[MeasurementRow]) -> list[dict[str, Any]]:
    """One record a window x domain; the factors are columns of their own, flags one text."""
    out = []
    for row in rows:
        record: dict[str, Any] = {}
        for name in _COLUMNS:
            if name == "factors":
                record.update(row.factors)
            else:
                record[name] = getattr(row, name)
        record["started_at_utc"] = row.started_at_utc.isoformat()
        record["flags"] = ";".join(row.flags)
        out.append(record)
    return out
