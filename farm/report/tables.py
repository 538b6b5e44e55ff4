"""What the command line shows, as blocks: the same cells, so that no figure of a report differs from it."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table as Rendered
from rich.text import Text

from farm.report.document import Block, Column, Findings, Form, Heading, Note, Paragraph, Row, Table


def blocks(view: RenderableType) -> list[Block]:
    """Of a view for the terminal."""
    return list(_each(view, ""))


def _each(view: RenderableType, caption: str) -> Iterator[Block]:
    if isinstance(view, Group):
        for part in view.renderables:
            yield from _each(part, caption)
    elif isinstance(view, Rendered) and view.columns:
        is_list = view.box is None and not view.show_header
        yield Findings(_column(view, -1)) if is_list else _grid(view, caption)
    elif isinstance(view, Text):
        yield from _text(view)
    elif not isinstance(view, Rendered):
        raise TypeError(f"a report knows no {type(view).__name__}")


def _text(text: Text) -> Iterator[Block]:
    plain = text.plain.strip("\n")
    styles = {str(text.style), *(str(span.style) for span in text.spans)}
    if not plain:
        return
    if "bold" in styles:
        yield Heading(plain)
    elif "dim" in styles:
        yield Note(plain)
    else:
        yield from map(Paragraph, plain.split("\n"))


def _grid(table: Rendered, caption: str) -> Table:
    columns = [
        Column(
            str(place), " ".join(_plain(column.header).split()), Form.NUMBER if column.justify == "right" else Form.TEXT
        )
        for place, column in enumerate(table.columns)
    ]
    rows = zip(*(_column(table, place) for place in range(len(table.columns))), strict=True)
    return Table(
        columns, [Row({str(n): cell for n, cell in enumerate(cells)}) for cells in rows if any(cells)], caption
    )


def _column(table: Rendered, place: int) -> list[str]:
    return [_plain(cell) for cell in table.columns[place].cells]


def _plain(cell: RenderableType) -> str:
    return cell.plain if isinstance(cell, Text) else str(cell)
