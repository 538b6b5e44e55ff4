"""Services that a fault may hit, and the table of what was hit."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tests.faults.lab import GRACE_S, HEARTBEAT_S, LEASE_S, NO_SYNC, Fault, Lab, Note, running_lab
from tests.services import PostgresServer, RedisServer, fresh_database, postgres_server, running_redis


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of this test's own, which forgets everything when it dies."""
    with running_redis(tmp_path) as server:
        yield server


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of this file's own; a test that stops it starts it again."""
    with postgres_server(**NO_SYNC) as server:
        yield server


@pytest.fixture
def lab(tmp_path: Path, redis: RedisServer, postgres: PostgresServer) -> Iterator[Lab]:
    """A controller, and no machine yet."""
    with fresh_database(postgres.url) as store_url, running_lab(tmp_path, redis.url, store_url) as lab:
        lab.serve()
        yield lab


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Note:
    """Take down how long recovery took."""
    return lambda fault: record_property(*fault.as_property())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    found = [
        Fault(**content)
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if report.when == "call"
        for name, content in report.user_properties
        if name == "fault"
    ]
    if not found:
        return
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("fault")
    table.add_column("lasted", justify="right")
    table.add_column("recovery", justify="right")
    table.add_column("counted")
    for fault in found:
        outage = "" if fault.outage_s is None else f"{fault.outage_s:.0f} s"
        recovery = "none needed" if fault.recovery_s is None else f"{fault.recovery_s:.1f} s"
        table.add_row(fault.what, outage, recovery, fault.counted)
    console = Console(width=100)
    console.print()
    console.print(table)
    console.print(
        "every job measured and stored exactly once; "
        f"lease {LEASE_S:g} s, heartbeat {HEARTBEAT_S:g} s, grace {GRACE_S:g} s"
    )
