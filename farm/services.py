"""What `farm doctor` finds out about the services: broker and database."""

from farm import __version__
from farm.errors import FarmError, SchemaMismatch
from farm.model import Check
from farm.queue import Bell
from farm.settings import Settings, load_settings, redacted
from farm.store import Store


def examine() -> list[Check]:
    """The controller's half of the examination."""
    settings = load_settings()
    version = Check(name="wattfarm", state="ok", detail=f"{__version__}, files in {settings.home}")
    return [version, _broker(settings), _database(settings)]


def _broker(settings: Settings) -> Check:
    url = redacted(settings.broker_url)
    try:
        Bell(settings).check()
    except FarmError as error:
        return Check(name="broker", state="bad", detail=str(error))
    if settings.is_embedded:
        return Check(
            name="broker", state="note", detail=f"{url}: this machine alone; FARM_BROKER_URL=redis://... for a lab"
        )
    return Check(name="broker", state="ok", detail=url)


def _database(settings: Settings) -> Check:
    url = redacted(settings.store_url)
    try:
        with Store.open(settings.store_url):
            return Check(name="database", state="ok", detail=url)
    except SchemaMismatch as error:
        return Check(name="database", state="note", detail=str(error))
    except FarmError as error:
        return Check(name="database", state="bad", detail=str(error))
