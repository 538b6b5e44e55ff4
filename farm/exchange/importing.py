"""Imports: the rows of a file become trials of a sweep, marked imported. This module uses no database.

A row is a trial in one domain. Figures that the file lacks stay unknown: without a baseline there is no net energy, and
without a duration no rate.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from farm.exchange import sheets
from farm.model import UNKNOWN_HARDWARE, Domain, Import, ImportedTrial, Mapped, Quality, Scalar
from farm.model.errors import InputError
from farm.model.text import clipped, visible
from farm.model.words import LARGEST_VALUE

#: Contents of columns besides factors, with their descriptions; `_ALSO` has further names.
ROLES = {
    "gross_j": "gross joules of the trial",
    "net_j": "joules without those of the idle machine",
    "net_j_low": "lower end of its 95 % interval",
    "net_j_high": "upper end of the same interval",
    "duration_s": "duration of the work in seconds",
    "units": "completed units of work",
    "accuracy": "accuracy that was reached, as a share",
    "machine": "name of the machine",
    "hardware_class": "machines of one class are interchangeable",
    "domain": "gpu, cpu, dram or wall",
    "quality": "counter, sampled, modelled or unknown",
    "repetition": "number of the repetition, from 0",
}
_ALSO = {"energy_j": "gross_j"}
_NUMBERS = ("gross_j", "net_j", "net_j_low", "net_j_high", "duration_s", "accuracy")
#: Columns by which an export of a farm is recognised; it has several rows for each trial.
_EXPORT = {"window", "window_index", "begin_at_ns"}
UNKNOWN = "unknown"
#: Limits of the database, which keeps durations in nanoseconds and counts as integers.
_SECONDS = (1e-9, 1e9)
_MOST = {"units": 10**15, "repetition": 10**6}
#: Characters of a name or level: as many as in a sweep.
_MOST_TEXT = 200
_TEXT = f"at most {_MOST_TEXT} characters, none of them a control character"


def read(path: Path, name: str | None, mapped: Mapped) -> Import:
    """Read every row of a CSV or Parquet file; raises InputError with line and column."""
    header, rows = _table(path)
    if set(header) >= _EXPORT:
        raise InputError(f"{path}: this export has several rows for each trial: expected one row")
    complete = _complete(path, header, mapped)
    given = {"--factor": mapped.factors, "--unit": [mapped.unit], "--name": [name or ""]}
    for option, texts in (given | {f"--{role}": [text] for role, text in mapped.constants.items()}).items():
        for text in texts:
            if not _is_text(text):
                raise InputError(f"{option}: expected {_TEXT}, got {_quoted(text)}")
    trials: list[ImportedTrial] = []
    seen: Counter[str] = Counter()
    for line, row in rows:
        trial = _trial(_Row(path, line, row), complete, seen)
        trials.append(trial)
    if not trials:
        raise InputError(f"{path}: the file has no rows")
    digest = hashlib.sha256(complete.canonical().encode() + b"\n" + path.read_bytes()).hexdigest()[:12]
    called = clipped(visible(path.stem), _MOST_TEXT)
    return Import(digest, name or called, visible(path.name), complete, trials)


def parse_pairs(option: str, texts: Sequence[str], is_name_enough: bool = False) -> dict[str, str]:
    """Parse NAME=COLUMN,NAME=COLUMN from the command line; raises InputError."""
    found = {}
    for item in (part.strip() for text in texts for part in text.split(",")):
        name, sign, column = (part.strip() for part in item.partition("="))
        if not name or (sign and not column) or not (sign or is_name_enough):
            raise InputError(f"{option}: expected NAME=COLUMN, got {item!r}")
        found[name] = column or name
    return found


def _complete(path: Path, header: Sequence[str], mapped: Mapped) -> Mapped:
    """Add the columns that have our names already; raises InputError for columns that are missing."""
    named = {_ALSO.get(role, role): column for role, column in mapped.columns.items()}
    for role in named:
        if role not in ROLES:
            raise InputError(f"--map: unknown name {role!r}: there are {', '.join((*ROLES, *_ALSO))}; see --factor")
    taken = {*named.values(), *mapped.factors.values()}
    ours = {_ALSO.get(column, column): column for column in header if column not in taken}
    columns = {r: c for r, c in ours.items() if r in ROLES and r not in mapped.constants} | named
    for column in (*columns.values(), *mapped.factors.values()):
        if column not in header:
            raise InputError(f"{path}:1: no column {column!r}: there are {', '.join(header)}")
    if not {"gross_j", "net_j"} & set(columns):
        raise InputError(
            f"{path}: which column holds the joules? --map gross_j=COLUMN or net_j=COLUMN, of {', '.join(header)}"
        )
    if not mapped.factors:
        rest = [column for column in header if column not in columns.values()]
        raise InputError(f"{path}: which columns are factors? --factor NAME, of {', '.join(rest)}")
    if "machine" not in columns and "machine" not in mapped.constants:
        raise InputError(f"{path}: which machine was it? --machine NAME, or --map machine=COLUMN")
    if "domain" not in columns and "domain" not in mapped.constants:
        raise InputError(f"{path}: whose joules are they? --domain {', '.join(Domain)}, or --map domain=COLUMN")
    return Mapped(columns, mapped.factors, mapped.unit, mapped.constants)


@dataclass(frozen=True, slots=True)
class _Row:
    path: Path
    line: int
    values: Mapping[str, Any]

    def wrong(self, column: str, expected: str) -> InputError:
        got = _quoted(self.values[column])
        return InputError(f"{self.path}:{self.line}: column {column}: expected {expected}, got {got}")

    def text(self, column: str) -> str:
        """Return the text in a cell, which every page, terminal and database can take."""
        value = self.values[column]
        text = "" if value is None else str(value).strip()
        if not _is_text(text):
            raise self.wrong(column, _TEXT)
        return text

    def number(self, column: str, expected: str = "a number") -> float | None:
        """Return the number in a cell; None if the cell is empty."""
        value = self.values[column]
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        try:
            found = sheets.number(value) if isinstance(value, str) else float(value)
        except (TypeError, ValueError):
            found = None
        if found is None or not isfinite(found):
            raise self.wrong(column, expected)
        if abs(found) > LARGEST_VALUE:
            raise self.wrong(column, f"at most {LARGEST_VALUE:g}")
        return float(found)

    def count(self, column: str, least: int, most: int) -> int:
        number = self.number(column)
        if number is None or not least <= number <= most or number != int(number):
            raise self.wrong(column, f"a whole number from {least} to {most:g}")
        return int(number)

    def word(self, column: str, known: Sequence[str] = ()) -> str:
        word = self.text(column)
        if not word or (known and word not in known):
            raise self.wrong(column, ", ".join(known) if known else "a name")
        return word

    def level(self, column: str) -> Scalar:
        """Return a factor with the type that it has in a sweep: number, boolean or text; an empty cell is None."""
        value = self.values[column]
        if value is None or (isinstance(value, bool | int | float) and isfinite(value)):
            return value
        text = self.text(column)
        number = sheets.number(text)
        return number if number is not None else {"true": True, "false": False, "": None}.get(text.lower(), text)


def _is_text(text: str) -> bool:
    return len(text) <= _MOST_TEXT and visible(text) == text


def _quoted(value: object) -> str:
    return clipped(repr(value), 60)


def _trial(row: _Row, mapped: Mapped, seen: Counter[str]) -> ImportedTrial:
    def word(role: str, default: str, known: Sequence[str] = ()) -> str:
        if role in mapped.columns:
            return row.word(mapped.columns[role], known)
        return mapped.constants.get(role, default)

    columns = mapped.columns
    numbers = {role: row.number(columns[role]) if role in columns else None for role in _NUMBERS}
    duration_s = numbers["duration_s"]
    if duration_s is not None and not _SECONDS[0] <= duration_s <= _SECONDS[1]:
        raise row.wrong(columns["duration_s"], "more than 0 s" if duration_s <= 0 else "1 ns to 1e9 s")
    gross_j, net_j = numbers["gross_j"], numbers["net_j"]
    if gross_j is not None and gross_j < 0:
        raise row.wrong(columns["gross_j"], "0 J or more")
    if gross_j is not None and net_j is not None and net_j > gross_j:
        raise row.wrong(columns["net_j"], f"no more than the {gross_j:g} J gross")
    machine = word("machine", "")
    quality = word("quality", UNKNOWN, (*Quality, UNKNOWN))
    domain = Domain(word("domain", "", tuple(Domain)))
    factors = {name: row.level(column) for name, column in mapped.factors.items()}
    place = json.dumps([factors, machine, domain], sort_keys=True)
    repetition = row.count(columns["repetition"], 0, _MOST["repetition"]) if "repetition" in columns else seen[place]
    seen[place] += 1
    units = int(mapped.constants.get("units", 1))
    return ImportedTrial(
        line=row.line,
        factors=factors,
        machine=machine,
        hardware_class=word("hardware_class", UNKNOWN_HARDWARE),
        domain=domain,
        quality=None if quality == UNKNOWN else Quality(quality),
        repetition=repetition,
        units=row.count(columns["units"], 1, _MOST["units"]) if "units" in columns else units,
        **numbers,
    )


def _table(path: Path) -> tuple[Sequence[str], Iterable[tuple[int, Mapping[str, Any]]]]:
    """Return the header, and the rows with their line numbers."""
    return _parquet(path) if path.suffix.lower() == ".parquet" else sheets.read(path)


def _parquet(path: Path) -> tuple[Sequence[str], Iterable[tuple[int, Mapping[str, Any]]]]:
    try:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ModuleNotFoundError:
        raise InputError("parquet needs pyarrow: pip install 'wattfarm[parquet]'") from None
    try:
        table = pq.read_table(path)
        names, rows = list(table.column_names), table.to_pylist()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (pa.ArrowException, UnicodeDecodeError) as error:  # it is none, or has types or texts that Arrow lacks
        raise InputError(f"{path}: not a Parquet file that can be read ({str(error).splitlines()[0]})") from None
    return names, enumerate(rows, start=1)
