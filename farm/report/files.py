"""Flat records as CSV, JSON or Parquet."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from math import isfinite
from pathlib import Path
from textwrap import indent
from typing import Any, Self, TextIO, TypeVar

from farm.model.errors import InputError
from farm.report.columns import column_type


class Format(StrEnum):
    """The format in which records are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


T = TypeVar("T")
#: The number of rows that are in memory while a Parquet file is written.
ROW_GROUP = 5_000
NO_TYPES: Mapping[str, type] = {}
#: Formats of flat records; a table is for people.
FLAT = (Format.CSV, Format.JSON, Format.PARQUET)


def chosen(name: str | None, path: Path | None, known: Sequence[Format]) -> Format:
    """Return the named format, or the format of the file's suffix, or the first known one; raises InputError."""
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
    types: Mapping[str, type]  #: bool, int, float or str for each column

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]], types: Mapping[str, type] = NO_TYPES) -> Self:
        """Return records as a sheet; a value that a record lacks is None.

        Args:
            records: The rows.
            types: The types of columns where they differ from `column_type`. A column with a value that does not fit
                has the type that its values have in common. Without records these are the columns.
        """
        columns = list(dict.fromkeys(name for record in records for name in record) if records else types)
        found = {
            name: fitting_type([record.get(name) for record in records], types.get(name, column_type(name)))
            for name in columns
        }
        return cls(columns, ([record.get(name) for name in columns] for record in records), found)

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the rows as mappings, one by one."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)


def fitting_type(values: Sequence[Any], declared: type, other: type | None = None) -> type:
    """Return the declared type if all values fit, and else the other one, or the one that they have in common."""
    accepted = {str: object, bool: bool, int: int, float: int | float}[declared]
    fits = all(isinstance(v, accepted) and (declared in {str, bool} or not isinstance(v, bool)) for v in _known(values))
    return declared if fits else other or common_type(values)


def _known(values: Iterable[Any]) -> Iterator[Any]:
    return (value for value in values if value is not None)


def common_type(values: Iterable[Any]) -> type:
    """Return the type of a column: float for numbers of both types, str for values without a common type."""
    known = {next((t for t in (bool, int, float) if isinstance(v, t)), str) for v in _known(values)}
    if known == {int, float}:
        return float
    return known.pop() if len(known) == 1 else str


def write_sheet(sheet: Sheet, form: Format, path: Path) -> int:
    """Write rows to a file as they come; a failure leaves no file behind.

    Returns:
        The number of rows.

    Raises:
        InputError: The file cannot be written.
    """

    def fill(draft: Path) -> int:
        if form is Format.PARQUET:
            return _stream_parquet(sheet, draft)
        with draft.open("w", encoding="utf-8", newline="") as out:
            return stream(sheet, form, out)

    return _replace(path, fill)


def stream(sheet: Sheet, form: Format, out: TextIO) -> int:
    """Write rows as CSV or JSON text, and return their number; an unknown value is an empty cell or null."""
    count = 0
    if form is Format.JSON:
        for count, record in enumerate(sheet.records(), 1):
            out.write("[\n" if count == 1 else ",\n")
            out.write(indent(json_text(record), "  "))
        out.write("\n]\n" if count else "[]\n")
        return count
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(sheet.columns)
    for count, row in enumerate(sheet.rows, 1):  # noqa: B007 - the last number is the count
        writer.writerow(row)
    return count


def _stream_parquet(sheet: Sheet, path: Path) -> int:
    rows, count = iter(sheet.rows), 0
    first = arrow(replace(sheet, rows=()))
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetWriter(path, first.schema) as out:
        while some := list(islice(rows, ROW_GROUP)):
            out.write_table(arrow(replace(sheet, rows=some)))
            count += len(some)
    return count


def arrow(sheet: Sheet) -> Any:
    """Return the rows as an Arrow table of the declared types; raises InputError where pyarrow is not installed."""
    try:
        import pyarrow as pa  # noqa: PLC0415
    except ModuleNotFoundError:
        raise InputError("parquet needs pyarrow: pip install 'wattfarm[parquet]'") from None
    known = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    schema = pa.schema([(name, known[sheet.types[name]]) for name in sheet.columns])
    columns = list(zip(*sheet.rows, strict=True)) or [()] * len(schema)
    return pa.table([_array(pa, own, field.type) for own, field in zip(columns, schema, strict=True)], schema)


def _array(pa: Any, values: Sequence[Any], kind: Any) -> Any:
    """Return a column of a table; values without a common type become text."""
    try:
        return pa.array(values, kind)
    except pa.ArrowTypeError:
        return pa.array([None if value is None else str(value) for value in values], kind)


def json_text(record: Any) -> str:
    """Return a record as JSON; infinite and undefined numbers are null, other unknown types are text."""
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


def write_text(content: str, path: Path) -> None:
    """Write text to a file; a failure raises InputError and leaves the file as it was."""
    _replace(path, lambda draft: draft.write_text(content, encoding="utf-8"))


def write_bytes(content: bytes, path: Path) -> None:
    """Write bytes to a file; a failure raises InputError and leaves the file as it was."""
    _replace(path, lambda draft: draft.write_bytes(content))


def _replace(path: Path, fill: Callable[[Path], T]) -> T:
    """Fill a draft, move it to the path, and return what `fill` returned."""
    path = path.resolve()
    draft = path.parent / f"{path.name}.part"
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: cannot be written: it is not a file")
        result = fill(draft)
        draft.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return result
