"""One database behind two transactions, `read` and `write`, on SQLite or PostgreSQL."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Self

from pydantic import JsonValue
from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Table,
    bindparam,
    create_engine,
    event,
    func,
    literal,
    make_url,
)
from sqlalchemy.exc import ArgumentError

from farm.model import disk
from farm.model.errors import InputError, StoreUnavailable, redacted
from farm.model.text import visible_values
from farm.store.failures import label, translated
from farm.store.reader import add_functions
from farm.store.tables import UtcDateTime
from farm.store.values import read_json

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

#: With these a dead network is noticed within seconds; otherwise a heartbeat hangs until the network works again.
_POSTGRES_OPTIONS = {
    "application_name": "wattfarm",
    "connect_timeout": 5,
    "tcp_user_timeout": 8000,  # ms
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
#: Options of a sqlite:/// URL: those of SQLite's own URIs (https://sqlite.org/uri.html).
_SQLITE_OPTIONS = frozenset({"uri", "mode", "cache", "immutable", "nolock"})
#: A writer waits this long for other writers.
_SQLITE_BUSY_MS = 30_000
_BEGIN = "sqlite_begin"


class Database:
    """The transactions of one database; every error of its driver becomes StoreUnavailable.

    Threads may share it: each transaction takes a connection of its own. A process must not use one that it
    inherited by fork.
    """

    def __init__(self, url: str) -> None:
        """Prepare a connection, which is made on first use. Raises InputError for a URL that names no such database."""
        self.url = _parsed(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._readers = _sqlite_engine(self.url) if self.is_sqlite else _postgres_engine(self.url)
        self._writers = self._readers.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __str__(self) -> str:
        return label(self.url)

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        self._readers.dispose()

    def read(self) -> AbstractContextManager[Connection]:
        """Open a transaction that only reads; on SQLite it sees one state throughout."""
        return self._transaction(self._readers)

    def write(self) -> AbstractContextManager[Connection]:
        """Open a transaction that may write: all or nothing. On SQLite it waits for its turn at the start."""
        return self._transaction(self._writers)

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        with translated(self.url), engine.begin() as connection:
            yield connection

    def now(self, plus_s: float = 0.0) -> ColumnElement[datetime]:
        """Return the time that leases follow: the server's on PostgreSQL, this machine's on SQLite."""
        shift = timedelta(seconds=plus_s)
        if self.is_sqlite:
            return literal(datetime.now(UTC) + shift, UtcDateTime())
        return func.now() + literal(shift)

    def now_as_it_runs(self) -> ColumnElement[datetime]:
        """Return the same time for a statement that is built once: it is read anew whenever the statement runs."""
        if self.is_sqlite:
            return bindparam(None, callable_=lambda: datetime.now(UTC), type_=UtcDateTime())
        return func.now()

    def insert(self, table: Table) -> "sqlite.Insert | postgresql.Insert":
        """Build an INSERT that supports ON CONFLICT."""
        if self.is_sqlite:
            from sqlalchemy.dialects import sqlite  # noqa: PLC0415 - a process imports the dialect of its database

            return sqlite.insert(table)
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415

        return postgresql.insert(table)


def _parsed(text: str) -> URL:
    try:
        url = make_url(text) if text.isprintable() else None
        if url and url.host:
            url.host.encode("idna")  # else the driver fails when it looks for the host
    except (ArgumentError, ValueError):  # the latter: a port that is no number, a name that no host can have
        url = None
    backend = url.get_backend_name() if url else ""
    if url and "@" in (url.host or ""):
        raise InputError("FARM_DATABASE_URL: write an @ in its password as %40, or use FARM_DATABASE_PASSWORD_FILE")
    if url and backend == "sqlite" and (url.host or url.username):
        raise InputError("FARM_DATABASE_URL: SQLite has no user and no host: write sqlite:////path/to/farm.db")
    if url and backend == "sqlite" and not url.query.keys() <= _SQLITE_OPTIONS:
        raise InputError(f"FARM_DATABASE_URL: expected only {', '.join(sorted(_SQLITE_OPTIONS))} after the ?")
    if url and backend == "sqlite" and url.database and url.database != ":memory:":
        return url.set(drivername="sqlite+pysqlite")
    if url and backend in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    raise InputError(
        f"FARM_DATABASE_URL: expected postgresql://user@host/database or sqlite:///path/to/file, got {redacted(text)!r}"
    )


def _postgres_engine(url: URL) -> Engine:
    try:
        return create_engine(
            url,
            connect_args=_POSTGRES_OPTIONS,
            pool_pre_ping=True,
            json_serializer=_json,
            json_deserializer=read_json,
        )
    except ModuleNotFoundError:
        raise StoreUnavailable(
            "PostgreSQL needs a driver that is not installed: pip install 'wattfarm[postgres]'"
        ) from None


def _json(value: JsonValue) -> str:
    """Serialize with visible text only; without a backslash there is no other character in it than letters of ASCII."""
    text = json.dumps(value)
    return json.dumps(visible_values(value)) if "\\" in text else text


def _sqlite_engine(url: URL) -> Engine:
    file = Path(url.database or "")
    try:
        disk.make_private(file.parent)
    except OSError as error:
        raise StoreUnavailable(
            f"{label(url)}: cannot make its folder ({error.strerror}): choose another with FARM_DATABASE_URL"
        ) from None
    if "uri" not in url.query:
        with suppress(OSError):  # the driver meets the same error, and says what it means
            os.close(disk.private(str(file), os.O_RDWR | os.O_CREAT | os.O_EXCL))  # its journals get its rights
    engine = create_engine(url, json_serializer=_json, json_deserializer=read_json)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions: `_begin_sqlite` does
    connection.execute(f"PRAGMA busy_timeout = {_SQLITE_BUSY_MS}")
    _use_wal(connection)
    # A power cut may cost the last commits, never the file: a job it forgets is measured again.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    add_functions(connection)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Set WAL mode, which the file keeps; while others set it too, SQLite answers BUSY at once instead of waiting."""
    deadline_s = monotonic() + _SQLITE_BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or monotonic() > deadline_s:
                raise
            sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))
