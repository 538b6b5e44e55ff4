"""Sweeps, jobs, claims and reports for tests of the store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from farm.model import (
    Claim,
    Domain,
    Failure,
    FailureKind,
    Flag,
    JobMessage,
    JobSpec,
    JobState,
    Machine,
    Measurement,
    MeasureSettings,
    Owner,
    Quality,
    StoppingRule,
    SweepRecord,
    TrialReport,
    Window,
    WindowKind,
)
from farm.store import NewJob, Store

SWEEP = "abcdef012345"
MACHINE = Machine(id="m1", name="lab1", hardware_class="cpu-2", hardware={"cores": 2, "gpu": None})
ANNE = Owner("lab1", 100, "boot-a")
BERT = Owner("lab2", 200, "boot-b")
UTC_NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
LEASE_S = 60.0
#: A lease that has run out when it begins: tests need not wait.
NO_LEASE_S = -1.0
MAX_ATTEMPTS = 2
RULE = StoppingRule(min=2, max=2, target=0.02)
MEASURE = MeasureSettings(
    profile="quick", window_s=2, windows=1, min_iterations=1, idle_s=1, cool_down_max_s=0,
    context_idle_s=1, warmup_s=1, warmup_max_s=2,
    latency_s=1, latency_max_batches=10, guard_s=0.25, poll_period_s=0.1,
)  # fmt: skip


def record(sweep: str = SWEEP, name: str = "batching", at: datetime = UTC_NOON) -> SweepRecord:
    return SweepRecord(
        id=sweep,
        name=name,
        kind="inference",
        submitted_at=at,
        text="name: batching\n",
        meaning="{}",
        rule=RULE,
        settled=True,
        submitter="anne",
    )


def new_job(ordinal: int, sweep: str = SWEEP, **changes: Any) -> NewJob:
    spec = JobSpec(
        job=f"{sweep}-{ordinal}",
        sweep=sweep,
        kind="inference",
        point={"model": "alexnet", "batch_size": ordinal, "compile": False, "images": None},
        repetition=0,
        target="any",
        measure=MEASURE,
        seed=1,
        time_limit_s=60,
    )
    job = NewJob(id=spec.job, ordinal=ordinal, block=0, queue="any", priority=5, max_attempts=MAX_ATTEMPTS, spec=spec)
    return replace(job, **changes)


def report(job: str, attempt: int, failure: FailureKind | None = None, **changes: Any) -> TrialReport:
    window = Window(
        kind=WindowKind.MEASURE, begin_at_ns=10**15, end_at_ns=10**15 + 2 * 10**9, started_at_utc=UTC_NOON, units=64
    )
    measurement = Measurement(
        window_kind=WindowKind.MEASURE,
        window_index=0,
        domain=Domain.CPU,
        quality=Quality.COUNTER,
        source="rapl",
        gross_j=20.125,
        net_j=5.5,
        flags=(Flag.TOO_SHORT,),
    )
    bare = TrialReport(
        job=job,
        attempt=attempt,
        machine=MACHINE.id,
        started_at_utc=UTC_NOON,
        finished_at_utc=UTC_NOON + timedelta(seconds=9),
        duration_s=9.0,
        failure=Failure(kind=failure, message="it said so", signal=11) if failure else None,
        windows=() if failure else (window,),
        measurements=() if failure else (measurement,),
        environment={"torch": "2.11"},
    )
    return bare.model_copy(update=changes)


def job_id(ordinal: int) -> str:
    return f"{SWEEP}-{ordinal}"


def claim(store: Store, job: str, seen: int = 0, owner: Owner = ANNE, lease_s: float = LEASE_S) -> Claim | None:
    return store.claim(job, seen, owner, MACHINE.id, lease_s)


def counts(store: Store) -> dict[JobState, int]:
    return dict(store.progress(SWEEP).counts)


def unpublished(store: Store, limit: int, sweep: str | None = None) -> list[JobMessage]:
    """The first jobs that wait to be published, one sweep after the other, each in the order of its plan."""
    parts = store.outbox(sweep)
    return [message for part in parts for message in store.unpublished(part.sweep_id, part.queue, limit)][:limit]
