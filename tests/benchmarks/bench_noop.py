"""How many jobs a second one worker can claim, report and fetch when the trial itself takes no time."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pytest

from tests.benchmarks.farms import FARM, OVER_WITHIN_S, Farm, new_farm
from tests.benchmarks.figures import Figure
from tests.services import fresh_database, running_postgres, running_redis

JOBS = 3000
ROUNDS = 3
AT_LEAST_PER_S = 500.0
WORKER = (sys.executable, "-m", "tests.benchmarks.noop_worker", "worker")
SWEEP = f"""
name: nothing
kind: inference
workload: {{model: [alexnet, vgg11], batch_size: [1, 2, 4, 8, 16]}}
repetitions: {JOBS // 10}
"""
HOW = (
    f"{JOBS:,} jobs by `farm submit`, then `farm serve` and one real worker process whose supervisor reports at once "
    "and nothing; trials a second from the start of the first to that of the last, so publishing, claim, report and "
    f"fetching are in it; median of {ROUNDS}"
)


def figures() -> Iterator[Figure]:
    """With SQLite, for which a rate is required, and with PostgreSQL."""
    with TemporaryDirectory() as folder, running_redis(Path(folder)) as redis:
        yield _figure("SQLite", [_on_sqlite(redis.url) for _ in range(ROUNDS)], at_least=AT_LEAST_PER_S)
        try:
            with running_postgres() as admin_url:
                yield _figure("PostgreSQL", [_on_postgres(redis.url, admin_url) for _ in range(ROUNDS)])
        except pytest.skip.Exception as reason:
            yield Figure(what="no-op jobs, PostgreSQL", value=None, how=str(reason))


def _figure(database: str, rates_per_s: list[float], at_least: float | None = None) -> Figure:
    what = f"no-op jobs end to end, one worker, Redis and {database}"
    return Figure(what=what, value=median(rates_per_s), unit="/s", digits=0, at_least=at_least, how=HOW)


def _on_sqlite(broker_url: str) -> float:
    with new_farm(broker_url) as farm:
        return _rate_per_s(farm)


def _on_postgres(broker_url: str, admin_url: str) -> float:
    with fresh_database(admin_url) as url, new_farm(broker_url, url) as farm:
        return _rate_per_s(farm)


def _rate_per_s(farm: Farm) -> float:
    farm.run("submit", str(farm.sweep(SWEEP)))
    with farm.store() as store, farm.running(*FARM, "serve") as controller, farm.running(*WORKER) as worker:
        sweep_id = store.find_sweep().id
        deadline_s = time.monotonic() + OVER_WITHIN_S
        while not store.progress(sweep_id).is_over:
            farm.fail_unless_alive(controller)
            farm.fail_unless_alive(worker)
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"{store.progress(sweep_id).open} no-op jobs still wait")
            time.sleep(0.5)
        starts = [row.started_at_utc for row in store.trial_rows(sweep_id) if row.started_at_utc]
    return (len(starts) - 1) / (max(starts) - min(starts)).total_seconds()
