"""`farm doctor`: the services, and this machine where it has what a worker needs. Modules are imported on use."""

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.options import Json, as_form
from farm.cli.output import Notes, Output, Shown

if TYPE_CHECKING:
    from farm.model import Check
    from farm.settings import Settings


def doctor(
    probe: Annotated[bool, typer.Option("--probe", help="Probe the meters of the GPU for half a minute.")] = False,
    as_json: Json = False,
) -> Iterator[Output]:
    """Say what this machine can measure, and what is in the way."""
    from farm.model.errors import ServiceError
    from farm.report.document import Column, Document, Form, Row, Table

    found = examine(probe)
    columns = [Column(name, heading, Form.TEXT) for name, heading in (("state", ""), ("name", ""), ("detail", ""))]
    rows = [Row({"state": check.state, "name": check.name, "detail": check.detail}) for check in found]
    record = [check.model_dump(mode="json") for check in found]
    yield Shown(Document([Table(columns, rows)], record=record), as_form(as_json))
    if any(check.state == "bad" for check in found):
        yield Notes([], ServiceError.exit_status)


def examine(probe: bool = False) -> "list[Check]":
    """Examine the services, then the machine by its own package."""
    from farm import __version__
    from farm.model import Check
    from farm.settings import load_settings, origins

    settings = load_settings()
    version = Check(name="wattfarm", state="ok", detail=f"{__version__}, files in {settings.home}")
    found = [version, _broker(settings), _database(settings), *_files(settings), *_machine(probe)]
    return [
        check if check.state == "ok" else check.model_copy(update={"detail": origins.named(check.detail)})
        for check in found
    ]


def _files(settings: "Settings") -> "Iterator[Check]":
    """Yield a note where other users may enter the folder of the farm's files: its owner may want that."""
    from farm.model import Check

    if settings.home.is_dir() and settings.home.stat().st_mode & 0o077:
        detail = f"other users may enter {settings.home}: `chmod 700 {settings.home}` keeps them out"
        yield Check(name="files", state="note", detail=detail)


def _broker(settings: "Settings") -> "Check":
    from farm.model import Check
    from farm.model.errors import FarmError, redacted
    from farm.scheduling.broker import Publisher

    try:
        Publisher(settings).check()
    except FarmError as error:
        return Check(name="broker", state="bad", detail=str(error))
    if settings.is_embedded:
        detail = "a folder, for this machine alone; a lab sets FARM_BROKER_URL=redis://HOST:6379/0"
        return Check(name="broker", state="ok", detail=detail)
    return Check(name="broker", state="ok", detail=redacted(settings.broker_url))


def _database(settings: "Settings") -> "Check":
    from farm.model import Check
    from farm.model.errors import FarmError, redacted
    from farm.store import Store

    try:
        with Store.open(settings.store_url, create=not settings.database_url):
            return Check(name="database", state="ok", detail=redacted(settings.store_url))
    except FarmError as error:
        return Check(name="database", state="bad", detail=str(error))


def _machine(probe: bool) -> "list[Check]":
    """Examine this machine, by a package that this one never imports: an entry point leads there."""
    from farm.model import Check

    found: list[Check] = []
    for entry in entry_points(group="wattfarm.doctor"):
        try:
            found += entry.load()(probe)
        except ModuleNotFoundError as error:
            remedy = "it can control but not measure: pip install 'wattfarm[worker]' to measure"
            found.append(Check(name="measuring", state="note", detail=f"this machine has no {error.name}, so {remedy}"))
    return found
