"""A statement that a user writes, and that can only read.

PostgreSQL takes it as the query of a cursor in a read-only transaction: that admits SELECT and VALUES, no COPY, nothing
that writes inside WITH, and one statement. SQLite takes it on a read-only connection, where an authorizer admits what
reads. Who must not call functions of the server should have a role that may not (deploy/postgres).
"""

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import quote

from farm.model.errors import InputError, StoreUnavailable
from farm.store.engine import Database, add_functions
from farm.store.hints import hint
from farm.store.views import VIEWS

#: A query that takes longer is stopped.
LONGEST_S = 300.0
#: The instructions of SQLite between two checks of the time.
_LOOK_EVERY = 100_000
#: SQLite's error where the check of the time stops a query.
_STOPPED = "interrupted"
_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
#: A query begins with one of these words, after comments and brackets.
_READS = frozenset({"select", "with", "values", "table"})
_ONLY_READS = "a query only reads, one statement at a time: it begins with SELECT, WITH or VALUES and changes nothing"
#: PostgreSQL's codes: read-only transaction; a cursor's WITH that writes; a second statement, or none that reads.
_REFUSED = frozenset({"25006", "0A000", "42P11"})
_SECOND = "multiple commands"
#: The types of the views' columns by name, and PostgreSQL's types by OID: bool, three integers, two floats, numeric.
_COLUMNS = {name: column.type for columns in VIEWS.values() for name, column in columns.items()}
_POSTGRES_TYPES = {16: bool, 20: int, 21: int, 23: int, 700: float, 701: float, 1700: float}
#: A database that finds a word that writes reports an error of syntax.
_WRITES = re.compile(r'near "(insert|update|delete|merge|replace)"', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a query."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    is_cut: bool = False  #: whether there are more rows
    #: str, int, float or bool for each column; None: SQLite knows no type of it, or it is no column of a view.
    types: Sequence[type | None] = ()


class Queries(Database):
    """The queries of users; it raises InputError with the database's own words, and for a statement that writes."""

    def query(self, statement: str, limit: int, longest_s: float = LONGEST_S) -> Found:
        """Run a query, and return its first rows."""
        text = statement.strip().rstrip(";").rstrip()
        if not text:
            raise InputError('expected a query, such as "select * from v_point"')
        first = re.match(r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(\w*)", text, re.DOTALL)
        if first is None or first[1].lower() not in _READS:
            raise InputError(f"{_ONLY_READS}, got {text.split()[0]}")
        run = self._query_sqlite if self.is_sqlite else self._query_postgres
        try:
            found = run(text, limit + 1, longest_s)
        except InputError as error:
            meant = hint(str(error), text, self._factors)
            raise InputError(f"{error}: {meant}" if meant else str(error)) from None
        return replace(found, rows=found.rows[:limit], is_cut=len(found.rows) > limit)

    def _factors(self) -> Sequence[str]:
        """Read the names of all factors."""
        points = "(SELECT DISTINCT point FROM job) p"
        names = (
            f"key FROM {points}, json_each(p.point)" if self.is_sqlite else f"jsonb_object_keys(point) FROM {points}"
        )
        with self.read() as connection:
            return [name for (name,) in connection.exec_driver_sql(f"SELECT DISTINCT {names}")]

    def _query_sqlite(self, text: str, most: int, longest_s: float) -> Found:
        end_s = monotonic() + longest_s
        # A reader cannot make the files of a WAL: they exist while another connection has the database open.
        with self.read(), closing(_read_only(str(self.url.database))) as connection:
            connection.set_progress_handler(lambda: monotonic() > end_s, _LOOK_EVERY)
            try:
                cursor = connection.execute(text)
                names = [name for name, *_ in cursor.description or ()]
                return Found(names, cursor.fetchmany(most), types=[_COLUMNS.get(name) for name in names])
            except sqlite3.Error as error:
                if str(error) == _STOPPED and monotonic() <= end_s:
                    raise KeyboardInterrupt from None  # SQLite swallowed a Ctrl-C during the check of the time
                raise InputError(_sqlite_words(error, longest_s)) from None

    def _query_postgres(self, text: str, most: int, longest_s: float) -> Found:
        import psycopg  # noqa: PLC0415 - only PostgreSQL needs it

        with self.read() as connection:
            driver: Any = connection.connection.driver_connection
            try:
                with driver.cursor() as cursor:
                    cursor.execute("SET TRANSACTION READ ONLY")
                    cursor.execute(f"SET LOCAL statement_timeout = {round(longest_s * 1000)}")
                    # Prepared: then the server itself refuses a second statement.
                    cursor.execute(f"DECLARE wattfarm_query NO SCROLL CURSOR FOR {text}", prepare=True)
                    cursor.execute(f"FETCH {most} FROM wattfarm_query")
                    columns = cursor.description or ()
                    types = [_POSTGRES_TYPES.get(column.type_code, str) for column in columns]
                    return Found([column.name for column in columns], cursor.fetchall(), types=types)
            except psycopg.Error as error:
                if error.sqlstate is None:
                    raise StoreUnavailable(f"{self}: it does not answer ({error}): start it, then ask again") from None
                raise InputError(_postgres_words(error.sqlstate, error.diag.message_primary, longest_s)) from None


def _read_only(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(Path(path).resolve()))}?mode=ro", uri=True)
    connection.execute("PRAGMA query_only = ON")
    add_functions(connection)
    connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY)
    return connection


def _sqlite_words(error: sqlite3.Error, longest_s: float) -> str:
    words = str(error)
    if "not authorized" in words or "one statement" in words or _WRITES.search(words):
        return _ONLY_READS
    return _too_long(longest_s) if words == _STOPPED else f"query: {words}"


def _postgres_words(sqlstate: str, words: str | None, longest_s: float) -> str:
    if sqlstate in _REFUSED or _SECOND in (words or "") or _WRITES.search(words or ""):
        return _ONLY_READS
    return _too_long(longest_s) if sqlstate == "57014" else f"query: {words}"


def _too_long(longest_s: float) -> str:
    return (
        f"the query took longer than {longest_s:g} s and was stopped: ask for less, with WHERE or a view that sums up"
    )
