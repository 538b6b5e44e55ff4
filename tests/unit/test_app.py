"""The worker's task: a ring is answered once, and no report gets lost."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from celery.worker import state

from farm import __version__
from farm.errors import BrokerUnavailable, FarmError, InputError, StoreUnavailable, WorkerOutdated
from farm.model import Claim, Duty, FailureKind, JobState, TrialReport
from farm.settings import Settings
from farm.store import Store
from tests.contract.store_records import ANNE, BERT, MACHINE, SWEEP, claim, counts, job_id, new_job, record, report
from workers import app
from workers.app import Worker
from workers.beat import Watchdog
from workers.guard import machine_lock
from workers.spool import Spool
from workers.stop import Stop

SOON_S = 10.0


class MoodyStore(Store):
    """A store that can be made to refuse reports."""

    trouble: Exception | None = None
    claims_refused: int = 0  #: it is away for so many claims more

    def claim(self, *args: Any, **options: Any) -> Claim | None:
        if self.claims_refused:
            self.claims_refused -= 1
            raise StoreUnavailable("away")
        return super().claim(*args, **options)

    def complete(self, report: TrialReport) -> bool:
        if self.trouble is not None:
            raise self.trouble
        return super().complete(report)


class MoodySpool(Spool):
    """A spool whose disk can be full."""

    is_full = False
    refused = 0

    def put(self, report: TrialReport) -> Path:
        if self.is_full:
            self.refused += 1
            raise OSError(28, "No space left on device")
        return super().put(report)


class Runner:
    """Measures at once, unless it is told to do something else."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self.during: Callable[[Stop], None] = lambda _: None

    def run(self, claim: Claim, stop: Stop) -> TrialReport:
        self.claims.append(claim)
        self.during(stop)
        kind = stop.failure.kind if stop.failure else None
        return report(claim.spec.job, claim.attempt, kind)


class Broker:
    """Queues of which the depth is told."""

    def __init__(self) -> None:
        self.waiting: dict[str, int] = {}
        self.trouble: Exception | None = None

    def depths(self, queues: Iterable[str]) -> Mapping[str, int]:
        if self.trouble is not None:
            raise self.trouble
        return {queue: self.waiting.get(queue, 0) for queue in queues}


class Bench:
    """A worker with what it works on."""

    def __init__(self, store: MoodyStore, home: Path) -> None:
        self.store = store
        self.spool = MoodySpool(home / "spool")
        self.runner = Runner()
        self.broker = Broker()
        self.settings = Settings(home=home, lock_file=home / "lock", lease_s=60, heartbeat_s=0.02)
        self.worker = self.new_worker()

    def new_worker(self, watchdog_s: float = 60.0, **changes: object) -> Worker:
        """One of this machine."""
        settings = self.settings.model_copy(update=changes)
        watchdog = Watchdog(self.broker, ["any", "own"], watchdog_s)
        return Worker(self.store, self.runner, self.spool, MACHINE, ANNE, settings, watchdog)

    def serve_in_background(self, job: str, attempt: int = 0) -> threading.Thread:
        """Answer a ring in another thread; it may take until the machine is resumed."""
        serving = threading.Thread(target=self.worker.serve, args=(job, attempt))
        serving.start()
        return serving

    def ringing(self) -> list[str]:
        """Jobs that the controller has to ring for."""
        return [ring.job for ring in self.store.unpublished(SWEEP, "any", 10)]

    def trials(self) -> list[tuple[str, int, FailureKind | None]]:
        """Job, attempt and kind of failure of every stored trial."""
        return [
            (row.job, row.attempt, row.failure.kind if row.failure else None) for row in self.store.trial_rows(SWEEP)
        ]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(state, "should_stop", None)
    monkeypatch.setattr(app, "PAUSED_PERIOD_S", 0.01)
    with MoodyStore.open(f"sqlite:///{tmp_path / 'farm.db'}", create=True) as store:
        store.register_machine(MACHINE, BERT, "0.0.1")
        store.submit(record(), [new_job(n) for n in range(3)])
        store.mark_published(store.unpublished(SWEEP, "any", 10))
        made = Bench(store, tmp_path)
        made.worker.start()
        yield made
        made.worker.close()


def wait_until(look: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + SOON_S
    while not look():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.005)


def test_a_ring_that_is_won_is_measured_and_stored(bench: Bench) -> None:
    bench.worker.serve(job_id(1), 0)
    assert [c.spec.job for c in bench.runner.claims] == [job_id(1)]
    assert bench.trials() == [(job_id(1), 1, None)]
    assert counts(bench.store) == {JobState.DONE: 1, JobState.QUEUED: 2}


