"""Workers that are killed, told to stop, or not alone on their machine. A worker that is left serves the next test."""

import os
import signal
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from farm.model import FailureKind, JobState, MachineState, WindowKind
from tests.integration.farms import (
    SLOW,
    WITHIN_S,
    Farm,
    Trial,
    assert_gone,
    family,
    running_farm,
    running_trial,
    wait_for,
)

Worker = subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    home = tmp_path_factory.mktemp("farm")
    with running_farm(home, "filesystem://", f"sqlite:///{home / 'farm.db'}") as farm:
        farm.start("serve", FARM_GRACE_S="60")
        yield farm


@pytest.fixture
def worker(farm: Farm) -> Worker:
    """The one that the test before left, or a new one."""
    alive = [process for process in farm.processes[1:] if process.poll() is None]
    assert len(alive) <= 1
    return alive[0] if alive else farm.start_worker()


def machine_of(farm: Farm, worker: Worker) -> str:
    """The name under which a worker has joined."""
    return next(s.machine.name for s in farm.store.machines() if s.owner.split("/")[1] == str(worker.pid))


def test_a_second_worker_on_one_machine_is_refused(farm: Farm, worker: Worker) -> None:
    second = farm.start("worker", FARM_MACHINE_NAME="second")
    assert second.wait(WITHIN_S) == 2
    said = farm.log().strip().splitlines()[-1]
    assert said.startswith(f"farm: this machine has a worker already, process {worker.pid} ")
    assert worker.poll() is None


def test_the_worker_of_a_run_takes_turns_with_that_of_the_lab(farm: Farm, worker: Worker) -> None:
    second = farm.start_worker(f"--parent={os.getpid()}", FARM_MACHINE_NAME="second")
    jobs = farm.submit("shared", 5)
    trials = farm.wait_until_over("shared")
    assert trials == [Trial(job, 1) for job in jobs]
    spans: dict[str, tuple[int, int]] = {}
    for row in farm.store.measurement_rows("shared"):
        if row.window != WindowKind.IDLE_BEFORE:  # may be the idle after the trial before
            assert row.begin_at_ns is not None
            assert row.end_at_ns is not None
            begin_ns, end_ns = spans.get(row.trial, (row.begin_at_ns, row.end_at_ns))
            spans[row.trial] = min(begin_ns, row.begin_at_ns), max(end_ns, row.end_at_ns)
    assert len(spans) == len(jobs)
    assert all(a_end_ns <= b_begin_ns for (_, a_end_ns), (b_begin_ns, _) in pairwise(sorted(spans.values())))
    assert len({row.machine for row in farm.store.trial_rows("shared")}) == 2
    second.terminate()
    assert second.wait(WITHIN_S) == 0, farm.log()


def test_a_worker_killed_in_mid_trial_costs_that_trial_only(farm: Farm, worker: Worker) -> None:
    jobs = farm.submit("unlucky", 2, measure=SLOW)
    running_trial(worker)
    left = family(worker)
    worker.kill()
    worker.wait()
    assert_gone(left[1:])
    farm.start_worker()
    trials = farm.wait_until_over("unlucky")
    assert trials == [Trial(jobs[0], 1, FailureKind.LOST), Trial(jobs[0], 2), Trial(jobs[1], 1)]
    assert farm.progress("unlucky").counts == {JobState.DONE: 2}
    measured = [row.trial for row in farm.store.measurement_rows("unlucky") if row.window == WindowKind.MEASURE]
    assert measured == [f"{jobs[0]}.2", f"{jobs[1]}.1"]


def test_a_stopping_worker_finishes_its_trial_and_leaves_nothing_behind(farm: Farm, worker: Worker) -> None:
    jobs = farm.submit("stopped", 3, measure=SLOW)
    running_trial(worker)
    left = family(worker)
    worker.terminate()
    assert worker.wait(WITHIN_S) == 0, farm.log()
    assert_gone(left)
    assert farm.trials("stopped") == [Trial(jobs[0], 1)]
    assert farm.progress("stopped").counts == {JobState.DONE: 1, JobState.QUEUED: 2}
    farm.start_worker()
    assert farm.wait_until_over("stopped") == [Trial(job, 1) for job in jobs]


