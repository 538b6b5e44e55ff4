"""The types of the columns of a Parquet file do not depend on the data: unknown or not, one schema for each export."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyarrow import Schema

from farm import kinds
from farm.exchange import exports, queried
from farm.exchange.exports import Rows
from farm.kinds.views import view
from farm.model import CarbonFactor, Epoch, Point, Requests, WindowKind
from farm.report.cells import AsText, fitting_type
from farm.report.files import Format, Sheet, write_sheet
from farm.report.selection import Selection
from farm.store import Store
from tests.contract.store_records import ANNE, MACHINE, new_job, record, report
from tests.loaded import Measured, loaded
from tests.trainings import sweep_of, trained

KINDS = {Rows.MEASUREMENT: "inference", Rows.BATCH: "inference", Rows.REQUEST: "serving", Rows.EPOCH: "training"}
POINTS: dict[str, Point] = {
    "inference": {"model": "alexnet", "batch_size": 16, "precision": "fp32", "compile": True, "threads": 2},
    "serving": {"model": "alexnet", "policy": "4", "rate_per_s": 50.0, "requests": 100, "preprocess": True},
    "training": {"model": "simple_cnn", "lr": 0.001, "patience": 2, "relu": True, "epochs": 1, "dataset": "digits"},
}
UNKNOWN: dict[str, Any] = {
    "quality": None, "source": None, "gross_j": None, "net_j": None, "window_kind": WindowKind.TRAINING,
}  # fmt: skip


def requests() -> Requests:
    times_s = dict.fromkeys(("arrival_s", "enqueue_s", "dequeue_s", "start_s"), (0.0, 0.5))
    return Requests(window=0, capacity_per_s=10.0, **times_s, done_s=(1.0, 1.5))


def epoch(loss: float | None, window: int | None) -> Epoch:
    return Epoch(index=0, window=window, train_loss=loss, validation_loss=loss, validation_accuracy=0.5, train_s=1.0)


def stored(url: str, kind: str, *, is_known: bool) -> tuple[Store, Any]:
    """A store with one trial, of which everything is known, or as little as can be."""
    store = Store.open(url, create=True)
    store.register_machine(MACHINE, ANNE, "0.1.0")
    sweep = record().model_copy(update={"kind": kind})
    point = POINTS[kind] if is_known else dict.fromkeys(POINTS[kind])
    job = new_job(0)
    store.submit(sweep, [replace(job, spec=job.spec.model_copy(update={"kind": kind, "point": point}))])
    assert store.claim(job.id, 0, ANNE, MACHINE.id, 60.0)
    plain = report(job.id, 1)
    (window,), (measured,) = plain.windows, plain.measurements
    own: dict[str, Any] = {"window_kind": WindowKind.TRAINING, "temperature_c": 40.0} if is_known else UNKNOWN
    changes: dict[str, Any] = {
        "windows": (window.model_copy(update={"kind": WindowKind.TRAINING}),),
        "measurements": (measured.model_copy(update=own),),
        "latencies_s": (0.01, 0.02),
        "requests": (requests(),),
        "epochs": (epoch(0.5, 0) if is_known else epoch(None, None),),
        "facts": {"device": "cpu"},
        "environment": {"torch": "2.11"} if is_known else {},
    }
    assert store.complete(plain.model_copy(update=changes))
    return store, sweep


def schema(sheet: Sheet, path: Path) -> Schema:
    write_sheet(sheet, Format.PARQUET, path)
    return pq.read_schema(path)


@pytest.mark.parametrize("rows", Rows)
def test_an_export_has_one_schema(rows: Rows, tmp_path: Path) -> None:
    found = []
    for is_known in (True, False):
        store, sweep = stored(f"sqlite:///{tmp_path}/{is_known}.db", KINDS[rows], is_known=is_known)
        with store:
            found.append(schema(exports.exported(store, sweep, rows), tmp_path / f"{is_known}.parquet"))
    known, unknown = found
    assert unknown == known
    declared = kinds.get(KINDS[rows]).factor_types
    types = {str: "string", int: "int64", float: "double", bool: "bool"}
    assert {name: str(known.field(name).type) for name in declared} == {n: types[t] for n, t in declared.items()}
    assert all(str(field.type) in types.values() for field in known)


def test_the_query_of_a_view_has_one_schema(tmp_path: Path) -> None:
    schemas = set()
    for is_known in (True, False):
        store, _ = stored(f"sqlite:///{tmp_path}/{is_known}.db", "training", is_known=is_known)
        with store:
            for where in ("", " WHERE sweep = 'none'"):
                found = queried.document(store.query(f"SELECT * FROM v_sample{where}", 10))
                sheet = Sheet.of(found.records(), found.types)
                schemas.add(schema(sheet, tmp_path / "rows.parquet").remove_metadata().to_string())
    assert len(schemas) == 1


def unmetered(trial: Measured) -> Measured:
    """The same trial without joules."""
    row, rows = trial
    none: dict[str, Any] = dict.fromkeys(("gross_j", "net_j", "net_j_low", "net_j_high", "quality"))
    return row, [replace(own, **none) for own in rows]


@pytest.mark.parametrize("change", [unmetered, lambda trial: (replace(trial[0], carbon=CarbonFactor()), trial[1])])
def test_results_have_one_schema(change: Callable[[Measured], Measured], tmp_path: Path) -> None:
    found = []
    for trials in ([trained("a", 0.5), trained("b", 0.6)], [change(trained("a", 0.5)), change(trained("b", 0.6))]):
        document = view(loaded(sweep_of("training"), *trials), Selection())
        sheet = Sheet.of(document.records(), kinds.factor_types())
        found.append(schema(sheet, tmp_path / "rows.parquet"))
    assert found[0] == found[1]


def test_a_users_own_factors_are_text_and_those_of_known_names_keep_their_type() -> None:
    points: list[Point] = [{"batch_size": 16, "width": 2}, {"batch_size": None, "width": "wide"}]
    assert exports.factor_types("imported", points) == {"batch_size": int, "width": AsText}
    assert exports.factor_types("theirs", [{"batch_size": "16x2"}]) == {"batch_size": str}, "of a kind that is absent"


@pytest.mark.parametrize(
    ("values", "declared", "found"),
    [
        ([None, None], int, int),
        ([1, None], float, float),
        ([1.5], int, float),
        ([True], int, bool),
        ([1], bool, int),
        (["a", 1], float, AsText),
        ([1, True], str, AsText),
        (["a", None], str, str),
        ([None], None, str),
        ([1, 2.5], None, float),
        ([1, True], None, AsText),
        ([2**63 - 1], int, int),
        ([2**63], int, AsText),
        ([2**53 + 1, 0.5], None, AsText),
        ([2**53 + 1], float, int),
    ],
)
def test_a_column_keeps_its_declared_type_unless_a_value_does_not_fit(
    values: list[Any], declared: type | None, found: type
) -> None:
    assert fitting_type(values, declared) is found


def test_a_preview_fits_a_terminal(tmp_path: Path) -> None:
    store, sweep = stored(f"sqlite:///{tmp_path}/farm.db", "inference", is_known=True)
    with store:
        found = exports.preview(exports.exported(store, sweep, Rows.MEASUREMENT))
    (table, note) = found.blocks
    assert [column.name for column in table.columns][:3] == ["repetition", "window", "domain"]  # type: ignore[union-attr]
    assert "All 1 row, with 6 of " in note.text  # type: ignore[union-attr]
