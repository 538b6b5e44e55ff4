"""What a user reads when the database cannot be used: one line, with a remedy, without a password."""

import sqlite3
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

import farm.store.tables as t
from farm.model import JobState
from farm.model.errors import InputError, StoreUnavailable
from farm.store import Store
from farm.store.failures import translated
from tests.contract.store_records import ANNE, MACHINE, counts, new_job, record
from tests.services import administer

# Errors


def test_a_url_that_names_no_database_is_bad_input() -> None:
    for url in ("mysql://u:secret@h/d", "sqlite://", "sqlite:///:memory:", "nonsense"):
        with pytest.raises(InputError, match="FARM_DATABASE_URL: expected") as caught:
            Store(url)
        assert "secret" not in str(caught.value)


def test_postgres_urls_of_every_spelling_are_the_same() -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        with Store(f"{scheme}://u:secret@h:1/d") as store:
            assert str(store) == "PostgreSQL at h:1, database d"


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(StoreUnavailable, match=r"PostgreSQL at 127\.0\.0\.1:1, .*Connection refused") as caught:
        Store.open("postgresql://u:secret@127.0.0.1:1/d")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_host_that_is_not_there() -> None:
    with pytest.raises(StoreUnavailable, match="no such host: correct FARM_DATABASE_URL"):
        Store.open("postgresql://u@host.invalid/d")


def test_a_database_that_is_not_there(postgres_url: str) -> None:
    url = str(make_url(postgres_url).set(database="nowhere"))
    with pytest.raises(StoreUnavailable, match="no such database: run createdb"):
        Store.open(url)


def test_a_wrong_password(postgres_url: str, postgres_admin_url: str) -> None:
    administer(postgres_admin_url, "DROP ROLE IF EXISTS locked")
    administer(postgres_admin_url, "CREATE ROLE locked LOGIN PASSWORD 'right'")
    hba = Path(administer(postgres_admin_url, "SHOW hba_file")[0][0])
    before = hba.read_text()
    hba.write_text("local all locked scram-sha-256\n" + before)
    administer(postgres_admin_url, "SELECT pg_reload_conf()")
    wrong = postgres_url.replace("tester:@", "locked:wr0ng@")
    missing = postgres_url.replace("tester:@", "locked@")
    try:
        with pytest.raises(StoreUnavailable, match="the password is wrong: correct it") as caught:
            Store.open(wrong)
        with pytest.raises(StoreUnavailable, match="wants a password"):
            Store.open(missing)
    finally:
        hba.write_text(before)
        administer(postgres_admin_url, "SELECT pg_reload_conf()")
    assert "wr0ng" not in str(caught.value)


def test_a_user_that_is_not_there(postgres_url: str) -> None:
    with pytest.raises(StoreUnavailable, match="no such user"):
        Store.open(postgres_url.replace("tester:@", "nobody@"))


def test_a_session_that_breaks_is_an_outage_and_the_next_one_works(postgres_url: str, postgres_admin_url: str) -> None:
    def cut_off(store: Store, *, at_work: bool) -> None:
        with store.read() as connection:
            backend = connection.scalar(text("SELECT pg_backend_pid()"))
            if at_work:
                administer(postgres_admin_url, f"SELECT pg_terminate_backend({backend}, 5000)")
                connection.execute(text("SELECT 1"))
        administer(postgres_admin_url, f"SELECT pg_terminate_backend({backend}, 5000)")

    with Store.open(postgres_url, create=True) as store:
        with pytest.raises(StoreUnavailable, match="does not answer"):
            cut_off(store, at_work=True)
        cut_off(store, at_work=False)
        assert store.sweeps() == []


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (psycopg.errors.DiskFull("could not extend file"), "its disk is full: make room"),
        (psycopg.errors.ReadOnlySqlTransaction("cannot execute"), "read-only"),
        (psycopg.errors.TooManyConnections("too many clients"), "max_connections"),
    ],
)
def test_what_a_server_complains_of_comes_with_a_remedy(error: Exception, remedy: str) -> None:
    url = make_url("postgresql://u:secret@h/d")
    with pytest.raises(StoreUnavailable, match=remedy), translated(url):
        raise OperationalError("INSERT", {}, error)


def test_a_mistake_of_ours_is_not_called_an_outage(farm: Store) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key") as caught, farm.write() as connection:
        connection.execute(t.job.update().values(machine_id="unknown-machine"))
    assert not isinstance(caught.value, StoreUnavailable)
    assert counts(farm) == {JobState.QUEUED: 3}


def test_a_full_disk(sqlite_url: str) -> None:
    with Store.open(sqlite_url, create=True) as store:
        store.register_machine(MACHINE, ANNE, "0.1.0")
        with store.write() as connection:
            pages = connection.scalar(text("PRAGMA page_count"))
            connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        with pytest.raises(StoreUnavailable, match=r"farm\.db: the disk is full: make room"):
            store.submit(record(), [new_job(n) for n in range(1000)])
        assert store.sweeps() == [], "all or nothing"
        with store.write() as connection:
            connection.execute(text("PRAGMA max_page_count = 1000000"))
        assert store.submit(record(), [new_job(n) for n in range(1000)]) == 1000


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 100)
    with pytest.raises(StoreUnavailable, match=r"notes\.txt: this file is not a database"):
        Store.open(f"sqlite:///{path}", create=True)
    assert path.read_text().startswith("not a database")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="cannot make its folder"):
        Store(f"sqlite:///{tmp_path / 'file' / 'farm.db'}")
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(StoreUnavailable, match=r"folder\.db: cannot be opened"):
        Store.open(f"sqlite:///{tmp_path / 'folder.db'}")


def test_a_file_that_cannot_be_written(sqlite_url: str) -> None:
    with Store.open(sqlite_url, create=True) as store:
        connection = sqlite3.connect(f"file:{store.url.database}?mode=ro", uri=True)
        try:
            with pytest.raises(sqlite3.OperationalError) as refused:
                connection.execute("DELETE FROM sweep")
            with pytest.raises(StoreUnavailable, match="read-only"), translated(store.url):
                raise OperationalError("DELETE", {}, refused.value)
        finally:
            connection.close()


def test_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreUnavailable, match=r"pip install 'wattfarm\[postgres\]'"):
        Store("postgresql://u@h/d")


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(Exception, match="a time without a zone"):
        store.submit(record(at=datetime(2026, 1, 1)), [])


def test_importing_the_store_brings_no_heavy_library() -> None:
    code = (
        "import sys, farm.store; "
        "print([m for m in ('torch', 'pandas', 'alembic', 'psycopg', 'celery') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
