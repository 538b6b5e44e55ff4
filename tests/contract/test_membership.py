"""Revisions of a sweep: a job that adopted counts the trials of another job, wherever results are read."""

from dataclasses import replace
from datetime import timedelta

import pytest

from farm.exchange import exports
from farm.exchange.loading import load
from farm.model import FailureKind, JobState, SweepData
from farm.model.data import Need
from farm.store import MeasuredJob, NewJob, Revision, Store
from tests.contract.store_records import (
    ANNE,
    MACHINE,
    SWEEP,
    UTC_NOON,
    claim,
    counts,
    job_id,
    new_job,
    record,
    report,
)

LATER = "fedcba543210"
FACTS = {"unit": "image", "device": "cpu", "published_acc1_percent": 56.5}


def adopting(ordinal: int, measured: int, sweep: str = LATER) -> NewJob:
    """A job of a later sweep that counts the trials of a job of SWEEP."""
    return replace(new_job(ordinal, sweep), adopts=job_id(measured))


@pytest.fixture
def revised(farm: Store) -> Store:
    """Two of three jobs are measured, the second at its second attempt; a later sweep adopts both, and has one more."""
    claim(farm, job_id(0))
    assert farm.complete(report(job_id(0), 1, facts=FACTS, latencies_s=(0.1, 0.2)))
    claim(farm, job_id(1))
    assert farm.complete(report(job_id(1), 1, FailureKind.CRASHED))
    claim(farm, job_id(1), seen=1)
    assert farm.complete(report(job_id(1), 2, facts=FACTS))
    later = record(LATER, at=UTC_NOON + timedelta(hours=1))
    assert farm.submit(later, [adopting(0, 0), adopting(1, 1), new_job(2, LATER)]) == 1
    return farm


def everything(store: Store, sweep: str) -> SweepData:
    return load(store, store.find_sweep(sweep), set(Need))


def test_every_reading_of_a_sweep_counts_what_it_adopted(revised: Store) -> None:
    own, later = everything(revised, SWEEP), everything(revised, LATER)
    trials = [f"{job_id(0)}.1", f"{job_id(1)}.1", f"{job_id(1)}.2"]
    for data, sweep in ((own, SWEEP), (later, LATER)):
        assert [(s.sweep, s.job, s.trial) for s in data.samples] == [
            (sweep, f"{sweep}-0", trials[0]),
            (sweep, f"{sweep}-1", trials[2]),
        ]
        assert [(t.sweep, t.job, t.trial) for t in data.trials] == [
            (sweep, f"{sweep}-0", trials[0]),
            *((sweep, f"{sweep}-1", trial) for trial in trials[1:]),
        ]
        assert [row.trial for row in data.work] == [trials[0], trials[2]]
        assert {name: list(times_s) for name, times_s in data.latencies_s.items()} == {trials[0]: [0.1, 0.2]}
        assert data.accuracy == {"alexnet": 56.5}
        assert [failure.job for failure in data.failures] == [job_id(1)], "the job whose log tells more"
        assert list(data.environments.values()) == [{"torch": "2.11"}]
        assert [(trial.job, trial.trial) for trial, _ in revised.measured(sweep)] == [
            (t.job, t.trial) for t in data.trials
        ]
        assert len(list(exports.exported(revised, data.record, exports.Rows.MEASUREMENT).records())) == 2
    assert (own.meters, own.spent, own.requests) == (later.meters, later.spent, later.requests)
    assert revised.points(SWEEP) == revised.points(LATER)
    assert own.plan == later.plan


def test_progress_counts_what_was_adopted_as_done(revised: Store) -> None:
    found = revised.progress(LATER)
    assert found.counts == {JobState.DONE: 2, JobState.QUEUED: 1}
    assert found.recent_s == {"cpu-2": (9.0, 9.0)}, "the time left is known before its first own trial"


def test_the_whole_store_has_each_trial_once_under_the_sweep_that_measured_it(revised: Store) -> None:
    assert [(t.sweep, t.trial) for t in revised.trial_rows()] == [
        (SWEEP, f"{job_id(0)}.1"), (SWEEP, f"{job_id(1)}.1"), (SWEEP, f"{job_id(1)}.2")
    ]  # fmt: skip
    assert {row.sweep for row in revised.measurement_rows()} == {SWEEP}
    assert {row[0] for row in revised.query("select sweep from v_sample", 10).rows} == {SWEEP}


