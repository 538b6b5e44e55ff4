"""100,000 jobs at once: what submitting them takes, and what a message costs Redis."""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import redis

from farm.model import JobMessage
from farm.scheduling.broker import Publisher
from farm.settings import Settings
from tests.benchmarks.farms import new_farm
from tests.benchmarks.figures import Figure
from tests.services import fresh_database, running_postgres, running_redis

JOBS = 100_000
SWEEP = f"""
name: many
kind: inference
workload:
  model: [alexnet, vgg11, vgg13, vgg16, vgg19, resnet18, resnet34, resnet50, resnet101, resnet152]
  batch_size: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
repetitions: {JOBS // 100}
"""
QUEUE = "farm.any"


def figures() -> Iterator[Figure]:
    """`farm submit` as a user runs it, and as many messages as there are jobs."""
    with TemporaryDirectory() as folder, running_redis(Path(folder)) as server, running_postgres() as admin_url:
        with fresh_database(admin_url) as url, new_farm(server.url, url) as farm:
            wall_s = farm.run("submit", str(farm.sweep(SWEEP)))
            with redis.Redis.from_url(server.url) as client, farm.store() as store:
                waiting = sum(client.llen(key) for key in client.keys("farm:*") if client.type(key) == b"list")
                submitted = store.progress(store.find_sweep().id).total
        yield Figure(
            what=f"submit {submitted:,} jobs to Redis and PostgreSQL",
            value=submitted / wall_s,
            unit="jobs/s",
            digits=0,
            how=f"{wall_s:.1f} s wall time of the whole process `farm submit`, which plans, makes the tables, stores "
            f"and messages; {waiting:,} messages are in Redis then: the controller tops the queues up",
        )
        yield from _messages(server.url)


def _messages(broker_url: str) -> Iterator[Figure]:
    """Publish a message for every job at once, which no controller does."""
    settings = Settings(broker_url=broker_url)
    messages = [JobMessage(job=f"{number:016x}", attempt=0, queue=QUEUE) for number in range(JOBS)]
    with redis.Redis.from_url(broker_url) as client:
        client.flushall()
        before = client.info("memory")["used_memory"]
        begin_s = time.perf_counter()
        Publisher(settings).publish(messages)
        wall_s = time.perf_counter() - begin_s
        after = client.info("memory")["used_memory"]
        client.flushall()
    how = f"{JOBS:,} messages sent by Publisher.message into an empty Redis"
    yield Figure(what="publish jobs", value=JOBS / wall_s, unit="/s", digits=0, how=f"{how}: {wall_s:.1f} s")
    yield Figure(
        what="memory of Redis for a message",
        value=(after - before) / JOBS,
        unit="bytes",
        digits=0,
        how=f"{how}: used_memory after less before, by {JOBS:,}",
    )
