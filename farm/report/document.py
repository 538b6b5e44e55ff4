"""A document: what every view of the farm is made of, before a renderer lays it out.

Values stand in cells as they are, with their unit in the column's name. A renderer formats them, so a terminal, a page
and a file of rows cannot differ. Text is plain; each renderer escapes it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import count
from typing import Any

from farm.analysis.intervals import Interval, Median
from farm.model import Scalar

Value = Scalar | Interval | Median
Record = dict[str, Any]


class Form(StrEnum):
    """How the values of a column are written for people."""

    TEXT = "text"
    NUMBER = "number"  #: significant digits
    COUNT = "count"  #: a whole number, or a mean of whole numbers
    PERCENT = "percent"  #: a share
    INTERVAL = "interval"  #: a mean and its 95 % interval
    NET = "net"  #: the same of a net energy: one that may be nothing is a bound
    NET_MEAN = "net_mean"  #: a net energy without its interval; one that may be nothing is a bound
    MEDIAN = "median"  #: a median and its 95 % interval
    NET_MEDIAN = "net_median"
    PERCENT_INTERVAL = "percent_interval"  #: of a share, without the sign
    MIDDLE = "middle"  #: a mean or median, whose interval stands in files alone
    EFFECT = "effect"  #: the size of an effect, whose interval stands in files alone
    ESTIMATE = "estimate"  #: a value and the ends of its interval
    CHANGE = "change"  #: a relative difference, with its sign
    SHARE = "share"  #: of a variance, with three decimals
    P_VALUE = "p_value"


#: Forms whose values have three columns in a file: the value and the ends of its interval.
_WITH_ENDS = frozenset(
    {
        *(Form.INTERVAL, Form.NET, Form.MEDIAN, Form.NET_MEDIAN, Form.PERCENT_INTERVAL),
        *(Form.MIDDLE, Form.EFFECT, Form.ESTIMATE),
    }
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str  #: in files; the unit is in it
    heading: str | None = None  #: for people; lines are separated by \n; None: the column stands in files only
    form: Form = Form.NUMBER
    scale: float = 1.0  #: people see the value times this: milliseconds, grams of a thousand
    is_key: bool = False  #: names what a row is about; a narrow page may turn it into the heading of several rows
    digits: int = 3  #: significant ones
    in_files: bool = True  #: False: for people only

    @property
    def is_number(self) -> bool:
        """Whether digits stand under digits."""
        return self.form is not Form.TEXT

    def records(self, value: Value) -> Iterator[tuple[str, Scalar]]:
        """The value as columns of a file; an unknown is None."""
        middle: Any = getattr(value, "mean", getattr(value, "value", value))
        yield self.name, middle
        if self.form in _WITH_ENDS:
            yield f"{self.name}_low", getattr(value, "low", None)
            yield f"{self.name}_high", getattr(value, "high", None)


def key(name: str, heading: str | None = None) -> Column:
    """A column that names what the row is about."""
    return Column(name, heading or KEY_HEADINGS.get(name, name), Form.TEXT, is_key=True)


KEY_HEADINGS = {"batch_size": "batch", "hardware_class": "hardware"}


@dataclass(frozen=True, slots=True)
class Row:
    """The values of a row by the names of their columns; a column that is not there is unknown."""

    values: Mapping[str, Value]
    marks: Mapping[str, str] = field(default_factory=dict)  #: a sign behind a value that a note explains


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of values."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    caption: str = ""
    heading_notes: Mapping[str, str] = field(default_factory=dict)  #: what to add to the heading of a first key's rows
    is_flat: bool = False  #: True: keys never become headings

    @property
    def shown(self) -> Sequence[Column]:
        """The columns that people see."""
        return [column for column in self.columns if column.heading is not None]

    def records(self) -> list[Record]:
        """Rows for csv, json and parquet: SI units in the names, None for unknown."""
        kept = [column for column in self.columns if column.in_files]
        return [
            {name: value for column in kept for name, value in column.records(row.values.get(column.name))}
            for row in self.rows
        ]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Full sentences, or a line of facts."""

    text: str


@dataclass(frozen=True, slots=True)
class Heading:
    """Of the blocks that follow."""

    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """What a reader must know of the table or figure above."""

    text: str


@dataclass(frozen=True, slots=True)
class Alert:
    """What nobody may miss: simulated, imported, modelled."""

    text: str


@dataclass(frozen=True, slots=True)
class Findings:
    """Sentences that say what was found, one each."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values."""

    rows: Sequence[tuple[str, str]]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """Text to copy, as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart as Vega-Lite has it, with its data."""

    name: str  #: what it shows, for a list of figures and for those who do not see it
    caption: str
    spec: Mapping[str, Any]
    is_wide: bool = False


Block = Paragraph | Heading | Note | Alert | Findings | Facts | Table | Code | Figure


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report."""

    id: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Document:
    """A view: its blocks in order, and what scripts get of it."""

    blocks: Sequence[Block]
    rows: Sequence[Record] | None = None  #: for csv, json and parquet; None: those of the first table
    record: Any = None  #: for json, where that holds more than the rows

    def records(self) -> list[Record]:
        """Rows for csv, json and parquet."""
        if self.rows is not None:
            return list(self.rows)
        return next((block.records() for block in self.blocks if isinstance(block, Table)), [])

    def json(self) -> Any:
        """For json: the record, or else the rows."""
        return self.records() if self.record is None else self.record

    @property
    def findings(self) -> list[str]:
        """The sentences that say what was found."""
        return [item for block in self.blocks if isinstance(block, Findings) for item in block.items]


@dataclass(frozen=True, slots=True)
class Report:
    """Several sections under a title: a page of its own."""

    title: str
    subtitle: str
    sections: Sequence[Section]

    @property
    def figures(self) -> list[Figure]:
        """All charts, in order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Figure)]


def captioned(blocks: Iterable[Block], caption: str) -> list[Block]:
    """Give each table that has no caption this one, with a number where there are several tables."""
    found = list(blocks)
    several = sum(isinstance(block, Table) for block in found) > 1
    numbers = count(1)
    return [
        replace(block, caption=f"{block.caption or caption}{f' ({next(numbers)})' if several else ''}")
        if isinstance(block, Table)
        else block
        for block in found
    ]


def text_table(
    caption: str, headings: Sequence[str], rows: Iterable[Sequence[Value]], numbers: Sequence[str] = ()
) -> Table:
    """A table of words whose columns are named by their headings; those of `numbers` are counts."""
    columns = [Column(name, name, Form.COUNT if name in numbers else Form.TEXT) for name in headings]
    return Table(columns, [Row(dict(zip(headings, row, strict=True))) for row in rows], caption)


def paragraphs(lines: Iterable[str]) -> list[Block]:
    """One a line."""
    return [Paragraph(line) for line in lines]


def notes(lines: Iterable[str]) -> list[Block]:
    """One a line."""
    return [Note(line) for line in lines]


def findings(sentences: Sequence[str]) -> list[Block]:
    """A list of them, where there are any."""
    return [Findings(sentences)] if sentences else []
