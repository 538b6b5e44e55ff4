"""Documents on a terminal."""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from farm.report.document import Alert, Block, Code, Document, Facts, Figure, Findings, Heading, Note, Paragraph, Table
from farm.report.layout import WIDTH, Grid, excess, laid_out, one_line

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

#: Escape sequences, control characters but newline and tab, and what turns the direction of writing.
_ORDERS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
#: A column of text is never made narrower.
_LEAST_TEXT = 10


def plain(text: str) -> str:
    """Text without what a terminal would obey: names, levels and logs come from others."""
    return _ORDERS.sub("", text)


@dataclass(frozen=True, slots=True)
class Plain:
    """A view whose text is plain; its own styles stay."""

    view: "RenderableType"

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """As rich asks for it."""
        from rich.segment import Segment  # noqa: PLC0415 - whoever renders has it

        for segment in console.render(self.view, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


def show(document: Document) -> None:
    """Print a document: in colours and as wide as the terminal, or as plain text where there is none."""
    from rich.console import Console  # noqa: PLC0415 - slow to import

    if not sys.stdout.isatty():
        sys.stdout.write(text(document))
        return
    console = Console(markup=False, emoji=False, highlight=False)
    console.print(Plain(rendered(document.blocks, max(console.width, WIDTH))))


def text(document: Document) -> str:
    """A document without colours, 80 characters wide, for a file."""
    from rich.console import Console  # noqa: PLC0415

    console = Console(file=StringIO(), markup=False, emoji=False, highlight=False, width=WIDTH, color_system=None)
    with console.capture() as captured:
        console.print(Plain(rendered(document.blocks, WIDTH)))
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def rendered(blocks: Sequence[Block], width: int = WIDTH) -> "RenderableType":
    """Blocks as rich prints them; a chart has no place on a terminal."""
    from rich.console import Group  # noqa: PLC0415

    shown = [block for block in blocks if not isinstance(block, Figure)]
    parts: list[RenderableType] = []
    for place, block in enumerate(shown):
        if place and _has_gap(shown[place - 1], block):
            parts.append("")
        parts += _parts(block, width)
    return Group(*parts)


def _has_gap(before: Block, block: Block) -> bool:
    """Whether an empty line parts two blocks."""
    dense = (Paragraph, Note, Alert, Findings)
    if isinstance(before, Heading):
        return False
    return not (isinstance(before, dense) and isinstance(block, dense))


def _parts(block: Block, width: int) -> Iterator["RenderableType"]:
    from rich.table import Table as Columns  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    match block:
        case Paragraph() | Code():
            yield Text(block.text)
        case Heading():
            yield Text(block.text, style="bold")
        case Note():
            yield Text(block.text, style="dim")
        case Alert():
            yield Text(block.text, style="yellow")
        case Findings():
            items = Columns.grid(padding=(0, 1))
            for item in block.items:
                items.add_row("•", item)
            yield items
        case Facts():
            facts = Columns(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
            facts.add_column(no_wrap=True, style="dim")
            facts.add_column(overflow="fold")
            for name, value in block.rows:
                facts.add_row(name, value)
            yield from ([Text(block.title, style="bold")] if block.title else [])
            yield facts
        case Table():
            yield from ([Text(block.caption)] if block.caption else [])
            yield from _tables(laid_out(block, width), width)


def _tables(grid: Grid, width: int) -> Iterator["RenderableType"]:
    """One a group; their columns line up, and the first alone has headings."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.table import Table as Columns  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    widths = _fitting(grid, width)
    if excess(widths, width) > 0:
        yield from _row_by_row(grid)
        return
    has_headings = any(column.heading for column in grid.columns)
    for place, group in enumerate(grid.groups):
        if place:
            yield ""
        if group.heading:
            yield Text.assemble((group.heading, "bold"), (f"  {group.note}" if group.note else "", "dim"))
        out = Columns(
            box=SIMPLE_HEAD if has_headings else None,
            padding=(0, 1, 0, 0),
            pad_edge=False,
            show_edge=False,
            show_header=has_headings and not place,
        )
        for column, characters in zip(grid.columns, widths, strict=True):
            out.add_column(
                column.heading or "",
                justify="right" if column.is_number else "left",
                no_wrap=column.is_number,
                overflow="fold",
                width=characters,
            )
        for row in group.cells:
            out.add_row(*row)
        yield out


def _row_by_row(grid: Grid) -> Iterator["RenderableType"]:
    """Names and values, for a table that is too wide even so: numbers are never cut."""
    from rich.table import Table as Columns  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    for place, group in enumerate(grid.groups):
        yield from [""] if place else []
        yield from [Text(group.heading, style="bold")] if group.heading else []
        for number, row in enumerate(group.cells):
            yield from [""] if number else []
            out = Columns(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
            out.add_column(no_wrap=True, style="dim")
            out.add_column(overflow="fold")
            for column, cell in zip(grid.columns, row, strict=True):
                out.add_row(one_line(column), cell)
            yield out


def _fitting(grid: Grid, width: int) -> list[int]:
    """The widths of columns, the widest ones of text narrowed until all fit."""
    widths = grid.widths
    texts = [place for place, column in enumerate(grid.columns) if not column.is_number]
    while texts and (over := excess(widths, width)) > 0:
        widest = max(texts, key=lambda place: widths[place])
        others = sorted(widths[place] for place in texts if place != widest)
        step = max(widths[widest] - (others[-1] if others else 0), 1)
        if widths[widest] <= _LEAST_TEXT:
            break
        widths[widest] = max(widths[widest] - min(over, step), _LEAST_TEXT)
    return widths
