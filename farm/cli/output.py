"""Commands that have a module of their own: each returns what `farm.cli.app` prints, or yields it bit by bit."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from farm.kinds.views import View
    from farm.report.files import Format
    from farm.settings import Settings
    from farm.store import Store


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found, and how it was asked for."""

    view: "View"
    record: Mapping[str, Any] | None  #: for json, where that holds more than the rows of a table
    form: "Format"
    output: Path | None  #: None: to the terminal
    notes: Sequence[str] = ()  #: lines beside the output


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows and nothing else: for csv, json or parquet."""

    records: list[dict[str, Any]]
    form: "Format"
    output: Path | None  #: None: to the terminal


@dataclass(frozen=True, slots=True)
class Told:
    """How something stands: to a terminal, or as JSON."""

    view: Any  #: a text, or what rich prints
    record: Any
    as_json: bool


@dataclass(frozen=True, slots=True)
class Written:
    """A text to read elsewhere."""

    text: str
    output: Path | None  #: None: to the terminal
    notes: Sequence[str] = ()  #: lines beside the output


@dataclass(frozen=True, slots=True)
class Aside:
    """Lines beside the output, and how the command ends where this is the last of it."""

    lines: Sequence[str]
    status: int = 0


#: What `farm.cli.app` prints.
Said = Answer | Rows | Told | Written | Aside | str


@contextmanager
def opened(create: bool = False) -> Iterator[tuple["Store", "Settings"]]:
    """The store that the settings name; an embedded one is made where there is none."""
    from farm.settings import load_settings
    from farm.store import Store

    settings = load_settings()
    with Store.open(settings.store_url, create=create or not settings.database_url) as store:
        yield store, settings
