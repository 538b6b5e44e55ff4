"""Driver errors as StoreUnavailable: one line with the problem and its remedy, never with a password."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from sqlite3 import Error as SqliteError

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, OperationalError

from farm.model.errors import InputError, SchemaMismatch, StoreUnavailable

#: Remedies by the start of SQLite's error name (https://sqlite.org/rescode.html).
_SQLITE = {
    "SQLITE_FULL": "the disk is full: make room, then try again",
    "SQLITE_READONLY": "the file or its folder is read-only: give this user the right to write there",
    "SQLITE_NOTADB": "this file is not a database: move it away or correct FARM_DATABASE_URL",
    "SQLITE_CORRUPT": "the file is damaged: restore a copy, or move it away and measure anew",
    "SQLITE_BUSY": "another program holds it locked: stop that program, then try again",
    "SQLITE_PROTOCOL": "another program holds it locked: stop that program, then try again",
    "SQLITE_CANTOPEN": "cannot be opened: check that its folder exists and that this user may write there",
    "SQLITE_IOERR": "the disk does not read or write: check it (network file systems do not suit SQLite)",
}
#: Remedies by SQLSTATE, within a session (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_SQLSTATE = {
    "53100": "its disk is full: make room there, then try again",
    "53300": "it has too many connections: raise max_connections or stop other programs",
    "25006": "it is read-only: point FARM_DATABASE_URL at the primary server",
    "42501": "the user may not do that: take a role that may, or grant it the rights on this database",
}
#: What SQLite says of a column that another program wrote to.
_MALFORMED = "malformed JSON"
#: What SQLite says where the tables are not those of this program.
_OTHER_TABLES = ("no such column", "no such table")
_BAD_OPTION = "invalid connection option"
#: Remedies by the server's words: before there is a session, the driver passes no SQLSTATE on.
_REFUSALS = {
    r"password authentication failed": "the password is wrong: correct it in FARM_DATABASE_URL or its file",
    r"no password supplied": "it wants a password: add one to FARM_DATABASE_URL or to ~/.pgpass",
    r"no pg_hba.conf entry": "it admits no such user from this host: add them to its pg_hba.conf",
    r'role ".*" does not exist': "it has no such user: create one with createuser, or correct FARM_DATABASE_URL",
    r'database ".*" does not exist': "it has no such database: run createdb, or correct FARM_DATABASE_URL",
    _BAD_OPTION: "its URL has an option that PostgreSQL does not know: correct it in FARM_DATABASE_URL",
    r"certificate": "its certificate cannot be verified: name the lab's ca.crt as sslrootcert in FARM_DATABASE_URL",
    r"failed to resolve host": "there is no such host: correct FARM_DATABASE_URL",
}


def label(url: URL) -> str:
    """Return a database's name for messages."""
    if url.get_backend_name() == "sqlite":
        return f"database {url.database}"
    host = url.host or url.query.get("host") or "localhost"
    return f"PostgreSQL at {host}:{url.port or 5432}, database {url.database or url.username}"


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Turn an error of the driver into StoreUnavailable; an error that is our own mistake passes through.

    JSON that SQLite cannot read is an InputError: it concerns one row, and the database can be used.
    """
    try:
        yield
    except DBAPIError as error:
        if str(error.orig) == _MALFORMED:
            raise InputError(f"{label(url)}: a row holds {_MALFORMED}: delete its sweep, or restore a copy") from error
        if str(error.orig).startswith(_OTHER_TABLES):
            raise SchemaMismatch(f"{label(url)}: its tables are of another wattfarm: name another database") from error
        what = _sqlite(error.orig) if isinstance(error.orig, SqliteError) else _postgres(error)
        if what is None:
            raise
        raise StoreUnavailable(f"{label(url)}: {what}") from error
    except UnicodeEncodeError as error:  # a command line had bytes that are no UTF-8
        raise InputError(f"expected text in UTF-8, got {error.object!r}") from None


def _sqlite(error: SqliteError) -> str | None:
    name = getattr(error, "sqlite_errorname", "")
    return next((what for start, what in _SQLITE.items() if name.startswith(start)), None)


def _postgres(error: DBAPIError) -> str | None:
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate in _SQLSTATE:
        return _SQLSTATE[sqlstate]
    text = str(error.orig).strip()
    if not (isinstance(error, OperationalError) or text.startswith(_BAD_OPTION)):
        return None
    for words, what in _REFUSALS.items():
        if re.search(words, text):
            return what
    cause = re.search(r".*failed: (.+)", text)
    reason = cause[1] if cause else text.partition("\n")[0]
    return f"it does not answer ({reason}): start it, or correct FARM_DATABASE_URL"
