"""Documents as lines for a terminal: in styles where it has them, else as plain text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from farm.model.text import visible
from farm.report.bars import ASCII, BLOCKS, Drawn, drawn
from farm.report.document import (
    Alert,
    Bars,
    Block,
    Code,
    Document,
    Facts,
    Figure,
    Findings,
    Heading,
    Note,
    Paragraph,
    Table,
)
from farm.report.layout import GAP, WIDTH, Grid, excess, laid_out, one_line

#: What stands for the signs of tables and lists where there is ASCII alone.
_IN_ASCII = str.maketrans({"─": "-", "–": "-", "•": "*", "±": "+-", "≤": "<=", "×": "x", "²": "2"})
#: A column of text is never made narrower.
_LEAST_TEXT = 10
#: The styles of lines, and how a terminal switches them on.
BOLD, DIM, YELLOW, CYAN, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[33m", "\x1b[36m", ""
_STYLES: dict[type[Block], str] = {Heading: BOLD, Note: DIM, Alert: YELLOW}

#: Pieces of a line: text and its style.
Line = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Screen:
    """What a terminal can show."""

    width: int  #: characters of a line
    has_styles: bool
    has_unicode: bool  #: False: text and bars are in ASCII


def styled(document: Document, screen: Screen) -> str:
    """Return a document for a terminal; tables take 80 characters even where it has fewer."""
    shown = "".join(f"{_joined(line, screen.has_styles)}\n" for line in _all_lines(document.blocks, screen))
    return shown if screen.has_unicode else shown.translate(_IN_ASCII).encode("ascii", "replace").decode("ascii")


def text(document: Document) -> str:
    """Return a document as plain text, 80 characters wide, without its charts."""
    return styled(document.without_charts(), Screen(WIDTH, has_styles=False, has_unicode=True))


def _joined(line: Line, has_styles: bool) -> str:
    pieces = [(visible(piece), style) for piece, style in line]
    if has_styles:
        return "".join(f"{style}{piece}\x1b[0m" if style and piece else piece for piece, style in pieces)
    return "".join(piece for piece, _ in pieces).rstrip()


def _all_lines(blocks: Sequence[Block], screen: Screen) -> Iterator[Line]:
    """Yield the lines of blocks; a chart without bars has no place on a terminal."""
    shown = [block for block in blocks if not isinstance(block, Figure) or block.bars]
    for place, block in enumerate(shown):
        if place and _has_gap(shown[place - 1], block):
            yield ()
        yield from _lines(block, screen)


def _has_gap(before: Block, block: Block) -> bool:
    """Return whether an empty line separates two blocks."""
    dense = (Paragraph, Note, Alert, Findings)
    if isinstance(before, Heading):
        return False
    return not (isinstance(before, dense) and isinstance(block, dense))


def _lines(block: Block, screen: Screen) -> Iterator[Line]:
    width = max(screen.width, WIDTH)
    match block:
        case Findings():
            for item in block.items:
                yield from _hanging("• ", item, width, PLAIN)
        case Facts():
            yield from _styled(block.title, width, BOLD)
            yield from _facts(block.rows, width)
        case Table():
            yield from _styled(block.caption, width, PLAIN)
            yield from _table(laid_out(block, width), width)
        case Figure(bars=Bars() as of):
            yield from _chart(drawn(of, screen.width, BLOCKS if screen.has_unicode else ASCII), screen)
        case Code():
            yield from ([(line, PLAIN)] for line in block.text.split("\n"))
        case Paragraph() | Heading() | Note() | Alert():
            yield from _styled(block.text, width, _STYLES.get(type(block), PLAIN))


def _chart(chart: Drawn, screen: Screen) -> Iterator[Line]:
    """Yield a chart; bars of doubtful values are quiet."""
    yield from _styled(chart.title, screen.width, BOLD)
    for line in chart.lines:
        style = DIM if line.is_doubtful else CYAN
        yield [(line.name, BOLD if line.is_heading else PLAIN), (line.value, PLAIN), (line.bar, style)]
    for note in chart.notes:
        yield from _styled(note, screen.width, DIM)


def _styled(text: str, width: int, style: str) -> Iterator[Line]:
    """Yield a text in lines of one style; none of an empty text."""
    for line in text.split("\n") if text else ():
        yield from ([(part, style)] for part in _wrapped(line, width))


def _wrapped(line: str, width: int) -> list[str]:
    """Return a line in parts of at most `width` characters; its own indent stays."""
    if len(line) <= width:
        return [line]
    return wrap(line, width, break_on_hyphens=False, drop_whitespace=True) or [""]


def _hanging(head: str, text: str, width: int, style: str) -> Iterator[Line]:
    """Yield a text whose later lines stand below its first, right of the head."""
    for line in text.split("\n"):
        for part in _wrapped(line, max(width - len(head), _LEAST_TEXT)):
            yield [(head, style), (part, PLAIN)]
            head = " " * len(head)


def _facts(rows: Sequence[tuple[str, str]], width: int) -> Iterator[Line]:
    """Yield names and values, the values below each other."""
    longest = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        yield from _hanging(f"{name:<{longest}}  ", value, width, DIM)


def _table(grid: Grid, width: int) -> Iterator[Line]:
    """Yield the groups of a table; their columns line up, and only the first group has headings."""
    widths = _fitting(grid, width)
    if excess(widths, width) > 0:
        yield from _row_by_row(grid, width)
        return
    for place, group in enumerate(grid.groups):
        yield from [()] if place else []
        if group.heading:
            yield from _group_heading(group.heading, group.note, width)
        if not place and any(column.heading for column in grid.columns):
            headings = [(column.heading or "").split("\n") for column in grid.columns]
            highest = max(map(len, headings))
            padded = ["\n" * (highest - len(heading)) + "\n".join(heading) for heading in headings]
            yield from _row(padded, grid, widths)
            yield [("─" * (sum(widths) + GAP * (len(widths) - 1)), PLAIN)]
        for cells in group.cells:
            yield from _row(cells, grid, widths)


def _group_heading(heading: str, note: str, width: int) -> Iterator[Line]:
    """Yield the heading of rows, with its note beside it where there is room."""
    beside = f"  {note}" if note else ""
    if len(heading) + len(beside) <= width:
        yield [(heading, BOLD), (beside, DIM)]
    else:
        yield from _styled(heading, width, BOLD)
        yield from _styled(note, width, DIM)


def _row(cells: Sequence[str], grid: Grid, widths: Sequence[int]) -> Iterator[Line]:
    """Yield a row; it takes several lines where a cell does."""
    columns = [
        [part for line in cell.split("\n") for part in _wrapped(line, width)]
        for cell, width in zip(cells, widths, strict=True)
    ]
    for place in range(max(map(len, columns))):
        parts = [column[place] if place < len(column) else "" for column in columns]
        laid = [
            part.rjust(width) if column.is_number else part.ljust(width)
            for part, column, width in zip(parts, grid.columns, widths, strict=True)
        ]
        yield [((" " * GAP).join(laid), PLAIN)]


def _row_by_row(grid: Grid, width: int) -> Iterator[Line]:
    """Yield names and values, for a table that is too wide even so: numbers are never cut."""
    for place, group in enumerate(grid.groups):
        yield from [()] if place else []
        yield from _styled(group.heading, width, BOLD)
        for number, row in enumerate(group.cells):
            yield from [()] if number else []
            names = [one_line(column) for column in grid.columns]
            yield from _facts(list(zip(names, row, strict=True)), width)


def _fitting(grid: Grid, width: int) -> list[int]:
    """Return the widths of columns, the widest ones of text narrowed until all fit."""
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