def test_a_cancel_stops_a_running_trial_and_the_worker_goes_on(farm: Farm, worker: Worker) -> None:
    (job,) = farm.submit("too-long", measure=SLOW.model_copy(update={"window_s": 600}))
    trial = running_trial(worker)
    farm.store.cancel("too-long")
    assert_gone([trial])
    assert farm.wait_until_over("too-long") == [Trial(job, 1, FailureKind.CANCELLED)]
    assert farm.progress("too-long").counts == {JobState.CANCELLED: 1}
    (after,) = farm.submit("after")
    assert farm.wait_until_over("after") == [Trial(after, 1)]


def test_a_paused_machine_runs_nothing_until_it_is_resumed(farm: Farm, worker: Worker) -> None:
    name = machine_of(farm, worker)
    farm.store.assign(name, MachineState.PAUSED)
    (job,) = farm.submit("paused")
    wait_for("the worker waits", lambda: "paused: no new trial until" in farm.log())
    assert farm.progress("paused").counts == {JobState.QUEUED: 1}
    farm.store.assign(name, MachineState.ACTIVE)
    assert farm.wait_until_over("paused") == [Trial(job, 1)]
    assert worker.poll() is None


def test_a_drained_machine_ends_its_trial_and_its_worker_leaves(farm: Farm, worker: Worker) -> None:
    jobs = farm.submit("drained", 2, measure=SLOW)
    running_trial(worker)
    name = machine_of(farm, worker)
    farm.store.assign(name, MachineState.DRAINING)
    assert worker.wait(WITHIN_S) == 0, farm.log()
    assert farm.progress("drained").counts == {JobState.DONE: 1, JobState.QUEUED: 1}
    readied = farm.log().count(" ready.")
    waiting = farm.start_worker()
    wait_for("the next one is ready", lambda: farm.log().count(" ready.") > readied)
    assert "drained: no new trial until" in farm.log()
    waiting.terminate()
    assert waiting.wait(WITHIN_S) == 0, farm.log()
    farm.store.assign(name, MachineState.ACTIVE)
    farm.start_worker()
    assert farm.wait_until_over("drained") == [Trial(job, 1) for job in jobs]


def test_a_worker_stopped_twice_breaks_its_trial_off_and_gives_the_job_back(farm: Farm, worker: Worker) -> None:
    (job,) = farm.submit("broken-off", measure=SLOW.model_copy(update={"window_s": 600}))
    running_trial(worker)
    left = family(worker)
    worker.send_signal(signal.SIGTERM)
    worker.send_signal(signal.SIGINT)
    assert worker.wait(WITHIN_S) == 0, farm.log()
    assert_gone(left)
    assert farm.trials("broken-off") == [Trial(job, 1, FailureKind.INTERRUPTED)]
    assert farm.progress("broken-off").counts == {JobState.QUEUED: 1}
    farm.store.cancel("broken-off")


def test_a_worker_that_has_no_store_reports_it_and_leaves(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    worker = farm.start("worker", FARM_DATABASE_URL=f"sqlite:///{tmp_path / 'folder.db'}", FARM_HOME=str(tmp_path))
    assert worker.wait(WITHIN_S) == 3
    assert farm.log().strip().splitlines()[-1].startswith("farm: database ")


def test_a_worker_waits_for_a_broker_that_is_not_there_yet(farm: Farm) -> None:
    """And says where it looks, without the password."""
    worker = farm.start("worker", FARM_BROKER_URL="redis://:secret@127.0.0.1:1/0")
    wait_for("a complaint", lambda: "Cannot connect to redis://" in farm.log())
    assert worker.poll() is None
    assert "secret" not in farm.log()
    worker.terminate()
    assert worker.wait(WITHIN_S) == 0
