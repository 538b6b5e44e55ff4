"""What a report is made of, before anybody lays it out: text is plain, and whoever lays it out escapes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Words:
    """A paragraph."""

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
class Heading:
    """Of what follows in a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Sentences:
    """One finding each."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values."""

    title: str
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table that share a heading; empty: they need none."""

    heading: str
    cells: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table."""

    caption: str
    headings: Sequence[str]
    are_numbers: Sequence[bool]  #: of each column: digits stand under digits
    groups: Sequence[Rows]


@dataclass(frozen=True, slots=True)
class Code:
    """Text to copy, as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart, as Vega-Lite has it, with its data."""

    name: str  #: what it shows, for a list of figures and for those who do not see it
    caption: str
    spec: Mapping[str, Any]
    is_wide: bool = False


Block = Words | Note | Alert | Heading | Sentences | Facts | Grid | Code | Figure


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report."""

    id: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Document:
    """The report."""

    title: str
    subtitle: str
    sections: Sequence[Section]

    @property
    def figures(self) -> list[Figure]:
        """All charts, in order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Figure)]
