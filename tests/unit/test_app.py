"""The worker's task: a message is answered once, and no report gets lost."""

import os
import pwd
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from farm import __version__
from farm.model import FailureKind, JobState, MachineState, TrialReport
from farm.model.errors import FarmError, InputError, StoreUnavailable
from farm.settings import Settings
from farm.store import Store
from tests.contract.store_records import (
    ANNE,
    BERT,
    MACHINE,
    MAX_ATTEMPTS,
    SWEEP,
    claim,
    counts,
    job_id,
    new_job,
    record,
    report,
)
from tests.workers import SOON_S, Bench, running_bench, wait_until
from workers.agent import heartbeat
from workers.agent import worker as app
from workers.supervisor.lock import machine_lock
from workers.supervisor.stop import Stop


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with running_bench(tmp_path, monkeypatch) as made:
        yield made


def test_a_claimed_job_is_measured_and_stored(bench: Bench) -> None:
    bench.worker.serve(job_id(1), 0)
    assert [c.spec.job for c in bench.runner.claims] == [job_id(1)]
    assert bench.trials() == [(job_id(1), 1, None)]
    assert counts(bench.store) == {JobState.DONE: 1, JobState.QUEUED: 2}


@pytest.mark.parametrize(("job", "attempt"), [(job_id(0), 1), (job_id(0), 7), ("unheard", 0)])
def test_a_stale_message_does_nothing(job: str, attempt: int, bench: Bench) -> None:
    bench.worker.serve(job, attempt)
    assert bench.runner.claims == []
    assert counts(bench.store) == {JobState.QUEUED: 3}


def test_a_message_consumed_twice_is_measured_once(bench: Bench) -> None:
    bench.worker.serve(job_id(0), 0)
    bench.worker.serve(job_id(0), 0)
    assert bench.trials() == [(job_id(0), 1, None)]
    assert len(bench.runner.claims) == 1


def test_a_worker_that_starts_is_seen(bench: Bench) -> None:
    (machine,) = bench.store.machines()
    assert (machine.owner, machine.version) == (str(ANNE), __version__)


