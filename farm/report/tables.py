"""What the command line shows, as blocks: the same cells, so that no figure of a report differs from it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.report.document import Block, Grid, Heading, Note, Rows, Sentences, Words


def blocks(view: RenderableType, caption: str = "") -> list[Block]:
    """Of a view for the terminal; `caption` is that of its tables, with a number where there are several."""
    found = _joined(_each(view, caption))
    several = sum(isinstance(block, Grid) for block in found) > 1
    numbers = count(1)
    return [
        replace(block, caption=f"{block.caption} ({next(numbers)})") if isinstance(block, Grid) and several else block
        for block in found
    ]


def findings(view: RenderableType) -> list[str]:
    """What a view says in words."""
    return [item for block in _each(view, "") if isinstance(block, Sentences) for item in block.items]


def _each(view: RenderableType, caption: str) -> Iterator[Block]:
    if isinstance(view, Group):
        for part in view.renderables:
            yield from _each(part, caption)
    elif isinstance(view, Table) and view.columns:
        is_list = view.box is None and not view.show_header
        yield Sentences(_column(view, -1)) if is_list else _grid(view, caption)
    elif isinstance(view, Text):
        yield from _text(view)
    elif not isinstance(view, Table):
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
        yield from map(Words, plain.split("\n"))


def _grid(table: Table, caption: str) -> Grid:
    rows = zip(*(_column(table, place) for place in range(len(table.columns))), strict=True)
    return Grid(
        caption=caption,
        headings=[" ".join(_plain(column.header).split()) for column in table.columns],
        are_numbers=[column.justify == "right" for column in table.columns],
        groups=[Rows("", [cells for cells in rows if any(cells)])],
    )


def _column(table: Table, place: int) -> list[str]:
    return [_plain(cell) for cell in table.columns[place].cells]


def _plain(cell: RenderableType) -> str:
    return cell.plain if isinstance(cell, Text) else str(cell)


def _joined(found: Iterable[Block]) -> list[Block]:
    """Tables of a terminal that follow each other, each under a heading, are groups of rows of one table."""
    out: list[Block] = []
    for block in found:
        heading = out[-1] if out else None
        if isinstance(block, Grid) and isinstance(heading, Heading):
            out.pop()
            groups = [Rows(heading.text, block.groups[0].cells)]
            above = out[-1] if out else None
            if isinstance(above, Grid) and above.headings == block.headings and above.groups[0].heading:
                out[-1] = replace(above, groups=[*above.groups, *groups])
            else:
                out.append(replace(block, groups=groups))
        else:
            out.append(block)
    return out
