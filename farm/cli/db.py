"""`farm db`: the database's tables. Modules are imported on use."""

import typer

from farm.cli.output import Line, opened

db = typer.Typer(help="Make, upgrade and check the database's tables.", rich_markup_mode=None)


@db.command()
def upgrade() -> Line:
    """Make or upgrade the database's tables."""
    from farm.model.errors import redacted
    from farm.settings import load_settings
    from farm.store import SchemaState, Store
    from farm.store import upgrade as upgrade_tables

    url = load_settings().store_url
    with Store(url) as store:
        before = upgrade_tables(store)
    what = "was up to date" if before is SchemaState.CURRENT else f"upgraded, it was {before}"
    return Line(f"{redacted(url)}: {what}")


@db.command()
def check() -> Line:
    """Say whether the database fits this program."""
    from farm.model.errors import redacted

    with opened() as (_, settings):
        return Line(f"{redacted(settings.store_url)}: reachable, fits this program")
