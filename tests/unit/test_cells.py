"""Cells of files: types of columns, and text that a spreadsheet would compute."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.exchange import sheets
from farm.exchange.frames import Frame
from farm.exchange.queried import typed
from farm.report.cells import AsText, as_type, neutral, restored
from farm.report.files import AS_TEXT, Format, Sheet, arrow, stream, write_sheet
from farm.store import Found

FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-", "'=1+1", "''@x")
PLAIN = ("alexnet", "", "-1.5", "+3", "1e-3", "'quoted'", "'", "a=b", " =1", "5 % of -1")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert neutral(text) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN)
def test_other_text_and_numbers_stay(text: str) -> None:
    assert neutral(text) == restored(text) == text


@given(st.text(st.sampled_from("'=+-@\t\r1.ex "), max_size=6))
def test_what_was_made_neutral_comes_back(text: str) -> None:
    assert restored(neutral(text)) == text


def test_a_half_of_a_surrogate_is_written_as_an_escape() -> None:
    assert as_type("\ud83d\u00e9", str) == "\\ud83d\u00e9"


def formulas() -> Sheet:
    return Sheet(("=name", "j"), iter([(text, -1.5) for text in (*FORMULAS, *PLAIN)]), {"=name": str, "j": float})


def test_csv_has_no_formula_and_is_read_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write_sheet(formulas(), Format.CSV, path)
    with path.open(newline="") as file:
        header, *rows = list(csv.reader(file))
    assert header == ["'=name", "j"]
    assert [name for name, _ in rows] == [f"'{text}" for text in FORMULAS] + list(PLAIN)
    assert {joules for _, joules in rows} == {"-1.5"}, "numbers stay numbers"
    _, found = sheets.read(path)
    assert [row["=name"] for _, row in found] == [*FORMULAS, *PLAIN]


def test_raw_csv_keeps_formulas(tmp_path: Path) -> None:
    write_sheet(formulas(), Format.RAW, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        assert [name for name, _ in csv.reader(file)] == ["=name", *FORMULAS, *PLAIN]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_no_control_characters_and_a_file_all_of_them() -> None:
    def written(form: Format, out: io.StringIO) -> str:
        stream(Sheet(("a\x1b",), [("\x1b[31mred\x07\nline",)], {"a\x1b": str}), form, out)
        return out.getvalue()

    assert written(Format.CSV, Terminal()) == "a\\x1b\n\\x1b[31mred\\x07\\nline\n"
    assert written(Format.CSV, io.StringIO()) == 'a\x1b\n"\x1b[31mred\x07\nline"\n'
    as_json = written(Format.JSON, Terminal())
    assert as_json.isprintable() or set("\n") == {letter for letter in as_json if not letter.isprintable()}
    assert json.loads(as_json) == [{"a\x1b": "\x1b[31mred\x07\nline"}]


HUGE = 99999999999999999999999
#: The values of a column, the type that it gets, and the values that it then holds.
COLUMNS: list[tuple[list[Any], type, list[Any]]] = [
    ([4, "x", None], AsText, ["4", "x", None]),
    ([4, HUGE, None], AsText, ["4", str(HUGE), None]),
    ([0.5, 2**53 + 1, None], AsText, ["0.5", "9007199254740993", None]),
    ([True, 2, None], AsText, ["True", "2", None]),
    ([1, 2.5, None], float, [1.0, 2.5, None]),
    ([2**63 - 1, -(2**63), None], int, [2**63 - 1, -(2**63), None]),
    ([float("inf"), 1.0, None], float, [float("inf"), 1.0, None]),
    ([b"\x00\xff", "a", None], str, ["00ff", "a", None]),
    ([[1, {"a": None}], "a", None], str, ['[1, {"a": null}]', "a", None]),
    ([None, None, None], str, [None, None, None]),
]


def test_all_forms_of_a_query_have_the_same_types_and_values(tmp_path: Path) -> None:
    names = [f"c{place}" for place in range(len(COLUMNS))]
    types, rows = typed(Found(names, list(zip(*(values for values, _, _ in COLUMNS), strict=True))))
    assert types == {name: kind for name, (_, kind, _) in zip(names, COLUMNS, strict=True)}
    expected = [dict(zip(names, row, strict=True)) for row in zip(*(held for *_, held in COLUMNS), strict=True)]
    frame = Frame(types, rows)
    assert list(frame) == frame.to_arrow().to_pylist() == frame.to_polars().to_dicts() == expected
    arrow_types = {str: "string", AsText: "string", int: "int64", float: "double"}
    assert list(map(str, frame.to_arrow().schema.types)) == [arrow_types[kind] for _, kind, _ in COLUMNS]
    pandas_types = {str: "string", AsText: "string", int: "Int64", float: "float64"}
    assert list(map(str, frame.to_pandas().dtypes)) == [pandas_types[kind] for _, kind, _ in COLUMNS]
    sheet = Sheet(names, rows, types)
    write_sheet(sheet, Format.PARQUET, tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.to_pylist() == expected
    assert table.schema == frame.to_arrow().schema
    write_sheet(sheet, Format.JSON, tmp_path / "out.json")
    finite = [{k: None if v == float("inf") else v for k, v in row.items()} for row in expected]
    assert json.loads((tmp_path / "out.json").read_text()) == finite


def test_the_schema_states_which_columns_hold_values_as_text() -> None:
    schema = arrow(Sheet(("a", "b"), [("4", "x")], {"a": AsText, "b": str})).schema
    assert schema.field("a").metadata == {b"wattfarm": AS_TEXT.encode()}
    assert schema.field("b").metadata is None


def test_two_thousand_columns_and_an_empty_name(tmp_path: Path) -> None:
    names = ["", *(f"c{place}" for place in range(1999))]
    sheet = Sheet(names, [tuple(range(2000))], dict.fromkeys(names, int))
    for form in (Format.CSV, Format.JSON, Format.PARQUET):
        assert write_sheet(sheet, form, tmp_path / f"out.{form}") == 1
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == [dict(zip(names, range(2000), strict=True))]
