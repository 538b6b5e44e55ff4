"""How SQLite and PostgreSQL are asked what a user wrote: an answer that is read row by row, within a time limit.

SQLite answers in a process of its own (`farm.store.reader`). PostgreSQL takes the statement as the query of a cursor in
a read-only transaction: that admits SELECT and VALUES, no COPY, nothing that writes inside WITH, and one statement. A
role that may read or write files of the server is refused, because functions do so within a SELECT.
"""

import marshal
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import chain
from subprocess import DEVNULL, PIPE, Popen
from threading import Timer
from time import monotonic
from typing import TYPE_CHECKING, Any

from farm.model.errors import InputError, StoreUnavailable
from farm.model.text import clipped
from farm.store import reader

if TYPE_CHECKING:
    import psycopg

ONLY_READS = "a query only reads, one statement at a time: it begins with SELECT, WITH or VALUES and changes nothing"
#: The characters of the database's own words that an error has.
_LONGEST_WORDS = 400
#: Rows that PostgreSQL sends at a time.
_ROWS = 500
#: The server's own time limit is at least this, so that it does not stop the statement that sets it.
_LEAST_MS = 100
#: After the server's own time limit, the driver waits so long before it cancels the query.
_GRACE_S = 2.0
#: PostgreSQL's codes: read-only transaction; a cursor's WITH that writes; a second statement, or none that reads.
_REFUSED = frozenset({"25006", "0A000", "42P11"})
_CANCELLED = "57014"
_SECOND = "multiple commands"
#: PostgreSQL's types by OID: bool, three integers, two floats, numeric.
_TYPES = {16: bool, 20: int, 21: int, 23: int, 700: float, 701: float, 1700: float}
#: A database that finds a word that writes reports an error of syntax.
_WRITES = re.compile(r'near "(insert|update|delete|merge|replace)"', re.IGNORECASE)
#: What lets the user of a session read or write files of the server, or run programs there: roles, then functions.
_REACH = """
SELECT rolname || CASE WHEN rolsuper THEN ', a superuser' ELSE '' END
FROM pg_roles WHERE pg_has_role(session_user, oid, 'MEMBER') AND (rolsuper
  OR rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'))
UNION ALL SELECT proname FROM pg_proc WHERE has_function_privilege(session_user, oid, 'EXECUTE')
  AND proname IN ('pg_read_file', 'pg_read_binary_file', 'pg_ls_dir', 'lo_import', 'lo_export')"""
