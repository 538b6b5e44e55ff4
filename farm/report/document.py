"""Documents: every view of the farm is one before a renderer lays it out.

Cells hold values, and the names of columns hold their units. Renderers format the values, so a terminal, a page and a
file of rows cannot differ. Text is plain; each renderer escapes it.
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
    """The way in which the values of a column are written for people."""

    TEXT = "text"
    NUMBER = "number"  #: significant digits
    COUNT = "count"  #: a whole number, or a mean of whole numbers
    PERCENT = "percent"  #: a share as whole percent
    INTERVAL = "interval"  #: a mean and its 95 % interval
    POSITIVE = "positive"  #: a figure of trials that cannot be negative, and its 95 % interval; words if it says little
    RATIO = "ratio"  #: a ratio and its 95 % interval; words if it says little
    NET = "net"  #: a net energy and its 95 % interval; a bound if the energy may be 0
    NET_MEAN = "net_mean"  #: an energy whose interval stands in files only; a bound if its mean is not above 0
    MEDIAN = "median"  #: a median and its 95 % interval
    NET_MEDIAN = "net_median"  #: a median net energy and its 95 % interval; a bound if the energy may be 0
    PERCENT_INTERVAL = "percent_interval"  #: a share and its 95 % interval in percent, without the sign
    MEAN = "mean"  #: a mean or median whose interval stands in files only
    ESTIMATE = "estimate"  #: a value and the ends of its interval
    CHANGE = "change"  #: a relative difference, with its sign
    SHARE = "share"  #: a share of a variance, with three decimals
    P_VALUE = "p_value"


#: Forms whose values have three columns in a file: the value and the ends of its interval.
_WITH_ENDS = frozenset(
    {
        *(Form.INTERVAL, Form.POSITIVE, Form.RATIO, Form.NET, Form.MEDIAN, Form.NET_MEDIAN, Form.PERCENT_INTERVAL),
        *(Form.MEAN, Form.NET_MEAN, Form.ESTIMATE),
    }
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str  #: the name in files, with the unit
    heading: str | None = None  #: the heading for people, with \n between lines; None: the column stands in files only
    form: Form = Form.NUMBER
    scale: float = 1.0  #: people see the value times this factor: 1e3 shows seconds as milliseconds
    is_key: bool = False  #: the column names its row; a narrow page may turn it into the heading of several rows
    digits: int = 3  #: significant digits
    in_files: bool = True  #: False: only people see the column

    @property
    def is_number(self) -> bool:
        """Whether the cells are numbers, which are aligned to the right."""
        return self.form is not Form.TEXT

    def records(self, value: Value) -> Iterator[tuple[str, Scalar]]:
        """Yield the name and value of each column that the value has in a file; an unknown value is None."""
        middle: Any = getattr(value, "mean", getattr(value, "value", value))
        yield self.name, middle
        if self.form in _WITH_ENDS:
            yield f"{self.name}_low", getattr(value, "low", None)
            yield f"{self.name}_high", getattr(value, "high", None)


def key(name: str, heading: str | None = None) -> Column:
    """Return a column whose values name their rows."""
    return Column(name, heading or KEY_HEADINGS.get(name, name), Form.TEXT, is_key=True)


KEY_HEADINGS = {"batch_size": "batch", "hardware_class": "hardware"}
#: The label of each heading that is not its name.
NAMES = {heading: name for name, heading in KEY_HEADINGS.items()}


@dataclass(frozen=True, slots=True)
class Row:
    """The values of a row by the names of their columns; a missing value is unknown."""

    values: Mapping[str, Value]
    marks: Mapping[str, str] = field(default_factory=dict)  #: a sign behind a value; a note explains the sign


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of values."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    caption: str = ""
    heading_notes: Mapping[str, str] = field(
        default_factory=dict
    )  #: what follows a heading, by the first key of its rows
    is_flat: bool = False  #: True: no key becomes a heading

    @property
    def shown(self) -> Sequence[Column]:
        """Columns that people see."""
        return [column for column in self.columns if column.heading is not None]

    def records(self) -> list[Record]:
        """Return the rows of a CSV, JSON or Parquet file; an unknown value is None."""
        kept = [column for column in self.columns if column.in_files]
        return [
            {name: value for column in kept for name, value in column.records(row.values.get(column.name))}
            for row in self.rows
        ]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of full sentences, or a line of facts."""

    text: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of the blocks that follow."""

    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A note on the table or figure above."""

    text: str


