"""Flat records as csv, json or parquet."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from math import isfinite
from pathlib import Path
from textwrap import indent
from typing import Any, Self, TextIO

from farm.model.errors import InputError


class Format(StrEnum):
    """How records are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


#: Rows that are in memory while a Parquet file is written.
ROW_GROUP = 20_000
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


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows that come one by one, and are written as they come."""

    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]
    types: Mapping[str, type]  #: of the columns: bool, int, float or str

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]]) -> Self:
        """Records with the types of their values."""
        columns = _columns(records)
        types = {name: next((type(r[name]) for r in records if r.get(name) is not None), str) for name in columns}
        return cls(columns, ([record.get(name) for name in columns] for record in records), types)

    def records(self) -> Iterator[dict[str, Any]]:
        """One by one, by the names of the columns."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)


def write_sheet(sheet: Sheet, form: Format, path: Path) -> int:
    """Write rows to a file as they come, the file whole or not at all.

    Returns:
        The number of rows.

    Raises:
        InputError: The file cannot be written.
    """
    count = 0

    def fill(draft: Path) -> None:
        nonlocal count
        if form is Format.PARQUET:
            count = _stream_parquet(sheet, draft)
        else:
            with draft.open("w", encoding="utf-8", newline="") as out:
                count = stream(sheet, form, out)

    _replace(path, fill)
    return count


def stream(sheet: Sheet, form: Format, out: TextIO) -> int:
    """Write rows as csv or json text; returns how many."""
    if form is Format.JSON:
        return _stream_json(sheet, out)
    count = 0

    def counted() -> Iterator[Sequence[Any]]:
        nonlocal count
        for count, row in enumerate(sheet.rows, 1):  # noqa: B007 - the last number is the count
            yield row

    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(sheet.columns)
    writer.writerows(counted())
    return count


def _stream_json(sheet: Sheet, out: TextIO) -> int:
    count = 0
    for count, record in enumerate(sheet.records(), 1):
        out.write("[\n" if count == 1 else ",\n")
        out.write(indent(json_text(record), "  "))
    out.write("\n]\n" if count else "[]\n")
    return count


def _stream_parquet(sheet: Sheet, path: Path) -> int:
    pa, pq = _pyarrow()
    known = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    schema = pa.schema([(name, known[sheet.types[name]]) for name in sheet.columns])
    rows, count = iter(sheet.rows), 0
    with pq.ParquetWriter(path, schema) as out:
        while some := list(islice(rows, ROW_GROUP)):
            columns = zip(*some, strict=True)
            arrays = [pa.array(own, field.type) for own, field in zip(columns, schema, strict=True)]
            out.write_table(pa.table(arrays, schema))
            count += len(some)
    return count


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
    pa, pq = _pyarrow()
    columns = {name: [record.get(name) for record in records] for name in _columns(records)}
    pq.write_table(pa.table(columns), path)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ModuleNotFoundError:
        raise InputError("parquet needs pyarrow: pip install 'wattfarm[parquet]'") from None
    return pa, pq
