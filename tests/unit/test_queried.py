"""What a query gave, as people and as files see it."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from farm.exchange.queried import document, views
from farm.model.errors import InputError
from farm.report.across import parse_figure
from farm.report.terminal import text
from farm.store import Found
from farm.store.views import ROWS, VIEWS
from tests.documents import lines_of, tables_of
from tests.summaries import widest


def test_rows_are_a_table_with_plain_values_and_distinct_names() -> None:
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    row = [Decimal("2"), Decimal("2.5"), {"b": [1]}, b"\x01\xff", noon, None]
    found = document(Found(["n", "n", "json", "blob", "at", "none"], [row], False))
    assert found.records() == [{
        "n": 2, "n_2": 2.5, "json": '{"b": [1]}', "blob": "01ff", "at": "2026-11-21 12:00:00+00:00", "none": None,
    }]  # fmt: skip
    (table,) = tables_of(found)
    assert [column.heading for column in table.columns] == ["n", "n", "json", "blob", "at", "none"]
    assert [column.is_number for column in table.columns] == [True, True, False, False, False, False]


def test_whole_numbers_keep_all_their_digits() -> None:
    assert "1763722800000000123" in text(document(Found(["at_ns"], [[1763722800000000123]], False)))


def test_no_rows_are_no_rows_in_files_either() -> None:
    found = document(Found(["a"], [], False))
    assert (found.records(), lines_of(found)) == ([], ["The query found no rows."])


def test_every_view_is_described_column_by_column() -> None:
    assert list(ROWS) == list(VIEWS)
    named = {(record["view"], record["column"]) for record in views().records()}
    assert named == {(view, column) for view, columns in VIEWS.items() for column in columns}
    assert widest(text(views())) <= 80


def test_a_figure_that_there_is_not_is_named() -> None:
    with pytest.raises(InputError, match="--of: expected net, gross, seconds, grams, got 'watts'"):
        parse_figure("watts")
