"""How soon another machine measures what a killed worker had in hand, at the default lease; and connections held."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from sqlalchemy import select

import farm.store.tables as t
from farm.settings import Settings
from farm.store import Store
from tests.benchmarks.farms import new_farm
from tests.benchmarks.figures import Figure
from tests.benchmarks.machines import SHAM, at_work, command_of, wait_until
from tests.services import administer, fresh_database, running_postgres, running_redis

#: A trial of the sham worker takes as long as its window.
SWEEP = """
name: lost
kind: inference
workload: {model: alexnet, batch_size: 1}
measure: {profile: quick, window_s: 100}
repetitions: 1
"""
ALLOWANCE_S = 5.0
#: More than two heartbeats.
SETTLE_S = 12.0
#: PostgreSQL's own default, less what it reserves for administrators.
MAX_CONNECTIONS = 100 - 3


def figures() -> Iterator[Figure]:
    """One kill -9 with default settings, while a second machine is idle."""
    with (
        TemporaryDirectory() as folder,
        running_redis(Path(folder)) as redis,
        running_postgres() as admin_url,
        fresh_database(admin_url) as url,
        new_farm(redis.url, url) as farm,
        farm.store() as store,
        at_work(farm, store, 1, SHAM) as (first,),
    ):
        time.sleep(SETTLE_S)
        at_rest = _connections(admin_url)
        farm.run("submit", str(farm.sweep(SWEEP)))
        wait_until("the trial runs", lambda: _attempt(store)[0] == 1)
        time.sleep(SETTLE_S)
        with_trial = _connections(admin_url)
        with farm.running(*command_of(farm, "second", SHAM)):
            wait_until("the other machine has joined", lambda: len(store.machines()) == 2)
            time.sleep(SETTLE_S)
            idle = _connections(admin_url) - with_trial
            yield from _held(idle, idle + with_trial - at_rest)
            yield _lost(store, first)


def _held(idle: int, running: int) -> Iterator[Figure]:
    how = f"counted in pg_stat_activity, {SETTLE_S:.0f} s after"
    yield Figure(what="connections to PostgreSQL, idle worker", value=idle, digits=0, how=f"{how} it joined")
    yield Figure(what="connections to PostgreSQL, worker with a trial", value=running, digits=0, how=f"{how} the claim")
    yield Figure(
        what="machines that PostgreSQL admits with default settings",
        value=MAX_CONNECTIONS // max(idle, running),
        digits=0,
        how=f"computed: max_connections less what is reserved, {MAX_CONNECTIONS}, by what a worker holds",
    )


def _lost(store: Store, worker: psutil.Popen) -> Figure:
    lease_s = Settings().lease_s
    begin = datetime.now(UTC)
    worker.kill()
    wait_until("the job is claimed again", lambda: _attempt(store)[0] == 2)
    return Figure(
        what="kill -9 of a worker to the next attempt at its job",
        value=(_attempt(store)[1] - begin).total_seconds(),
        unit="s",
        digits=1,
        at_most=lease_s + ALLOWANCE_S,
        how=f"one kill in mid-trial, default lease {lease_s:.0f} s and heartbeat, an idle second machine",
    )


def _attempt(store: Store) -> tuple[int, datetime]:
    with store.read() as connection:
        row = connection.execute(select(t.job.c.attempt, t.job.c.claimed_at)).one()
    return row.attempt, row.claimed_at


def _connections(admin_url: str) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'wattfarm'"
    return int(administer(admin_url, query)[0][0])
