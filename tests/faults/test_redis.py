"""Redis stops for a while: jobs that run are reported, jobs that wait are published again."""

import time
from pathlib import Path

import pytest

from farm.model import JobState
from tests.faults.lab import Fault, Note, lasting, now, running_lab, trial_of
from tests.services import PostgresServer, fresh_database, running_redis

STOPPED_S = lasting(30.0)


@pytest.mark.parametrize("keeps", [True, False], ids=["with-its-data", "without"])
def test_redis_stopped(keeps: bool, tmp_path: Path, postgres: PostgresServer, note: Note) -> None:
    data = tmp_path / "redis"
    data.mkdir()
    with (
        running_redis(data, "--appendonly", "yes", "--appendfsync", "everysec") as redis,
        fresh_database(postgres.url) as store_url,
        running_lab(tmp_path, redis.url, store_url) as lab,
    ):
        lab.serve()
        lab.join("one")
        jobs = lab.submit("through", 4, measure=trial_of(1.0))
        lab.wait_for_state("through", JobState.RUNNING)
        redis.kill()
        later = lab.submit("meanwhile", 2, measure=trial_of(0.1))
        time.sleep(STOPPED_S)
        assert lab.progress("through").counts == {JobState.DONE: 1, JobState.QUEUED: 3}
        if not keeps:
            redis.forget()
        redis.start()
        begin = now()
        again = lab.next_claim(begin)
        lab.wait_until_each_once("through", jobs)
        lab.wait_until_each_once("meanwhile", later)
        assert all(trial.attempt == 1 for trial in lab.trials("through"))
    what = f"Redis stopped, back {'with its data (AOF)' if keeps else 'without its data'}"
    note(Fault(what, STOPPED_S, (again - begin).total_seconds(), "from its return to the next attempt"))