@dataclass(frozen=True, slots=True)
class Alert:
    """A warning that nobody may miss: joules are simulated, imported or modelled."""

    text: str


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings, one sentence each."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values."""

    rows: Sequence[tuple[str, str]]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """Text to copy unchanged."""

    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A value of a chart of bars, under the labels that name it."""

    labels: Mapping[str, Scalar]
    value: Value
    is_doubtful: bool = False  #: every trial is flagged

    @property
    def middle(self) -> float | None:
        """Return the value without its interval."""
        middle: Any = getattr(self.value, "mean", getattr(self.value, "value", self.value))
        return None if middle is None else float(middle)

    @property
    def ends(self) -> tuple[float, float] | None:
        """Return the ends of the interval if they are known."""
        low, high = getattr(self.value, "low", None), getattr(self.value, "high", None)
        return None if low is None or high is None else (low, high)


@dataclass(frozen=True, slots=True)
class Bars:
    """The values of a chart as bars, for a terminal."""

    column: Column  #: what they are, and how they are written
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart in Vega-Lite, with its data."""

    name: str  #: the subject, for lists of figures and for readers who cannot see the chart
    caption: str
    spec: Mapping[str, Any]
    is_wide: bool = False
    bars: Bars | None = None  #: what a terminal shows of it; None: nothing
    is_main: bool = False  #: the chart that answers the question of a report; a page shows it larger


Block = Paragraph | Heading | Note | Alert | Findings | Facts | Table | Code | Figure


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report."""

    id: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Document:
    """A view: its blocks in order, and the data that scripts get."""

    blocks: Sequence[Block]
    rows: Sequence[Record] | None = None  #: for CSV, JSON and Parquet; None: the rows of the first table
    record: Any = None  #: for JSON, if it holds more than the rows
    types: Mapping[str, type] = field(default_factory=dict)  #: of columns in files, where names do not tell (`columns`)

    def records(self) -> list[Record]:
        """Return the rows of a CSV, JSON or Parquet file."""
        if self.rows is not None:
            return list(self.rows)
        return next((block.records() for block in self.blocks if isinstance(block, Table)), [])

    def json(self) -> Any:
        """Return the data for JSON: the record, or the rows if there is no record."""
        return self.records() if self.record is None else self.record

    def without_charts(self) -> "Document":
        """Return the document without its charts."""
        return replace(self, blocks=[block for block in self.blocks if not isinstance(block, Figure)])

    @property
    def findings(self) -> list[str]:
        """Sentences of all findings."""
        return [item for block in self.blocks if isinstance(block, Findings) for item in block.items]


#: A report with more blocks has a table of contents.
_LONG = 25


@dataclass(frozen=True, slots=True)
class Report:
    """A page of several sections under a title."""

    title: str
    subtitle: str
    sections: Sequence[Section]

    @property
    def is_long(self) -> bool:
        """Whether readers need a table of contents."""
        return sum(len(section.blocks) for section in self.sections) > _LONG

    @property
    def figures(self) -> list[Figure]:
        """All charts, in order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Figure)]


def captioned(blocks: Iterable[Block], caption: str) -> list[Block]:
    """Return the blocks with this caption on each table without one; several tables are numbered."""
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
    """Return a table whose headings are the names of its columns; columns in `numbers` hold counts, others text."""
    columns = [Column(name, name, Form.COUNT if name in numbers else Form.TEXT) for name in headings]
    return Table(columns, [Row(dict(zip(headings, row, strict=True))) for row in rows], caption)


def paragraphs(lines: Iterable[str]) -> list[Block]:
    """Return a paragraph for each line."""
    return [Paragraph(line) for line in lines]


def notes(lines: Iterable[str]) -> list[Block]:
    """Return a note for each line."""
    return [Note(line) for line in lines]


def findings(sentences: Sequence[str]) -> list[Block]:
    """Return the sentences as findings; no block without sentences."""
    return [Findings(sentences)] if sentences else []
