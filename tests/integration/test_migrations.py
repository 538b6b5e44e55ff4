"""Migrations make exactly the tables that the program expects, on both databases, however many processes try."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

import farm.store
from farm.model.errors import SchemaMismatch
from farm.store import SchemaState, Store, check, upgrade
from farm.store.schema import HEAD, VERSION_TABLE
from farm.store.tables import METADATA


def _differences(store: Store) -> list[Any]:
    with store.read() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "render_as_batch": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))


def _set_revision(store: Store, revision: str) -> None:
    with store.write() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'"))


def test_migrations_make_the_tables_of_the_program(store: Store) -> None:
    assert _differences(store) == []
    with store.read() as connection:
        found = inspect(connection)
        assert set(found.get_table_names()) == {*METADATA.tables, VERSION_TABLE}
        partial = {i["name"]: i for i in found.get_indexes("job")}["ix_job_outbox"]
    assert any("published_at IS NULL" in str(where) for where in partial["dialect_options"].values())


def test_the_comparison_sees_a_difference(store: Store) -> None:
    with store.write() as connection:
        connection.execute(text("ALTER TABLE job DROP COLUMN not_before"))
    assert [difference[0] for difference in _differences(store)] == ["add_column"]


def test_the_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(farm.store.__file__).with_name("migrations")))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_upgrading_twice_changes_nothing(database_url: str) -> None:
    with Store(database_url) as store:
        assert check(store) is SchemaState.EMPTY
        assert upgrade(store) is SchemaState.EMPTY
        assert check(store) is SchemaState.CURRENT
        assert upgrade(store) is SchemaState.CURRENT
        assert _differences(store) == []


def test_an_empty_database_is_refused_unless_it_may_be_made(database_url: str) -> None:
    with pytest.raises(SchemaMismatch, match="has no tables yet: run `farm db upgrade`"):
        Store.open(database_url)
    with Store.open(database_url, create=True) as store:
        assert store.sweeps() == []


def test_older_and_newer_tables_are_refused_with_the_command_that_helps(store: Store, database_url: str) -> None:
    for revision, remedy in (("0000", "run `farm db upgrade`"), ("9999", "pip install -U wattfarm")):
        _set_revision(store, revision)
        with pytest.raises(SchemaMismatch, match=remedy):
            Store.open(database_url, create=True)
    with pytest.raises(SchemaMismatch, match="pip install -U wattfarm"):
        upgrade(store)


def test_a_migration_that_fails_leaves_nothing_behind(database_url: str) -> None:
    with Store(database_url) as store:
        with store.write() as connection:
            connection.execute(text("CREATE TABLE trial (id integer)"))
        with pytest.raises(Exception, match="already exists"):
            upgrade(store)
        with store.read() as connection:
            assert inspect(connection).get_table_names() == ["trial"]


def _open(url: str) -> SchemaState:
    with Store.open(url, create=True) as store:
        return check(store)


@pytest.mark.slow
def test_processes_may_make_the_tables_at_the_same_time(database_url: str) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(_open, [database_url] * 8)) == [SchemaState.CURRENT] * 8
    with Store.open(database_url) as store:
        assert _differences(store) == []


def test_a_folder_with_a_percent_sign_is_fine(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/100%/new folder/farm.db", create=True) as store:
        assert check(store) is SchemaState.CURRENT
