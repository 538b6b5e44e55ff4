"""Several workers on one farm, and an idle farm that gets a job."""

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from sqlalchemy import create_engine, text

from farm.store import Store
from tests.benchmarks.farms import OVER_WITHIN_S, Farm, new_farm
from tests.benchmarks.figures import Figure
from tests.benchmarks.machines import at_work, wait_until
from tests.services import administer, fresh_database, postgres_server, running_postgres, running_redis

JOBS = 1000
COMMITS = 50
WORKERS = (1, 2, 4)
SUBMITS = 10
FIRST_AT_MOST_S = 0.3
NOTHING = """
name: {name}
kind: inference
workload: {{model: [alexnet, vgg11], batch_size: [1, 2, 4, 8, 16]}}
repetitions: {repetitions}
"""
ONE = """
name: one-{number}
kind: inference
workload: {{model: alexnet, batch_size: 1}}
repetitions: 1
"""


def figures() -> Iterator[Figure]:
    """No-op jobs a second with more and more workers, and how long the first job of a sweep waits."""
    with TemporaryDirectory() as folder, running_redis(Path(folder)) as redis:
        with running_postgres() as admin_url:
            yield _commit(admin_url)
            with fresh_database(admin_url) as url, new_farm(redis.url, url) as farm:
                yield from _first(farm)
            with fresh_database(admin_url) as url, new_farm(redis.url, url) as farm:
                yield _rate(farm, 1, "")
        with postgres_server(fsync="off") as postgres:
            for count in WORKERS:
                with fresh_database(postgres.url) as url, new_farm(redis.url, url) as farm:
                    yield _rate(farm, count, ", fsync off")


def _commit(admin_url: str) -> Figure:
    """What PostgreSQL waits for its disk."""
    administer(admin_url, "CREATE TABLE IF NOT EXISTS disk (n int)")
    engine = create_engine(admin_url.replace("postgresql://", "postgresql+psycopg://"))
    times_s = []
    for n in range(COMMITS):
        with engine.connect() as connection:
            connection.execute(text("INSERT INTO disk VALUES (:n)"), {"n": n})
            begin_s = time.perf_counter()
            connection.commit()
            times_s.append(1000 * (time.perf_counter() - begin_s))
    engine.dispose()
    how = f"{COMMITS} transactions of one row, on this machine's disk: a job takes several of them"
    return Figure(what="PostgreSQL: one commit, median", value=median(times_s), unit="ms", how=how)


def _rate(farm: Farm, count: int, besides: str) -> Figure:
    with farm.store() as store, at_work(farm, store, count):
        farm.run("submit", str(farm.sweep(NOTHING.format(name=f"nothing-{count}", repetitions=JOBS // 10))))
        sweep_id = store.find_sweep().id
        wait_until("the jobs are over", lambda: store.progress(sweep_id).is_over, OVER_WITHIN_S)
        starts = [row.started_at_utc for row in store.trial_rows(sweep_id) if row.started_at_utc]
    return Figure(
        what=f"no-op jobs, {count} worker{'s' if count > 1 else ''}, Redis and PostgreSQL{besides}",
        value=(len(starts) - 1) / (max(starts) - min(starts)).total_seconds(),
        unit="/s",
        digits=0,
        how=f"{JOBS:,} jobs by `farm submit`, `farm serve`, real worker processes whose supervisor reports at once and "
        "nothing; trials a second from the start of the first to that of the last; all of it shares this machine",
    )


def _first(farm: Farm) -> Iterator[Figure]:
    with farm.store() as store, at_work(farm, store, 1):
        waits_s = [_wait_s(farm, store, number) for number in range(SUBMITS)]
    how = (
        f"from the moment that `farm submit` stores the sweep to the start of its trial; {SUBMITS} sweeps of one job, "
        "an idle worker, Redis and PostgreSQL"
    )
    what = "submit to first trial on an idle farm"
    yield Figure(what=f"{what}, median", value=median(waits_s), unit="s", at_most=FIRST_AT_MOST_S, how=how)
    yield Figure(what=f"{what}, longest", value=max(waits_s), unit="s", at_most=FIRST_AT_MOST_S, how=how)


def _wait_s(farm: Farm, store: Store, number: int) -> float:
    farm.run("submit", str(farm.sweep(ONE.format(number=number))))
    sweep = store.find_sweep(f"one-{number}")
    wait_until("the job is over", lambda: store.progress(sweep.id).is_over)
    (trial,) = store.trial_rows(sweep.id)
    time.sleep(1.5)  # idle again
    if trial.started_at_utc is None:
        raise RuntimeError("a trial without a beginning")
    return (trial.started_at_utc - sweep.submitted_at).total_seconds()
