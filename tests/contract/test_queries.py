"""Queries of users that would take more than they may: of time, memory, the server's files, or what Python can hold."""

from typing import Any

import pytest

from farm.exchange.queried import typed
from farm.model.errors import FarmError, InputError
from farm.store import Store, reader
from tests.contract.store_records import SWEEP
from tests.services import administer, fresh_database

NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
#: What SQLite is asked, and the line that ends it.
TOO_MUCH = {
    "SELECT zeroblob(200000000)": "a value of more than 16 MiB",
    "SELECT length(hex(zeroblob(4e8)))": "a value of more than 16 MiB",
    "SELECT length(randomblob(1e9))": "a value of more than 16 MiB",
    "SELECT length(replace(hex(zeroblob(1000000)), '0', hex(zeroblob(10000))))": "a value of more than 16 MiB",
    f"{NUMBERS} SELECT length(group_concat(hex(zeroblob(1000000)))) FROM n": "longer than 0.5 s",
    f"{NUMBERS} SELECT zeroblob(16000000) FROM n": "more than 512 MiB of memory",
    f"{NUMBERS} SELECT i FROM n ORDER BY i": "longer than 0.5 s",
    f"{NUMBERS} SELECT count(*) FROM n a, n b": "longer than 0.5 s",
    "SELECT instr(replace(hex(zeroblob(4000000)), '0', 'a'), replace(hex(zeroblob(2000000)), '0', 'a') || 'b')":
        "longer than 0.5 s",
    f"SELECT {'+'.join(['1'] * 3000)}": "too large",
    f"SELECT {'(' * 3000}1{')' * 3000}": "overflow",
    f"SELECT {','.join(['1'] * 2001)}": "too many columns",
    f"SELECT {'x' * 90_000}": "no such column",
    "SELECT CAST(x'ff' AS text)": "hex(...)",
    "SELECT * FROM pragma_database_list": "only reads",
    "SELECT fts3_tokenizer('simple')": "only reads",
    "SELECT readfile('/etc/passwd')": "no such function",
}  # fmt: skip


@pytest.fixture
def embedded(sqlite_url: str) -> Any:
    with Store.open(sqlite_url, create=True) as store:
        yield store


@pytest.mark.parametrize(("statement", "words"), TOO_MUCH.items(), ids=range(len(TOO_MUCH)))
def test_sqlite_ends_what_takes_too_much_with_one_short_line(embedded: Store, statement: str, words: str) -> None:
    longest_s = 0.5 if "longer" in words else 60.0
    with pytest.raises(InputError) as raised:
        embedded.query(statement, 1000, longest_s)
    assert words in str(raised.value)
    assert len(str(raised.value)) < 700
    assert "\n" not in str(raised.value)
    assert embedded.query("SELECT 1", 1).rows == [(1,)], "it answers on"


def test_a_format_wider_than_a_value_may_be_is_unknown(embedded: Store) -> None:
    assert embedded.query("SELECT printf('%1000000000d', 1)", 1).rows == [(None,)]


def test_a_full_disk_of_temporary_files_is_one_line(embedded: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        return f"{reader.NO_DISK}"

    monkeypatch.setattr("farm.store.asking.marshal.load", full)
    with pytest.raises(InputError, match="more than 4 GiB of temporary files"):
        embedded.query("SELECT 1", 1)


def test_a_text_that_no_database_takes_is_refused(store: Store) -> None:
    for text, words in {
        "SELECT '\udcff'": "bytes that are not UTF-8 at character 9",
        "SELECT '\0'": "the character NUL at character 9",
        "SELECT '" + "x" * 100_000 + "'": "expected at most 100,000",
    }.items():
        with pytest.raises(InputError, match=words):
            store.query(text, 1)


def test_a_large_answer_is_cut_at_its_size_and_has_a_row_at_least(store: Store) -> None:
    long = "SELECT replace('1234567890', '1', '" + "x" * 1000 + "') AS a"
    three = f"{long} UNION ALL {long} UNION ALL {long}"
    for most, rows in ((10, 1), (2500, 2), (10_000, 3)):
        found = store.query(three, 100, most=most)
        assert (len(found.rows), found.is_cut) == (rows, rows < 3)


def test_an_answer_is_read_row_by_row(store: Store) -> None:
    """Only some of endless rows are read."""
    with store.answer(f"{NUMBERS} SELECT i FROM n LIMIT 100000") as answer:
        assert [next(answer.rows) for _ in range(3)] == [(1,), (2,), (3,)]
    assert store.of_sweep("v_sample", SWEEP).rows == []


# PostgreSQL


@pytest.fixture
def server(postgres_url: str) -> Any:
    with Store.open(postgres_url, create=True) as store:
        yield store


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_sleep(60)",
        "SELECT set_config('statement_timeout', '0', false), pg_sleep(60)",
        "SELECT CASE i WHEN 1 THEN set_config('statement_timeout', '0', false) WHEN 600 THEN pg_sleep(60)::text END"
        " FROM generate_series(1, 1000) i",
    ],
)
def test_a_query_cannot_change_its_time_limit(server: Store, statement: str) -> None:
    with pytest.raises(InputError, match=r"longer than 0\.5 s"):
        server.query(statement, 1000, longest_s=0.5)


