"""A statement that a user writes, and that can only read; `farm.store.asking` has how each database keeps to that."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from farm.model.errors import InputError
from farm.store import asking
from farm.store.asking import ONLY_READS, Answer
from farm.store.engine import Database
from farm.store.failures import translated
from farm.store.hints import hint
from farm.store.views import VIEWS

#: A query that takes longer is stopped.
LONGEST_S = 300.0
#: The longest text of a query, in characters.
_LONGEST_TEXT = 100_000
#: What a cell counts towards the size of an answer, besides the characters of its text.
_CELL = 50
#: A query begins with one of these words, after comments and brackets.
_READS = frozenset({"select", "with", "values", "table"})
#: The types of the views' columns by name.
_COLUMNS = {name: column.type for columns in VIEWS.values() for name, column in columns.items()}


@dataclass(frozen=True, slots=True)
class Found:
    """The first rows of a query."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    is_cut: bool = False  #: whether there are more rows
    #: str, int, float or bool for each column; None: SQLite knows no type of it, or it is no column of a view.
    types: Sequence[type | None] = ()


class Queries(Database):
    """The queries of users; it raises InputError with the database's own words, and for a statement that writes."""

    def query(self, statement: str, limit: int, longest_s: float = LONGEST_S, most: float = float("inf")) -> Found:
        """Run a query, and return its first rows.

        Args:
            statement: One SELECT.
            limit: The most rows.
            longest_s: A query that takes longer is an error.
            most: The largest size of all rows but the first: the characters of their texts, and 50 for each cell.
        """
        with self.answer(statement, longest_s) as answer:
            rows: list[Sequence[Any]] = []
            for row in answer.rows:
                most -= sum(_CELL + (len(value) if isinstance(value, str | bytes) else 0) for value in row)
                if len(rows) == limit or (most < 0 and rows):
                    return Found(answer.columns, rows, True, answer.types)
                rows.append(row)
            return Found(answer.columns, rows, False, answer.types)

    @contextmanager
    def answer(self, statement: str, longest_s: float = LONGEST_S) -> Iterator[Answer]:
        """Run a query whose rows are read one by one, within the time limit."""
        text = _checked(statement)
        try:
            if self.is_sqlite:
                path = str(Path(str(self.url.database)).resolve())
                with self.read(), asking.sqlite(path, text, longest_s) as found:
                    yield replace(found, types=[_COLUMNS.get(name) for name in found.columns])
            else:
                with self._lone() as driver, asking.postgres(driver, str(self), text, longest_s) as found:
                    yield found
        except InputError as error:
            meant = hint(str(error), text, self._factors)
            raise InputError(f"{error}: {meant}" if meant else str(error)) from None

    @contextmanager
    def _lone(self) -> Iterator[Any]:
        """Open a connection of the driver that nobody uses afterwards: a query may leave settings and locks there."""
        with translated(self.url):
            connection = self._readers.connect()
        try:
            yield connection.connection.driver_connection
        finally:
            connection.invalidate()
            connection.close()

    def of_sweep(self, view: str, sweep_id: str) -> Found:
        """Read all rows of a view that belong to a sweep."""
        with self.read() as connection:
            found = connection.exec_driver_sql(f"SELECT * FROM {view} WHERE sweep = '{sweep_id}'")  # noqa: S608
            columns = list(found.keys())
            return Found(columns, [tuple(row) for row in found], types=[VIEWS[view][name].type for name in columns])

    def _factors(self) -> Sequence[str]:
        """Read the names of all factors."""
        points = "(SELECT DISTINCT point FROM job) p"
        names = (
            f"key FROM {points}, json_each(p.point)" if self.is_sqlite else f"jsonb_object_keys(point) FROM {points}"
        )
        with self.read() as connection:
            return [name for (name,) in connection.exec_driver_sql(f"SELECT DISTINCT {names}")]


def _checked(statement: str) -> str:
    """Return the text of one statement; raises InputError for a text that no database takes, or that does not read."""
    text = statement.strip().rstrip(";").rstrip()
    if not text:
        raise InputError('expected a query, such as "select * from v_point"')
    if len(text) > _LONGEST_TEXT:
        raise InputError(f"query: its text has {len(text):,} characters: expected at most {_LONGEST_TEXT:,}")
    wrong = re.search("[\0\ud800-\udfff]", text)
    if wrong:
        what = "the character NUL" if wrong[0] == "\0" else "bytes that are not UTF-8"
        raise InputError(f"query: its text has {what} at character {wrong.start() + 1}: write it without them")
    first = re.match(r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(\w*)", text, re.DOTALL)
    if first is None or first[1].lower() not in _READS:
        raise InputError(f"{ONLY_READS}, got {text.split()[0][:40]}")
    return text
