"""What a query gave, as people and as files see it."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from rich.console import RenderableType

from farm.errors import InputError
from farm.exchange.queried import Columns, Queried
from farm.report.across import parse_figure
from farm.store import Found
from farm.store.views import ROWS, VIEWS
from tests.summaries import rendered, widest


def shown(view: RenderableType) -> list[str]:
    text = rendered(view)
    assert widest(text) <= 80
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def test_few_columns_are_a_table() -> None:
    lines = shown(Queried(Found(["machine", "n"], [["lab1", 3], ["lab2", None]], False)).rendered())
    assert [line.split() for line in lines if "─" not in line] == [["machine", "n"], ["lab1", "3"], ["lab2", "–"]]


def test_more_than_80_columns_hold_is_a_block_a_row() -> None:
    lines = shown(Queried(Found(["a", "words"], [[1.5, "x" * 100], [2.5, "y"]], False)).rendered())
    assert [line.split()[0] for line in lines if line[0] != " "] == ["a", "words", "a", "words"]


def test_no_rows_are_said_to_be_none() -> None:
    assert shown(Queried(Found(["a"], [], False)).rendered()) == ["no rows"]


def test_records_have_plain_values_and_distinct_names() -> None:
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    row = [Decimal("2"), Decimal("2.5"), {"b": [1]}, b"\x01\xff", noon, None]
    (record,) = Queried(Found(["n", "n", "json", "blob", "at", "none"], [row], False)).records()
    assert record == {
        "n": 2, "n_2": 2.5, "json": '{"b": [1]}', "blob": "01ff", "at": "2026-11-21 12:00:00+00:00", "none": None,
    }  # fmt: skip


def test_every_view_is_described_column_by_column() -> None:
    assert list(ROWS) == list(VIEWS)
    named = {(record["view"], record["column"]) for record in Columns().records()}
    assert named == {(view, column) for view, columns in VIEWS.items() for column in columns}
    assert any("v_sample" in line for line in shown(Columns().rendered()))


def test_a_figure_that_there_is_not_is_named() -> None:
    with pytest.raises(InputError, match="--of: expected net, gross, seconds, grams, got 'watts'"):
        parse_figure("watts")
