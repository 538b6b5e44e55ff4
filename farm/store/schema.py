"""The version of the tables: what a database has, what this program needs, and the way from one to the other."""

from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from farm.model.errors import SchemaMismatch
from farm.store.engine import Database

#: The newest migration, which this program needs; migrations are numbered 0001, 0002, ...
HEAD = "0001"
#: Alembic's table, under a name of our own: a database may hold other programs' tables too.
VERSION_TABLE = "wattfarm_schema"
_MIGRATIONS = Path(__file__).with_name("migrations")
#: Any number that other programs are unlikely to take: one migration of a PostgreSQL database at a time.
_ADVISORY_LOCK = 0x77617474


class SchemaState(StrEnum):
    """The state of a database's tables, compared with the tables that this program needs."""

    EMPTY = "empty"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"


def check(database: Database) -> SchemaState:
    """Compare the schema with the program's; raises StoreUnavailable where the database cannot be read."""
    with database.read() as connection:
        return _state(_revision(connection))


def require(database: Database) -> None:
    """Raise SchemaMismatch, naming the command that helps, unless the tables are the ones that this program needs."""
    with database.read() as connection:
        _require(database, _revision(connection), {SchemaState.CURRENT})


def upgrade(database: Database) -> SchemaState:
    """Upgrade the tables, all or nothing; returns their old state. Any number of processes may do so at once.

    Raises SchemaMismatch for a database that is newer than this program.
    """
    from alembic import command  # noqa: PLC0415 - slow to import, and no other call needs it
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        found = _revision(connection)
        _require(database, found, set(SchemaState) - {SchemaState.NEWER})
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)
    return _state(found)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
    return revision


def _state(revision: str | None) -> SchemaState:
    if revision is None:
        return SchemaState.EMPTY
    if revision == HEAD:
        return SchemaState.CURRENT
    return SchemaState.OLDER if revision < HEAD else SchemaState.NEWER


def _require(database: Database, revision: str | None, welcome: set[SchemaState]) -> None:
    state = _state(revision)
    if state in welcome:
        return
    remedy = {
        SchemaState.EMPTY: "has no tables yet: run `farm db upgrade`",
        SchemaState.OLDER: f"has tables of an older wattfarm ({revision}, needed {HEAD}): run `farm db upgrade`",
        SchemaState.NEWER: f"has tables of a newer wattfarm ({revision}, known {HEAD}): pip install -U wattfarm",
    }
    raise SchemaMismatch(f"{database} {remedy[state]}")