@pytest.mark.parametrize(("job", "attempt"), [(job_id(0), 1), (job_id(0), 7), ("unheard", 0)])
def test_a_stale_ring_does_nothing(job: str, attempt: int, bench: Bench) -> None:
    bench.worker.serve(job, attempt)
    assert bench.runner.claims == []
    assert counts(bench.store) == {JobState.QUEUED: 3}


def test_a_ring_heard_twice_is_measured_once(bench: Bench) -> None:
    bench.worker.serve(job_id(0), 0)
    bench.worker.serve(job_id(0), 0)
    assert bench.trials() == [(job_id(0), 1, None)]
    assert len(bench.runner.claims) == 1


def test_a_worker_that_starts_is_seen(bench: Bench) -> None:
    (machine,) = bench.store.machines()
    assert (machine.owner, machine.version) == (str(ANNE), __version__)


def test_the_machine_says_what_it_runs(bench: Bench) -> None:
    seen: list[str | None] = []

    def during(_: Stop) -> None:
        wait_until(lambda: bench.store.machines()[0].running_job)
        seen.append(bench.store.machines()[0].running_job)

    bench.runner.during = during
    bench.worker.serve(job_id(0), 0)
    assert seen == [job_id(0)]
    wait_until(lambda: bench.store.machines()[0].running_job is None)


def test_a_busy_machine_leaves_the_job_to_the_next_ring(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "LOCK_WITHIN_S", 0.05)
    with machine_lock(bench.settings.lock_file):
        bench.worker.serve(job_id(0), 0)
    assert bench.runner.claims == []
    bench.worker.serve(job_id(0), 0)
    assert bench.trials() == [(job_id(0), 1, None)]


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


def test_a_ring_is_kept_while_the_store_is_away(bench: Bench) -> None:
    bench.store.claims_refused = 2
    bench.worker.serve(job_id(0), 0)
    assert bench.trials() == [(job_id(0), 1, None)]


def test_told_to_stop_a_worker_does_not_wait_for_the_store(bench: Bench) -> None:
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
    """Its lease ran out while the store was away, and it was rung for again."""
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
        bench.store.lose(ANNE)
        assert claim(bench.store, job_id(0), 1, BERT) is not None
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


def test_a_lock_file_that_cannot_be_is_said_at_the_start(tmp_path: Path, bench: Bench) -> None:
    with pytest.raises(InputError, match="FARM_LOCK_FILE"):
        bench.new_worker(lock_file=tmp_path / "nowhere" / "lock").start()


def test_a_paused_machine_ends_its_trial_gives_the_next_ring_back_and_waits(bench: Bench) -> None:
    def during(_: Stop) -> None:
        bench.store.assign(MACHINE.name, Duty.PAUSE)

    bench.runner.during = during
    bench.worker.serve(job_id(0), 0)
    assert bench.trials() == [(job_id(0), 1, None)]
    serving = bench.serve_in_background(job_id(1))
    wait_until(lambda: bench.ringing() == [job_id(1)])
    serving.join(0.2)
    assert serving.is_alive(), "else it would take one message after the other from the queue"
    bench.runner.during = lambda _: None
    bench.store.assign(MACHINE.name, Duty.WORK)
    serving.join(SOON_S)
    assert state.should_stop is None
    bench.worker.serve(job_id(1), 0)
    assert bench.trials() == [(job_id(0), 1, None), (job_id(1), 1, None)]


def test_a_ring_that_is_heard_before_its_sender_has_noted_it_is_given_back_all_the_same(bench: Bench) -> None:
    bench.store.assign(MACHINE.name, Duty.PAUSE)
    bench.store.return_ring(job_id(0), 0)
    sent = bench.store.unpublished(SWEEP, "any", 10)
    serving = bench.serve_in_background(job_id(0))
    serving.join(0.2)
    bench.store.mark_published(sent)
    wait_until(lambda: bench.ringing() == [job_id(0)])
    bench.worker.leave()
    serving.join(SOON_S)
    assert not serving.is_alive()
    assert bench.trials() == []


def test_a_paused_worker_leaves_when_told(bench: Bench) -> None:
    bench.store.assign(MACHINE.name, Duty.PAUSE)
    serving = bench.serve_in_background(job_id(0))
    wait_until(lambda: bench.ringing() == [job_id(0)])
    bench.worker.leave()
    serving.join(SOON_S)
    assert not serving.is_alive()
    assert state.should_stop == 0


