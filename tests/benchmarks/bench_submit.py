"""How long it takes to plan 10,000 jobs and to submit them to Redis and SQLite."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.benchmarks.farms import new_farm
from tests.benchmarks.figures import Figure
from tests.services import running_redis

JOBS = 10_000
ROUNDS = 3
AT_MOST_S = 5.0
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
    how = f"wall time of the whole process `farm submit`, which makes the database too, median of {ROUNDS}"
    yield Figure(
        what=f"plan and submit {JOBS:,} jobs to Redis and SQLite",
        value=median(rounds_s),
        unit="s",
        at_most=AT_MOST_S,
        how=how,
    )


def _submit_s(broker_url: str) -> float:
    with new_farm(broker_url) as farm:
        return farm.run("submit", str(farm.sweep(SWEEP)))
