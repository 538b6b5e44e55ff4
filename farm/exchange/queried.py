"""Documents on the rows of a user's query, and on the views that a query may read."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from farm.model import Scalar
from farm.report.document import Block, Column, Document, Facts, Form, Heading, Paragraph, Row, Table
from farm.report.files import common_type, fitting_type
from farm.store import Found
from farm.store.views import ROWS, VIEWS

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
    return Document([Table(columns, [Row(dict(zip(types, row, strict=True))) for row in rows])], types=types)


def typed(found: Found) -> tuple[Mapping[str, type], Sequence[Sequence[Scalar]]]:
    """Return the type of each column, and the rows with values of these types: what the database calls true is true."""
    names = list(_distinct(found.columns))
    columns = [list(map(_plain, column)) for column in zip(*found.rows, strict=True)] or [[] for _ in names]
    types: dict[str, type] = {}
    for place, (name, declared) in enumerate(zip(names, found.types or [None] * len(names), strict=True)):
        if declared is bool and all(value in {None, 0, 1} for value in columns[place]):
            columns[place] = [None if value is None else bool(value) for value in columns[place]]
        types[name] = common_type(columns[place]) if declared is None else fitting_type(columns[place], declared)
    return types, list(zip(*columns, strict=True))


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


def _distinct(names: Sequence[str]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}_{seen[name]}"


def _plain(value: Any) -> Scalar:
    """Return a value in a type that CSV, JSON and Parquet can hold."""
    if isinstance(value, dict | list):
        return json.dumps(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if value is None or isinstance(value, str | int | float):
        return value
    return value.hex() if isinstance(value, bytes) else str(value)
