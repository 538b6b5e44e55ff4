"""The process that answers one query on an SQLite file: it only reads, within limits of memory and disk.

It is a process of its own because nothing ends a call of one function within SQLite, such as instr on long texts, and
nothing else limits the memory that it takes: whoever asks reads its answer and kills it when the time is up. It imports
the standard library only, so that it starts within milliseconds.

It reads the path, the statement and the time limit in seconds from standard input. It writes the names of the columns,
then lists of rows, and an empty list at the end; or in place of any of these the text of an error. All are marshalled.
"""

import marshal
import resource
import signal
import sqlite3
import sys
from math import sqrt
from urllib.parse import quote

#: The longest text or blob, in bytes; the memory of the process; the size of a temporary file.
VALUE_BYTES, MEMORY_BYTES, FILE_BYTES = 16 << 20, 512 << 20, 4 << 30
#: Errors that are no fault of the statement's grammar, in SQLite's words.
NO_MEMORY, NO_DISK, TOO_LONG = "out of memory", "database or disk is full", "string or blob too big"
NO_TEXT = "Could not decode to UTF-8 column"
#: Rows that are written at a time.
_ROWS = 100
_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
#: Functions that reach beyond the database, where SQLite was built with them.
_OUTSIDE = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"})
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: VALUE_BYTES,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 500,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 200,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 10_000_000,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 10_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


def add_functions(connection: sqlite3.Connection) -> None:
    """Add what the views need and SQLite may have been built without."""
    connection.create_function("sqrt", 1, lambda x: None if x is None else sqrt(x), deterministic=True)


def _admit(action: int, _: str | None, function: str | None, *__: object) -> int:
    is_outside = action == sqlite3.SQLITE_FUNCTION and (function or "").lower() in _OUTSIDE
    return sqlite3.SQLITE_OK if action in _READING and not is_outside else sqlite3.SQLITE_DENY


def _opened(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)
    connection.execute("PRAGMA query_only = ON")
    add_functions(connection)
    for limit, most in _LIMITS.items():
        connection.setlimit(limit, most)
    connection.set_authorizer(_admit)
    return connection


def _bound(longest_s: float) -> None:
    """Limit this process, which ends by itself if nobody is left to kill it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asks
    cpu_s = round(longest_s) + 2
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main() -> None:
    """Answer one query."""
    path, statement, longest_s = marshal.load(sys.stdin.buffer)  # noqa: S302 - whoever asks started this process
    _bound(longest_s)
    out = sys.stdout.buffer
    try:
        cursor = _opened(path).execute(statement)
        marshal.dump([name for name, *_ in cursor.description or ()], out)
        while rows := cursor.fetchmany(_ROWS):
            marshal.dump(rows, out)
        marshal.dump([], out)
    except BrokenPipeError:
        pass
    except MemoryError:
        marshal.dump(NO_MEMORY, out)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        marshal.dump(str(error)[:1000], out)


if __name__ == "__main__":
    main()