def test_a_trial_is_found_by_the_job_that_adopted_it(revised: Store) -> None:
    found = revised.find_trial(f"{LATER}-1")
    assert (found.sweep, found.job, found.trial) == (SWEEP, job_id(1), f"{job_id(1)}.2")


def test_a_job_that_adopted_is_never_published_claimed_cancelled_or_retried(revised: Store) -> None:
    assert claim(revised, f"{LATER}-0") is None
    assert [m.job for part in revised.outbox(LATER) for m in revised.unpublished(LATER, part.queue, 9)] == [
        f"{LATER}-2"
    ]
    assert revised.cancel(LATER) == (1, 0)
    assert revised.retry(LATER, 2) == 0
    assert revised.progress(LATER).counts == {JobState.DONE: 2, JobState.CANCELLED: 1}
    revised.cancel(SWEEP)
    assert len(revised.samples([LATER])) == 2, "cancelling the older sweep loses nothing"


def test_jobs_that_never_began_adopt_on_another_submission_and_others_stay(revised: Store) -> None:
    claim(revised, f"{LATER}-2")
    assert revised.complete(report(f"{LATER}-2", 1, facts=FACTS))
    assert [job.state for job in revised.known_jobs(SWEEP).values()].count(JobState.QUEUED) == 1
    assert [own.may_adopt for own in revised.known_jobs(SWEEP).values()].count(True) == 1
    again = [new_job(0), new_job(1), replace(new_job(2), adopts=f"{LATER}-2")]
    assert revised.submit(record().model_copy(update={"renewed_at": UTC_NOON + timedelta(hours=2)}), again) == 0
    assert counts(revised) == {JobState.DONE: 3}
    assert [s.trial for s in revised.samples([SWEEP])] == [f"{job_id(0)}.1", f"{job_id(1)}.2", f"{LATER}-2.1"]
    assert revised.find_sweep("batching").id == SWEEP, "the one that was submitted last"


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.FAILED, JobState.DONE])
def test_a_job_that_began_adopts_nothing(revised: Store, state: JobState) -> None:
    own = f"{LATER}-2"
    claim(revised, own)
    if state is not JobState.RUNNING:
        assert revised.complete(report(own, 1, FailureKind.ERROR if state is JobState.FAILED else None))
    revised.submit(record(LATER), [adopting(2, 0)])
    known = revised.known_jobs(LATER)[own]
    assert (known.state, known.adopts, known.may_adopt) == (state, None, False)


def test_only_what_was_measured_at_the_last_attempt_may_be_adopted(revised: Store) -> None:
    claim(revised, job_id(2))
    assert revised.complete(report(job_id(2), 1, FailureKind.INVALID))
    found = revised.measured_beside(LATER, "batching")
    assert [one.id for one in found] == [job_id(0), job_id(1)]
    spec = new_job(0).spec.model_dump(mode="json")
    assert found[0] == MeasuredJob(job_id(0), spec, MACHINE.id, MACHINE.name, {"torch": "2.11"})
    assert revised.measured_beside(SWEEP, "batching") == [], "its own jobs, and those that only adopted"
    assert revised.measured_beside(LATER, "another") == []
    assert revised.measured_beside(LATER, "batching", since=UTC_NOON + timedelta(hours=1)) == []


def test_a_search_and_an_import_lend_nothing(store: Store) -> None:
    store.register_machine(MACHINE, ANNE, "0.1.0")
    store.submit(record().model_copy(update={"is_search": True}), [new_job(0)])
    claim(store, job_id(0))
    assert store.complete(report(job_id(0), 1))
    assert store.measured_beside(LATER, "batching") == []
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE sweep SET is_search = false, imported = true")
    assert store.measured_beside(LATER, "batching") == []


def test_the_other_sweeps_of_a_name_are_known_with_what_they_measured(revised: Store) -> None:
    revised.submit(record("another", "another"), [])
    assert revised.other_revisions("batching", LATER) == [Revision(SWEEP, UTC_NOON, open=1, measured=2, counted=2)]
    assert revised.other_revisions("batching", SWEEP) == [
        Revision(LATER, UTC_NOON + timedelta(hours=1), open=1, measured=0, counted=0)
    ]
    assert [own.id for own in revised.other_revisions("batching", "none")] == [LATER, SWEEP]
    assert revised.other_revisions("nobody", "none") == []
