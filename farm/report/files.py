"""Flat records as csv, json or parquet."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from farm.errors import InputError


class Format(StrEnum):
    """How records are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def text(records: Sequence[Mapping[str, Any]], form: Format) -> str:
    """Records as csv or json text; an unknown is an empty cell or null."""
    if form == Format.JSON:
        return json.dumps(list(records), indent=2, default=str)
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=_columns(records), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue().rstrip("\n")


def write(records: Sequence[Mapping[str, Any]], form: Format, path: Path) -> None:
    """Write records to a file, whole or not at all; raises InputError where that fails."""
    draft = path.with_name(path.name + ".part")
    try:
        if form == Format.PARQUET:
            _write_parquet(records, draft)
        else:
            draft.write_text(text(records, form) + "\n")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None


def _columns(records: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record))


def _write_parquet(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    try:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ModuleNotFoundError:
        raise InputError("parquet needs pyarrow: pip install 'wattfarm[parquet]'") from None
    columns = {name: [record.get(name) for record in records] for name in _columns(records)}
    pq.write_table(pa.table(columns), path)
