"""A report as Markdown: the same sections; charts are named, and drawn in HTML."""

import re
from collections.abc import Iterator, Sequence
from itertools import count

from farm.report.document import Alert, Block, Code, Document, Facts, Figure, Grid, Heading, Note, Sentences, Words

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def text(document: Document) -> str:
    """All of it."""
    numbers = count(1)
    lines = [f"# {_plain(document.title)}", "", _plain(document.subtitle), ""]
    for section in document.sections:
        lines += [f"## {_plain(section.title)}", ""]
        for block in section.blocks:
            lines += [*_lines(block, numbers), ""]
    return "\n".join(lines)


def _lines(block: Block, numbers: Iterator[int]) -> list[str]:
    match block:
        case Figure():
            return [f"**Figure {next(numbers)}. {_plain(block.name)}.** {_plain(block.caption)} (Drawn in HTML.)"]
        case Grid():
            return _table(block)
        case Sentences():
            return [f"- {_plain(item)}" for item in block.items]
        case Facts():
            named = [f"- {_plain(name)}: {_plain(value)}" for name, value in block.rows]
            return [f"**{_plain(block.title)}**", "", *named] if block.title else named
        case Words() | Note() | Alert() | Heading() | Code():
            return _text(block)


def _text(block: Words | Note | Alert | Heading | Code) -> list[str]:
    if isinstance(block, Code):
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", block.text)), default=0))
        return [fence, block.text.rstrip("\n"), fence]
    marks: dict[type[Block], tuple[str, str]] = {Note: ("*", "*"), Alert: ("> **", "**"), Heading: ("### ", "")}
    before, after = marks.get(type(block), ("", ""))
    return [f"{before}{_plain(block.text)}{after}"]


def _table(grid: Grid) -> list[str]:
    rule = ["---:" if is_number else "---" for is_number in grid.are_numbers]
    lines = [f"**{_plain(grid.caption)}**", ""] if grid.caption else []
    for group in grid.groups:
        lines += [f"*{_plain(group.heading)}*", ""] if group.heading else []
        rows = [[_plain(cell) for cell in row] for row in (grid.headings, *group.cells)]
        lines += [_row(rows[0]), _row(rule), *map(_row, rows[1:]), ""]
    return lines[:-1]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """On one line, without meaning to Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
