"""What `farm doctor` finds out: the services, and this machine where it has what a worker needs."""

from importlib.metadata import entry_points

from farm import __version__
from farm.errors import FarmError
from farm.model import Check
from farm.scheduling.broker import Publisher
from farm.settings import Settings, load_settings
from farm.settings.credentials import redacted
from farm.store import Store


def examine(probe: bool = False) -> list[Check]:
    """The controller's half of the examination, then the worker's."""
    settings = load_settings()
    version = Check(name="wattfarm", state="ok", detail=f"{__version__}, files in {settings.home}")
    return [version, _broker(settings), _database(settings), *_machine(probe)]


def _broker(settings: Settings) -> Check:
    try:
        Publisher(settings).check()
    except FarmError as error:
        return Check(name="broker", state="bad", detail=str(error))
    if settings.is_embedded:
        detail = "a folder, for this machine alone; a lab sets FARM_BROKER_URL=redis://HOST:6379/0"
        return Check(name="broker", state="ok", detail=detail)
    return Check(name="broker", state="ok", detail=redacted(settings.broker_url))


def _database(settings: Settings) -> Check:
    try:
        with Store.open(settings.store_url, create=not settings.database_url):
            return Check(name="database", state="ok", detail=redacted(settings.store_url))
    except FarmError as error:
        return Check(name="database", state="bad", detail=str(error))


def _machine(probe: bool) -> list[Check]:
    """From a package that this one never imports: an entry point leads there."""
    found: list[Check] = []
    for entry in entry_points(group="wattfarm.doctor"):
        try:
            found += entry.load()(probe)
        except ModuleNotFoundError as error:
            remedy = "it can control but not measure: pip install 'wattfarm[worker]' to measure"
            found.append(Check(name="measuring", state="note", detail=f"this machine has no {error.name}, so {remedy}"))
    return found
