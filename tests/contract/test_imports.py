"""Measurements made elsewhere: in, once, marked, and never beside measured ones unnoticed; on both databases."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from farm.exchange import exports
from farm.exchange.importing import parse_pairs, read
from farm.exchange.loading import load, load_results
from farm.kinds import views
from farm.kinds.inference.kind import COLUMNS
from farm.kinds.inference.results import results
from farm.model import Domain, Import, Mapped, Quality
from farm.model.errors import InputError
from farm.report import across
from farm.report.document import Alert
from farm.report.selection import Selection
from farm.store import Store
from tests.contract.store_records import ANNE, MACHINE, claim, job_id, new_job, record, report
from tests.documents import lines_of, seen
from tests.summaries import widest

HEADER = "Model,BS,Energy,Time,Host\n"
ROWS = "alexnet,1,10.0,2.0,a\nalexnet,16,4.0,,a\nalexnet,1,11.0,2.5,a\nalexnet,1,20.0,4.0,b\n"
MAPPED = Mapped(
    {"energy_j": "Energy", "duration_s": "Time", "machine": "Host"},
    {"model": "Model", "batch_size": "BS"},
    unit="image",
    constants={"units": "1000", "domain": "wall", "quality": "sampled"},
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.csv"
    path.write_text(HEADER + ROWS, encoding="utf-8")
    return path


def found(file: Path) -> Import:
    return read(file, None, MAPPED)


# Reading a file


def test_rows_become_trials_and_what_is_missing_stays_unknown(file: Path) -> None:
    one, other, again, elsewhere = found(file).trials
    assert (one.factors, one.machine, one.domain) == ({"model": "alexnet", "batch_size": 1}, "a", Domain.WALL)
    assert (one.gross_j, one.net_j, one.duration_s, one.units, one.quality) == (10.0, None, 2.0, 1000, Quality.SAMPLED)
    assert other.duration_s is None
    assert [t.repetition for t in (one, other, again, elsewhere)] == [0, 0, 1, 0]
    assert [t.line for t in found(file).trials] == [2, 3, 4, 5]


def test_columns_of_our_names_need_no_map_and_a_parquet_is_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "ours.parquet"
    pq.write_table(pa.table({"energy_j": [1.5], "machine": ["a"], "domain": ["gpu"], "depth": [3]}), path)
    (trial,) = read(path, None, Mapped({}, {"depth": "depth"})).trials
    assert (trial.gross_j, trial.machine, trial.domain, trial.factors) == (1.5, "a", Domain.GPU, {"depth": 3})
    assert (trial.quality, trial.units, trial.hardware_class) == (None, 1, "unknown")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alexnet,1,ten,2.0,a\n", r"theirs\.csv:2: column Energy: expected a number, got 'ten'"),
        ("alexnet,1,nan,2.0,a\n", r"theirs\.csv:2: column Energy"),
        ("alexnet,1,1.0,2.0,a\nalexnet,1,1.0,0,a\n", r"theirs\.csv:3: column Time: expected more than 0 s"),
        ("alexnet,1,-1.0,2.0,a\n", r"theirs\.csv:2: column Energy: expected 0 J or more, got '-1.0'"),
        ("alexnet,1,1.0,2.0,\n", r"theirs\.csv:2: column Host: expected a name"),
        ("alexnet,1,1_0,2.0,a\n", r"theirs\.csv:2: column Energy: expected a number, got '1_0'"),
        ("alexnet,1,1e308,2.0,a\n", r"theirs\.csv:2: column Energy: expected at most 1e\+100, got '1e308'"),
        ("alexnet,1,1.0,1e300,a\n", r"theirs\.csv:2: column Time: expected at most 1e\+100"),
        ("alexnet,1,1.0,1e12,a\n", r"theirs\.csv:2: column Time: expected 1 ns to 1e9 s, got '1e12'"),
        ("alexnet,1,1.0,1e-12,a\n", r"theirs\.csv:2: column Time: expected 1 ns to 1e9 s, got '1e-12'"),
        ("alexnet,1,1.0\n", r"theirs\.csv:2: expected 5 cells, as the header has, got 3"),
        ("alex\x1b[31m,1,1.0,2.0,a\n", r"theirs\.csv:2: column Model: .*no.* control character, got 'alex\\x1b\[31m'"),
        ("alexnet,1,1.0,2.0,a\u202eb\n", r"theirs\.csv:2: column Host: .*control character, got 'a\\u202eb'"),
        (f"{'x' * 201},1,1.0,2.0,a\n", r"theirs\.csv:2: column Model: expected at most 200 characters.*\(and more\)$"),
        ("", r"the file has no rows"),
    ],
)
def test_an_error_names_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(HEADER + text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        found(path)


def test_net_joules_above_the_gross_ones_are_columns_mixed_up(tmp_path: Path) -> None:
    path = tmp_path / "swapped.csv"
    path.write_text("model,machine,gross_j,net_j\nalexnet,a,2,1\nalexnet,a,1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"swapped\.csv:3: column net_j: expected no more than the 1 J gross, got '2'"):
        read(path, None, Mapped({}, {"model": "model"}, constants={"domain": "gpu"}))


@pytest.mark.parametrize(("column", "count"), [("units", 10**16), ("repetition", 10**7)])
def test_counts_that_no_database_keeps_are_reported(tmp_path: Path, column: str, count: int) -> None:
    path = tmp_path / "many.csv"
    path.write_text(f"model,machine,gross_j,{column}\nalexnet,a,2,{count}\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"column {column}: expected a whole number from [01] to 1e.* got '{count}'"):
        read(path, None, Mapped({}, {"model": "model"}, constants={"domain": "gpu"}))


def test_levels_are_numbers_only_where_they_are_written_so(tmp_path: Path) -> None:
    path = tmp_path / "levels.csv"
    levels = ("7", "1_0", "0.5", "nan", "1e400", "true", "", "a b")
    path.write_text("x,machine,gross_j\n" + "".join(f"{x},a,1\n" for x in levels), encoding="utf-8")
    found = read(path, None, Mapped({}, {"x": "x"}, constants={"domain": "gpu"}))
    assert [t.factors["x"] for t in found.trials] == [7, "1_0", 0.5, "nan", "1e400", True, None, "a b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "theirs.csv: expected a line of column names"), ("Model;Energy\na;1,5\n", "semicolons separate the columns")],
)
def test_a_file_without_columns_is_reported(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        found(path)


def test_net_joules_that_are_not_in_the_file_are_not_called_uncertain(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("model,batch_size,machine,gross_j\na,1,x,2\na,4,x,1\n", encoding="utf-8")
    factors = {"model": "model", "batch_size": "batch_size"}
    store.add_import(read(path, None, Mapped({}, factors, constants={"domain": "gpu"})), "anne")
    (finding,) = views.view(load_results(store, store.find_sweep()), Selection()).findings
    assert "50% less than batch 1" in finding
    assert "compared on gross energy, because net is unknown" in finding


def test_factors_of_any_name_keep_results_apart(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("model,depth,machine,gross_j\na,1,x,2\na,4,x,1\n", encoding="utf-8")
    factors = {"model": "model", "depth": "depth"}
    store.add_import(read(path, None, Mapped({}, factors, constants={"domain": "gpu"})), "anne")
    found = results(load_results(store, store.find_sweep()), Selection(), COLUMNS)
    assert [(s.labels["depth"], s.gross_j and s.gross_j.mean) for s in found.summaries] == [(1, 2.0), (4, 1.0)]


def test_what_is_averaged_over_is_reported(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("model,batch_size,machine,gross_j\na,1,x,2\na,4,x,1\nb,1,x,5\nb,4,x,3\n", encoding="utf-8")
    factors = {"model": "model", "batch_size": "batch_size"}
    store.add_import(read(path, None, Mapped({}, factors, constants={"domain": "gpu"})), "anne")
    averaged = across.document(across.view([load(store, store.find_sweep())], Selection(by=("model",))))
    assert "mean over batch_size 1 4" in lines_of(averaged)
    every = across.document(across.view([load(store, store.find_sweep())], Selection()))
    assert not any(line.startswith("mean over") for line in lines_of(every))


@pytest.mark.parametrize(
    ("mapped", "message"),
    [
        (Mapped({"watts": "Energy"}, {"model": "Model"}), r"--map: unknown name 'watts'"),
        (Mapped({"gross_j": "Joules"}, {"model": "Model"}), r"theirs\.csv:1: no column 'Joules'"),
        (Mapped({}, {"model": "Model"}), r"which column holds the joules"),
        (Mapped({"gross_j": "Energy"}, {}), r"which columns are factors\? --factor NAME, of Model"),
        (Mapped({"gross_j": "Energy"}, {"model": "Model"}), r"which machine was it"),
        (Mapped({"gross_j": "Energy", "machine": "Host"}, {"model": "Model"}), r"whose joules are they"),
        (replace(MAPPED, unit="\x1b"), r"--unit: expected .*control character, got '\\x1b'"),
        (replace(MAPPED, factors={"a\n": "Model"}), r"--factor: expected .*got 'a\\n'"),
        (replace(MAPPED, constants={**MAPPED.constants, "hardware_class": "\x85"}), r"--hardware_class: expected"),
    ],
)
def test_what_is_missing_is_asked_for(file: Path, mapped: Mapped, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(file, None, mapped)


def test_the_name_of_a_file_is_made_visible(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b\udcff.csv"
    path.write_text(HEADER + ROWS, encoding="utf-8")
    assert (found(path).name, found(path).source) == (r"a\x1b\udcff", r"a\x1b\udcff.csv")


def test_an_export_of_a_farm_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("window,window_index,begin_at_ns,gross_j\n", encoding="utf-8")
    with pytest.raises(InputError, match="several rows for each trial"):
        read(path, None, MAPPED)


def test_pairs_of_the_command_line() -> None:
    assert parse_pairs("--map", ["a=B, c=D", "e=F"]) == {"a": "B", "c": "D", "e": "F"}
    assert parse_pairs("--factor", ["lr,b=B"], is_name_enough=True) == {"lr": "lr", "b": "B"}
    with pytest.raises(InputError, match="--map: expected NAME=COLUMN, got 'a'"):
        parse_pairs("--map", ["a"])


# In the store


def test_an_import_is_there_once_and_marked_everywhere(store: Store, file: Path) -> None:
    one = found(file)
    assert store.add_import(one, "anne")
    assert not store.add_import(found(file), "anne")
    sweep = store.find_sweep("theirs")
    assert (sweep.id, sweep.imported, store.progress(sweep.id).is_over) == (one.id, True, True)
    assert store.machines() == [], "no worker of this farm runs there"
    rows = list(exports.exported(store, sweep, exports.Rows.MEASUREMENT).records())
    assert len(rows) == 4
    assert {row["imported"] for row in rows} == {True}
    assert [row["duration_s"] for row in rows] == [2.0, None, 2.5, 4.0]
    unknown = ("begin_at_ns", "end_at_ns", "started_at_utc", "net_j", "baseline_w")
    assert {row[name] for row in rows for name in unknown} == {None}
    assert {t.imported for t in store.trial_rows(sweep.id)} == {True}
    for view in ("v_trial", "v_measurement", "v_sample", "v_point"):
        imported = store.query(f"SELECT imported FROM {view}", 100).rows
        assert imported
        assert all(flag for (flag,) in imported), view


def test_results_are_labelled_in_their_own_unit(store: Store, file: Path) -> None:
    store.add_import(found(file), "anne")
    view = views.view(load_results(store, store.find_sweep()), Selection(by=("batch_size", "machine")))
    assert any(isinstance(block, Alert) and block.text.startswith("IMPORTED") for block in view.blocks)
    by_place = {(r["batch_size"], r["machine"]): r for r in view.records()}
    assert by_place[1, "a"]["gross_j_per_unit"] == pytest.approx(0.0105)
    assert by_place[1, "b"]["units_per_s"] == pytest.approx(250.0)
    assert by_place[16, "a"]["units_per_s"] is None
    assert by_place[16, "a"]["net_j_per_unit"] is None


def test_an_import_is_never_pooled_with_what_the_farm_measured(store: Store, file: Path) -> None:
    store.add_import(found(file), "anne")
    store.register_machine(MACHINE, ANNE, "0.1.0")
    store.submit(record(), [new_job(1)])
    claim(store, job_id(1))
    store.complete(report(job_id(1), 1, facts={"device": "cpu", "unit": "image"}))
    both = [store.find_sweep("theirs"), store.find_sweep("batching")]
    view = across.view([load(store, one) for one in both], Selection(by=("batch_size",)), {"batch_size": "1"})
    shown = across.document(view)
    assert widest(seen(shown)) <= 80
    kinds = {dict(cell.kind)["imported"]: cell for cell in view.cells if dict(cell.configuration)["batch_size"] == 1}
    assert set(kinds) == {True, False}
    assert all(dict(one.kind)["imported"] for one in view.comparison.overall)
    assert {record["imported"] for record in shown.records()} == {True, False}


def test_an_import_that_fails_leaves_nothing(store: Store, file: Path) -> None:
    one = found(file)
    with store.write() as connection:
        connection.exec_driver_sql("ALTER TABLE measurement RENAME COLUMN mean_w TO watts")
    with pytest.raises(Exception, match="mean_w"):
        store.add_import(one, "anne")
    assert store.sweeps() == []
