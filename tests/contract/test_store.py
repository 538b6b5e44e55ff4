"""What holds of jobs and their attempts, on every database: the invariants of the docstring of `farm.store`."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import pytest
from sqlalchemy import event, update

from farm.errors import WorkerOutdated
from farm.model import Claim, Duty, Failure, FailureKind, JobState, Machine, Owner, Ring
from farm.store import AtWork, Store, Unrung, tables
from tests.contract.store_records import (
    ANNE,
    BERT,
    LEASE_S,
    MACHINE,
    MAX_ATTEMPTS,
    NO_LEASE_S,
    SWEEP,
    UTC_NOON,
    claim,
    counts,
    job_id,
    new_job,
    record,
    report,
    unrung,
)

# Submit and ring


def test_submitting_twice_adds_nothing(farm: Store) -> None:
    assert farm.submit(record(), [new_job(n) for n in range(4)]) == 1
    assert counts(farm) == {JobState.QUEUED: 4}
    assert farm.sweeps() == [record()]


def test_a_sweep_without_jobs_is_a_sweep(store: Store) -> None:
    assert store.submit(record(), []) == 0
    assert store.progress(SWEEP).is_over


def test_ten_thousand_jobs_go_in_at_once(store: Store) -> None:
    assert store.submit(record(), [new_job(n) for n in range(10_000)]) == 10_000
    assert len(unrung(store, 20_000)) == 10_000


def test_two_submits_at_the_same_time_store_each_job_once(database_url: str, store: Store) -> None:
    jobs = [new_job(n) for n in range(500)]
    barrier = threading.Barrier(4)

    def submit(_: int) -> int:
        with Store(database_url) as mine:
            barrier.wait()
            return mine.submit(record(), jobs)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(submit, range(4))) == [0, 0, 0, 500]
    assert counts(store) == {JobState.QUEUED: 500}


def test_the_outbox_has_a_line_for_each_queue_of_each_sweep_in_the_order_of_submission(store: Store) -> None:
    later = record("aaaa", at=UTC_NOON + timedelta(hours=1)).model_copy(update={"submitter": "bert"})
    store.submit(later, [new_job(n, "aaaa", queue=f"farm.machine.lab{n % 2}", priority=0) for n in range(4)])
    store.submit(record("bbbb"), [new_job(2, "bbbb"), new_job(1, "bbbb")])
    store.submit(record("cccc"), [])
    whole = [
        Unrung("bbbb", "any", "anne", 5),
        Unrung("aaaa", "farm.machine.lab0", "bert", 0),
        Unrung("aaaa", "farm.machine.lab1", "bert", 0),
    ]
    assert store.outbox() == whole
    assert store.outbox("aaaa") == whole[1:]
    assert [ring.job for ring in store.unpublished("bbbb", "any", 10)] == ["bbbb-1", "bbbb-2"]
    assert [ring.job for ring in store.unpublished("aaaa", "farm.machine.lab1", 10)] == ["aaaa-1", "aaaa-3"]
    first = store.unpublished("aaaa", "farm.machine.lab0", 1)
    assert first == [Ring(job="aaaa-0", attempt=0, queue="farm.machine.lab0", priority=0)]
    store.mark_published(first)
    assert store.outbox() == whole
    store.mark_published(store.unpublished("aaaa", "farm.machine.lab0", 10))
    assert store.outbox() == [whole[0], whole[2]]


def test_a_job_that_shall_wait_is_not_rung_for_before_its_time(farm: Store) -> None:
    def put_off(job: str, seconds: float) -> None:
        with farm.write() as connection:
            connection.execute(update(tables.job).where(tables.job.c.id == job).values(not_before=farm.now(seconds)))

    put_off(job_id(0), 3600)
    put_off(job_id(1), -1)
    assert [ring.job for ring in unrung(farm, 10)] == [job_id(1), job_id(2)]


def test_what_is_at_work_is_told_by_queue_submitter_and_priority(farm: Store) -> None:
    other = record("other").model_copy(update={"submitter": "bert"})
    farm.submit(other, [new_job(n, "other", queue="farm.hw.small", priority=0) for n in range(3)])
    assert farm.at_work() == []
    farm.mark_published(unrung(farm, 10))
    assert claim(farm, job_id(1)) is not None
    anne = {AtWork("any", "anne", 5, True, 1), AtWork("any", "anne", 5, False, 2)}
    assert set(farm.at_work()) == anne | {AtWork("farm.hw.small", "bert", 0, False, 3)}
    assert set(farm.at_work(SWEEP)) == anne
    farm.cancel("other")
    assert farm.complete(report(job_id(1), 1))
    assert farm.at_work() == [AtWork("any", "anne", 5, False, 2)]


def test_present_are_the_machines_that_take_jobs(store: Store) -> None:
    def lab(name: str, **hardware: int) -> Machine:
        return Machine(id=name, name=name, hardware_class="small", hardware={**hardware})

    for name, cores in (("lab1", 8), ("lab2", 16), ("lab3", 4)):
        store.register_machine(lab(name, cores=cores), ANNE, "0.1.0")
    assert store.present(60) == [lab("lab1", cores=8), lab("lab2", cores=16), lab("lab3", cores=4)]
    assert store.present(-60) == []
    store.assign("lab1", Duty.PAUSE)
    store.assign("lab3", Duty.DRAIN)
    assert store.present(60) == [lab("lab2", cores=16)]


@pytest.mark.parametrize("what", ["outbox", "unpublished", "at_work"])
def test_looking_at_the_outbox_does_not_read_every_job(what: str, sqlite_url: str) -> None:
    """A controller looks every second: what is done, and what waits behind, must not cost anything."""
    with Store.open(sqlite_url, create=True) as store:
        statements: list[tuple[str, object]] = []

        def note(_connection: object, _cursor: object, text: str, values: object, *_: object) -> None:
            statements.append((text, values))

        event.listen(store._readers, "before_cursor_execute", note)
        looks: dict[str, Callable[[], object]] = {
            "outbox": store.outbox,
            "unpublished": lambda: store.unpublished(SWEEP, "any", 20),
            "at_work": store.at_work,
        }
        looks[what]()
        with store.read() as connection:
            plans = [
                str(row[3])
                for text, values in tuple(statements)
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)  # type: ignore[arg-type]
            ]
    of_jobs = [step for step in plans if " job " in f"{step} "]
    assert of_jobs
    assert all("ix_job_" in step for step in of_jobs), plans
    assert not any("TEMP B-TREE FOR ORDER BY" in step for step in plans if what == "unpublished")


def test_a_published_job_rings_again_only_when_it_has_waited(farm: Store) -> None:
    rings = unrung(farm, 10)
    farm.mark_published(rings[:2])
    assert unrung(farm, 10) == rings[2:]
    assert farm.stale_rings(older_than_s=60, limit=10) == []
    assert farm.stale_rings(older_than_s=-1, limit=10) == rings[:2]
    assert farm.stale_rings(older_than_s=-1, limit=10, sweep_id="other") == []


def test_a_ring_is_overtaken_where_a_later_one_no_more_urgent_runs(farm: Store) -> None:
    farm.mark_published(unrung(farm, 2))
    waits = [Ring(job=job_id(0), attempt=0, queue="any"), Ring(job=job_id(1), attempt=0, queue="any")]
    assert claim(farm, job_id(1)) is not None
    assert farm.overtaken_rings(older_than_s=-60, limit=10) == [], "both were sent at once"
    farm.submit(record("other"), [new_job(n, "other", queue=queue) for n, queue in enumerate(("any", "farm.hw.small"))])
    farm.mark_published(unrung(farm, 10, "other"))
    assert claim(farm, "other-1") is not None
    assert farm.overtaken_rings(older_than_s=-60, limit=10) == [], "on another queue"
    assert claim(farm, "other-0") is not None
    assert farm.overtaken_rings(older_than_s=-60, limit=10) == waits[:1]
    assert farm.overtaken_rings(older_than_s=-60, limit=10, sweep_id="other") == []
    assert farm.overtaken_rings(older_than_s=60, limit=10) == []


def test_a_claim_between_ring_and_note_is_not_noted_as_published(farm: Store) -> None:
    rings = unrung(farm, 10)
    claim(farm, job_id(0), lease_s=NO_LEASE_S)
    farm.expire_leases()
    farm.mark_published(rings)
    assert [ring.job for ring in unrung(farm, 10)] == [job_id(0)]


def test_unpublish_rings_for_all_that_waits(farm: Store) -> None:
    farm.mark_published(unrung(farm, 10))
    claim(farm, job_id(1))
    farm.unpublish(SWEEP)
    assert [ring.job for ring in unrung(farm, 10)] == [job_id(0), job_id(2)]


# Claim, heartbeat, release


def test_a_claim_gives_the_spec_and_begins_an_attempt(farm: Store) -> None:
    assert claim(farm, job_id(1)) == Claim(spec=new_job(1).spec, attempt=1)
    assert counts(farm) == {JobState.QUEUED: 2, JobState.RUNNING: 1}
    (running,) = farm.progress(SWEEP).running
    assert (running.job, running.machine, running.point) == (job_id(1), "lab1", new_job(1).spec.point)
    assert abs(running.since - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("duty", [Duty.PAUSE, Duty.DRAIN])
def test_a_machine_that_is_paused_or_drained_wins_nothing(farm: Store, duty: Duty) -> None:
    assert farm.assign(MACHINE.name, duty) == 1
    assert claim(farm, job_id(0)) is None
    assert counts(farm) == {JobState.QUEUED: 3}
    farm.assign(MACHINE.name, Duty.WORK)
    assert claim(farm, job_id(0)) is not None


def test_what_is_wanted_of_a_machine_is_heard_with_its_beat_and_outlives_its_worker(farm: Store) -> None:
    assert farm.machine_beat(MACHINE.id, None) == Duty.WORK
    claim(farm, job_id(0))
    farm.assign(MACHINE.name, Duty.DRAIN)
    assert farm.running_on(MACHINE.name) == [job_id(0)], "it goes on to its end"
    assert farm.machine_beat(MACHINE.id, job_id(0)) == Duty.DRAIN
    assert farm.heartbeat(job_id(0), 1, ANNE, LEASE_S).held
    assert farm.complete(report(job_id(0), 1))
    assert farm.running_on(MACHINE.name) == []
    farm.register_machine(MACHINE, BERT, "0.2.0")
    assert farm.machine_beat(MACHINE.id, None) == Duty.DRAIN
    assert farm.assign("another", Duty.PAUSE) == 0


def test_a_ring_that_is_given_back_is_sent_again(farm: Store) -> None:
    rings = unrung(farm, 10)
    farm.mark_published(rings)
    assert farm.return_ring(job_id(1), 0)
    assert unrung(farm, 10) == [rings[1]]


def test_a_ring_is_not_given_back_before_its_sender_has_noted_it(farm: Store) -> None:
    """Else the note would come after, and nobody would ring."""
    rings = unrung(farm, 10)
    assert not farm.return_ring(job_id(1), 0)
    farm.mark_published(rings)
    assert farm.return_ring(job_id(1), 0)
    assert unrung(farm, 10) == [rings[1]]


def test_a_ring_that_is_given_back_too_late_is_forgotten(farm: Store) -> None:
    farm.mark_published(unrung(farm, 10))
    claim(farm, job_id(0))
    assert farm.return_ring(job_id(0), 0)
    claim(farm, job_id(1), lease_s=NO_LEASE_S)
    farm.expire_leases()
    farm.mark_published(unrung(farm, 10))
    assert farm.return_ring(job_id(1), 0)
    assert farm.return_ring("no-such-job", 0)
    assert unrung(farm, 10) == []
    assert counts(farm) == {JobState.QUEUED: 2, JobState.RUNNING: 1}


@pytest.mark.parametrize(
    ("change", "field"), [({"version": 2}, "version"), ({"unheard_of": 1}, "unheard_of"), ({"kind": "quantum"}, "kind")]
)
def test_a_job_of_another_version_stays_as_it_was(farm: Store, change: dict[str, object], field: str) -> None:
    spec = new_job(0).spec.model_dump(mode="json") | change
    with farm.write() as connection:
        connection.execute(tables.job.update().where(tables.job.c.id == job_id(0)).values(spec=spec))
        before = connection.execute(tables.job.select()).all()
    with pytest.raises(WorkerOutdated, match=rf"{job_id(0)} .*\({field}\): update wattfarm") as caught:
        claim(farm, job_id(0))
    assert "\n" not in str(caught.value)
    with farm.read() as connection:
        assert connection.execute(tables.job.select()).all() == before


def test_a_stale_ring_wins_nothing(farm: Store) -> None:
    assert claim(farm, job_id(0)) is not None
    assert claim(farm, job_id(0)) is None, "already running"
    assert claim(farm, job_id(0), seen=1) is None, "running, whatever was seen"
    assert claim(farm, "no-such-job") is None
    farm.release(ANNE)
    assert claim(farm, job_id(0), seen=0) is None, "an attempt was begun since the ring"
    assert claim(farm, job_id(0), seen=1) is not None


def test_threads_that_share_a_store_win_each_job_once(farm: Store) -> None:
    farm.submit(record(), [new_job(n) for n in range(20)])

    def claim_all(pid: int) -> list[str]:
        owner = Owner("lab1", pid, "boot-a")
        return [job_id(n) for n in range(20) if claim(farm, job_id(n), owner=owner)]

    with ThreadPoolExecutor(4) as pool:
        won = Counter(job for jobs in pool.map(claim_all, range(4)) for job in jobs)
    assert won == {job_id(n): 1 for n in range(20)}


def _claim_all(url: str, pid: int) -> list[str]:
    with Store.open(url) as store:
        owner = Owner("lab1", pid, "boot-a")
        return [job_id(n) for n in range(40) if claim(store, job_id(n), owner=owner)]


def test_processes_win_each_job_once(farm: Store, database_url: str) -> None:
    farm.submit(record(), [new_job(n) for n in range(40)])
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        won = Counter(job for jobs in pool.map(_claim_all, [database_url] * 3, range(3)) for job in jobs)
    assert won == {job_id(n): 1 for n in range(40)}


def test_a_heartbeat_keeps_the_lease(farm: Store) -> None:
    claim(farm, job_id(0), lease_s=NO_LEASE_S)
    beat = farm.heartbeat(job_id(0), 1, ANNE, LEASE_S)
    assert (beat.held, beat.cancel) == (True, False)
    assert farm.expire_leases() == []


def test_a_heartbeat_takes_back_a_lease_that_ran_out_unclaimed(farm: Store) -> None:
    claim(farm, job_id(0), lease_s=NO_LEASE_S)
    assert farm.expire_leases() == [job_id(0)]
    assert farm.heartbeat(job_id(0), 1, ANNE, LEASE_S).held
    assert claim(farm, job_id(0), seen=1, owner=BERT) is None, "it runs again"
    assert farm.complete(report(job_id(0), 1))
    assert counts(farm) == {JobState.QUEUED: 2, JobState.DONE: 1}


def test_a_heartbeat_learns_that_another_attempt_began(farm: Store) -> None:
    claim(farm, job_id(0), lease_s=NO_LEASE_S)
    farm.expire_leases()
    assert claim(farm, job_id(0), seen=1, owner=BERT) is not None
    assert not farm.heartbeat(job_id(0), 1, ANNE, LEASE_S).held
    assert farm.heartbeat(job_id(0), 2, BERT, LEASE_S).held
    assert not farm.heartbeat(job_id(0), 2, ANNE, LEASE_S).held, "right attempt, wrong worker"


def test_a_late_heartbeat_does_not_seize_a_job_that_was_given_back(farm: Store) -> None:
    claim(farm, job_id(0))
    farm.complete(report(job_id(0), 1, FailureKind.CRASHED))
    assert not farm.heartbeat(job_id(0), 1, ANNE, LEASE_S).held
    claim(farm, job_id(1))
    assert farm.release(ANNE) == 1
    assert not farm.heartbeat(job_id(1), 1, ANNE, LEASE_S).held
    assert counts(farm) == {JobState.QUEUED: 3}


def test_release_does_not_count_the_attempt(farm: Store) -> None:
    for seen in range(MAX_ATTEMPTS + 2):
        assert claim(farm, job_id(0), seen=seen) is not None
        assert farm.release(ANNE) == 1
    assert farm.release(ANNE) == 0
    assert counts(farm) == {JobState.QUEUED: 3}
    assert job_id(0) in {ring.job for ring in unrung(farm, 10)}
    assert farm.failures(SWEEP) == []


# Leases that run out


def test_a_lost_job_is_queued_again_until_its_attempts_are_used_up(farm: Store) -> None:
    farm.mark_published(unrung(farm, 10))
    claim(farm, job_id(0), lease_s=NO_LEASE_S)
    assert farm.expire_leases() == [job_id(0)]
    assert farm.expire_leases() == []
    assert unrung(farm, 10) == [Ring(job=job_id(0), attempt=1, queue="any")]
    claim(farm, job_id(0), seen=1, lease_s=NO_LEASE_S)
    assert farm.expire_leases() == [job_id(0)]
    assert counts(farm) == {JobState.QUEUED: 2, JobState.FAILED: 1}
    lost = [(trial.attempt, trial.failure.kind, trial.state) for trial in farm.failures(SWEEP)]
    assert lost == [(1, FailureKind.LOST, JobState.FAILED), (2, FailureKind.LOST, JobState.FAILED)]


def test_a_living_lease_does_not_expire(farm: Store) -> None:
    claim(farm, job_id(0))
    assert farm.expire_leases() == []
    assert counts(farm) == {JobState.QUEUED: 2, JobState.RUNNING: 1}


def test_a_dead_workers_job_is_lost_at_once_and_nobody_elses(farm: Store) -> None:
    claim(farm, job_id(0))
    claim(farm, job_id(1), owner=BERT)
    assert farm.lose(ANNE) == [job_id(0)]
    assert farm.lose(ANNE) == []
    assert [(trial.job, trial.failure.kind) for trial in farm.failures(SWEEP)] == [(job_id(0), FailureKind.LOST)]
    assert counts(farm) == {JobState.QUEUED: 2, JobState.RUNNING: 1}


# Complete


def test_a_report_is_stored_once(farm: Store) -> None:
    claim(farm, job_id(0))
    assert farm.complete(report(job_id(0), 1))
    assert not farm.complete(report(job_id(0), 1))
    assert not farm.complete(report(job_id(0), 1, FailureKind.CRASHED))
    assert [row.gross_j for row in farm.measurement_rows()] == [20.125]
    assert counts(farm) == {JobState.QUEUED: 2, JobState.DONE: 1}


def test_reports_at_the_same_time_are_stored_once(farm: Store) -> None:
    claim(farm, job_id(0))
    with ThreadPoolExecutor(4) as pool:
        stored = list(pool.map(lambda _: farm.complete(report(job_id(0), 1)), range(4)))
    assert sorted(stored) == [False, False, False, True]
    assert len(list(farm.trial_rows())) == 1


def test_a_stale_attempt_is_refused(farm: Store) -> None:
    claim(farm, job_id(0), lease_s=NO_LEASE_S)
    farm.expire_leases()
    claim(farm, job_id(0), seen=1, owner=BERT)
    assert not farm.complete(report(job_id(0), 1)), "somebody else began anew"
    assert farm.complete(report(job_id(0), 2))
    assert not farm.complete(report(job_id(0), 1)), "and has finished"
    assert not farm.complete(report("no-such-job", 1))
    outcomes = [(row.attempt, row.failure and row.failure.kind) for row in farm.trial_rows()]
    assert outcomes == [(1, FailureKind.LOST), (2, None)]


@pytest.mark.parametrize("max_attempts", [1, 2])
def test_a_lost_attempt_that_reports_late_is_kept(store: Store, max_attempts: int) -> None:
    store.register_machine(MACHINE, ANNE, "0.1.0")
    store.submit(record(), [new_job(0, max_attempts=max_attempts)])
    claim(store, job_id(0), lease_s=NO_LEASE_S)
    store.expire_leases()
    assert counts(store) == {JobState.FAILED if max_attempts == 1 else JobState.QUEUED: 1}
    assert store.complete(report(job_id(0), 1))
    assert not store.complete(report(job_id(0), 1))
    assert counts(store) == {JobState.DONE: 1}
    assert [row.failure for row in store.trial_rows()] == [None]
    assert claim(store, job_id(0), seen=1) is None, "the ring of the lost attempt is stale"


@pytest.mark.parametrize("kind", [FailureKind.OOM, FailureKind.INVALID, FailureKind.ERROR, FailureKind.TIMEOUT])
def test_a_failure_that_would_repeat_is_final(farm: Store, kind: FailureKind) -> None:
    claim(farm, job_id(0))
    assert farm.complete(report(job_id(0), 1, kind))
    assert counts(farm) == {JobState.QUEUED: 2, JobState.FAILED: 1}
    (failed,) = farm.failures(SWEEP)
    assert failed.failure == Failure(kind=kind, message="it said so", signal=11)
    assert (failed.job, failed.attempt, failed.point) == (job_id(0), 1, new_job(0).spec.point)


def test_a_crash_is_tried_again_and_each_attempt_is_stored(farm: Store) -> None:
    claim(farm, job_id(0))
    assert farm.complete(report(job_id(0), 1, FailureKind.CRASHED))
    assert not farm.complete(report(job_id(0), 1, FailureKind.CRASHED)), "the same report again"
    assert counts(farm) == {JobState.QUEUED: 3}
    claim(farm, job_id(0), seen=1)
    assert farm.complete(report(job_id(0), 2, FailureKind.CRASHED))
    assert counts(farm) == {JobState.QUEUED: 2, JobState.FAILED: 1}
    assert [trial.attempt for trial in farm.failures(SWEEP)] == [1, 2]


def test_an_interrupted_attempt_does_not_count(farm: Store) -> None:
    for attempt in range(1, MAX_ATTEMPTS + 3):
        assert claim(farm, job_id(0), seen=attempt - 1) is not None
        assert farm.complete(report(job_id(0), attempt, FailureKind.INTERRUPTED))
    assert counts(farm) == {JobState.QUEUED: 3}


def test_a_retry_is_stored_beside_the_old_trial(farm: Store) -> None:
    claim(farm, job_id(0))
    farm.complete(report(job_id(0), 1, FailureKind.ERROR))
    assert farm.retry(SWEEP, attempts=1) == 1
    assert farm.retry(SWEEP, attempts=1) == 0
    assert claim(farm, job_id(0), seen=1) is not None
    assert farm.complete(report(job_id(0), 2))
    assert [(row.attempt, row.failure is None) for row in farm.trial_rows()] == [(1, False), (2, True)]
    assert counts(farm) == {JobState.QUEUED: 2, JobState.DONE: 1}


def test_a_retry_has_as_many_attempts_as_it_was_given(farm: Store) -> None:
    claim(farm, job_id(0))
    farm.complete(report(job_id(0), 1, FailureKind.ERROR))
    farm.retry(SWEEP, attempts=2)
    for attempt, state in ((2, JobState.QUEUED), (3, JobState.FAILED)):
        claim(farm, job_id(0), seen=attempt - 1)
        farm.complete(report(job_id(0), attempt, FailureKind.CRASHED))
        assert farm.failures(SWEEP)[-1].state == state


# Cancel


def test_cancel_stops_what_waits_and_asks_what_runs(farm: Store) -> None:
    claim(farm, job_id(0))
    assert farm.cancel(SWEEP) == (2, 1)
    assert unrung(farm, 10) == []
    assert claim(farm, job_id(1)) is None
    beat = farm.heartbeat(job_id(0), 1, ANNE, LEASE_S)
    assert (beat.held, beat.cancel) == (True, True)
    assert farm.complete(report(job_id(0), 1, FailureKind.CANCELLED))
    assert counts(farm) == {JobState.CANCELLED: 3}
    assert farm.progress(SWEEP).is_over


def test_a_trial_that_ends_before_it_hears_of_the_cancel_is_kept(farm: Store) -> None:
    claim(farm, job_id(0))
    farm.cancel(SWEEP)
    assert farm.complete(report(job_id(0), 1))
    assert counts(farm) == {JobState.CANCELLED: 2, JobState.DONE: 1}


def test_a_cancelled_job_whose_worker_falls_silent_stays_cancelled(farm: Store) -> None:
    claim(farm, job_id(0), lease_s=NO_LEASE_S)
    claim(farm, job_id(1), owner=BERT)
    farm.cancel(SWEEP)
    farm.expire_leases()
    farm.release(BERT)
    assert counts(farm) == {JobState.CANCELLED: 3}


def test_a_cancelled_sweep_can_be_submitted_again(farm: Store) -> None:
    claim(farm, job_id(0))
    farm.complete(report(job_id(0), 1))
    claim(farm, job_id(1))
    farm.cancel(SWEEP)
    farm.complete(report(job_id(1), 1, FailureKind.CANCELLED))
    assert farm.submit(record(), [new_job(n) for n in range(3)]) == 2
    assert counts(farm) == {JobState.DONE: 1, JobState.QUEUED: 2}
    assert claim(farm, job_id(1), seen=1) is not None
    assert not farm.heartbeat(job_id(1), 2, ANNE, LEASE_S).cancel


def test_submitting_again_takes_back_a_cancel_that_is_under_way(farm: Store) -> None:
    claim(farm, job_id(0))
    farm.cancel(SWEEP)
    farm.submit(record(), [new_job(n) for n in range(3)])
    assert not farm.heartbeat(job_id(0), 1, ANNE, LEASE_S).cancel
    farm.complete(report(job_id(0), 1, FailureKind.CANCELLED))
    assert counts(farm) == {JobState.QUEUED: 3}
