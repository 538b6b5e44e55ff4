"""How long it takes to plan 10,000 jobs and to submit them to Redis and SQLite."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.benchmarks.farms import Farm, costs, new_farm
from tests.benchmarks.figures import Figure
from tests.services import fresh_database, running_postgres, running_redis

JOBS = 10_000
ROUNDS = 3
AT_MOST_S = 5.0
MANY = """
name: eighty-thousand
kind: inference
workload:
  model: [alexnet, vgg11, vgg13, vgg16, resnet18, resnet34, resnet50, resnet101]
  batch_size: [1, 2, 3, 4, 5, 6, 7, 8, 12, 16]
repetitions: 1000
"""
SWEEP = f"""
name: many
kind: inference
workload: {{model: [alexnet, vgg11], batch_size: [1, 2, 4, 8, 16]}}
repetitions: {JOBS // 10}
"""


def figures() -> Iterator[Figure]:
    """The whole process `farm submit`, each time into a new database."""
    with TemporaryDirectory() as folder, running_redis(Path(folder)) as redis:
        rounds_s = [_submit_s(redis.url) for _ in range(ROUNDS)]
        with new_farm(redis.url) as farm:
            many = list(_many("SQLite", farm))
        with running_postgres() as admin, fresh_database(admin) as url, new_farm(redis.url, url) as farm:
            many += _many("PostgreSQL", farm)
    how = f"wall time of the whole process `farm submit`, which makes the database too, median of {ROUNDS}"
    yield Figure(
        what=f"plan and submit {JOBS:,} jobs to Redis and SQLite",
        value=median(rounds_s),
        unit="s",
        at_most=AT_MOST_S,
        how=how,
    )
    yield from many


def _many(name: str, farm: Farm) -> Iterator[Figure]:
    sweep = str(farm.sweep(MANY))
    farm.run("db", "upgrade")
    goals = {
        "farm submit --dry-run": (("submit", sweep, "--dry-run"), 2.5, None),
        "farm submit": (("submit", sweep), 5.0, 300.0),
        "farm status": (("status",), 0.7, None),
    }
    yield from costs(farm, f"80,000 jobs in {name}", goals)


def _submit_s(broker_url: str) -> float:
    with new_farm(broker_url) as farm:
        return farm.run("submit", str(farm.sweep(SWEEP)))
