"""Records on their way into files."""

import builtins
import csv
import io
import json
import os
from collections.abc import Mapping
from dataclasses import fields
from math import inf, nan
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyarrow import parquet

from farm.exchange import exports
from farm.model import Flag, MeasurementRow, Quality
from farm.model.errors import InputError
from farm.report import files
from farm.report.files import FLAT, Format, Sheet, chosen, json_text, write_sheet, write_text
from farm.store.exports import MEASUREMENT, MeasuredTrial
from tests.summaries import NOON, measurement_row

RECORDS: list[dict[str, Any]] = [
    {"model": "alexnet", "batch_size": 1, "net_j": None, "simulated": False, "quality": Quality.COUNTER},
    {"model": 'a "b", c', "batch_size": 4, "net_j": 0.1, "simulated": True, "quality": None, "flags": "x;y"},
]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_csv_comes_back_with_unknowns_as_empty_cells(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write_sheet(Sheet.of(RECORDS), Format.CSV, path)
    with path.open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first == {
        "model": "alexnet", "batch_size": "1", "net_j": "", "simulated": "False", "quality": "counter", "flags": "",
    }  # fmt: skip
    assert (second["model"], second["net_j"], second["flags"]) == ('a "b", c', "0.1", "x;y")


def test_json_comes_back_with_unknowns_as_null(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_sheet(Sheet.of(RECORDS), Format.JSON, path)
    assert json.loads(path.read_text()) == [{**record, "flags": record.get("flags")} for record in RECORDS]


def test_json_has_no_number_that_json_does_not_know() -> None:
    told = json_text({"a": inf, "b": [nan, 1.5], "c": ({"d": -inf},), "e": None})
    assert json.loads(told) == {"a": None, "b": [None, 1.5], "c": [{"d": None}], "e": None}


def test_parquet_comes_back_with_types(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    write_sheet(Sheet.of(RECORDS), Format.PARQUET, path)
    rows = pq.read_table(path).to_pylist()
    assert rows == [{**record, "flags": record.get("flags")} for record in RECORDS]


def test_levels_of_different_types_are_text_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    write_sheet(Sheet.of([{"a": "alexnet"}, {"a": 16}, {"a": None}]), Format.PARQUET, path)
    assert pq.read_table(path).to_pylist() == [{"a": "alexnet"}, {"a": "16"}, {"a": None}]


@pytest.mark.parametrize("form", FLAT)
def test_no_records_make_a_file_all_the_same(form: Format, tmp_path: Path) -> None:
    write_sheet(Sheet.of([]), form, tmp_path / "out")
    assert (tmp_path / "out").exists()
    assert names(tmp_path) == ["out"]


def test_a_file_is_replaced_and_no_draft_stays(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    write_text("new\n", path)
    assert path.read_text() == "new\n"
    assert names(tmp_path) == ["out.txt"]


@pytest.mark.parametrize("form", FLAT)
@pytest.mark.parametrize("name", ["missing/out", "file/out", "folder", "."])
def test_a_path_that_cannot_be_written_is_one_clear_line(name: str, form: Format, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"^/[^\n]+: cannot be written: [^\n]+$"):
        write_sheet(Sheet.of(RECORDS), form, tmp_path / name)
    assert names(tmp_path) == ["file", "folder"]


def test_what_is_no_file_is_not_replaced() -> None:
    with pytest.raises(InputError, match="it is not a file"):
        write_sheet(Sheet.of(RECORDS), Format.CSV, Path(os.devnull))
    assert Path(os.devnull).is_char_device()


def test_parquet_without_its_library_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_pyarrow(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError(name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_pyarrow)
    with pytest.raises(InputError, match=r"pip install 'wattfarm\[parquet\]'"):
        write_sheet(Sheet.of(RECORDS), Format.PARQUET, tmp_path / "out.parquet")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "path", "form"),
    [
        (None, None, Format.TABLE),
        ("csv", None, Format.CSV),
        (None, "a.json", Format.JSON),
        (None, "a.PARQUET", Format.PARQUET),
        (None, "a.txt", Format.TABLE),
        ("json", "a.csv", Format.JSON),
    ],
)
def test_the_format_is_what_was_asked_for_or_what_the_file_is_called(
    name: str | None, path: str | None, form: Format
) -> None:
    assert chosen(name, Path(path) if path else None, tuple(Format)) == form


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InputError, match="--format: expected csv, json, parquet, got 'table'"):
        chosen("table", None, FLAT)


# The export


def exported(row: MeasurementRow) -> Mapping[str, Any]:
    """The record of one measurement, from the row as the store reads it."""
    own = (row.factors, row.flags)
    factors, flags = map(json.dumps, own)
    names = [name for name in MeasuredTrial._fields if hasattr(row, name) and name not in {"factors", "flags"}]
    electricity: dict[str, Any] = {"carbon_g_per_kwh": 360.0, "carbon_pue": 1.0, "carbon_source": "NLD"}
    own_values = {name: getattr(row, name) for name in names}
    trial = MeasuredTrial(**own_values, **electricity, factors=factors, flags="[]")
    known = {field.name: getattr(row, field.name) for field in fields(row)}
    known |= {"flags": flags, "window_kind": row.window, "budget": row.budget.model_dump_json()}
    read = [known[name] for name in MEASUREMENT]
    (record,) = exports.measurements(exports.factor_types(row.kind, [row.factors]), [(trial, [read])]).records()
    return record


def test_the_export_keeps_its_columns_in_their_order() -> None:
    record = exported(measurement_row(factors={"model": "alexnet", "batch_size": 1}))
    contract = (
        "sweep job trial attempt machine hardware_class environment kind model batch_size precision device weights "
        "images channels_last compile threads repetition window window_index begin_at_ns end_at_ns started_at_utc "
        "duration_s units domain quality source gross_j baseline_w net_j net_j_low net_j_high mean_w temperature_c "
        "flags simulated imported"
    )
    assert list(record)[: len(contract.split())] == contract.split()
    assert {"gross_u_j", "sweep_name", "failure"} <= set(record)


def test_a_row_of_the_export_is_flat() -> None:
    flags = (Flag.BELOW_NOISE, Flag.TOO_SHORT)
    record = exported(measurement_row(flags=flags, net_j=None))
    assert (record["flags"], record["started_at_utc"], record["net_j"]) == (
        "below_noise;too_short", NOON.isoformat(), None,
    )  # fmt: skip
    assert all(value is None or isinstance(value, str | int | float) for value in record.values())
    out = io.StringIO()
    assert files.stream(Sheet.of([record]), Format.CSV, out) == 1
    assert out.getvalue().count("\n") == 2


def test_rows_are_streamed_as_csv_json_and_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ROW_GROUP", 2)
    types = {"name": str, "joules": float, "units": int, "valid": bool}
    rows = [("a", None, 1, True), ("b", 2.5, None, False), (None, 3.0, 3, None)]

    def sheet() -> Sheet:
        return Sheet(tuple(types), iter(rows), types)

    for form in FLAT:
        path = tmp_path / f"rows.{form}"
        assert write_sheet(sheet(), form, path) == 3
    assert (tmp_path / "rows.csv").read_text().splitlines() == [
        "name,joules,units,valid",
        "a,,1,True",
        "b,2.5,,False",
        ",3.0,3,",
    ]
    records = [dict(zip(types, row, strict=True)) for row in rows]
    assert json.loads((tmp_path / "rows.json").read_text()) == records
    assert parquet.read_table(tmp_path / "rows.parquet").to_pylist() == records
    assert write_sheet(Sheet(("name",), iter(()), {"name": str}), Format.JSON, tmp_path / "none.json") == 0
    assert json.loads((tmp_path / "none.json").read_text()) == []
