"""kill -9 of trial, worker and controller; at full length with real trials.

At short length `tests/integration` has the first two with real trials.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.model import FailureKind, JobState
from tests.faults.lab import AT_FULL_LENGTH, SHAM, Fault, Lab, Note, now, running_lab
from tests.integration.farms import SLOW, Trial, assert_gone, family, kill, running_trial
from tests.services import PostgresServer, fresh_database, running_redis

MODULE = "farm" if AT_FULL_LENGTH else SHAM


@pytest.fixture(scope="module")
def lab(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """All tests here share a lab: real workers need their time to start."""
    home: Path = tmp_path_factory.mktemp("lab")
    with (
        running_redis(home) as redis,
        fresh_database(postgres.url) as store_url,
        running_lab(home, redis.url, store_url) as lab,
    ):
        lab.serve()
        lab.join("one", module=MODULE)
        yield lab


@pytest.mark.skipif(not AT_FULL_LENGTH, reason="tests/integration/test_farm.py has it at short length")
def test_a_killed_trial(lab: Lab, note: Note) -> None:
    (job,) = lab.submit("trial", measure=SLOW)
    kill(running_trial(lab.workers["one"]))
    begin = now()
    again = lab.claim_of(job, 2)
    lab.wait_until_each_once("trial", [job])
    assert lab.trials("trial") == [Trial(job, 1, FailureKind.CRASHED, 9), Trial(job, 2)]
    note(Fault("kill -9 of a trial", None, (again - begin).total_seconds(), "from the kill to the next attempt"))


def test_a_killed_controller(lab: Lab, note: Note) -> None:
    """A trial runs on; jobs that nobody rang for wait for the next controller."""
    jobs = lab.submit("controller", 2, measure=SLOW)
    lab.wait_for_state("controller", JobState.RUNNING)
    lab.controller.kill()
    lab.controller.wait()
    later = lab.submit("unheard")
    lab.wait_until_each_once("controller", jobs)
    begin = now()
    assert lab.progress("unheard").counts == {JobState.QUEUED: 1}
    lab.serve()
    recovered = lab.claim_of(later[0], 1)
    lab.wait_until_each_once("unheard", later)
    how = "from the start of the next one to a job that nobody had published"
    note(Fault("kill -9 of the controller", None, (recovered - begin).total_seconds(), how))


def test_a_killed_worker(lab: Lab, note: Note) -> None:
    worker = lab.workers["one"]
    jobs = lab.submit("worker", 2, measure=SLOW)
    lab.wait_for_state("worker", JobState.RUNNING)
    left = family(worker)
    worker.kill()
    begin = now()
    worker.wait()
    assert_gone(left[1:])
    lab.start_machine("one", module=MODULE)
    again = lab.claim_of(jobs[0], 2)
    lab.wait_until_each_once("worker", jobs)
    assert lab.trials("worker") == [Trial(jobs[0], 1, FailureKind.LOST), Trial(jobs[0], 2), Trial(jobs[1], 1)]
    how = "from the kill to the next attempt, the worker started again at once"
    note(Fault("kill -9 of a worker", None, (again - begin).total_seconds(), how))
