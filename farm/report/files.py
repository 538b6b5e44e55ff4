"""Flat records as CSV, JSON or Parquet."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from io import TextIOWrapper
from itertools import chain, islice
from math import isfinite
from pathlib import Path
from textwrap import indent
from typing import Any, BinaryIO, Self, TextIO

from farm.model import disk
from farm.model.errors import InputError
from farm.model.text import visible
from farm.report.cells import AsText, as_type, fitting_type, neutral
from farm.report.columns import column_type


class Format(StrEnum):
    """The format in which records are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    RAW = "raw"  #: CSV whose formulas stay formulas


#: The number of rows that are in memory while a Parquet file is written.
ROW_GROUP = 5_000
NO_TYPES: Mapping[str, type] = {}
#: Formats of flat records; a table is for people.
FLAT = (Format.CSV, Format.JSON, Format.PARQUET)
#: The formats that a name or a suffix may ask for.
FORMATS = (Format.TABLE, *FLAT)
#: What the schema of a Parquet file says of a column of type `AsText`.
AS_TEXT = "values of several types, or whole numbers beyond 64 bits, written as text"


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
    types: Mapping[str, type]  #: bool, int, float, str or AsText for each column

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
        rows = ([as_type(record.get(name), kind) for name, kind in found.items()] for record in records)
        return cls(columns, rows, found)

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the rows as mappings, one by one."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)


def write_sheet(sheet: Sheet, form: Format, path: Path) -> int:
    """Write rows to a file as they come; a failure leaves no file behind.

    Returns:
        The number of rows.

    Raises:
        InputError: The file cannot be written.
    """
    with _replacing(path) as file:
        if form is Format.PARQUET:
            return _stream_parquet(sheet, file)
        out = TextIOWrapper(file, encoding="utf-8", newline="")
        count = stream(sheet, form, out)
        out.detach()  # it writes what it holds, and leaves the file open
        return count


def stream(sheet: Sheet, form: Format, out: TextIO) -> int:
    """Write rows as CSV or JSON text, and return their number; an unknown value is an empty cell or null.

    In CSV, text that a spreadsheet would compute as a formula is made neutral, unless the format is RAW. A terminal
    gets no control characters.
    """
    count = 0
    if form is Format.JSON:
        for count, record in enumerate(sheet.records(), 1):
            out.write("[\n" if count == 1 else ",\n")
            out.write(indent(json_text(record), "  "))
        out.write("\n]\n" if count else "[]\n")
        return count
    writer = csv.writer(_UnixLines(out), lineterminator="\r\n")
    is_screen, is_raw = out.isatty(), form is Format.RAW
    for count, row in enumerate(chain((sheet.columns,), sheet.rows)):  # noqa: B007 - the last number is the count
        seen = [visible(own) if isinstance(own, str) else own for own in row] if is_screen else row
        writer.writerow(seen if is_raw else [neutral(own) if isinstance(own, str) else own for own in seen])
    return count


@dataclass(frozen=True, slots=True)
class _UnixLines:
    """Where a CSV writer puts its lines: it quotes CR and LF, which end its own lines; here LF alone ends them."""

    out: TextIO

    def write(self, line: str) -> int:
        return self.out.write(line.removesuffix("\r\n") + "\n")


def _stream_parquet(sheet: Sheet, file: BinaryIO) -> int:
    rows, count = iter(sheet.rows), 0
    first = arrow(replace(sheet, rows=()))
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetWriter(file, first.schema) as out:
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
    known = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(), AsText: pa.string()}
    notes: Mapping[type, Any] = {AsText: {"wattfarm": AS_TEXT}}
    kinds = [sheet.types[name] for name in sheet.columns]
    schema = pa.schema(
        [pa.field(name, known[kind], metadata=notes.get(kind)) for name, kind in zip(sheet.columns, kinds, strict=True)]
    )
    columns = list(zip(*sheet.rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(own, field.type) for own, field in zip(columns, schema, strict=True)], schema)


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
    write_bytes(content.encode(), path)


def write_bytes(content: bytes, path: Path) -> None:
    """Write bytes to a file; a failure raises InputError and leaves the file as it was."""
    with _replacing(path) as file:
        file.write(content)


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    if str(path) == "-":
        raise InputError("-o -: expected a file; without -o the output goes to the terminal, or into a pipe")
    try:
        with disk.replacing(path) as file:
            yield file
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
