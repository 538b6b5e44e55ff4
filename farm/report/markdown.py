"""Documents and reports as Markdown; it names charts, which only HTML shows."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from farm.model.text import LINES, visible
from farm.report.document import (
    Alert,
    Block,
    Code,
    Document,
    Facts,
    Figure,
    Findings,
    Heading,
    Note,
    Paragraph,
    Report,
    Table,
)
from farm.report.layout import laid_out

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")
_COMMANDS = re.compile(rf"(`[^`]+`)|{_SPECIAL.pattern}")


def report(document: Report) -> str:
    """Return a report as Markdown."""
    numbers = count(1)
    lines = [f"# {_plain(document.title)}", "", _plain(document.subtitle), ""]
    for section in document.sections:
        lines += [f"## {_plain(section.title)}", "", *_blocks(section.blocks, numbers)]
    return "\n".join(lines)


def text(document: Document) -> str:
    """Return a document as Markdown."""
    return "\n".join(_blocks(document.blocks, count(1)))


def _blocks(blocks: Iterable[Block], numbers: Iterator[int]) -> list[str]:
    return [line for block in blocks for line in (*_lines(block, numbers), "")]


def _lines(block: Block, numbers: Iterator[int]) -> list[str]:
    if isinstance(block, Figure):
        return [f"**Figure {next(numbers)}. {_plain(block.name)}.** {_plain(block.caption)} (Drawn in HTML.)"]
    return _WRITERS[type(block)](block)


def _facts(block: Facts) -> list[str]:
    rows = [f"- {_plain(name)}: {_plain(value)}" for name, value in block.rows]
    return [f"**{_plain(block.title)}**", "", *rows] if block.title else rows


def _code(block: Code) -> list[str]:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", block.text)), default=0))
    return [fence, visible(block.text, LINES).rstrip("\n"), fence]


def _table(table: Table) -> list[str]:
    grid = laid_out(table)
    lines = [f"**{_plain(table.caption)}**", ""] if table.caption else []
    for group in grid.groups:
        heading = f"{group.heading} {group.note}".strip()
        lines += [f"*{_plain(heading)}*", ""] if heading else []
        lines += [_row([column.heading or "" for column in grid.columns])]
        lines += [f"| {' | '.join('---:' if column.is_number else '---' for column in grid.columns)} |"]
        lines += [*map(_row, group.cells), ""]
    return lines[:-1]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_plain, cells))} |"


def _plain(text: str) -> str:
    """Return text on one line, with the special characters of Markdown and HTML escaped."""
    return _SPECIAL.sub(r"\\\1", _line(text))


def _prose(text: str) -> str:
    """Return a sentence on one line, escaped, except for commands between backticks, which stay code."""
    return _COMMANDS.sub(lambda found: found[1] or f"\\{found[2]}", _line(text))


def _line(text: str) -> str:
    """Return text on one line; ends of lines that are in it become spaces."""
    return " ".join(visible(text, LINES).split())


_WRITERS: Mapping[type[Block], Callable[[Any], list[str]]] = {
    Paragraph: lambda block: [_prose(block.text)],
    Heading: lambda block: [f"### {_plain(block.text)}"],
    Note: lambda block: [f"*{_prose(block.text)}*"],
    Alert: lambda block: [f"> **{_prose(block.text)}**"],
    Findings: lambda block: [f"- {_prose(item)}" for item in block.items],
    Facts: _facts,
    Code: _code,
    Table: _table,
}
