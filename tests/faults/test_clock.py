"""Clocks that jump an hour in the middle of a trial."""

import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

import farm.store.tables as t
from farm.model import JobState, WindowKind
from tests.faults.clocks import made_clock
from tests.faults.lab import AT_FULL_LENGTH, LEASE_S, Fault, Lab, Note, now, running_lab, trial_of
from tests.services import PostgresServer, RedisServer, fresh_database

HOUR_S = 3600
TRIAL_S = 1.2 * LEASE_S


def test_the_clock_of_a_machine_jumps(tmp_path: Path, redis: RedisServer, postgres: PostgresServer, note: Note) -> None:
    """Ahead and back, controller and worker: leases go by the database's clock, durations by monotonic ones."""
    clock = made_clock(tmp_path)
    with fresh_database(postgres.url) as store_url, running_lab(tmp_path, redis.url, store_url) as lab:
        lab.start("serve", **clock.environment)
        lab.join("one", **clock.environment)
        jobs = lab.submit("jump", 2, measure=trial_of(TRIAL_S))
        lab.wait_for_state("jump", JobState.RUNNING)
        clock.set(HOUR_S)
        lab.wait_for_state("jump", JobState.DONE)
        clock.set(-HOUR_S)
        lab.wait_until_each_once("jump", jobs)
        ahead, back = lab.store.trial_rows("jump")
        assert (ahead.attempt, back.attempt) == (1, 1)
        assert ahead.started_at_utc is not None
        assert (ahead.finished_at_utc - ahead.started_at_utc).total_seconds() > HOUR_S  # it did jump
        rows = lab.store.measurement_rows("jump", kinds=[WindowKind.MEASURE])
        assert all(row.duration_s and TRIAL_S <= row.duration_s < HOUR_S / 2 for row in rows)
    note(Fault("clocks of worker and controller: an hour", None, None, "no lease ran out, no duration is wrong"))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"] if AT_FULL_LENGTH else ["postgresql"])
def test_the_clock_of_the_database_jumps(
    kind: str,
    tmp_path: Path,
    redis: RedisServer,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    note: Note,
) -> None:
    """Every lease runs out at once: the heartbeat renews it, or takes it back before anybody else claims the job.

    SQLite has no clock but that of the processes.
    """
    clock = made_clock(postgres.server.pgdata.parent)
    if kind == "postgresql":
        restart(postgres, clock.environment, monkeypatch)
    with (
        fresh_database(postgres.url) as postgres_url,
        running_lab(tmp_path, redis.url, postgres_url if kind == "postgresql" else f"sqlite:///{tmp_path}/db") as lab,
    ):
        set_clock = {} if kind == "postgresql" else clock.environment
        lab.start("serve", **set_clock)
        lab.join("one", **set_clock)
        jobs = lab.submit("jump", 2, measure=trial_of(TRIAL_S))
        lab.wait_for_state("jump", JobState.RUNNING)
        begin_s, by_the_new_one = time.monotonic(), now() + timedelta(seconds=HOUR_S / 2)
        clock.set(HOUR_S)
        lab.wait_for("a lease by the new clock", lambda: lease_until(lab, jobs[0]) > by_the_new_one)
        recovery_s = time.monotonic() - begin_s
        lab.wait_until_each_once("jump", jobs)
        assert [trial.attempt for trial in lab.trials("jump")] == [1, 1]
        clock.set(0)
        after = lab.submit("after", 2, measure=trial_of(0.2))
        lab.wait_until_each_once("after", after)
    if kind == "postgresql":
        restart(postgres, {}, monkeypatch)
    what = f"clock of {'PostgreSQL' if kind == 'postgresql' else 'everybody, with SQLite'}: an hour"
    note(Fault(what, None, recovery_s, "from the jump until the lease holds again"))


def lease_until(lab: Lab, job: str) -> datetime:
    with lab.store.read() as connection:
        until: datetime = connection.scalars(select(t.job.c.lease_until).where(t.job.c.id == job)).one()
    return until


def restart(postgres: PostgresServer, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With that clock, or with the right one."""
    postgres.stop()
    with monkeypatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        postgres.start()
