"""What a user's own query gave, and the views that there are to ask."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.model import Scalar
from farm.report.grids import WIDTH
from farm.report.numbers import UNKNOWN, number
from farm.store import Found
from farm.store.views import ROWS, VIEWS


@dataclass(frozen=True, slots=True)
class Queried:
    """Rows as they came, for people and for files."""

    found: Found

    def rendered(self) -> RenderableType:
        """A table where 80 columns hold it, else a block a row."""
        cells = [[_cell(value) for value in row] for row in self.found.rows]
        widths = [max(map(len, column)) for column in zip(self.found.columns, *cells, strict=True)]
        if not cells:
            return Text("no rows")
        if sum(widths) + 2 * (len(widths) - 1) <= WIDTH:
            return self._table(cells)
        return Group(*(self._block(row) for row in cells))

    def records(self) -> list[dict[str, Scalar]]:
        """By name of the column; a second of one name is NAME_2."""
        names = _distinct(self.found.columns)
        return [dict(zip(names, map(_plain, row), strict=True)) for row in self.found.rows]

    def _table(self, cells: Sequence[Sequence[str]]) -> Table:
        out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for place, name in enumerate(self.found.columns):
            is_number = all(isinstance(row[place], int | float | Decimal | None) for row in self.found.rows)
            out.add_column(Text(name), justify="right" if is_number else "left", no_wrap=True)
        for row in cells:
            out.add_row(*map(Text, row))
        return out

    def _block(self, row: Sequence[str]) -> RenderableType:
        out = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=False)
        out.add_column(style="dim", no_wrap=True)
        out.add_column(overflow="fold")
        for name, value in zip(self.found.columns, row, strict=True):
            out.add_row(Text(name), Text(value))
        return Group(out, Text())


@dataclass(frozen=True, slots=True)
class Columns:
    """The views, column by column."""

    def rendered(self) -> RenderableType:
        """A table a view."""
        parts: Iterator[tuple[Text, Table]] = (
            (Text(f"{name}: {ROWS[name]}", style="bold"), _columns(name)) for name in VIEWS
        )
        return Group(*(part for pair in parts for part in pair))

    def records(self) -> list[dict[str, Scalar]]:
        """A row a column."""
        return [
            {"view": view, "column": name, "meaning": meaning}
            for view, columns in VIEWS.items()
            for name, meaning in columns.items()
        ]


def _columns(view: str) -> Table:
    out = Table(box=None, padding=(0, 1, 0, 2), pad_edge=False, show_header=False)
    out.add_column(no_wrap=True)
    out.add_column(overflow="fold", style="dim")
    for name, meaning in VIEWS[view].items():
        out.add_row(name, meaning)
    out.add_row()
    return out


def _distinct(names: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return found


def _plain(value: Any) -> Scalar:
    """As csv, json and parquet take it."""
    if isinstance(value, dict | list):
        return json.dumps(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if value is None or isinstance(value, str | int | float):
        return value
    return value.hex() if isinstance(value, bytes) else str(value)


def _cell(value: Any) -> str:
    plain = _plain(value)
    if isinstance(plain, float):
        return number(plain, digits=6)
    return UNKNOWN if plain is None else " ".join(str(plain).split())
