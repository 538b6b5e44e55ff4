"""The layout of tables: values become text, and keys become headings if a page is too narrow for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from farm.analysis.intervals import Interval, Median
from farm.model import Scalar
from farm.report import numbers
from farm.report.document import Column, Form, Row, Table, Value
from farm.report.numbers import label, net, number

#: Characters of a line of a terminal, and characters between two columns of a table.
WIDTH, GAP = 80, 2


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that share a heading; an empty heading is not shown."""

    heading: str
    note: str  #: text behind the heading
    cells: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as text."""

    columns: Sequence[Column]
    groups: Sequence[Group]

    @property
    def widths(self) -> list[int]:
        """Characters that each column takes over all groups, headings included."""
        cells = [row for group in self.groups for row in group.cells]
        return [
            max(
                len(line)
                for text in (column.heading or "", *(row[place] for row in cells))
                for line in text.split("\n")
            )
            for place, column in enumerate(self.columns)
        ]


def laid_out(table: Table, width: int | None = None) -> Grid:
    """Return a table as text.

    The model becomes a heading of its rows, and so do further keys until the table fits into `width` characters.
    """
    columns = table.shown
    rows = [[_marked(row, column) for column in columns] for row in table.rows]
    keys = 0 if table.is_flat else sum(column.is_key for column in columns)
    above = int(keys > 1 and columns[0].name == "model")
    grid = _grouped(table, columns, rows, above)
    while width is not None and above < keys - 1 and excess(grid.widths, width) > 0:
        above += 1
        grid = _grouped(table, columns, rows, above)
    return grid


def excess(widths: Sequence[int], width: int) -> int:
    """Return by how many characters columns of these widths exceed the width."""
    return sum(widths) + GAP * (len(widths) - 1) - width


def _grouped(table: Table, columns: Sequence[Column], rows: Sequence[Sequence[str]], above: int) -> Grid:
    """Return the grid whose first `above` keys are headings."""
    names = [one_line(column) for column in columns[:above]]
    groups = [
        Group(
            heading=named(dict(zip(names, values, strict=True))),
            note=table.heading_notes.get(values[0], "") if values else "",
            cells=[row[above:] for row in of_key],
        )
        for values, of_key in groupby(rows, key=lambda row: tuple(row[:above]))
    ]
    return Grid(columns[above:], groups)


def one_line(column: Column) -> str:
    """Return the heading of a column on one line."""
    return " ".join((column.heading or "").split())


def named(values: Mapping[str, Scalar]) -> str:
    """Return the values of keys in words: a model stands alone, other values follow the names of their keys."""
    return ", ".join(label(value) if name == "model" else f"{name} {label(value)}" for name, value in values.items())


def _marked(row: Row, column: Column) -> str:
    return f"{formatted(row.values.get(column.name), column)}{row.marks.get(column.name, '')}"


def formatted(value: Value, column: Column) -> str:
    """Return a value in the form of its column; a dash for an unknown value."""
    scaled = _scaled(value, column.scale)
    if scaled is None or isinstance(scaled, str | bool):
        return label(scaled)
    if isinstance(scaled, Interval | Median) and column.form in _WITH_ENDS:
        return _WITH_ENDS[column.form](scaled)
    if isinstance(scaled, Interval) and scaled.mean < 0 and column.form is Form.NUMBER:
        return net(scaled)
    middle = scaled.mean if isinstance(scaled, Interval) else scaled.value if isinstance(scaled, Median) else scaled
    write = _WITHOUT_ENDS.get(column.form)
    return write(middle) if write else number(middle, column.digits)


#: Functions that write values with an interval, and values without one; other forms write a number.
_WITH_ENDS: Mapping[Form, Callable[[Any], str]] = {
    Form.INTERVAL: numbers.interval,
    Form.POSITIVE: numbers.positive,
    Form.RATIO: numbers.ratio,
    Form.NET: net,
    Form.NET_MEAN: numbers.net_mean,
    Form.MEDIAN: numbers.median,
    Form.NET_MEDIAN: numbers.net_median,
    Form.PERCENT_INTERVAL: numbers.percent_interval,
    Form.ESTIMATE: numbers.estimate,
}
_WITHOUT_ENDS: Mapping[Form, Callable[[float], str]] = {
    Form.TEXT: label,
    Form.COUNT: numbers.count,
    Form.PERCENT: numbers.percent,
    Form.CHANGE: numbers.change,
    Form.SHARE: numbers.share,
    Form.P_VALUE: numbers.p_value,
}


def _scaled(value: Value, scale: float) -> Value:
    if scale == 1.0 or value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | float):
        return value * scale
    low, high = (None if end is None else end * scale for end in (value.low, value.high))
    if isinstance(value, Interval):
        meter = None if value.meter is None else value.meter * scale
        return replace(value, mean=value.mean * scale, low=low, high=high, meter=meter)
    return replace(value, value=value.value * scale, low=low, high=high)