_LEAST_ROLE = "connect as a role that only reads, such as farm_reader of deploy/postgres/roles.sql"
#: What SQLite's words mean for whoever asks; {0} is the time limit.
_MEANT = {
    "not authorized": ONLY_READS,
    "one statement": ONLY_READS,
    reader.NO_MEMORY: f"the query needs more than {reader.MEMORY_BYTES >> 20} MiB of memory: ask for less",
    reader.NO_DISK: f"the query needs more than {reader.FILE_BYTES >> 30} GiB of temporary files: ask for less",
    reader.TOO_LONG: f"the query makes a value of more than {reader.VALUE_BYTES >> 20} MiB: ask for less",
    reader.NO_TEXT: "the query makes text that is not UTF-8: read its bytes with hex(...)",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query finds, while it is read."""

    columns: Sequence[str]
    types: Sequence[type | None]  #: str, int, float or bool; None: SQLite knows no type of it
    rows: Iterator[Sequence[Any]]


@contextmanager
def sqlite(path: str, text: str, longest_s: float) -> Iterator[Answer]:
    """Ask an SQLite file, which another connection has open: a reader cannot make the files of its WAL."""
    command, end_s = [sys.executable, "-I", "-S", str(reader.__file__)], monotonic() + longest_s
    with Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL) as process, _alarm(longest_s, process.kill):
        try:
            with suppress(BrokenPipeError), process.stdin:  # type: ignore[union-attr]
                marshal.dump((path, text, longest_s), process.stdin)  # type: ignore[arg-type]

            def ask() -> Any:
                return _next_part(process, end_s, longest_s)

            columns = ask()
            yield Answer(columns, [None] * len(columns), chain.from_iterable(iter(ask, [])))
        finally:
            process.kill()


def _next_part(process: "Popen[bytes]", end_s: float, longest_s: float) -> Any:
    """Read the next part of the answer; raises InputError where the process wrote an error, or ended."""
    try:
        found = marshal.load(process.stdout)  # type: ignore[arg-type]  # noqa: S302 - our own process wrote it
    except (EOFError, ValueError, TypeError):
        status = process.wait()
        ended = f"the process that answers queries ended with status {status}: ask for less, or try again"
        raise InputError(_too_long(longest_s) if monotonic() >= end_s else ended) from None
    if isinstance(found, str):
        own_words = f"query: {clipped(found, _LONGEST_WORDS)}"
        meant = next((meant for words, meant in _MEANT.items() if words in found), own_words)
        raise InputError(ONLY_READS if _WRITES.search(found) else meant)
    return found


@contextmanager
def postgres(driver: "psycopg.Connection[Any]", name: str, text: str, longest_s: float) -> Iterator[Answer]:
    """Ask PostgreSQL, over a connection of the driver that nobody uses afterwards.

    Args:
        driver: The connection.
        name: The database, for messages.
        text: The statement.
        longest_s: The time limit.
    """
    with _translated(name, longest_s), _alarm(longest_s + _GRACE_S, driver.cancel), driver.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        for (reach,) in cursor.execute(_REACH):
            raise InputError(f"query: this user of the database may reach files of its server ({reach}): {_LEAST_ROLE}")
        _read_what_python_cannot(cursor)
        end_s = monotonic() + longest_s
        # Prepared: then the server itself refuses a second statement.
        _execute(cursor, end_s, f"DECLARE wattfarm_query NO SCROLL CURSOR FOR {text}", prepare=True)
        parts = _parts(cursor, end_s)
        first = next(parts)
        columns = cursor.description or ()
        types = [_TYPES.get(column.type_code, str) for column in columns]
        yield Answer([column.name for column in columns], types, chain(first, chain.from_iterable(parts)))


def _execute(cursor: "psycopg.Cursor[Any]", end_s: float, statement: str, prepare: bool | None = None) -> None:
    """Run a statement with the time that is left; the query may have changed the limit of those that follow."""
    left_ms = max(round((end_s - monotonic()) * 1000), _LEAST_MS)
    cursor.execute(f"SET LOCAL statement_timeout = {left_ms}")
    cursor.execute(statement, prepare=prepare)


def _parts(cursor: "psycopg.Cursor[Any]", end_s: float) -> Iterator[list[Any]]:
    """Yield the rows in parts; the first one may be empty."""
    while True:
        _execute(cursor, end_s, f"FETCH {_ROWS} FROM wattfarm_query")
        yield (rows := cursor.fetchall())
        if len(rows) < _ROWS:
            return


def _read_what_python_cannot(cursor: "psycopg.Cursor[Any]") -> None:
    """Read what no Python value can hold as the server's text: infinity, years before Christ, JSON of great depth."""
    for name, loader in _lenient_loaders().items():
        cursor.adapters.register_loader(name, loader)


@cache
def _lenient_loaders() -> dict[str, Any]:
    from psycopg import DataError  # noqa: PLC0415
    from psycopg.types import datetime as known  # noqa: PLC0415
    from psycopg.types.json import JsonbLoader, JsonLoader  # noqa: PLC0415

    def lenient(strict: Any) -> Any:
        class Lenient(strict):  # type: ignore[misc]
            def load(self, data: Any) -> Any:
                try:
                    return super().load(data)
                except (DataError, OverflowError, RecursionError, ValueError):
                    return bytes(data).decode()

        return Lenient

    strict = {
        "date": known.DateLoader, "time": known.TimeLoader, "timetz": known.TimetzLoader,
        "timestamp": known.TimestampLoader, "timestamptz": known.TimestamptzLoader, "interval": known.IntervalLoader,
        "json": JsonLoader, "jsonb": JsonbLoader,
    }  # fmt: skip
    return {name: lenient(loader) for name, loader in strict.items()}


@contextmanager
def _translated(name: str, longest_s: float) -> Iterator[None]:
    """Turn errors of the driver into ours: of the query, or of the connection."""
    import psycopg  # noqa: PLC0415 - only PostgreSQL needs it

    try:
        yield
    except psycopg.Error as error:
        words = error.diag.message_primary or str(error).partition("\n")[0]
        if error.sqlstate == _CANCELLED:
            raise InputError(_too_long(longest_s)) from None
        if error.sqlstate in _REFUSED or _SECOND in words or _WRITES.search(words):
            raise InputError(ONLY_READS) from None
        if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
            raise StoreUnavailable(f"{name}: it does not answer ({words}): start it, then ask again") from None
        raise InputError(f"query: {clipped(words, _LONGEST_WORDS)}") from None


@contextmanager
def _alarm(after_s: float, act: Callable[[], object]) -> Iterator[None]:
    """Act once the time is over."""
    timer = Timer(after_s, act)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _too_long(longest_s: float) -> str:
    return (
        f"the query took longer than {longest_s:g} s and was stopped: ask for less, with WHERE or a view that sums up"
    )
