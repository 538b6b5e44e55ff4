"""The views say what `farm results` and `farm export` say, on both databases, and only what is documented."""

import json
import os
import signal
from dataclasses import replace
from datetime import timedelta
from math import isclose
from threading import Timer
from typing import Any

import pytest
from sqlalchemy import text

from farm.exchange import exports
from farm.exchange.loading import load_results
from farm.kinds import views
from farm.model import Domain, FailureKind, Flag, Machine, Measurement, Quality, TrialCarbon, Window, WindowKind
from farm.model.errors import InputError
from farm.report.selection import Selection
from farm.store import Store
from farm.store.views import VIEWS
from tests.contract.store_records import ANNE, SWEEP, UTC_NOON, new_job, record, report

MACHINES = ("lab1", "lab2")
FIGURES = ("units_per_s", "gross_j_per_unit", "net_j_per_unit", "carbon_g_per_unit")


def machine(name: str) -> Machine:
    return Machine(id=name, name=name, hardware_class=f"class-{name}", hardware={})


def measurement(index: int, domain: Domain, gross_j: float | None, **changes: Any) -> Measurement:
    plain = Measurement(
        window_kind=WindowKind.MEASURE,
        window_index=index,
        domain=domain,
        quality=None if gross_j is None else Quality.COUNTER,
        source="rapl",
        gross_j=gross_j,
        net_j=None if gross_j is None else gross_j - 5,
        net_j_low=None if gross_j is None else gross_j - 6,
        net_j_high=None if gross_j is None else gross_j - 4,
    )
    return plain.model_copy(update=changes)


def window(index: int) -> Window:
    begin_ns = 10**15 + index * 10**10
    return Window(
        kind=WindowKind.MEASURE, index=index, begin_at_ns=begin_ns, end_at_ns=begin_ns + 2 * 10**9,
        started_at_utc=UTC_NOON + timedelta(seconds=10 * index), units=64,
    )  # fmt: skip


