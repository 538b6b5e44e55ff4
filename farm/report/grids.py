"""Rows of figures as tables that fit a terminal, whatever the figures and the keys."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.analysis.aggregate import Key
from farm.model import Scalar
from farm.report.numbers import label

KEY_HEADINGS = {"batch_size": "batch", "hardware_class": "hardware"}
#: Columns of a terminal, and those between two columns of a table.
WIDTH, _GAP = 80, 2


@dataclass(frozen=True, slots=True)
class Row:
    """What a table says of one group."""

    key: Key
    cells: Sequence[str]


def named(values: Mapping[str, Scalar]) -> str:
    """A model speaks for itself, other keys are named."""
    return ", ".join(label(v) if name == "model" else f"{name} {label(v)}" for name, v in values.items())


def in_bold(key: Key) -> Text:
    """A key as the heading of a table."""
    return Text(named(dict(key)), style="bold")


def grids(rows: Sequence[Row], headings: Sequence[str], heading: Callable[[Key], Text] = in_bold) -> RenderableType:
    """A table with a column for each key and each cell; cells of one key follow each other.

    The model, and as many keys as 80 columns cannot hold, become headings of tables.
    """
    keys = [name for name, _ in rows[0].key]
    count = int(bool(keys) and keys[0] == "model" and len(keys) > 1)
    while count < len(keys) - 1 and _excess(_widths(rows, keys[count:], headings)) > 0:
        count += 1
    shown = keys[count:]
    widths = _widths(rows, shown, headings)
    if shown:
        widths[0] -= max(_excess(widths), 0)
    parts: list[RenderableType] = []
    for key, group in groupby(rows, key=lambda row: row.key[:count]):
        table = _table(list(group), shown, headings, widths)
        table.show_header = not parts
        parts += [*([heading(key)] if key else []), table]
    return Group(*parts)


def listed(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table of figures between words: those of the first column are short, those of the last may take lines."""
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    out.add_column(headings[0], no_wrap=True)
    for heading in headings[1:-1]:
        out.add_column(heading, justify="right", no_wrap=True)
    out.add_column(headings[-1], overflow="fold")
    for row in rows:
        out.add_row(*row)
    out.add_row()
    return out


def _table(rows: Sequence[Row], keys: Sequence[str], headings: Sequence[str], widths: Sequence[int]) -> Table:
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for position, name in enumerate(keys):
        out.add_column(KEY_HEADINGS.get(name, name), width=widths[position], overflow="fold")
    for position, heading in enumerate(headings, start=len(keys)):
        out.add_column(heading, justify="right", no_wrap=True, width=widths[position])
    for row in rows:
        out.add_row(*_cells(row, keys))
    out.add_row()
    return out


def _widths(rows: Sequence[Row], keys: Sequence[str], headings: Sequence[str]) -> list[int]:
    """Of every column over all tables, so that they line up."""
    every = [*(KEY_HEADINGS.get(name, name) for name in keys), *headings]
    columns = zip(*(_cells(row, keys) for row in rows), strict=True)
    return [
        max(*(len(line) for line in heading.split("\n")), *(len(cell) for cell in column))
        for heading, column in zip(every, columns, strict=True)
    ]


def _excess(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1) - WIDTH


def _cells(row: Row, keys: Sequence[str]) -> list[str]:
    return [*(label(dict(row.key)[name]) for name in keys), *row.cells]
