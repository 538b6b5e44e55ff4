"""What those who look after a farm ask the store, on every database."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from farm.model import (
    Domain,
    FailureKind,
    Flag,
    JobState,
    Live,
    LiveTrial,
    MachineState,
    Measurement,
    Owner,
    Temperature,
    TrialCount,
    Waiting,
    Window,
    WindowKind,
)
from farm.model.errors import InputError
from farm.store import Store, operations
from farm.store.machines import read_live
from farm.store.operations import RECENT
from tests.contract.store_records import (
    ANNE,
    BERT,
    MACHINE,
    NO_LEASE_S,
    SWEEP,
    UTC_NOON,
    claim,
    job_id,
    new_job,
    record,
    report,
)

LAB2 = MACHINE.model_copy(update={"id": "m2", "name": "lab2", "hardware_class": "gpu-1"})
OTHER = "other"


def window(index: int, temperature_c: float | None, domain: Domain = Domain.GPU) -> tuple[Window, Measurement]:
    """A window of 2 s, `index` minutes after noon."""
    begin_ns = index * 60 * 10**9
    at = UTC_NOON + timedelta(minutes=index)
    return (
        Window(
            kind=WindowKind.MEASURE,
            index=index,
            begin_at_ns=begin_ns,
            end_at_ns=begin_ns + 2 * 10**9,
            started_at_utc=at,
        ),
        Measurement(
            window_kind=WindowKind.MEASURE,
            window_index=index,
            domain=domain,
            quality=None,
            source=None,
            gross_j=None,
            temperature_c=temperature_c,
        ),
    )


def ran(store: Store, ordinal: int, machine: str = "m1", failure: FailureKind | None = None, **changes: Any) -> None:
    """One attempt at a job, from claim to report."""
    store.claim(job_id(ordinal), 0, ANNE, machine, 60.0)
    store.complete(report(job_id(ordinal), 1, failure, machine=machine, **changes))


# What runs and waits


def test_what_runs_is_known_with_its_sweep_and_machine(farm: Store) -> None:
    assert farm.running() == []
    claim(farm, job_id(1))
    (job,) = farm.running()
    assert (job.job, job.attempt, job.sweep, job.sweep_name) == (job_id(1), 1, SWEEP, "batching")
    assert (job.machine_id, job.machine, job.hardware_class, job.point["batch_size"]) == ("m1", "lab1", "cpu-2", 1)
    assert farm.progress(SWEEP).running == (job,)


def test_what_waits_is_counted_by_sweep_and_target(farm: Store) -> None:
    elsewhere = new_job(3)
    farm.submit(record(), [new_job(3, spec=elsewhere.spec.model_copy(update={"target": "machine:lab9"}))])
    farm.submit(record(OTHER), [new_job(0, OTHER)])
    farm.submit(record(), [new_job(4, queue="worker.gpus >= 1")])
    claim(farm, job_id(0))
    mine = [Waiting(SWEEP, "any", 2), Waiting(SWEEP, "any", 1, "worker.gpus >= 1"), Waiting(SWEEP, "machine:lab9", 1)]
    assert farm.waiting() == [*mine, Waiting(OTHER, "any", 1)]
    assert list(farm.progress(SWEEP).waiting) == mine
    assert farm.job_counts() == {
        (JobState.RUNNING, "any"): 1, (JobState.QUEUED, "any"): 4, (JobState.QUEUED, "machine:lab9"): 1,
    }  # fmt: skip


# Who is at hand


def available(store: Store, sweep: str = SWEEP) -> list[str]:
    return [machine.name for machine in store.progress(sweep).available]


def test_idle_machines_are_at_hand_and_busy_ones_for_their_own_sweep(farm: Store) -> None:
    farm.register_machine(LAB2, BERT, "0.1.0")
    farm.submit(record(OTHER), [new_job(0, OTHER)])
    assert available(farm) == available(farm, OTHER) == ["lab1", "lab2"]
    claim(farm, "other-0")
    assert (available(farm), available(farm, OTHER)) == (["lab2"], ["lab1", "lab2"])
    farm.assign("lab2", MachineState.PAUSED)
    assert (available(farm), available(farm, OTHER)) == ([], ["lab1"])
    farm.assign("lab1", MachineState.DRAINING)
    assert available(farm, OTHER) == ["lab1"], "it goes on to the end of its trial"


def test_durations_are_those_of_the_sweep_by_class_the_latest_first(farm: Store) -> None:
    farm.register_machine(LAB2, BERT, "0.1.0")
    farm.submit(record(), [new_job(n) for n in range(3, 7)])
    farm.submit(record(OTHER), [new_job(0, OTHER)])
    for ordinal, (machine, failure) in enumerate([("m1", None), ("m1", None), ("m2", None), ("m1", FailureKind.OOM)]):
        at = UTC_NOON + timedelta(hours=ordinal)
        ran(farm, ordinal, machine, failure, duration_s=10.0 + ordinal, finished_at_utc=at)
    claim(farm, "other-0")
    farm.complete(report("other-0", 1, duration_s=99.0))
    assert farm.progress(SWEEP).recent_s == {"cpu-2": (11.0, 10.0), "gpu-1": (12.0,)}


def test_a_sweep_that_is_over_is_asked_nothing_more(farm: Store) -> None:
    for ordinal in range(3):
        ran(farm, ordinal)
    stands = farm.progress(SWEEP)
    assert (stands.is_over, stands.available, stands.recent_s, stands.priority) == (True, (), {}, 5)


# The condition of a machine


def test_a_new_machine_has_done_nothing(farm: Store) -> None:
    found = farm.conditions()["m1"]
    assert (found.running, found.trials, found.flags, found.temperature) == (None, 0, {}, None)


def test_a_machine_is_known_by_its_last_trials(farm: Store) -> None:
    ran(farm, 0, flags=(Flag.THROTTLED, Flag.CONTAMINATED))
    ran(farm, 1, failure=FailureKind.OOM, flags=(Flag.CONTAMINATED,))
    claim(farm, job_id(2))
    found = farm.conditions()["m1"]
    assert (found.trials, found.failed, found.flagged) == (2, 1, 2)
    assert found.flags == {Flag.CONTAMINATED: 2, Flag.THROTTLED: 1}
    assert found.running is not None
    assert found.running.job == job_id(2)


def test_older_trials_are_forgotten(farm: Store) -> None:
    farm.submit(record(), [new_job(n) for n in range(3, RECENT + 2)])
    for ordinal in range(RECENT + 2):
        flags = (Flag.THROTTLED,) if ordinal < 3 else ()
        ran(farm, ordinal, flags=flags, finished_at_utc=UTC_NOON + timedelta(seconds=ordinal))
    found = farm.conditions()["m1"]
    assert (found.trials, found.flags) == (RECENT, {Flag.THROTTLED: 1})


def measured(*pairs: tuple[Window, Measurement]) -> dict[str, Any]:
    windows: Sequence[Window] = [w for w, _ in pairs]
    return {"windows": tuple(windows), "measurements": tuple(m for _, m in pairs)}


def test_the_temperature_is_that_of_the_newest_measurement_that_has_one(farm: Store) -> None:
    ran(farm, 0, **measured(window(1, 50.0), window(2, 61.5), window(3, None)))
    assert farm.conditions()["m1"].temperature == Temperature(
        Domain.GPU, 61.5, UTC_NOON + timedelta(minutes=2, seconds=2)
    )
    ran(farm, 1, failure=FailureKind.OOM, finished_at_utc=UTC_NOON + timedelta(hours=1))
    found = farm.conditions()["m1"].temperature
    assert found is not None
    assert found.celsius == 61.5, "a trial that failed at once tells nothing"


# Sums for metrics


def test_trials_are_counted_by_machine_end_and_flags(farm: Store) -> None:
    farm.register_machine(LAB2, BERT, "0.1.0")
    ran(farm, 0, duration_s=9.0)
    ran(farm, 1, duration_s=30.0)
    ran(farm, 2, "m2", FailureKind.OOM, duration_s=4.0, flags=(Flag.THROTTLED,))
    counts = sorted(farm.trial_counts([5.0, 10.0, 60.0]), key=lambda c: str(c.machine))
    assert counts == [
        TrialCount("lab1", None, (), 2, 39.0, (0, 1, 2)),
        TrialCount("lab2", FailureKind.OOM, (Flag.THROTTLED,), 1, 4.0, (1, 1, 1)),
    ]


def test_a_lost_trial_counts_without_a_duration(farm: Store) -> None:
    claim(farm, job_id(0), lease_s=NO_LEASE_S)
    farm.expire_leases()
    assert farm.trial_counts([5.0]) == [TrialCount("lab1", FailureKind.LOST, (), 1, 0.0, (0,))]


def test_a_wait_lasts_from_the_submission_to_the_first_attempt(store: Store) -> None:
    store.register_machine(MACHINE, ANNE, "0.1.0")
    submitted = record(at=store.machines()[0].last_seen_at - timedelta(minutes=10))
    later = new_job(2, block=submitted.rule.min)
    store.submit(submitted, [new_job(0), new_job(1), later])
    assert store.wait_counts([1.0]) == []
    for job in (job_id(0), later.id):  # the later one was added by the controller: nobody knows when
        claim(store, job)
    (found,) = store.wait_counts([60.0, 3600.0])
    assert (found.target, found.jobs, found.within) == ("any", 1, (0, 1))
    assert 600 <= found.seconds < 700


def test_of_a_second_attempt_nobody_knows_how_long_it_waited(farm: Store) -> None:
    claim(farm, job_id(0), lease_s=NO_LEASE_S)
    farm.expire_leases()
    claim(farm, job_id(0), seen=1)
    assert farm.wait_counts([1.0]) == []


# One trial


def test_a_trial_is_found_by_its_id_its_job_or_the_beginning_of_that(farm: Store) -> None:
    for attempt in (1, 2):
        claim(farm, job_id(1), seen=attempt - 1, owner=Owner("lab1", attempt, "boot"))
        farm.complete(report(job_id(1), attempt, FailureKind.CRASHED, log_tail=f"words {attempt}"))
    ran(farm, 2)
    assert farm.find_trial(f"{job_id(1)}.1").log_tail == "words 1"
    assert farm.find_trial(job_id(1)).log_tail == "words 2"
    farm.submit(record(OTHER), [new_job(0, OTHER)])
    claim(farm, "other-0")
    farm.complete(report("other-0", 1))
    assert farm.find_trial("oth").trial == "other-0.1"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("nothing.1", "`farm status SWEEP` names those that failed"),
        ("", "fits 2 jobs"),
        (SWEEP, f"fits 2 jobs: {SWEEP}-0, {SWEEP}-1"),
        (f"{SWEEP}-2", f"job {SWEEP}-2 is queued: it has had no trial yet"),
        (f"{SWEEP}-2.1", f"job {SWEEP}-2 is queued: it has had no trial yet"),
        (f"{SWEEP}-0.7", f"job {SWEEP}-0 has no trial '{SWEEP}-0.7': it is done, attempt 1"),
    ],
)
def test_a_trial_that_is_not_there_is_an_error_with_a_hint(farm: Store, name: str, hint: str) -> None:
    for ordinal in (0, 1):
        ran(farm, ordinal)
    with pytest.raises(InputError) as refused:
        farm.find_trial(name)
    assert hint in str(refused.value)


# What a worker tells with its heartbeat

LIVE = LiveTrial(phase=WindowKind.MEASURE, index=1, of=3, since=UTC_NOON, domain=Domain.CPU, power_w=7.5)


def test_what_a_trial_does_is_told_with_the_heartbeat(farm: Store) -> None:
    claim(farm, job_id(1))
    farm.machine_beat(MACHINE.id, job_id(1), live=Live(trial=LIVE, notes=("no energy meter",)))
    assert farm.running()[0].live == LIVE
    progress = farm.progress(SWEEP)
    assert progress.running[0].live == LIVE
    assert progress.notes == ((MACHINE.name, "no energy meter"),)
    farm.machine_beat(MACHINE.id, job_id(0), live=Live(trial=LIVE))
    assert farm.running()[0].live is None, "it is told of another job"
    farm.machine_beat(MACHINE.id, job_id(1))
    assert farm.running()[0].live is None


def test_what_a_silent_worker_told_is_not_shown(farm: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(farm, job_id(1))
    farm.machine_beat(MACHINE.id, job_id(1), live=Live(trial=LIVE, notes=("busy",)))
    monkeypatch.setattr(operations, "PRESENT_S", -1.0)  # so that it has been silent for longer
    assert farm.running()[0].live is None
    assert farm.progress(SWEEP).notes == ()


def test_a_dead_worker_tells_nothing_any_more(farm: Store) -> None:
    farm.register_machine(MACHINE, ANNE, "0.1.0")
    claim(farm, job_id(1))
    farm.machine_beat(MACHINE.id, job_id(1), live=Live(trial=LIVE, notes=("busy",)))
    farm.forget(ANNE)
    (machine,) = [found for found in farm.machines() if found.machine == MACHINE]
    assert (machine.live, machine.running_job) == (Live(), None)


def test_what_a_newer_worker_tells_does_no_harm() -> None:
    told_by_newer = LIVE.model_dump(mode="json") | {"mood": "fine"}
    assert read_live({"trial": told_by_newer}) == Live(trial=LIVE)
    assert read_live({"trial": told_by_newer | {"phase": "dancing"}}) == Live()
    assert read_live(None) == Live()


def test_trials_that_ended_are_known_with_their_figures(farm: Store) -> None:
    ran(farm, 0, finished_at_utc=UTC_NOON + timedelta(seconds=20))
    ran(farm, 1, failure=FailureKind.OOM, flags=(Flag.THROTTLED,))
    failed, measured = farm.ended(SWEEP)
    assert (failed.trial, failed.failure, failed.flags, failed.units) == (
        f"{job_id(1)}.1", FailureKind.OOM, (Flag.THROTTLED,), None,
    )  # fmt: skip
    assert (measured.trial, measured.machine, measured.units, measured.duration_s, measured.gross_j) == (
        f"{job_id(0)}.1", MACHINE.name, 64, 2.0, 20.125,
    )  # fmt: skip
    assert (measured.flags, measured.is_valid) == ((Flag.TOO_SHORT,), False)
    assert farm.ended(OTHER) == []
