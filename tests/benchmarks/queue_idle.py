"""What a worker costs that waits, where it is one of many."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.bench_idle import idle_figures
from tests.benchmarks.figures import Figure
from tests.services import fresh_database, running_postgres, running_redis


def figures() -> Iterator[Figure]:
    """A real worker and its helper, over Redis and PostgreSQL."""
    with (
        TemporaryDirectory() as folder,
        running_redis(Path(folder)) as redis,
        running_postgres() as admin_url,
        fresh_database(admin_url) as url,
    ):
        yield from idle_figures("Redis and PostgreSQL", redis.url, url)