def test_the_driver_cancels_a_query_that_the_server_does_not_stop(
    server: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.store.asking._LEAST_MS", 60_000)
    monkeypatch.setattr("farm.store.asking._GRACE_S", 0.1)
    with pytest.raises(InputError, match=r"longer than 0\.2 s"):
        server.query("SELECT pg_sleep(60)", 1, longest_s=0.2)


def test_nothing_of_a_query_stays_in_a_session(server: Store) -> None:
    left = "SELECT pg_advisory_lock(7), set_config('search_path', 'nowhere', false), pg_backend_pid()"
    ((_, _, pid),) = server.query(left, 1).rows
    assert server.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", 1).rows == [(0,)]
    assert server.query("SELECT pg_backend_pid()", 1).rows != [(pid,)]
    assert server.query("SELECT count(*) FROM v_sample", 1).rows == [(0,)]


def test_a_superuser_is_refused(postgres_admin_url: str) -> None:
    with fresh_database(postgres_admin_url) as url, Store.open(url, create=True) as store:
        with pytest.raises(InputError, match=r"\(postgres, a superuser\): connect as .* farm_reader"):
            store.query("SELECT 1", 1)
        assert store.of_sweep("v_sample", SWEEP).rows == [], "what the farm itself asks is no user's statement"


@pytest.mark.parametrize(
    ("grant", "revoke"),
    [
        *((f"GRANT {role} TO filer", f"REVOKE {role} FROM filer") for role in (
            "pg_read_server_files", "pg_write_server_files", "pg_execute_server_program", "postgres",
        )),
        ("GRANT EXECUTE ON FUNCTION pg_ls_dir(text) TO filer", "REVOKE EXECUTE ON FUNCTION pg_ls_dir(text) FROM filer"),
    ],
)  # fmt: skip
def test_a_user_who_may_reach_files_of_the_server_is_refused(postgres_admin_url: str, grant: str, revoke: str) -> None:
    with fresh_database(postgres_admin_url, "filer") as url:
        admin_of_it = url.replace("//filer:", "//postgres:")
        with Store.open(url, create=True) as store:
            assert store.query("SELECT 1", 1).rows == [(1,)]
            administer(admin_of_it, grant)
            try:
                with pytest.raises(InputError, match="may reach files of its server"):
                    store.query("SELECT 1", 1)
            finally:
                administer(admin_of_it, revoke)


BEYOND_PYTHON = {
    "'infinity'::timestamptz": "infinity",
    "'-infinity'::date": "-infinity",
    "'0044-03-15 BC'::date": "0044-03-15 BC",
    "'20000-01-01'::timestamp": "20000-01-01 00:00:00",
    "'24:00'::time": "24:00:00",
    "interval '1000000000 days'": "1000000000 days",
    "(repeat('[', 3000) || repeat(']', 3000))::jsonb": "[" * 3000 + "]" * 3000,
    "('1' || repeat('0', 5000))::jsonb": "1" + "0" * 5000,
    "10::numeric ^ 400": "1" + "0" * 400 + "." + "0" * 16,
    "'\"\\ud83d\"'::json": "\\ud83d",
}


def test_what_python_cannot_hold_is_the_servers_text(server: Store) -> None:
    for expression, text in BEYOND_PYTHON.items():
        _, [[value]] = typed(server.query(f"SELECT {expression}", 1))
        assert value == text.rstrip("0").rstrip(".") or value == text, expression


@pytest.mark.parametrize("statement", ["SELECT chr(0)", "SELECT e'\\x00'", "SELECT 1/0", "SELECT 10 ^ 400"])
def test_an_error_in_a_value_is_a_line_of_the_database(server: Store, statement: str) -> None:
    with pytest.raises(InputError, match=r"^query: "):
        server.query(statement, 1)


def test_a_session_that_ends_is_no_answer(server: Store) -> None:
    with pytest.raises(FarmError, match="terminating connection"):
        server.query("SELECT pg_terminate_backend(pg_backend_pid())", 1)
