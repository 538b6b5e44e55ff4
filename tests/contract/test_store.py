"""What holds of jobs and their attempts, on every database: the invariants of the docstring of `farm.store`."""

from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import pytest

from farm.model import Claim, Failure, FailureKind, JobMessage, JobState, MachineState, Owner
from farm.model.errors import WorkerOutdated
from farm.store import Store, tables
from tests.contract.store_records import (
    ANNE,
    BERT,
    LEASE_S,
    MACHINE,
    MAX_ATTEMPTS,
    NO_LEASE_S,
    RULE,
    SWEEP,
    claim,
    counts,
    job_id,
    new_job,
    record,
    report,
    unpublished,
)

# Claim, heartbeat, release


def test_a_claim_gives_the_spec_and_begins_an_attempt(farm: Store) -> None:
    assert claim(farm, job_id(1)) == Claim(spec=new_job(1).spec, attempt=1, sweep_name="batching", queue="any")
    assert counts(farm) == {JobState.QUEUED: 2, JobState.RUNNING: 1}
    (running,) = farm.progress(SWEEP).running
    assert (running.job, running.machine, running.point) == (job_id(1), "lab1", new_job(1).spec.point)
    assert abs(running.since - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("wanted_state", [MachineState.PAUSED, MachineState.DRAINING])
def test_a_machine_that_is_paused_or_drained_wins_nothing(farm: Store, wanted_state: MachineState) -> None:
    assert farm.assign(MACHINE.name, wanted_state) == 1
    assert claim(farm, job_id(0)) is None
    assert counts(farm) == {JobState.QUEUED: 3}
    farm.assign(MACHINE.name, MachineState.ACTIVE)
    assert claim(farm, job_id(0)) is not None


def test_the_wanted_state_comes_with_a_heartbeat_and_outlives_the_worker(farm: Store) -> None:
    assert farm.machine_beat(MACHINE.id, None) == MachineState.ACTIVE
    claim(farm, job_id(0))
    farm.assign(MACHINE.name, MachineState.DRAINING)
    assert farm.running_on(MACHINE.name) == [job_id(0)], "it goes on to its end"
    assert farm.machine_beat(MACHINE.id, job_id(0)) == MachineState.DRAINING
    assert farm.heartbeat(job_id(0), 1, ANNE, LEASE_S).held
    assert farm.complete(report(job_id(0), 1))
    assert farm.running_on(MACHINE.name) == []
    farm.register_machine(MACHINE, BERT, "0.2.0")
    assert farm.machine_beat(MACHINE.id, None) == MachineState.DRAINING
    assert farm.assign("another", MachineState.PAUSED) == 0


def test_a_returned_message_is_sent_again(farm: Store) -> None:
    messages = unpublished(farm, 10)
    farm.mark_published(messages)
    assert farm.return_message(job_id(1), 0)
    assert unpublished(farm, 10) == [messages[1]]


def test_a_message_is_not_returned_before_its_sender_has_recorded_it(farm: Store) -> None:
    """Else the note would come after, and nobody would message."""
    messages = unpublished(farm, 10)
    assert not farm.return_message(job_id(1), 0)
    farm.mark_published(messages)
    assert farm.return_message(job_id(1), 0)
    assert unpublished(farm, 10) == [messages[1]]


def test_a_message_that_is_returned_too_late_is_forgotten(farm: Store) -> None:
    farm.mark_published(unpublished(farm, 10))
    claim(farm, job_id(0))
    assert farm.return_message(job_id(0), 0)
    claim(farm, job_id(1), lease_s=NO_LEASE_S)
    farm.expire_leases()
    farm.mark_published(unpublished(farm, 10))
    assert farm.return_message(job_id(1), 0)
    assert farm.return_message("no-such-job", 0)
    assert unpublished(farm, 10) == []
    assert counts(farm) == {JobState.QUEUED: 2, JobState.RUNNING: 1}


@pytest.mark.parametrize(
    ("change", "field"), [({"version": 2}, "version"), ({"unheard_of": 1}, "unheard_of"), ({"kind": "No name"}, "kind")]
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


def test_a_stale_message_wins_nothing(farm: Store) -> None:
    assert claim(farm, job_id(0)) is not None
    assert claim(farm, job_id(0)) is None, "already running"
    assert claim(farm, job_id(0), seen=1) is None, "running, whatever was seen"
    assert claim(farm, "no-such-job") is None
    farm.release(ANNE)
    assert claim(farm, job_id(0), seen=0) is None, "an attempt was begun since the message"
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


@pytest.mark.slow
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
    assert job_id(0) in {message.job for message in unpublished(farm, 10)}
    assert farm.failures(SWEEP) == []


# Leases that run out


def test_a_lost_job_is_queued_again_until_its_attempts_are_used_up(farm: Store) -> None:
    farm.mark_published(unpublished(farm, 10))
    claim(farm, job_id(0), lease_s=NO_LEASE_S)
    assert farm.expire_leases() == [job_id(0)]
    assert farm.expire_leases() == []
    assert unpublished(farm, 10) == [JobMessage(job=job_id(0), attempt=1, queue="any")]
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
    assert claim(store, job_id(0), seen=1) is None, "the message of the lost attempt is stale"


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


def test_a_retry_may_choose_how_the_last_attempt_failed(farm: Store) -> None:
    for ordinal, failure in enumerate((FailureKind.ERROR, FailureKind.INVALID)):
        claim(farm, job_id(ordinal))
        farm.complete(report(job_id(ordinal), 1, failure))
    assert farm.retry(SWEEP, 1, after=FailureKind.INVALID) == 1
    assert claim(farm, job_id(1), seen=1) is not None
    farm.complete(report(job_id(1), 2, FailureKind.ERROR))
    assert farm.retry(SWEEP, 1, after=FailureKind.INVALID) == 0
    assert counts(farm) == {JobState.FAILED: 2, JobState.QUEUED: 1}


def test_a_retried_job_may_need_more_repetitions(farm: Store) -> None:
    """The sweep was settled when the job had failed."""
    adaptive = record("adaptive").model_copy(update={"rule": RULE.model_copy(update={"max": 9})})
    farm.submit(adaptive, [new_job(0, "adaptive")])
    for sweep, job, is_settled in (("adaptive", "adaptive-0", False), (SWEEP, job_id(0), True)):
        claim(farm, job)
        farm.complete(report(job, 1, FailureKind.INVALID))
        assert farm.retry(sweep, 1) == 1
        assert farm.find_sweep(sweep).settled == is_settled


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
    assert unpublished(farm, 10) == []
    assert claim(farm, job_id(1)) is None
    beat = farm.heartbeat(job_id(0), 1, ANNE, LEASE_S)
    assert (beat.held, beat.cancel) == (True, True)
    assert farm.complete(report(job_id(0), 1, FailureKind.CANCELLED))
    assert counts(farm) == {JobState.CANCELLED: 3}
    assert farm.progress(SWEEP).is_over


def test_a_trial_that_ends_before_it_receives_the_cancel_is_kept(farm: Store) -> None:
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
