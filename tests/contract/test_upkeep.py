"""How people look after their sweeps: list, rename, delete, take up again; on every database."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from farm.model import Domain, Epoch, FailureKind, JobState, Quality, Requests, SweepRecord, TraceReport
from farm.model.errors import InputError
from farm.model.reading import readable
from farm.store import Store
from farm.store.tables import METADATA
from tests.contract.store_records import (
    ANNE,
    MACHINE,
    RULE,
    SWEEP,
    UTC_NOON,
    claim,
    counts,
    job_id,
    new_job,
    record,
    report,
)

LATER = "0123456789ab"
#: Tables whose rows other sweeps may refer to.
SHARED = {"machine", "environment"}
TIMES_S = dict.fromkeys(("arrival_s", "enqueue_s", "dequeue_s", "start_s", "done_s"), (0.0, 1.0))
TRACE = TraceReport(
    domain=Domain.CPU, source="rapl", quality=Quality.COUNTER, t0_ns=0, offset_s=(0.0, 1.0), power_w=(1.0, 2.0),
    energy_j=(0.0, 1.0), temperature_c=(None, None), clock_hz=(None, None),
)  # fmt: skip


def revised(name: str = "batching") -> SweepRecord:
    return record(LATER, name, at=UTC_NOON + timedelta(hours=1))


def measured(store: Store, job: str) -> None:
    """A trial with a row in every table."""
    claim(store, job)
    epoch = Epoch(index=0, window=0, train_loss=1.0, validation_loss=1.0, validation_accuracy=0.5, train_s=1.0)
    requests = Requests(window=0, capacity_per_s=1.0, **TIMES_S)
    full = report(job, 1, traces=(TRACE,), epochs=(epoch,), requests=(requests,), latencies_s=(0.1,))
    assert store.complete(full)


def sizes(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return {
            name: connection.scalar(select(func.count()).select_from(table)) or 0
            for name, table in METADATA.tables.items()
        }


@pytest.fixture
def two(farm: Store) -> Store:
    """A sweep with a measured, a failed and a waiting job, and a later one of the same name."""
    measured(farm, job_id(0))
    claim(farm, job_id(1))
    farm.complete(report(job_id(1), 1, FailureKind.INVALID))
    assert farm.submit(revised(), [new_job(n, LATER) for n in range(2)]) == 2
    return farm


def test_each_sweep_is_listed_with_its_jobs_and_machines(two: Store) -> None:
    later, first = readable(two.overviews())
    assert (later.record.id, later.progress.counts, later.machines) == (LATER, {JobState.QUEUED: 2}, ())
    assert (first.record.id, first.machines) == (SWEEP, (MACHINE.name,))
    assert first.progress.counts == {JobState.DONE: 1, JobState.FAILED: 1, JobState.QUEUED: 1}
    assert [sweep.id for sweep in two.sweeps_named("batching")] == [LATER, SWEEP]
    assert (
        [sweep.id for sweep in two.sweeps_named(SWEEP)]
        == [sweep.id for sweep in two.sweeps_named(SWEEP[:4])]
        == [SWEEP]
    )
    assert two.machines_of(SWEEP) == [MACHINE]


def test_a_sweep_is_deleted_with_all_that_it_measured_and_nothing_else(two: Store) -> None:
    two.cancel(SWEEP)
    two.cancel(LATER)
    full = sizes(two)
    assert min(full.values()) > 0, "each table has a row that the deletion might forget"
    gone = two.delete_sweeps([SWEEP])
    assert (gone.jobs, gone.trials) == (3, 2)
    assert {sweep.id for sweep in two.sweeps()} == {LATER}
    left = {name: count for name, count in sizes(two).items() if name not in SHARED and count}
    assert left == {"sweep": 1, "job": 2}
    assert not two.complete(report(job_id(1), 1)), "a late report finds no job, and is discarded"
    assert two.extend(SWEEP, [new_job(7)]) == 0
    two.delete_sweeps([LATER])
    assert two.overviews() == []


def test_a_sweep_at_work_is_not_deleted(two: Store) -> None:
    before = sizes(two)
    two.cancel(LATER)
    with pytest.raises(
        InputError, match=rf"^batching \({SWEEP}\) is not over, 1 of its jobs wait or run: `farm cancel"
    ):
        two.delete_sweeps([SWEEP, LATER])
    open_rule = RULE.model_copy(update={"max": 5})
    two.submit(revised().model_copy(update={"id": "open", "rule": open_rule, "settled": False}), [])
    with pytest.raises(InputError, match=r"\(open\) is not over, the controller may still add jobs"):
        two.delete_sweeps(["open"])
    assert sizes(two) == before | {"sweep": 3}


def test_a_name_is_given_to_all_sweeps_of_a_name_or_to_none(two: Store) -> None:
    two.rename([SWEEP, LATER], "fresh")
    assert {sweep.name for sweep in two.sweeps()} == {"fresh"}
    two.rename([LATER], "later")
    for taken in ("fresh", SWEEP):
        with pytest.raises(InputError, match=f"^'{taken}' is the name or id of another sweep, {SWEEP}"):
            two.rename([LATER], taken)
    assert two.find_sweep("later").id == LATER


def test_a_cancelled_sweep_is_never_the_default_one(two: Store) -> None:
    assert two.find_sweep().id == two.find_sweep("batching").id == LATER
    two.cancel(LATER)
    assert two.find_sweep().id == two.find_sweep("batching").id == SWEEP
    assert two.find_sweep(LATER).id == LATER
    claim(two, job_id(2))
    two.cancel(SWEEP)
    assert two.find_sweep("batching").id == LATER, "all of that name are cancelled, one while it runs"
    with pytest.raises(InputError, match="all sweeps were cancelled: name one"):
        two.find_sweep()


def test_cancelled_jobs_are_queued_again(two: Store) -> None:
    claim(two, job_id(2))
    two.cancel(SWEEP)
    two.cancel(LATER)
    assert two.latest_cancelled("batching").id == LATER
    assert two.latest_cancelled(SWEEP).id == SWEEP
    assert two.requeue_cancelled(two.find_sweep(SWEEP), 2) == 0
    assert not two.heartbeat(job_id(2), 1, ANNE, 60.0).cancel, "what runs may go on"
    assert two.requeue_cancelled(two.find_sweep(LATER), 2) == 2
    assert counts(two)[JobState.FAILED] == 1, "what failed stays so"
    assert two.find_sweep().id == LATER
    open_rule = RULE.model_copy(update={"max": 5})
    grows = revised().model_copy(update={"id": "open", "rule": open_rule, "settled": False})
    two.submit(grows, [new_job(0, "open")])
    two.cancel("open")
    two.requeue_cancelled(two.find_sweep("open"), 2)
    assert not two.progress("open").settled, "the controller may add jobs again"
