"""Flat records as csv, json or parquet."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Any

from farm.model.errors import InputError


class Format(StrEnum):
    """How records are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


#: Of flat records; a table is for people.
FLAT = (Format.CSV, Format.JSON, Format.PARQUET)


def chosen(name: str | None, path: Path | None, known: Sequence[Format]) -> Format:
    """The format that was asked for, else the one of the file's suffix, else the first; raises InputError."""
    if name is None:
        suffix = path.suffix.removeprefix(".").lower() if path is not None else ""
        if suffix in {"", "txt"}:
            return known[0]
        if suffix not in known:
            raise InputError(
                f"{path}: expected a name that ends in {', '.join(f'.{form}' for form in known)}, or --format"
            )
        return Format(suffix)
    if name not in known:
        raise InputError(f"--format: expected {', '.join(known)}, got {name!r}")
    return Format(name)


def text(records: Sequence[Mapping[str, Any]], form: Format) -> str:
    """Records as csv or json text; an unknown is an empty cell or null."""
    if form == Format.JSON:
        return json_text(list(records))
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=_columns(records), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue().rstrip("\n")


def json_text(record: Any) -> str:
    """Anything as JSON; what JSON does not know is spelt, a number that is none is null."""
    try:
        return json.dumps(record, indent=2, default=str, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(record), indent=2, default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(own) for name, own in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(own) for own in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def write(records: Sequence[Mapping[str, Any]], form: Format, path: Path) -> None:
    """Write records to a file, whole or not at all; raises InputError where that fails."""
    if form == Format.PARQUET:
        _replace(path, lambda draft: _write_parquet(records, draft))
    else:
        write_text(text(records, form) + "\n", path)


def write_text(content: str, path: Path) -> None:
    """Write text to a file, whole or not at all; raises InputError where that fails."""
    _replace(path, lambda draft: draft.write_text(content, encoding="utf-8"))


def write_bytes(content: bytes, path: Path) -> None:
    """Write a file, whole or not at all; raises InputError where that fails."""
    _replace(path, lambda draft: draft.write_bytes(content))


def _replace(path: Path, fill: Callable[[Path], object]) -> None:
    path = path.resolve()
    draft = path.parent / f"{path.name}.part"
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: cannot be written: it is no file")
        fill(draft)
        draft.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


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
