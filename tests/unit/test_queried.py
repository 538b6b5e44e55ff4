"""What a query gave, as people and as files see it."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from farm.exchange.queried import document, streamed, typed, views
from farm.model.errors import InputError
from farm.report.across import parse_figure
from farm.report.cells import AsText
from farm.report.terminal import text
from farm.store import Answer, Found
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


def test_columns_of_one_name_get_distinct_ones() -> None:
    types, _ = typed(Found(["a", "a", "a_2", "a", ""], [[1, 2, 3, 4, 5]]))
    assert list(types) == ["a", "a_3", "a_2", "a_4", ""]


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("NaN", "nan"), ("Infinity", "inf"), ("-Infinity", "-inf"), ("2.50", "2.5"), ("3.00", "3"),
        ("9223372036854775807", "9223372036854775807"), ("9223372036854775808", "'9223372036854775808'"),
        ("1E+400", f"'1{'0' * 400}'"), ("1E-400", "0.0"),
    ],
)  # fmt: skip
def test_a_number_of_any_size_has_a_value(number: str, value: str) -> None:
    _, [[found]] = typed(Found(["n"], [[Decimal(number)]], types=[float]))
    assert repr(found) == value


def test_people_see_the_beginning_of_a_large_cell_and_files_have_all_of_it() -> None:
    found = document(Found(["a"], [["x" * 3000]]))
    assert "(and more)" in text(found)
    assert found.records() == [{"a": "x" * 3000}]


def test_rows_of_an_answer_wait_in_a_file_until_their_types_are_known(tmp_path: Path) -> None:
    rows = [(number, b"\xff", 1) for number in range(5)] + [("x", None, 0)]
    answer = Answer(["n", "b", "ok"], [None, None, bool], iter(rows))
    with streamed(answer, 6, tmp_path) as (sheet, is_cut):
        assert (sheet.types, is_cut) == ({"n": AsText, "b": str, "ok": bool}, False)
        assert list(sheet.rows)[-2:] == [("4", "ff", True), ("x", None, False)]
    with streamed(Answer(["n"], [None], iter([(1,), (2,), (3,)])), 2, tmp_path) as (sheet, is_cut):
        assert is_cut
    assert list(tmp_path.iterdir()) == []
    with (
        pytest.raises(InputError, match=r"missing: cannot be written: No such file"),
        streamed(answer, 1, tmp_path / "missing"),
    ):
        pytest.fail("there is no such folder")
