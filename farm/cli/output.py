"""What commands return, and the only place that prints it.

A command returns one `Output`, or yields several; `farm.cli.app` hands each to `write`.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from farm.report.document import Document
    from farm.report.files import Format, Sheet
    from farm.settings import Settings
    from farm.store import Store


@dataclass(frozen=True, slots=True)
class Shown:
    """A document, in the form that was asked for."""

    document: "Document"
    form: "Format | None" = None  #: None: for people
    path: Path | None = None  #: None: to the terminal
    notes: Sequence[str] = ()  #: lines for standard error


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows and nothing else: for csv, json or parquet."""

    sheet: "Sheet"
    form: "Format"
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A text to read elsewhere."""

    text: str
    path: Path | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a command did, for people, and the same for scripts."""

    text: str
    record: Any = None  #: None: the command has no --json
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Notes:
    """Lines for standard error, and how the command ends where this is the last of it."""

    lines: Sequence[str]
    status: int = 0


Output = Shown | Rows | Written | Line | Notes


@contextmanager
def opened(create: bool = False) -> Iterator[tuple["Store", "Settings"]]:
    """The store that the settings name; an embedded one is made where there is none."""
    from farm.settings import load_settings
    from farm.store import Store

    settings = load_settings()
    with Store.open(settings.store_url, create=create or not settings.database_url) as store:
        yield store, settings


@contextmanager
def passed_through() -> Iterator[None]:
    """Have programs of trials write to the standard output and error of this process."""
    from farm.model.commands import OUTPUT

    copies = [os.dup(stream) for stream in (1, 2)]
    os.environ[OUTPUT] = ",".join(map(str, copies))
    try:
        yield
    finally:
        del os.environ[OUTPUT]
        for copy in copies:
            os.close(copy)


class ReaderGone(Exception):
    """Whoever read the output has stopped, as `head` does."""


def write(output: Output) -> int:
    """Print one output, or write it to its file.

    Returns:
        The exit status that it asks for.

    Raises:
        InputError: its file cannot be written, or its form needs one.
        ReaderGone: nobody reads standard output any more.
    """
    try:
        return _write(output)
    except BrokenPipeError:
        raise ReaderGone from None


def _write(output: Output) -> int:
    match output:
        case Shown():
            _write_document(output)
            note(output.notes)
        case Rows():
            _write_sheet(output.sheet, output.form, output.path)
        case Written():
            _write_text(output.text, output.path)
            note(output.notes)
        case Line():
            _print_line(output)
        case Notes():
            note(output.lines)
            return output.status
    return 0


def confirmed(question: str, option: str) -> bool:
    """Ask on the terminal; only yes is a yes. Raises InputError, which names the option, where there is no terminal."""
    if not sys.stdin.isatty():
        from farm.model.errors import InputError

        raise InputError(f"{question} Without a terminal nobody can answer: add {option}")
    from farm.model.text import visible

    print(f"{visible(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().casefold() in {"y", "yes"}


def note(lines: Iterable[str]) -> None:
    """Print lines to standard error."""
    from farm.model.text import LINES, visible

    for line in lines:
        print(visible(line, LINES), file=sys.stderr)


def _write_document(shown: Shown) -> None:
    from farm.report import terminal
    from farm.report.files import Format, Sheet, json_text, write_text

    form, document = shown.form or Format.TABLE, shown.document
    if form is Format.JSON and document.record is not None:
        text = json_text(document.record)
        print(text) if shown.path is None else write_text(text, shown.path)
    elif form is not Format.TABLE:
        from farm import kinds

        records, types = document.records(), document.types
        if form is Format.PARQUET and records:
            types = {**kinds.factor_types(), **types}
        _write_sheet(Sheet.of(records, types), form, shown.path)
    elif shown.path is None:
        _show(document)
    else:
        write_text(terminal.text(document), shown.path)


def _write_sheet(sheet: "Sheet", form: "Format", path: Path | None) -> None:
    from farm.model.errors import InputError
    from farm.report import files
    from farm.report.numbers import several

    if path is not None:
        note([f"wrote {several(files.write_sheet(sheet, form, path), 'row')} to {path}"])
    elif form is files.Format.PARQUET:
        raise InputError("--format parquet needs a file: add -o FILE")
    else:
        files.stream(sheet, form, sys.stdout)


def is_terminal() -> bool:
    """Whether a person reads what is printed."""
    return sys.stdout.isatty()


def _show(document: "Document") -> None:
    """Print a document: in styles and as wide as the terminal, or as plain text where there is none."""
    import os
    import shutil

    from farm.report import terminal
    from farm.report.layout import WIDTH

    is_utf8 = (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"
    if not is_terminal():
        screen = terminal.Screen(WIDTH, has_styles=False, has_unicode=is_utf8)
        sys.stdout.write(terminal.styled(document.without_charts(), screen))
        return
    is_dumb = os.environ.get("TERM", "dumb") == "dumb"
    screen = terminal.Screen(
        shutil.get_terminal_size().columns,
        has_styles=not (is_dumb or os.environ.get("NO_COLOR")),
        has_unicode=is_utf8 and not is_dumb,
    )
    sys.stdout.write(terminal.styled(document, screen))


def _write_text(text: str, path: Path | None) -> None:
    from farm.model.text import LINES, visible
    from farm.report.files import write_text

    if path is None:
        print(visible(text, LINES))
    else:
        write_text(text, path)
        note([f"wrote {path}"])


def _print_line(line: Line) -> None:
    from farm.model.text import LINES, visible
    from farm.report.files import json_text

    print(json_text(line.record) if line.as_json else visible(line.text, LINES))
