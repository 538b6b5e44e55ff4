"""Documents on the rows of a user's query, and on the views that a query may read."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from farm.model import Scalar
from farm.report.document import Block, Column, Document, Facts, Form, Heading, Paragraph, Row, Table
from farm.store import Found
from farm.store.views import ROWS, VIEWS


def document(found: Found) -> Document:
    """Return the rows of a query in their order; in files, the second column of one name is NAME_2."""
    if not found.rows:
        return Document([Paragraph("The query found no rows.")], rows=())
    names = list(_distinct(found.columns))
    rows = [dict(zip(names, map(_plain, row), strict=True)) for row in found.rows]
    columns = [
        Column(name, heading, _form([row[name] for row in rows]), digits=6)
        for name, heading in zip(names, found.columns, strict=True)
    ]
    return Document([Table(columns, list(map(Row, rows)))])


def views() -> Document:
    """Return the views with the meaning of each column."""
    blocks: list[Block] = []
    for view, columns in VIEWS.items():
        blocks += [Heading(f"{view}: {ROWS[view]}"), Facts(list(columns.items()))]
    rows = [
        {"view": view, "column": name, "meaning": meaning}
        for view, columns in VIEWS.items()
        for name, meaning in columns.items()
    ]
    return Document(blocks, rows)


def _distinct(names: Sequence[str]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}_{seen[name]}"


def _form(values: Sequence[Scalar]) -> Form:
    types = {type(value) for value in values if value is not None}
    if types <= {int}:
        return Form.COUNT
    return Form.NUMBER if types <= {int, float} else Form.TEXT


def _plain(value: Any) -> Scalar:
    """Return a value in a type that CSV, JSON and Parquet can hold."""
    if isinstance(value, dict | list):
        return json.dumps(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if value is None or isinstance(value, str | int | float):
        return value
    return value.hex() if isinstance(value, bytes) else str(value)
