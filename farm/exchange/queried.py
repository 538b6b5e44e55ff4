"""Documents on the rows of a user's query, and on the views that a query may read."""

import json
import marshal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import cached_property, partial
from itertools import islice
from math import isfinite
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from farm.model import Scalar
from farm.model.errors import InputError
from farm.model.text import clipped
from farm.report.cells import as_type, kind_of, type_of
from farm.report.document import Block, Column, Document, Facts, Form, Heading, Paragraph, Row, Table
from farm.report.files import Sheet
from farm.store import Answer, Found
from farm.store.views import ROWS, VIEWS

#: The characters of a cell that people see; files have all.
_SHOWN = 2_000
#: Whole numbers from here on do not fit into 64 bits.
_HUGE = 2**63
_FORMS = {int: Form.COUNT, float: Form.NUMBER}


def document(found: Found) -> Document:
    """Return the rows of a query in their order; in files, the second column of one name is NAME_2."""
    types, rows = typed(found)
    if not rows:
        return Document([Paragraph("The query found no rows.")], rows=(), types=types)
    columns = [
        Column(name, heading, _FORMS.get(kind, Form.TEXT), digits=6)
        for (name, kind), heading in zip(types.items(), found.columns, strict=True)
    ]
    shown = [Row({name: _clipped(value) for name, value in zip(types, row, strict=True)}) for row in rows]
    return Document([Table(columns, shown)], rows=[dict(zip(types, row, strict=True)) for row in rows], types=types)


def _clipped(value: Scalar) -> Scalar:
    return clipped(value, _SHOWN) if isinstance(value, str) else value


def typed(found: Found) -> tuple[Mapping[str, type], Sequence[Sequence[Scalar]]]:
    """Return the type of each column, and the rows with values of these types: what the database calls true is true."""
    kinds = _Kinds(found.columns, found.types)
    rows = [kinds.add(row) for row in found.rows]
    return kinds.types, [kinds.row(row) for row in rows]


@contextmanager
def streamed(answer: Answer, limit: int, folder: Path) -> Iterator[tuple[Sheet, bool]]:
    """Return the rows of an answer as a sheet, and whether there are more than the limit.

    The types of the columns follow from all values, so the rows wait in a file of the folder and not in memory.
    """
    kinds = _Kinds(answer.columns, answer.types)
    try:
        with TemporaryFile(dir=folder) as file:
            for row in islice(answer.rows, limit):
                marshal.dump(kinds.add(row), file)
            marshal.dump(None, file)
            is_cut = next(answer.rows, None) is not None
            file.seek(0)
            rows = (kinds.row(row) for row in iter(partial(marshal.load, file), None))
            yield Sheet(kinds.names, rows, kinds.types), is_cut
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from None


class _Kinds:
    """The kinds of values that the columns of a query hold, as its rows are read."""

    def __init__(self, columns: Sequence[str], declared: Sequence[type | None]) -> None:
        self.names = _distinct(columns)
        self._declared = declared or [None] * len(columns)
        self._found: list[set[type]] = [set() for _ in columns]
        self._is_bool = [kind is bool for kind in self._declared]  #: SQLite answers 0 and 1

    def add(self, row: Sequence[Any]) -> tuple[Scalar, ...]:
        """Return a row in plain values, and note their kinds."""
        plain = tuple(map(_plain, row))
        for place, value in enumerate(plain):
            if value is not None:
                self._is_bool[place] = self._is_bool[place] and value in {0, 1}
                self._found[place].add(kind_of(value))
        return plain

    @property
    def types(self) -> dict[str, type]:
        """The type of each column after all rows."""
        return {
            name: bool if is_bool else type_of(found, declared)
            for name, found, declared, is_bool in zip(
                self.names, self._found, self._declared, self._is_bool, strict=True
            )
        }

    def row(self, row: Sequence[Scalar]) -> tuple[Scalar, ...]:
        """Return a row in values of the types, after all rows."""
        return tuple(
            bool(value) if kind is bool and value is not None else as_type(value, kind)
            for value, kind in zip(row, self._types, strict=True)
        )

    @cached_property
    def _types(self) -> list[type]:
        return list(self.types.values())


def views() -> Document:
    """Return the views with the meaning of each column."""
    blocks: list[Block] = []
    for view, columns in VIEWS.items():
        facts = [(name, column.meaning) for name, column in columns.items()]
        blocks += [Heading(f"{view}: {ROWS[view]}"), Facts(facts)]
    rows = [
        {"view": view, "column": name, "type": column.type.__name__, "meaning": column.meaning}
        for view, columns in VIEWS.items()
        for name, column in columns.items()
    ]
    return Document(blocks, rows)


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names of the columns; the second column of a name is NAME_2, or the next such name that is free."""
    taken, numbers, found = set(names), Counter[str](), list[str]()
    for name in names:
        own = name
        while numbers[name] and own in taken:
            numbers[name] += 1
            own = f"{name}_{numbers[name]}"
        numbers[name] = max(numbers[name], 1)
        taken.add(own)
        found.append(own)
    return found


def _plain(value: Any) -> Scalar:
    """Return a value in a type that CSV, JSON and Parquet can hold."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, dict | list):
        return json.dumps(value)
    if isinstance(value, Decimal):
        return _number(value)
    return value.hex() if isinstance(value, bytes) else str(value)


def _number(value: Decimal) -> Scalar:
    """Return a number of any size; one that neither 64 bits nor a float holds is text."""
    near = float(value)
    if isfinite(near) and value == value.to_integral_value():
        return int(value) if abs(value) < _HUGE else f"{value:f}"
    return near if isfinite(near) or not value.is_finite() else f"{value:f}"
