"""The columns that a person guesses: factors, percentiles, accuracy, epochs, intervals; and what errors suggest."""

import sqlite3
from dataclasses import replace
from importlib import import_module
from math import isclose
from statistics import stdev
from typing import Any

import pytest

from farm import kinds
from farm.analysis.intervals import mean_interval
from farm.analysis.quantiles import two_sided_t
from farm.exchange.queried import typed
from farm.load.served import served, statistic_of
from farm.model import (
    Domain,
    Epoch,
    Import,
    ImportedTrial,
    Mapped,
    Measurement,
    Point,
    Quality,
    Requests,
    TrialCarbon,
    Window,
    WindowKind,
)
from farm.model.errors import InputError
from farm.model.percentiles import percentile
from farm.store import Store
from farm.store.views import FACTORS, VIEWS
from tests.contract.store_records import ANNE, MACHINE, SWEEP, UTC_NOON, new_job, record, report

POINT: Point = {"model": "alexnet", "batch_size": 16, "precision": "fp16", "device": "auto", "threads": 2, "lr": 0.001}
LATENCIES_S = tuple(0.01 + 0.001 * (n * 7 % 100) for n in range(100))
NS = 10**9


def ask(store: Store, statement: str) -> list[dict[str, Any]]:
    types, rows = typed(store.query(statement, 1000))
    return [dict(zip(types, row, strict=True)) for row in rows]


def done(store: Store, ordinal: int, point: Point = POINT, **changes: Any) -> None:
    job = new_job(ordinal)
    repetition = changes.pop("repetition", 0)
    spec = job.spec.model_copy(update={"point": point, "repetition": repetition})
    store.submit(record(), [replace(job, spec=spec)])
    assert store.claim(job.id, 0, ANNE, MACHINE.id, 60.0)
    plain = report(job.id, 1, facts={"device": "cpu", "unit": "image"}, carbon=TrialCarbon(200.0, 1.0, "NLD", True))
    assert store.complete(plain.model_copy(update=changes))


@pytest.fixture
def lab(store: Store) -> Store:
    store.register_machine(MACHINE, ANNE, "0.1.0")
    return store


def test_factors_are_columns_of_their_declared_types(lab: Store) -> None:
    done(lab, 0)
    for view in ("v_trial", "v_measurement", "v_sample", "v_point"):
        (row,) = ask(lab, f"SELECT * FROM {view}")
        assert {name: row[name] for name in FACTORS} == {name: POINT.get(name) for name in FACTORS}
        assert row["device"] == "cpu", "where the trial ran, not what was planned"
    (row,) = ask(lab, "SELECT factors ->> 'threads' AS threads, factors ->> 'precision' AS precision FROM v_sample")
    assert (int(row["threads"]), row["precision"]) == (2, "fp16")


def test_the_columns_of_factors_have_the_types_that_kinds_declare() -> None:
    declared = kinds.factor_types()
    assert {name: declared[name] for name in FACTORS} == {name: column.type for name, column in FACTORS.items()}


def test_a_column_has_one_type_in_all_views() -> None:
    columns = [(name, column.type) for own in VIEWS.values() for name, column in own.items()]
    assert len(set(columns)) == len(dict(columns))


@pytest.mark.parametrize(
    ("factor", "column"),
    [(16.0, 16), (16.5, None), ("16x2", None), (True, None), (None, None), (1e30, None), (16, 16)],
)
def test_an_imports_factor_of_another_type_breaks_no_view(lab: Store, factor: Any, column: int | None) -> None:
    factors = {"model": 7, "batch_size": factor, "device": "cuda"}
    trial = ImportedTrial(
        line=2, factors=factors, machine="gpu7", hardware_class="a100", domain=Domain.GPU, quality=Quality.COUNTER,
        repetition=0, units=1, gross_j=2.0, net_j=1.0, net_j_low=None, net_j_high=None, duration_s=1.0, accuracy=0.75,
    )  # fmt: skip
    assert lab.add_import(Import("0" * 12, "theirs", "theirs.csv", Mapped({}, {}, "image", {}), [trial]), "anne")
    (row,) = ask(lab, "SELECT model, batch_size, device, accuracy FROM v_sample")
    assert row == {"model": "7", "batch_size": column, "device": "cuda", "accuracy": 0.75}
    assert ask(lab, "SELECT model, batch_size FROM v_point") == [{"model": "7", "batch_size": column}]


