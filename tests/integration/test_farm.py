"""A farm at work: real workers, real trials, on both pairs of broker and database. One worker serves many tests."""

import subprocess
from collections.abc import Iterator

import psutil
import pytest
import redis

from farm.model import FailureKind, JobState, WindowKind
from tests.integration.farms import (
    SLOW,
    WITHIN_S,
    Farm,
    Trial,
    assert_gone,
    family,
    kill,
    running_farm,
    running_trial,
    wait_for,
)
from tests.services import RedisServer, fresh_database

Worker = subprocess.Popen[bytes]


@pytest.fixture(scope="module", params=[pytest.param("filesystem", marks=pytest.mark.slow), "redis"])
def at_work(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Farm, Worker]]:
    """A farm with a controller and one worker: a folder and SQLite, or Redis and PostgreSQL."""
    home = tmp_path_factory.mktemp("farm")
    if request.param == "filesystem":
        with running_farm(home, "filesystem://", f"sqlite:///{home / 'farm.db'}") as farm:
            yield from served(farm)
    else:
        server: RedisServer = request.getfixturevalue("redis_server")
        with redis.Redis.from_url(server.url) as client:
            client.flushall()
        with (
            fresh_database(request.getfixturevalue("postgres_admin_url")) as store_url,
            running_farm(home, server.url, store_url) as farm,
        ):
            yield from served(farm)


def served(farm: Farm) -> Iterator[tuple[Farm, Worker]]:
    controller = farm.start("serve")
    worker = farm.start_worker()
    yield farm, worker
    assert (controller.poll(), worker.poll()) == (None, None), farm.log()
    processes = family(worker)
    for process in (controller, worker):
        process.terminate()
    assert [process.wait(WITHIN_S) for process in (controller, worker)] == [0, 0], farm.log()
    assert_gone(processes)


@pytest.fixture
def farm(at_work: tuple[Farm, Worker]) -> Farm:
    return at_work[0]


@pytest.fixture
def worker(at_work: tuple[Farm, Worker]) -> Worker:
    return at_work[1]


def test_every_job_is_measured_once_in_the_order_of_the_plan(farm: Farm) -> None:
    jobs = farm.submit("plain", 3)
    assert farm.wait_until_over("plain") == [Trial(job, 1) for job in jobs]
    rows = [row for row in farm.store.measurement_rows("plain") if row.window == WindowKind.MEASURE]
    assert [row.job for row in sorted(rows, key=lambda row: row.begin_at_ns or 0)] == jobs
    assert all(row.units and (row.duration_s or 0) >= 0.2 for row in rows)
    assert all(row.gross_j is not None and row.net_j is not None for row in rows)


@pytest.mark.slow
def test_a_job_that_cannot_run_has_failed_and_the_sweep_goes_on(farm: Farm) -> None:
    farm.submit("strange", model="no_such_network")
    after = farm.submit("sound")
    assert farm.wait_until_over("sound") == [Trial(after[0], 1)]
    assert farm.wait_until_over("strange") == [Trial("strange-0", 1, FailureKind.INVALID)]
    (failed,) = farm.store.failures("strange")
    assert "no_such_network" in failed.failure.message


@pytest.mark.slow
def test_a_killed_trial_is_measured_again(farm: Farm, worker: Worker) -> None:
    (job,) = farm.submit("killed", measure=SLOW)
    kill(running_trial(worker))
    assert farm.wait_until_over("killed") == [Trial(job, 1, FailureKind.CRASHED, 9), Trial(job, 2)]
    (failed,) = farm.store.failures("killed")
    assert "SIGKILL" in failed.failure.message
    assert failed.state == JobState.DONE


def test_a_cancelled_trial_is_gone_within_a_heartbeat(farm: Farm, worker: Worker) -> None:
    farm.submit("cancelled", 2, measure=SLOW.model_copy(update={"window_s": 600}))
    trial = running_trial(worker)
    assert farm.store.cancel("cancelled") == (1, 1)
    assert farm.wait_until_over("cancelled") == [Trial("cancelled-0", 1, FailureKind.CANCELLED)]
    assert not trial.is_running()
    assert farm.progress("cancelled").counts == {JobState.CANCELLED: 2}


@pytest.mark.slow
def test_a_trial_outlives_its_lease_while_its_worker_lives(farm: Farm) -> None:
    """The lease is 3 s, the trial takes longer: the heartbeat renews it."""
    (job,) = farm.submit("long", measure=SLOW.model_copy(update={"window_s": 3.5}))
    assert farm.wait_until_over("long") == [Trial(job, 1)]


def test_the_worker_sleeps_between_jobs(farm: Farm, worker: Worker) -> None:
    """It sits on the machine whose idle power is the baseline: no part of it may spin."""
    farm.submit("last")
    farm.wait_until_over("last")
    wait_for("the trial is gone", lambda: len(family(worker)) == 2)
    assert all(process.status() == psutil.STATUS_SLEEPING for process in family(worker))


@pytest.mark.slow
def test_a_broker_that_restarts_during_a_trial_costs_nothing(
    farm: Farm, worker: Worker, request: pytest.FixtureRequest
) -> None:
    if farm.broker_url.startswith("filesystem"):
        pytest.skip("a folder does not restart")
    server: RedisServer = request.getfixturevalue("redis_server")
    jobs = farm.submit("through", 2, measure=SLOW)
    running_trial(worker)
    server.kill()
    later = farm.submit("meanwhile")
    server.start()
    assert farm.wait_until_over("through") == [Trial(job, 1) for job in jobs]
    assert farm.wait_until_over("meanwhile") == [Trial(later[0], 1)]