def test_a_drained_machine_ends_its_trial_and_leaves(bench: Bench) -> None:
    def during(_: Stop) -> None:
        bench.store.assign(MACHINE.name, Duty.DRAIN)
        wait_until(lambda: state.should_stop is not None)

    bench.runner.during = during
    bench.worker.serve(job_id(0), 0)
    assert bench.trials() == [(job_id(0), 1, None)]
    assert bench.worker.error is None


def test_an_idle_worker_of_a_drained_machine_leaves(bench: Bench) -> None:
    bench.store.assign(MACHINE.name, Duty.DRAIN)
    wait_until(lambda: state.should_stop == 0)
    bench.worker.serve(job_id(0), 0)
    assert bench.ringing() == [job_id(0)]
    assert bench.runner.claims == []


def test_a_worker_that_starts_on_a_drained_machine_joins_and_waits(bench: Bench) -> None:
    bench.worker.close()
    bench.store.assign(MACHINE.name, Duty.DRAIN)
    bench.worker = bench.new_worker()
    bench.worker.start()
    serving = bench.serve_in_background(job_id(0))
    wait_until(lambda: bench.ringing() == [job_id(0)])
    serving.join(0.2)
    assert serving.is_alive()
    bench.store.assign(MACHINE.name, Duty.WORK)
    serving.join(SOON_S)
    assert state.should_stop is None
    bench.store.assign(MACHINE.name, Duty.DRAIN)
    wait_until(lambda: state.should_stop == 0)


def test_a_busy_machine_gives_the_ring_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "LOCK_WITHIN_S", 0.05)
    with machine_lock(bench.settings.lock_file):
        bench.worker.serve(job_id(0), 0)
    assert bench.ringing() == [job_id(0)]


def test_a_worker_that_waits_for_a_busy_machine_leaves_when_told(bench: Bench) -> None:
    with machine_lock(bench.settings.lock_file):
        serving = bench.serve_in_background(job_id(0))
        serving.join(0.2)
        assert serving.is_alive()
        bench.worker.leave()
        serving.join(SOON_S)
        assert not serving.is_alive()
    assert bench.ringing() == [job_id(0)]


def test_a_worker_that_cannot_read_a_job_gives_it_back_and_leaves(bench: Bench) -> None:
    with bench.store.write() as connection:
        connection.exec_driver_sql("UPDATE job SET spec = json_set(spec, '$.unheard', 1) WHERE ordinal = 0")
    bench.worker.serve(job_id(0), 0)
    assert isinstance(bench.worker.error, WorkerOutdated)
    assert "update wattfarm" in str(bench.worker.error)
    assert state.should_stop == 0
    assert bench.ringing() == [job_id(0)]
    assert claim(bench.store, job_id(1)) is not None
    assert counts(bench.store) == {JobState.QUEUED: 2, JobState.RUNNING: 1}


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


def test_what_was_refused_and_what_waits_on_the_disk_is_seen(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "spool" / "bad.1.json").write_text('{"job": "x"')
    bench.worker.refuse("7 bytes: it is not JSON")
    wait_until(lambda: bench.store.machines()[0].rejected == 2)
    bench.store.trouble = StoreUnavailable("away")
    bench.worker.serve(job_id(0), 0)
    wait_until(lambda: bench.store.machines()[0].spooled == 1)
    assert bench.store.machines()[0].rejected == 2


def test_a_worker_that_hears_nothing_while_messages_wait_ends(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    bench.worker.close()
    bench.broker.waiting = {"own": 1}
    bench.worker = bench.new_worker(watchdog_s=1.5)
    bench.worker.start()
    until_s = time.monotonic() + 2.0
    while time.monotonic() < until_s:  # rings that it hears keep it alive
        bench.worker.serve("stale", 0)
        time.sleep(0.02)
    assert ended == []
    wait_until(lambda: ended)
    assert ended[0] == app.DEAF
    assert "hears none of them" in caplog.text


@pytest.mark.parametrize("state_of_broker", ["empty", "away"])
def test_a_worker_that_has_nothing_to_hear_stays(state_of_broker: str) -> None:
    broker = Broker()
    broker.trouble = BrokerUnavailable("away") if state_of_broker == "away" else None
    watchdog = Watchdog(broker, ["any"], within_s=0.05)
    deadline_s = time.monotonic() + 0.3
    while time.monotonic() < deadline_s:
        assert not watchdog.is_deaf()
        time.sleep(0.01)