def test_percentiles_of_batches_are_those_of_results(lab: Store) -> None:
    done(lab, 0, latencies_s=LATENCIES_S)
    done(lab, 1, repetition=1)
    expected = {f"p{p}_s": percentile(sorted(LATENCIES_S), p) for p in (50, 95, 99)}
    (row,) = ask(lab, "SELECT * FROM v_latency")
    assert {name: row[name] for name in expected} == expected
    assert row["batches"] == 100
    assert isclose(row["mean_s"], sum(LATENCIES_S) / 100)
    rows = ask(lab, "SELECT batches, p50_s, p95_s, p99_s FROM v_sample ORDER BY job")
    assert rows == [{"batches": 100, **expected}, dict.fromkeys(("batches", *expected))]


@pytest.mark.parametrize("rate_per_s", [50.0, None])
def test_response_times_count_the_requests_that_results_count(lab: Store, rate_per_s: float | None) -> None:
    arrival_s = tuple(0.02 * n for n in range(200))
    done_s = tuple(0.02 * (n - n % 4 + 4) + 0.001 * (n // 4 % 10) for n in range(200))
    own = Requests(
        window=0, capacity_per_s=80.0, arrival_s=arrival_s, enqueue_s=arrival_s, dequeue_s=done_s, start_s=done_s,
        done_s=done_s,
    )  # fmt: skip
    done(lab, 0, {"model": "alexnet", "policy": "4", "rate_per_s": rate_per_s}, requests=(own,))
    known = served([own], rate_per_s)
    assert known is not None
    (row,) = ask(lab, "SELECT * FROM v_request")
    assert (row["requests"], row["policy"], row["rate_per_s"]) == (len(known.response_s), "4", rate_per_s)
    assert row["mean_batch"] == 4.0
    for name in ("mean", "p50", "p95", "p99", "max"):
        assert isclose(row[f"response_{name}_s"], float(statistic_of(known.response_s, name))), name


def window(kind: WindowKind, index: int) -> Window:
    return Window(
        kind=kind, index=index, begin_at_ns=index * NS, end_at_ns=(index + 1) * NS, started_at_utc=UTC_NOON, units=64
    )


def training(index: int, gross_j: float) -> Measurement:
    return Measurement(
        window_kind=WindowKind.TRAINING, window_index=index, domain=Domain.CPU, quality=Quality.COUNTER, source="rapl",
        gross_j=gross_j, net_j=gross_j - 2,
    )  # fmt: skip


def epoch(index: int, accuracy: float, in_window: int | None) -> Epoch:
    return Epoch(
        index=index, window=in_window, train_loss=1.0 / (index + 1), validation_loss=None, validation_accuracy=accuracy,
        train_s=0.5,
    )  # fmt: skip


def test_an_epoch_has_its_loss_accuracy_and_share_of_joules(lab: Store) -> None:
    epochs = (epoch(0, 0.5, None), epoch(1, 0.7, 0), epoch(2, 0.9, 1), epoch(3, 0.8, 1))
    windows = (window(WindowKind.TRAINING, 0), window(WindowKind.TRAINING, 1))
    measured = (training(0, 10.0), training(1, 12.0))
    done(lab, 0, {"model": "simple_cnn", "epochs": 4}, epochs=epochs, windows=windows, measurements=measured)
    done(lab, 1)
    columns = "epoch, accuracy, train_loss, window_index, window_epochs, domain, quality, gross_j, net_j"
    rows = ask(lab, f"SELECT {columns} FROM v_epoch WHERE model = 'simple_cnn' ORDER BY epoch")
    assert [tuple(row.values()) for row in rows] == [
        (1, 0.5, 1.0, None, None, "cpu", None, None, None),
        (2, 0.7, 0.5, 0, 1, "cpu", "counter", 10.0, 8.0),
        (3, 0.9, 1 / 3, 1, 2, "cpu", "counter", 6.0, 5.0),
        (4, 0.8, 0.25, 1, 2, "cpu", "counter", 6.0, 5.0),
    ]
    for view in ("v_trial", "v_sample"):
        query = f"SELECT accuracy, train_loss, validation_loss FROM {view} ORDER BY job"
        assert ask(lab, query) == [
            {"accuracy": 0.8, "train_loss": 0.25, "validation_loss": None},
            dict.fromkeys(("accuracy", "train_loss", "validation_loss")),
        ]


def test_a_point_has_the_spread_and_the_interval_of_its_own_trials(lab: Store) -> None:
    gross_j = [20.0, 21.5, 20.75]
    for ordinal, joules in enumerate(gross_j):
        (measured,) = report("any", 1).measurements
        own = measured.model_copy(update={"gross_j": joules, "net_j": None if ordinal else 5.5, "flags": ()})
        done(lab, ordinal, repetition=ordinal, measurements=(own,))
    (row,) = ask(lab, "SELECT * FROM v_point")
    per_unit = [joules / 64 for joules in gross_j]
    expected = mean_interval(per_unit)
    assert expected.low is not None
    assert expected.high is not None
    for name, value in (
        ("", expected.mean),
        ("_low", expected.low),
        ("_high", expected.high),
        ("_sd", stdev(per_unit)),
    ):
        assert isclose(row[f"gross_j_per_unit{name}"], value, rel_tol=1e-6), name
    assert row["net_j_per_unit"] == 5.5 / 64
    assert [row[f"net_j_per_unit_{end}"] for end in ("sd", "low", "high")] == [None] * 3, "one value has no spread"


def test_gross_joules_are_not_below_zero(lab: Store) -> None:
    for ordinal, joules in enumerate((1.0, 9.0)):
        (measured,) = report("any", 1).measurements
        done(lab, ordinal, repetition=ordinal, measurements=(measured.model_copy(update={"gross_j": joules}),))
    (row,) = ask(lab, "SELECT gross_j_per_unit_low AS low, gross_j_per_unit_high AS high FROM v_point")
    assert row["low"] == 0.0
    assert row["high"] > 5.0 / 64


def test_the_factor_of_an_interval_is_students_t() -> None:
    factor = import_module("farm.store.migrations.versions.0001_all")._two_sided_t("n")
    for n in range(1, 200):
        ((found,),) = sqlite3.connect(":memory:").execute(f"SELECT {factor} FROM (SELECT {n} AS n)")
        assert isclose(found, two_sided_t(n), rel_tol=1e-4), n


def test_views_are_read_by_index(lab: Store) -> None:
    """A query of one sweep among many must not read the whole database; v_point reads all samples."""
    if not lab.is_sqlite:
        pytest.skip("the planner of PostgreSQL reads small tables whole")
    with lab.read() as connection:
        for view in VIEWS.keys() - {"v_point"}:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN SELECT * FROM {view} WHERE sweep = '{SWEEP}'").all()
            scanned = {row[3].split()[1] for row in plan if row[3].startswith("SCAN")}
            tables = {"t", "j", "w", "m", "sm", "e", "l", "r", "mc", "s"}
            assert not scanned & tables, (view, [row[3] for row in plan])


@pytest.mark.parametrize(
    ("statement", "meant"),
    [
        ("SELECT threads FROM v_sample", "use factors ->> 'threads'"),
        ("SELECT t.threads FROM v_sample t", "use factors ->> 'threads'"),
        ("SELECT batch_sizes FROM v_sample", "did you mean batch_size"),
        ("SELECT loss FROM v_epoch", "did you mean train_loss or validation_loss"),
        ("SELECT thread FROM v_point", "did you mean factors ->> 'threads'"),
        ("SELECT p99_s FROM v_point", "v_sample and v_latency have it"),
        ("SELECT qqqqqq FROM v_point", "`farm query` lists the columns of each view"),
        ("SELECT * FROM v_samples", "did you mean v_sample?"),
        ("SELECT * FROM samples", "did you mean v_sample"),
        ("SELECT * FROM nowhere", "there are v_trial, v_measurement"),
    ],
)
def test_an_error_suggests_what_was_meant(lab: Store, statement: str, meant: str) -> None:
    done(lab, 0)
    with pytest.raises(InputError) as raised:
        lab.query(statement, 10)
    assert meant in str(raised.value)


def test_other_errors_suggest_nothing(lab: Store) -> None:
    with pytest.raises(InputError) as raised:
        lab.query("SELECT sweep FROM v_sample WHERE", 10)
    assert "did you mean" not in str(raised.value)
