"""Values to analyse from a foreign CSV file with a row for each trial."""

from collections.abc import Sequence
from pathlib import Path

from farm.exchange import sheets
from farm.model import Scalar
from farm.model.errors import InputError
from farm.report.conditions import Condition
from farm.report.document import Paragraph
from farm.report.numbers import several
from farm.report.observations import Observations, check_kinds, check_size, observe
from farm.report.selection import KINDS_OF_JOULES, fitting


def of_csv(path: Path, response: str, factors: Sequence[str], where: Sequence[Condition]) -> Observations:
    """Read a value from each row.

    Args:
        path: The file, whose first line names the columns.
        response: The column of the values.
        factors: The columns that the values are compared by.
        where: Conditions on columns; only rows that fulfil them are read.

    Raises:
        InputError: A column or a level is missing, or a value is not a number; the error names the line.
    """
    known, rows = sheets.read(path)
    if not rows:
        raise InputError(f"{path}: the file has no rows")
    for name in (response, *factors, *(condition.name for condition in where)):
        if name not in known:
            raise InputError(f"{path}: no column {name!r}: there are {', '.join(known)}")
    kept = fitting(rows, lambda row: {name: _level(text) for name, text in row[1].items()}, where)
    values = tuple(_number(path, line, response, row[response]) for line, row in kept)
    for line, row in kept:
        empty = next((name for name in factors if not row[name].strip()), None)
        if empty:
            raise InputError(f"{path}:{line}: {empty}: expected a level, got nothing")
    columns = {factor: tuple(_level(row[factor]) for _, row in kept) for factor in factors}
    kinds = [{name: _level(row[name]) for name in KINDS_OF_JOULES if name in row} for _, row in kept]
    check_kinds(kinds, factors)
    check_size(response, values)
    caption = Paragraph(f"{path.name}: {several(len(kept), 'row')}")
    return observe(response, values, columns, caption)


def _level(text: str) -> Scalar:
    """Return a level, as a number if possible, so that levels are in order."""
    number = sheets.number(text)
    return text.strip() if number is None else number


def _number(path: Path, line: int, name: str, text: str) -> float:
    value = sheets.number(text)
    if value is None:
        raise InputError(f"{path}:{line}: {name}: expected a number, got {text!r}")
    return float(value)