@pytest.fixture
def resting(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A worker that by itself would not send a heartbeat within the test."""
    monkeypatch.setattr(Settings, "idle_heartbeat_s", 3600.0)
    bench.worker.close()
    bench.worker = bench.new_worker()
    bench.worker.start()
    time.sleep(10 * bench.settings.heartbeat_s)
    return bench


def test_a_resting_worker_that_gets_a_message_sends_heartbeats_again(resting: Bench) -> None:
    seen: list[str | None] = []

    def during(_: Stop) -> None:
        wait_until(lambda: resting.store.machines()[0].running_job)
        seen.append(resting.store.machines()[0].running_job)

    resting.runner.during = during
    resting.worker.serve(job_id(0), 0)
    assert seen == [job_id(0)]


def test_a_worker_whose_report_waits_does_not_rest(resting: Bench) -> None:
    assert resting.worker._may_rest()
    resting.spool.put(report(job_id(0), 1))
    assert not resting.worker._may_rest()


def test_a_paused_worker_does_not_rest(resting: Bench) -> None:
    resting.store.assign(MACHINE.name, MachineState.PAUSED)
    resting.worker._refresh_state()
    assert not resting.worker._may_rest()


def test_the_machine_shows_what_it_runs(bench: Bench) -> None:
    seen: list[str | None] = []

    def during(_: Stop) -> None:
        wait_until(lambda: bench.store.machines()[0].running_job)
        seen.append(bench.store.machines()[0].running_job)

    bench.runner.during = during
    bench.worker.serve(job_id(0), 0)
    assert seen == [job_id(0)]
    wait_until(lambda: bench.store.machines()[0].running_job is None)


def test_a_phase_is_told_before_the_next_heartbeat_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "LEAST_PERIOD_S", 0.01)
    told = threading.Event()
    thread = heartbeat.HeartbeatThread(Settings(home=tmp_path, heartbeat_s=30.0), told.set, may_rest=lambda: False)
    thread.start()
    thread.hasten()
    assert told.wait(SOON_S)
    thread.close()


def test_a_busy_machine_leaves_the_job_to_the_next_message(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "LOCK_WITHIN_S", 0.05)
    with machine_lock(bench.settings.lock_file):
        bench.worker.serve(job_id(0), 0)
    assert bench.runner.claims == []
    bench.worker.serve(job_id(0), 0)
    assert bench.trials() == [(job_id(0), 1, None)]


def test_a_worker_that_waits_for_another_process_says_for_which(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    holder = f"process {os.getpid()} of user {pwd.getpwuid(os.getuid()).pw_name}"

    def waits() -> bool:
        return any(one.startswith(holder) for one in bench.store.machines()[0].live.notes)

    with machine_lock(bench.settings.lock_file):
        serving = bench.serve_in_background(job_id(0))
        wait_until(waits)
    serving.join(SOON_S)
    assert holder in caplog.text
    wait_until(lambda: bench.store.machines()[0].live.notes == ())
    assert bench.trials() == [(job_id(0), 1, None)]


def test_a_worker_logs_by_name_what_it_runs_and_how_that_ended(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "workers")
    bench.worker.serve(job_id(2), 0)
    failed = report(job_id(1), 1, FailureKind.OOM)
    bench.runner.run = lambda *_: failed  # type: ignore[method-assign]
    bench.worker.serve(job_id(1), 0)
    name = "batching: alexnet, batch_size {}, repetition 1"
    assert [entry.getMessage() for entry in caplog.records if entry.levelname == "INFO"] == [
        f"{name.format(2)}: starts",
        f"{name.format(2)}: measured 0.314 J/unit gross, 32 unit/s, flags too_short",
        f"{name.format(1)}: starts",
        f"{name.format(1)}: failed: oom: it said so",
    ]


def test_the_machine_is_held_until_the_report_is_out(bench: Bench) -> None:
    held = []

    def during(_: Stop) -> None:
        try:
            with machine_lock(bench.settings.lock_file):
                held.append(False)
        except FarmError:
            held.append(True)

    bench.runner.during = during
    bench.worker.serve(job_id(0), 0)
    assert held == [True]
    with machine_lock(bench.settings.lock_file):
        pass


def test_a_store_that_is_away_at_the_end_gets_the_report_later(bench: Bench) -> None:
    bench.store.trouble = StoreUnavailable("it does not answer: start it")
    bench.worker.serve(job_id(0), 0)
    assert len(bench.spool) == 1
    assert bench.trials() == []
    bench.store.trouble = None
    wait_until(lambda: bench.trials() == [(job_id(0), 1, None)])
    wait_until(lambda: len(bench.spool) == 0)
    assert counts(bench.store) == {JobState.DONE: 1, JobState.QUEUED: 2}


def test_a_message_is_kept_while_the_store_is_away(bench: Bench) -> None:
    bench.store.claims_refused = 2
    bench.worker.serve(job_id(0), 0)
    assert bench.trials() == [(job_id(0), 1, None)]


def test_a_stopping_worker_does_not_wait_for_the_store(bench: Bench) -> None:
    bench.store.claims_refused = 1_000_000
    serving = threading.Thread(target=bench.worker.serve, args=(job_id(0), 0))
    serving.start()
    wait_until(lambda: bench.store.claims_refused < 1_000_000)
    bench.worker.leave()
    serving.join(SOON_S)
    assert not serving.is_alive()
    assert counts(bench.store)[JobState.QUEUED] == 3


def test_a_worker_that_starts_hands_in_what_the_last_one_left(tmp_path: Path, bench: Bench) -> None:
    bench.worker.close()
    assert claim(bench.store, job_id(2)) is not None
    bench.spool.put(report(job_id(2), 1))
    again = Bench(bench.store, tmp_path)
    again.worker.start()
    again.worker.close()
    assert bench.trials() == [(job_id(2), 1, None)]


def test_a_job_whose_report_waits_is_not_measured_again_here(bench: Bench) -> None:
    """Its lease ran out while the store was away, and it was published again."""
    bench.worker.close()
    bench.store.trouble = StoreUnavailable("away")
    bench.worker.serve(job_id(0), 0)
    bench.store.trouble = None
    assert bench.store.lose(ANNE) == [job_id(0)]
    bench.worker.serve(job_id(0), 1)
    assert len(bench.runner.claims) == 1
    assert bench.trials() == [(job_id(0), 1, None)]


def test_a_report_that_the_store_refuses_is_kept(bench: Bench, tmp_path: Path) -> None:
    bench.store.trouble = RuntimeError("a bug")
    bench.worker.serve(job_id(0), 0)
    wait_until(lambda: len(bench.spool) == 0)
    (kept,) = (tmp_path / "spool").glob("*.bad")
    assert TrialReport.model_validate_json(kept.read_text()).job == job_id(0)
    bench.store.trouble = None
    bench.worker.serve(job_id(1), 0)
    assert bench.trials() == [(job_id(1), 1, None)]


def test_with_store_and_disk_away_the_report_waits_in_memory_and_the_lease_holds(bench: Bench) -> None:
    bench.store.trouble, bench.spool.is_full = StoreUnavailable("away"), True
    serving = threading.Thread(target=bench.worker.serve, args=(job_id(0), 0))
    serving.start()
    wait_until(lambda: bench.spool.refused >= 2)
    lease = lease_until(bench.store)
    wait_until(lambda: lease_until(bench.store) > lease)
    assert serving.is_alive()
    bench.store.trouble = None
    serving.join(SOON_S)
    assert bench.trials() == [(job_id(0), 1, None)]
    assert len(bench.runner.claims) == 1


def test_with_store_and_disk_away_the_spool_takes_it_once_there_is_room(bench: Bench) -> None:
    bench.store.trouble, bench.spool.is_full = StoreUnavailable("away"), True
    serving = threading.Thread(target=bench.worker.serve, args=(job_id(0), 0))
    serving.start()
    wait_until(lambda: bench.spool.refused)
    bench.spool.is_full = False
    serving.join(SOON_S)
    assert len(bench.spool) == 1


def lease_until(store: Store) -> str:
    with store.read() as connection:
        return str(connection.exec_driver_sql("SELECT max(lease_until) FROM job").scalar_one())


def test_a_cancel_reaches_the_running_trial(bench: Bench) -> None:
    def during(stop: Stop) -> None:
        bench.store.cancel(SWEEP)
        assert stop.wait(SOON_S)

    bench.runner.during = during
    bench.worker.serve(job_id(0), 0)
    assert bench.trials() == [(job_id(0), 1, FailureKind.CANCELLED)]
    assert counts(bench.store) == {JobState.CANCELLED: 3}


def test_a_trial_whose_job_another_worker_has_is_broken_off_and_not_stored(bench: Bench) -> None:
    def during(stop: Stop) -> None:
        # A heartbeat between the two takes the job back.
        wait_until(lambda: bench.store.lose(ANNE) and claim(bench.store, job_id(0), 1, BERT))
        assert stop.wait(SOON_S)
        assert stop.failure is not None
        assert stop.failure.kind == FailureKind.LOST

    bench.runner.during = during
    bench.worker.serve(job_id(0), 0)
    assert bench.store.complete(report(job_id(0), 2))
    assert bench.trials() == [(job_id(0), 1, FailureKind.LOST), (job_id(0), 2, None)]


def test_an_interrupted_trial_is_queued_again_and_does_not_count(bench: Bench) -> None:
    def during(stop: Stop) -> None:
        bench.worker.interrupt()
        assert stop.wait(SOON_S)

    bench.worker.interrupt()
    bench.runner.during = during
    for attempt in range(5):
        bench.worker.serve(job_id(0), attempt)
    assert bench.trials() == [(job_id(0), n, FailureKind.INTERRUPTED) for n in range(1, 6)]
    assert counts(bench.store) == {JobState.QUEUED: 3}
    bench.worker.interrupt()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("something\nwith details"), "the worker failed: RuntimeError: something"),
        (KeyError("gpu"), "the worker failed: KeyError: 'gpu'"),
        (FarmError("no helper can be started: restart"), "the worker failed: no helper can be started: restart"),
        (StoreUnavailable("of the runner's own"), "the worker failed: of the runner's own"),
    ],
)
def test_an_unexpected_error_is_a_failed_trial(
    error: Exception, message: str, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def during(_: Stop) -> None:
        raise error

    bench.runner.during = during
    bench.worker.serve(job_id(0), 0)
    (failed,) = bench.store.failures(SWEEP)
    assert (failed.failure.kind, failed.failure.message) == (FailureKind.ERROR, message)
    assert failed.state == JobState.FAILED
    assert "Traceback" in caplog.text


def test_a_worker_that_is_broken_off_gives_its_job_back(bench: Bench) -> None:
    """As when the process is told to end at once while a trial runs."""

    def during(_: Stop) -> None:
        raise SystemExit

    bench.runner.during = during
    with pytest.raises(SystemExit):
        bench.worker.serve(job_id(0), 0)
    assert counts(bench.store)[JobState.RUNNING] == 1
    bench.worker.close()
    assert counts(bench.store) == {JobState.QUEUED: 3}


def test_the_heart_beats_on_after_any_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (StoreUnavailable("away"), RuntimeError("a bug")):
        met = threading.Event()

        def beat(*_: object, error: Exception = error, met: threading.Event = met) -> None:
            met.set()
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(bench.store, "machine_beat", beat)
            assert met.wait(SOON_S)
    seen_at = bench.store.machines()[0].last_seen_at
    wait_until(lambda: bench.store.machines()[0].last_seen_at > seen_at)


def test_a_lock_file_that_cannot_be_is_reported_at_the_start(tmp_path: Path, bench: Bench) -> None:
    with pytest.raises(InputError, match="FARM_LOCK_FILE"):
        bench.new_worker(lock_file=tmp_path / "nowhere" / "lock").start()


def test_a_network_that_is_not_allowed_is_not_run(bench: Bench) -> None:
    spec = new_job(0).spec
    own = spec.model_copy(update={"job": "own", "point": spec.point | {"model": "my_package.nets:Net"}})
    bench.store.submit(record(), [replace(new_job(7), id="own", spec=own)])
    bench.worker.serve("own", 0)
    (failed,) = bench.store.failures(SWEEP)
    assert (failed.failure.kind, failed.state) == (FailureKind.INVALID, JobState.FAILED)
    assert "--allow-models 'my_package.*'" in failed.failure.message
    assert bench.runner.claims == []
    bench.store.retry(SWEEP, 1)
    bench.new_worker(allow_models="other.*, my_package.*").serve("own", 1)
    assert bench.trials()[-1] == ("own", 2, None)


def test_a_job_that_this_machine_is_not_fit_for_is_given_back_and_no_attempt_counts(bench: Bench) -> None:
    bench.store.submit(record(), [replace(new_job(7), queue="worker.gpus >= 1")])
    bench.store.mark_published(bench.store.unpublished(SWEEP, "worker.gpus >= 1", 1))
    bench.worker.serve(job_id(7), 0)
    assert (bench.runner.claims, bench.trials()) == ([], [])
    (back,) = bench.store.unpublished(SWEEP, "worker.gpus >= 1", 1)
    assert (back.job, back.attempt) == (job_id(7), 1)
    assert bench.store.jobs(SWEEP)[-1].max_attempts == MAX_ATTEMPTS + 1


def test_the_only_machine_of_a_farm_runs_every_job_to_say_why_it_cannot(bench: Bench) -> None:
    bench.store.submit(record(), [replace(new_job(7), queue="worker.gpus >= 1")])
    bench.new_worker(is_alone=True).serve(job_id(7), 0)
    assert [claim.spec.job for claim in bench.runner.claims] == [job_id(7)]


def test_what_was_refused_and_what_waits_on_the_disk_is_seen(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "spool" / "bad.1.json").write_text('{"job": "x"')
    bench.worker.refuse("7 bytes: it is not JSON")
    wait_until(lambda: bench.store.machines()[0].rejected == 2)
    bench.store.trouble = StoreUnavailable("away")
    bench.worker.serve(job_id(0), 0)
    wait_until(lambda: bench.store.machines()[0].spooled == 1)
    assert bench.store.machines()[0].rejected == 2