def measured(store: Store, ordinal: int, on: str, **changes: Any) -> None:
    """A trial with two windows and two domains."""
    batch = 1 + ordinal % 2
    job = new_job(ordinal)
    point = {"model": "alexnet", "batch_size": batch, "images": None}
    spec = job.spec.model_copy(update={"point": point, "repetition": ordinal // 2, "target": f"machine:{on}"})
    store.submit(record(), [replace(job, spec=spec)])
    assert store.claim(job.id, 0, ANNE, on, 60.0)
    rows = tuple(
        measurement(index, domain, 20.0 + ordinal + index) for index in range(2) for domain in (Domain.CPU, Domain.DRAM)
    )
    plain = report(
        job.id, 1, machine=on, windows=(window(0), window(1)), measurements=rows,
        carbon=TrialCarbon(200.0, 1.5, "NLD", is_own=True), facts={"device": "cpu", "unit": "image"},
    )  # fmt: skip
    assert store.complete(plain.model_copy(update=changes))


@pytest.fixture
def lab(store: Store) -> Store:
    """Two machines; trials with and without flags, one with a window that was not metered, one failed."""
    for name in MACHINES:
        store.register_machine(machine(name), ANNE, "0.1.0")
    for ordinal in range(8):
        measured(store, ordinal, MACHINES[ordinal // 4])
    measured(store, 8, "lab1", flags=(Flag.THROTTLED, Flag.BELOW_NOISE))
    measured(store, 9, "lab1", flags=(Flag.POWER_CAPPED,))
    holes = (
        measurement(0, Domain.CPU, 30.0, quality=Quality.MODELLED, flags=(Flag.TOO_SHORT,)),
        measurement(1, Domain.CPU, None),
    )
    measured(store, 10, "lab2", measurements=holes)
    measured(store, 11, "lab2", measurements=(measurement(0, Domain.DRAM, 1.0), measurement(1, Domain.DRAM, 1.0)))
    store.submit(record(), [new_job(12)])
    assert store.claim(f"{SWEEP}-12", 0, ANNE, "lab1", 60.0)
    return store


def ask(store: Store, statement: str) -> list[dict[str, Any]]:
    found = store.query(statement, 1000)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def factors(value: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return decoded


def test_every_column_is_documented_and_no_other(store: Store) -> None:
    for view, columns in VIEWS.items():
        assert tuple(store.query(f"SELECT * FROM {view}", 1).columns) == tuple(columns), view


def test_points_are_what_results_shows(lab: Store) -> None:
    lab.complete(report(f"{SWEEP}-12", 1, FailureKind.OOM, machine="lab1"))
    sweep = lab.find_sweep(SWEEP)
    shown = views.view(load_results(lab, sweep), Selection(by=("model", "batch_size", "machine"))).records()
    metered = [row for row in shown if row["quality"] is not None]
    points = ask(lab, "SELECT * FROM v_point WHERE own_device AND quality IS NOT NULL")
    by_place = {(factors(p["factors"])["batch_size"], p["machine"], p["quality"]): p for p in points}
    assert len(by_place) == len(points) == len(metered) == 4
    for row in metered:
        point = by_place[row["batch_size"], row["machine"], row["quality"]]
        assert (point["trials"], point["left_out"]) == (row["trials"], row["left_out"])
        assert (bool(point["doubtful"]), bool(point["simulated"])) == (row["doubtful"], row["simulated"])
        for name in FIGURES:
            assert isclose(point[name], row[name], rel_tol=1e-12), name


def test_a_point_has_the_median_of_the_trials_that_count(lab: Store) -> None:
    query = "SELECT factors, gross_j_per_unit_median AS median FROM v_point WHERE machine = 'lab1' AND domain = 'cpu'"
    found = {factors(row["factors"])["batch_size"]: row["median"] for row in ask(lab, query)}
    assert found == {1: (41 + 45) / 2 / 128, 2: 47 / 128}, "of 41, 45 without the throttled one; of 43, 47, 59"


def test_a_sample_is_found_in_any_domain_and_unknown_where_it_was_not_metered(lab: Store) -> None:
    for domain, metered in ((None, 11), (Domain.DRAM, 11), (Domain.WALL, 0)):
        found = lab.samples([SWEEP], domain)
        assert len(found) == len({sample.trial for sample in found}) == 12
        known = [sample for sample in found if sample.gross_j is not None]
        assert len(known) == (10 if domain is None else metered)
        assert all(sample.units == 128 and sample.duration_s == 4.0 for sample in found)
        assert {sample.domain for sample in found} == {domain or Domain.CPU}


def test_measurements_are_those_of_the_export(lab: Store) -> None:
    records = exports.exported(lab, lab.find_sweep(SWEEP), exports.Rows.MEASUREMENT).records()
    exported = {(r["trial"], r["window_index"], r["domain"]): r for r in records}
    rows = ask(lab, "SELECT * FROM v_measurement")
    assert len(rows) == len(exported)
    for row in rows:
        twin = exported[row["trial"], row["window_index"], row["domain"]]
        assert factors(row["factors"]).items() <= twin.items()
        for name in ("flags", "units", "duration_s", "quality", "gross_j", "net_j_low", "begin_at_ns", "machine"):
            assert row[name] == twin[name], name
        assert not row["imported"]


def test_a_trial_shows_its_state_flags_and_failure(lab: Store) -> None:
    lab.complete(report(f"{SWEEP}-12", 1, FailureKind.OOM, machine="lab1"))
    rows = {row["job"]: row for row in ask(lab, "SELECT * FROM v_trial")}
    assert (rows[f"{SWEEP}-8"]["flags"], bool(rows[f"{SWEEP}-8"]["valid"])) == ("below_noise;throttled", False)
    assert (rows[f"{SWEEP}-9"]["flags"], bool(rows[f"{SWEEP}-9"]["valid"])) == ("power_capped", True)
    failed = rows[f"{SWEEP}-12"]
    assert (failed["state"], failed["failure"], failed["failure_message"]) == ("failed", "oom", "it said so")


def test_factors_are_read_with_the_json_of_each_database(lab: Store) -> None:
    batch = "factors ->> '$.batch_size'" if lab.is_sqlite else "CAST(factors ->> 'batch_size' AS integer)"
    rows = ask(lab, f"SELECT {batch} AS batch, count(*) AS n FROM v_trial GROUP BY 1 ORDER BY 1")
    assert rows == [{"batch": 1, "n": 6}, {"batch": 2, "n": 6}]


def test_flags_that_are_notes_are_the_same_in_sql(lab: Store) -> None:
    with lab.write() as connection:
        for flag in Flag:
            connection.execute(text(f"""UPDATE trial SET flags = '["{flag}"]' WHERE id = '{SWEEP}-0.1'"""))
            (valid,) = connection.execute(text(f"SELECT valid FROM v_trial WHERE trial = '{SWEEP}-0.1'")).one()
            assert bool(valid) is flag.is_note, flag


# Queries of a user


NOT_READING = (
    "DELETE FROM trial",
    "WITH x AS (INSERT INTO environment VALUES ('a', '{}') RETURNING id) SELECT * FROM x",
    "WITH x AS (SELECT 1) DELETE FROM trial",
    "SELECT 1; DELETE FROM trial",
    "/* select */ DROP VIEW v_trial",
    "PRAGMA query_only = OFF",
    "ATTACH DATABASE 'other.db' AS other",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SET TRANSACTION READ WRITE",
)
NOT_ALLOWED = (
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT load_extension('x')",
    "SELECT lo_create(0)",
    "SELECT nextval('nothing')",
)


def test_a_query_cannot_write(lab: Store) -> None:
    before = ask(lab, "SELECT * FROM v_trial ORDER BY trial")
    for statement in NOT_READING:
        with pytest.raises(InputError, match="only reads"):
            lab.query(statement, 10)
    for statement in NOT_ALLOWED:
        with pytest.raises(InputError):
            lab.query(statement, 10)
    assert ask(lab, "SELECT * FROM v_trial ORDER BY trial") == before
    measured(lab, 20, "lab1")
    assert len(ask(lab, "SELECT * FROM v_trial")) == len(before) + 1, "the store writes on"


def test_a_query_is_cut_at_its_limit_and_reports_it(lab: Store) -> None:
    found = lab.query("SELECT trial FROM v_trial ORDER BY trial;", 3)
    assert (len(found.rows), found.is_cut, found.columns) == (3, True, ["trial"])
    assert not lab.query("SELECT trial FROM v_trial", 12).is_cut


def test_an_error_is_the_databases_own_words(lab: Store) -> None:
    with pytest.raises(InputError, match=r"query: .*nope"):
        lab.query("SELECT nope FROM v_trial", 10)
    with pytest.raises(InputError, match="expected a query"):
        lab.query(" ; ", 10)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def test_a_query_that_takes_too_long_is_stopped(lab: Store) -> None:
    with pytest.raises(InputError, match=r"longer than 0\.2 s"):
        lab.query(ENDLESS, 10, longest_s=0.2)


def test_a_query_that_is_interrupted_did_not_take_too_long(lab: Store) -> None:
    """By a signal that means the same as Ctrl-C, which processes of a test run may ignore."""
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    hand = Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        hand.start()
        with pytest.raises(KeyboardInterrupt):
            lab.query(ENDLESS, 10, longest_s=90.0)
    finally:
        hand.join()
        signal.signal(signal.SIGUSR1, before)
    assert lab.query("SELECT 1", 10).rows == [(1,)], "it answers on"
