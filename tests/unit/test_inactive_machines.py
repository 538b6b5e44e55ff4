"""When a worker takes no jobs: paused, drained, beside another trial, out of date, cut off from the broker."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery.worker import state

from farm.model import JobState, MachineState
from farm.model.errors import BrokerUnavailable, WorkerOutdated
from tests.contract.store_records import MACHINE, SWEEP, claim, counts, job_id
from tests.workers import SOON_S, Bench, Broker, running_bench, wait_until
from workers.agent import worker as app
from workers.agent.heartbeat import Watchdog
from workers.supervisor.lock import machine_lock
from workers.supervisor.stop import Stop


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with running_bench(tmp_path, monkeypatch) as made:
        yield made


def test_a_paused_machine_ends_its_trial_returns_the_next_message_and_waits(bench: Bench) -> None:
    def during(_: Stop) -> None:
        bench.store.assign(MACHINE.name, MachineState.PAUSED)

    bench.runner.during = during
    serving = bench.serve_in_background(job_id(0))  # it waits where a heartbeat has seen the pause by now
    wait_until(lambda: bench.trials() == [(job_id(0), 1, None)])
    bench.store.assign(MACHINE.name, MachineState.ACTIVE)
    serving.join(SOON_S)
    assert not serving.is_alive()
    bench.store.assign(MACHINE.name, MachineState.PAUSED)
    serving = bench.serve_in_background(job_id(1))
    wait_until(lambda: bench.publishing() == [job_id(1)])
    serving.join(0.2)
    assert serving.is_alive(), "else it would take one message after the other from the queue"
    bench.runner.during = lambda _: None
    bench.store.assign(MACHINE.name, MachineState.ACTIVE)
    serving.join(SOON_S)
    assert state.should_stop is None
    bench.worker.serve(job_id(1), 0)
    assert bench.trials() == [(job_id(0), 1, None), (job_id(1), 1, None)]


def test_a_message_consumed_before_its_sender_has_recorded_it_is_returned_all_the_same(bench: Bench) -> None:
    bench.store.assign(MACHINE.name, MachineState.PAUSED)
    bench.store.return_message(job_id(0), 0)
    sent = bench.store.unpublished(SWEEP, "any", 10)
    serving = bench.serve_in_background(job_id(0))
    serving.join(0.2)
    bench.store.mark_published(sent)
    wait_until(lambda: bench.publishing() == [job_id(0)])
    bench.worker.leave()
    serving.join(SOON_S)
    assert not serving.is_alive()
    assert bench.trials() == []


def test_a_paused_worker_leaves_when_stopped(bench: Bench) -> None:
    bench.store.assign(MACHINE.name, MachineState.PAUSED)
    serving = bench.serve_in_background(job_id(0))
    wait_until(lambda: bench.publishing() == [job_id(0)])
    bench.worker.leave()
    serving.join(SOON_S)
    assert not serving.is_alive()
    assert state.should_stop == 0


def test_a_drained_machine_ends_its_trial_and_leaves(bench: Bench) -> None:
    def during(_: Stop) -> None:
        bench.store.assign(MACHINE.name, MachineState.DRAINING)
        wait_until(lambda: state.should_stop is not None)

    bench.runner.during = during
    bench.worker.serve(job_id(0), 0)
    assert bench.trials() == [(job_id(0), 1, None)]
    assert bench.worker.error is None


def test_an_idle_worker_of_a_drained_machine_leaves(bench: Bench) -> None:
    bench.store.assign(MACHINE.name, MachineState.DRAINING)
    wait_until(lambda: state.should_stop == 0)
    bench.worker.serve(job_id(0), 0)
    assert bench.publishing() == [job_id(0)]
    assert bench.runner.claims == []


def test_a_worker_that_starts_on_a_drained_machine_joins_and_waits(bench: Bench) -> None:
    bench.worker.close()
    bench.store.assign(MACHINE.name, MachineState.DRAINING)
    bench.worker = bench.new_worker()
    bench.worker.start()
    serving = bench.serve_in_background(job_id(0))
    wait_until(lambda: bench.publishing() == [job_id(0)])
    serving.join(0.2)
    assert serving.is_alive()
    bench.store.assign(MACHINE.name, MachineState.ACTIVE)
    serving.join(SOON_S)
    assert state.should_stop is None
    bench.store.assign(MACHINE.name, MachineState.DRAINING)
    wait_until(lambda: state.should_stop == 0)


def test_a_busy_machine_returns_the_message(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "LOCK_WITHIN_S", 0.05)
    with machine_lock(bench.settings.lock_file):
        bench.worker.serve(job_id(0), 0)
    assert bench.publishing() == [job_id(0)]


def test_a_worker_that_waits_for_a_busy_machine_leaves_when_stopped(bench: Bench) -> None:
    with machine_lock(bench.settings.lock_file):
        serving = bench.serve_in_background(job_id(0))
        serving.join(0.2)
        assert serving.is_alive()
        bench.worker.leave()
        serving.join(SOON_S)
        assert not serving.is_alive()
    assert bench.publishing() == [job_id(0)]


def test_a_worker_that_cannot_read_a_job_gives_it_back_and_leaves(bench: Bench) -> None:
    with bench.store.write() as connection:
        connection.exec_driver_sql("UPDATE job SET spec = json_set(spec, '$.unheard', 1) WHERE ordinal = 0")
    bench.worker.serve(job_id(0), 0)
    assert isinstance(bench.worker.error, WorkerOutdated)
    assert "update wattfarm" in str(bench.worker.error)
    assert state.should_stop == 0
    assert bench.publishing() == [job_id(0)]
    assert claim(bench.store, job_id(1)) is not None
    assert counts(bench.store) == {JobState.QUEUED: 2, JobState.RUNNING: 1}


@pytest.mark.slow
def test_a_worker_that_receives_nothing_while_messages_wait_ends(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    bench.worker.close()
    bench.broker.waiting = {"own": 1}
    bench.worker = bench.new_worker(watchdog_s=1.5)
    bench.worker.start()
    until_s = time.monotonic() + 2.0
    while time.monotonic() < until_s:  # messages that it hears keep it alive
        bench.worker.serve("stale", 0)
        time.sleep(0.02)
    assert ended == []
    wait_until(lambda: ended)
    assert ended[0] == app.STUCK
    assert "receives none of them" in caplog.text


@pytest.mark.parametrize("state_of_broker", ["empty", "away"])
def test_a_worker_without_messages_stays(state_of_broker: str) -> None:
    broker = Broker()
    broker.trouble = BrokerUnavailable("away") if state_of_broker == "away" else None
    watchdog = Watchdog(broker, ["any"], within_s=0.05)
    deadline_s = time.monotonic() + 0.3
    while time.monotonic() < deadline_s:
        assert not watchdog.is_stuck()
        time.sleep(0.01)
