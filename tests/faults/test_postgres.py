"""PostgreSQL stops for a while, or another server takes its place."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from farm.model import JobState
from tests.faults.lab import LEASE_S, NO_SYNC, Fault, Lab, Note, lasting, now, running_lab, trial_of
from tests.faults.network import proxy
from tests.services import PostgresServer, RedisServer, administer, postgres_server

STOPPED_S = lasting(60.0)


def test_postgres_stopped(lab: Lab, postgres: PostgresServer, note: Note) -> None:
    """A trial ends meanwhile: its report waits in the spool."""
    lab.join("one")
    jobs = lab.submit("through", 3, measure=trial_of(2.0))
    lab.wait_for_state("through", JobState.RUNNING)
    postgres.stop()
    time.sleep(STOPPED_S)
    assert len(lab.spooled("one")) == 1
    postgres.start()
    begin = now()
    again = lab.next_claim(begin)
    lab.wait_until_each_once("through", jobs)
    assert lab.spooled("one") == []
    assert all(trial.attempt == 1 for trial in lab.trials("through"))
    note(Fault("PostgreSQL stopped", STOPPED_S, (again - begin).total_seconds(), "from its return to the next attempt"))


def test_failed_over_to_an_empty_connection_pool(tmp_path: Path, redis: RedisServer, note: Note) -> None:
    """Every pooled connection breaks; behind the same address a standby answers, promoted."""
    with (
        postgres_server(**NO_SYNC) as primary,
        standby(primary) as (follower, socket),
        proxy(primary.socket) as way,
        running_lab(tmp_path, redis.url, f"postgresql://postgres@127.0.0.1:{way.port}/postgres") as lab,
    ):
        lab.serve()
        lab.join("one")
        jobs = lab.submit("through", 4, measure=trial_of(1.0))
        lab.wait_for_state("through", JobState.DONE)
        lab.wait_for_state("through", JobState.RUNNING)
        primary.stop()
        way.cut()
        time.sleep(LEASE_S / 2)
        primary.run("pg_ctl", "-w", "-D", str(follower), "promote")
        way.target = socket
        way.heal()
        begin = now()
        again = lab.next_claim(begin)
        lab.wait_until_each_once("through", jobs)
        assert lab.spooled("one") == []
    how = "from the standby's promotion to the next attempt"
    note(Fault("PostgreSQL failed over to a standby", LEASE_S / 2, (again - begin).total_seconds(), how))


@contextmanager
def standby(primary: PostgresServer) -> Iterator[tuple[Path, Path]]:
    """A server that has at once what the other one has; its folder and its socket."""
    folder = primary.server.pgdata.parent / "standby"
    folder.mkdir(mode=0o700)
    if primary.server.system_user is not None:
        shutil.chown(folder, primary.server.system_user)
    primary.run("pg_basebackup", "-D", str(folder), "-d", primary.url, "-R", "-c", "fast")
    (folder / ".s.PGSQL.5432.lock").unlink()  # the primary's, copied
    where = f"-h '' -k {folder}"
    primary.run("pg_ctl", "-w", "-D", str(folder), "-o", where, "-l", str(folder / "log"), "start")
    try:
        administer(primary.url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
        administer(primary.url, "SELECT pg_reload_conf()")
        yield folder, folder / ".s.PGSQL.5432"
    finally:
        primary.run("pg_ctl", "-w", "-D", str(folder), "-m", "immediate", "stop")
