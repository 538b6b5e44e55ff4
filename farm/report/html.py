"""Reports as single HTML files without scripts, network or fonts."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from farm.model.errors import InputError
from farm.model.text import LINES, visible
from farm.report import svg
from farm.report.document import Block, Figure, Report, Table
from farm.report.layout import Grid, excess, laid_out

#: A phone shows so many characters of a line of a table, and of the text in one of several columns.
_PHONE, _PROSE = 42, 24
#: So many columns of numbers are read below each other, not row by row.
_NUMBERS = 2
#: Commands in sentences stand between backticks.
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Page:
    """A report as HTML."""

    text: str
    notes: Sequence[str]  #: the figures that could not be drawn, and why


def check() -> None:
    """Raise InputError if a library is missing, so that this is known before a long sweep."""
    svg.check()
    _library()


def page(document: Report) -> Page:
    """Return a report as HTML, with all text escaped; raises InputError if a library is missing.

    A figure that cannot be drawn has a note in its place.
    """
    check()
    environment = _environment()
    template, macros = (environment.from_string(_read(f"{name}.html.jinja")) for name in ("page", "blocks"))
    drawings = [svg.drawn(figure.spec) for figure in document.figures]
    laid_out = _layout(macros.module, drawings)
    made = template.render(document=document, style=_read("page.css").strip(), laid_out=laid_out)
    return Page(f"{made}\n", svg.notes(document.figures, drawings))


def _environment() -> Any:
    """Return jinja2's environment: it makes text visible, and escapes it unless a template says that it is ours."""
    jinja2 = _library()
    from markupsafe import Markup, escape  # noqa: PLC0415 - it comes with jinja2

    def shown(value: Any) -> Any:
        return visible(value, LINES) if isinstance(value, str) and not isinstance(value, Markup) else value

    def prose(text: str) -> str:
        return Markup(_CODE.sub(r"<code>\1</code>", str(escape(shown(text)))))  # noqa: S704 - what it escaped

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, finalize=shown)
    environment.filters["prose"] = prose
    return environment


def _library() -> ModuleType:
    try:
        import jinja2  # noqa: PLC0415
    except ModuleNotFoundError:
        raise InputError("a page needs jinja2: pip install 'wattfarm[report]'") from None
    return jinja2


def _read(name: str) -> str:
    """Read a file in the folder of this module."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _layout(macros: Any, drawings: Sequence[str | svg.Undrawn]) -> Callable[[Block], str]:
    """Return a function that turns a block into HTML by the macro of its name; figures take the drawings in order."""
    numbered = enumerate(drawings, start=1)

    def html(block: Block) -> str:
        macro: Callable[..., str] = getattr(macros, type(block).__name__.lower())
        match block:
            case Figure():
                number, drawing = next(numbered)
                problem = drawing.reason if isinstance(drawing, svg.Undrawn) else ""
                return macro(block, number, drawing, problem)
            case Table():
                grid = laid_out(block)
                return macro(block, grid, _shape(grid))
        return macro(block)

    return html


def _shape(grid: Grid) -> str:
    """Return how a phone shows a table: rows of text as cards; numbers beside each other, so that they scroll."""
    if excess(grid.widths, _PHONE) <= 0:
        return ""
    numbers = sum(column.is_number for column in grid.columns)
    longest = max((w for c, w in zip(grid.columns, grid.widths, strict=True) if not c.is_number), default=0)
    return "cards" if numbers < _NUMBERS and longest > _PROSE else "wide"
