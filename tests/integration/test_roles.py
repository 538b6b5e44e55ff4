"""PostgreSQL's roles of deploy/postgres: each does its part of the store's commands, and no more."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

import farm.store.tables as t
from farm.model import FailureKind, JobState, MachineState
from farm.model.errors import SchemaMismatch, StoreUnavailable
from farm.store import SchemaState, Store, check, upgrade
from tests.contract.store_records import (
    ANNE,
    BERT,
    LEASE_S,
    MACHINE,
    NO_LEASE_S,
    SWEEP,
    new_job,
    record,
    report,
    unpublished,
)
from tests.integration.lab import DEPLOY, ROLES, as_role, database_with_roles, run_psql, write_secrets
from tests.services import administer, fresh_database

Stores = dict[str, Store]


@pytest.fixture(scope="module")
def stores(postgres_admin_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """A store for each role, over one database with a machine, a sweep of three jobs, and a result."""
    secrets = write_secrets(tmp_path_factory.mktemp("secrets"))
    with database_with_roles(postgres_admin_url, secrets) as url:
        opened = {role: Store.open(as_role(url, role)) for role in ROLES}
        try:
            yield opened
        finally:
            for store in opened.values():
                store.close()


@pytest.fixture
def farm(stores: Stores, postgres_admin_url: str) -> Iterator[Stores]:
    """With a machine and a sweep of three jobs."""
    owner = stores["owner"]
    stores["worker"].register_machine(MACHINE, ANNE, "0.1.0")
    assert stores["controller"].submit(record(), [new_job(n) for n in range(3)]) == 3
    yield stores
    with owner.write() as connection:
        for table in reversed(t.METADATA.sorted_tables):
            connection.execute(table.delete())


def test_a_worker_claims_reports_and_gives_back(farm: Stores) -> None:
    worker, reader = farm["worker"], farm["reader"]
    worker.register_machine(MACHINE, ANNE, "0.1.1")
    assert worker.machine_beat(MACHINE.id, None, 1, 2) is MachineState.ACTIVE
    assert worker.claim(f"{SWEEP}-0", 0, ANNE, MACHINE.id, LEASE_S) is not None
    assert worker.heartbeat(f"{SWEEP}-0", 1, ANNE, LEASE_S).held
    assert worker.complete(report(f"{SWEEP}-0", 1))
    assert not worker.complete(report(f"{SWEEP}-0", 1))
    assert worker.claim(f"{SWEEP}-1", 0, ANNE, MACHINE.id, LEASE_S) is not None
    assert worker.release(ANNE) == 1
    worker.return_message(f"{SWEEP}-1", 1)
    assert len(list(reader.measurement_rows(SWEEP))) == 1
    assert reader.progress(SWEEP).counts == {JobState.DONE: 1, JobState.QUEUED: 2}


def test_a_query_of_a_reader_fills_no_disk(stores: Stores) -> None:
    with stores["reader"].read() as connection:
        assert connection.exec_driver_sql("SHOW temp_file_limit").scalar_one() == "10GB"
    with stores["worker"].read() as connection:
        assert connection.exec_driver_sql("SHOW temp_file_limit").scalar_one() == "-1"


def test_a_late_report_takes_the_place_of_the_note_that_it_was_lost(farm: Stores) -> None:
    assert farm["worker"].claim(f"{SWEEP}-0", 0, ANNE, MACHINE.id, NO_LEASE_S) is not None
    assert farm["controller"].expire_leases() == [f"{SWEEP}-0"]
    assert farm["worker"].complete(report(f"{SWEEP}-0", 1))
    assert [row.failure for row in farm["reader"].trial_rows(SWEEP)] == [None]


def test_a_controller_plans_publishes_and_takes_back(farm: Stores) -> None:
    controller = farm["controller"]
    messages = unpublished(controller, 10)
    controller.mark_published(messages)
    assert len(messages) == 3
    controller.unpublish(SWEEP)
    assert controller.stale_messages(older_than_s=0, limit=10) == []
    assert farm["worker"].claim(f"{SWEEP}-0", 0, BERT, MACHINE.id, LEASE_S) is not None
    assert controller.lose(BERT) == [f"{SWEEP}-0"]
    assert controller.extend(SWEEP, [new_job(3)]) == 0  # settled
    assert controller.undecided() == []
    assert controller.searches() == []
    assert controller.assign(MACHINE.name, MachineState.PAUSED) == 1
    assert farm["worker"].machine_beat(MACHINE.id, None) is MachineState.PAUSED
    assert controller.cancel(SWEEP) == (3, 0)
    assert controller.submit(record(), [new_job(n) for n in range(3)]) == 3
    assert controller.retry(SWEEP, 2) == 0
    controller.settle(SWEEP)


def test_a_reader_reads_all_of_it(farm: Stores) -> None:
    reader = farm["reader"]
    assert farm["worker"].claim(f"{SWEEP}-0", 0, ANNE, MACHINE.id, LEASE_S) is not None
    assert farm["worker"].complete(report(f"{SWEEP}-0", 1, FailureKind.ERROR))
    assert [sweep.id for sweep in reader.sweeps()] == [SWEEP]
    assert [status.machine.name for status in reader.machines()] == [MACHINE.name]
    assert [failed.job for failed in reader.failures(SWEEP)] == [f"{SWEEP}-0"]
    assert len(reader.jobs(SWEEP)) == 3
    with reader.read() as connection:
        for table in t.METADATA.sorted_tables:
            connection.execute(table.select())


def test_the_owner_finds_nothing_to_upgrade(stores: Stores) -> None:
    assert upgrade(stores["owner"]) is SchemaState.CURRENT
    assert {role: check(store) for role, store in stores.items()} == dict.fromkeys(ROLES, SchemaState.CURRENT)


#: A worker that somebody else has taken over, or a password that was found.
FORBIDDEN = {
    "worker": [
        "DROP TABLE trial",
        "ALTER TABLE trial ADD COLUMN mine text",
        "CREATE TABLE mine (id text)",
        "TRUNCATE trial",
        "SELECT * FROM sweep",
        "DELETE FROM sweep",
        "UPDATE sweep SET text = ''",
        "DELETE FROM job",
        "UPDATE job SET spec = '{}'",
        "UPDATE job SET priority = 0",
        "INSERT INTO job (id) VALUES ('x')",
        "DELETE FROM machine",
        "SELECT log_tail FROM trial",
        "UPDATE trial SET simulated = false",
        "SELECT * FROM measurement",
        "UPDATE measurement SET gross_j = 0",
        "DELETE FROM measurement",
        "DELETE FROM trace",
        "UPDATE wattfarm_schema SET version_num = '9'",
        "ALTER TABLE trial DISABLE ROW LEVEL SECURITY",
        "SET ROLE farm_owner",
        "CREATE ROLE mine",
        "SELECT rolpassword FROM pg_authid",
        "COPY trial TO '/tmp/stolen'",
    ],
    "controller": [
        "DROP TABLE trial",
        "DELETE FROM sweep",
        "DELETE FROM job",
        "DELETE FROM trial",
        "UPDATE trial SET simulated = false",
        "INSERT INTO measurement (trial_id) VALUES ('x')",
        "UPDATE measurement SET gross_j = 0",
        "UPDATE machine SET hardware_class = 'x'",
        "CREATE TABLE mine (id text)",
    ],
    "reader": ["UPDATE job SET priority = 0", "DELETE FROM trial", "DROP TABLE trial", "CREATE TABLE mine (id text)"],
    "owner": ["CREATE ROLE mine", "SELECT rolpassword FROM pg_authid"],
}


@pytest.mark.parametrize(("role", "statement"), [(role, line) for role, lines in FORBIDDEN.items() for line in lines])
def test_a_role_may_do_no_more(stores: Stores, role: str, statement: str) -> None:
    with pytest.raises(StoreUnavailable, match="the user may not do that"), stores[role].write() as connection:
        connection.execute(text(statement))


def test_a_worker_removes_no_result(farm: Stores) -> None:
    worker = farm["worker"]
    for number, failure in enumerate((None, FailureKind.ERROR)):
        assert worker.claim(f"{SWEEP}-{number}", 0, ANNE, MACHINE.id, LEASE_S) is not None
        assert worker.complete(report(f"{SWEEP}-{number}", 1, failure, windows=(), measurements=()))
    with worker.write() as connection:
        assert connection.execute(text("DELETE FROM trial")).rowcount == 0
    assert len(list(farm["reader"].trial_rows(SWEEP))) == 2


def test_each_role_has_a_password(stores: Stores, postgres_admin_url: str) -> None:
    rows = administer(postgres_admin_url, "SELECT rolpassword FROM pg_authid WHERE rolname LIKE 'farm~_%' ESCAPE '~'")
    assert len(rows) == len(ROLES)
    assert all(row[0].startswith("SCRAM-SHA-256$") for row in rows)


def test_roles_and_grants_may_be_run_again(stores: Stores, postgres_admin_url: str, tmp_path: Path) -> None:
    """For new passwords, and after each upgrade."""
    secrets = write_secrets(tmp_path)
    before = datetime.now(UTC)
    with database_with_roles(postgres_admin_url, secrets) as url, Store.open(as_role(url, "worker")) as worker:
        worker.register_machine(MACHINE, ANNE, "0.1.0")
        (status,) = worker.machines()
        assert abs((status.last_seen_at - before).total_seconds()) < LEASE_S


def test_the_error_without_the_right_to_make_tables_is_that_there_are_none(
    postgres_admin_url: str, tmp_path: Path
) -> None:
    with fresh_database(postgres_admin_url) as url:
        run_psql(url, DEPLOY / "postgres" / "roles.sql", write_secrets(tmp_path))
        with pytest.raises(SchemaMismatch, match="has no tables yet: run `farm db upgrade`"):
            Store.open(as_role(url, "controller"), create=True)
