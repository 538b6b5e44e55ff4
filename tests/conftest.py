"""Tiers of tests, and the services and stores that tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import redis

from farm.store import Store
from tests import golden
from tests.contract.store_records import ANNE, MACHINE, new_job, record
from tests.services import RedisServer, fresh_database, running_postgres, running_redis

#: Folders and files that `make test` leaves out. Single tests elsewhere carry the marker `slow` themselves.
SLOW = (
    "faults",
    "acceptance/test_live.py",
    "acceptance/test_search.py",
    "integration/test_deployment.py",
    "integration/test_external_meters.py",
    "integration/test_faults.py",
    "integration/test_flags.py",
    "integration/test_probe.py",
    "integration/test_reproduce_command.py",
    "integration/test_search.py",
    "integration/test_simulated_nvml.py",
)


#: Tests run side by side: one thread of OpenMP each, lest they wait for one another in busy loops.
os.environ.setdefault("OMP_NUM_THREADS", "1")
#: No test is about time: on a busy machine an example may take long.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--update-golden"):
        os.environ[golden.UPDATE] = "1"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whole folders and files as slow, before `-m` selects."""
    here = Path(__file__).parent
    slow = [here / name for name in SLOW]
    for item in items:
        if any(item.path.is_relative_to(place) for place in slow):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for the whole run; a test that kills it must start it again."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty Redis."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture(scope="session")
def postgres_admin_url() -> Iterator[str]:
    """One PostgreSQL for the whole run."""
    with running_postgres() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_admin_url: str) -> Iterator[str]:
    """An empty database of its own, for its owner."""
    with fresh_database(postgres_admin_url, "tester") as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A database file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'farm.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database: each test that asks for it runs on both kinds."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store with its tables made."""
    with Store.open(database_url, create=True) as opened:
        yield opened


@pytest.fixture
def farm(store: Store) -> Store:
    """A store with one machine and a sweep of three jobs."""
    store.register_machine(MACHINE, ANNE, "0.1.0")
    assert store.submit(record(), [new_job(n) for n in range(3)]) == 3
    return store
