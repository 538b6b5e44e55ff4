"""How jobs get into the store and are published, on every database: the invariants of the docstring of `farm.store`."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import event, update

from farm.model import JobMessage, JobState, Machine, MachineState
from farm.store import AtWork, Store, UnpublishedJobs, tables
from tests.contract.store_records import (
    ANNE,
    NO_LEASE_S,
    SWEEP,
    UTC_NOON,
    claim,
    counts,
    job_id,
    new_job,
    record,
    report,
    unpublished,
)


def test_submitting_twice_adds_nothing(farm: Store) -> None:
    assert farm.submit(record(), [new_job(n) for n in range(4)]) == 1
    assert counts(farm) == {JobState.QUEUED: 4}
    assert farm.sweeps() == [record()]


def test_a_sweep_without_jobs_is_a_sweep(store: Store) -> None:
    assert store.submit(record(), []) == 0
    assert store.progress(SWEEP).is_over


@pytest.mark.slow
def test_ten_thousand_jobs_go_in_at_once(store: Store) -> None:
    assert store.submit(record(), [new_job(n) for n in range(10_000)]) == 10_000
    assert len(unpublished(store, 20_000)) == 10_000


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
        UnpublishedJobs("bbbb", "any", "anne", 5),
        UnpublishedJobs("aaaa", "farm.machine.lab0", "bert", 0),
        UnpublishedJobs("aaaa", "farm.machine.lab1", "bert", 0),
    ]
    assert store.outbox() == whole
    assert store.outbox("aaaa") == whole[1:]
    assert [message.job for message in store.unpublished("bbbb", "any", 10)] == ["bbbb-1", "bbbb-2"]
    assert [message.job for message in store.unpublished("aaaa", "farm.machine.lab1", 10)] == ["aaaa-1", "aaaa-3"]
    first = store.unpublished("aaaa", "farm.machine.lab0", 1)
    assert first == [JobMessage(job="aaaa-0", attempt=0, queue="farm.machine.lab0", priority=0)]
    store.mark_published(first)
    assert store.outbox() == whole
    store.mark_published(store.unpublished("aaaa", "farm.machine.lab0", 10))
    assert store.outbox() == [whole[0], whole[2]]


def test_a_job_that_shall_wait_is_not_published_before_its_time(farm: Store) -> None:
    def put_off(job: str, seconds: float) -> None:
        with farm.write() as connection:
            connection.execute(update(tables.job).where(tables.job.c.id == job).values(not_before=farm.now(seconds)))

    put_off(job_id(0), 3600)
    put_off(job_id(1), -1)
    assert [message.job for message in unpublished(farm, 10)] == [job_id(1), job_id(2)]


def test_what_is_at_work_is_counted_by_queue_submitter_and_priority(farm: Store) -> None:
    other = record("other").model_copy(update={"submitter": "bert"})
    farm.submit(other, [new_job(n, "other", queue="farm.hw.small", priority=0) for n in range(3)])
    assert farm.at_work() == []
    farm.mark_published(unpublished(farm, 10))
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
    store.assign("lab1", MachineState.PAUSED)
    store.assign("lab3", MachineState.DRAINING)
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


def test_a_published_job_is_published_again_only_when_it_has_waited(farm: Store) -> None:
    messages = unpublished(farm, 10)
    farm.mark_published(messages[:2])
    assert unpublished(farm, 10) == messages[2:]
    assert farm.stale_messages(older_than_s=60, limit=10) == []
    assert farm.stale_messages(older_than_s=-1, limit=10) == messages[:2]
    assert farm.stale_messages(older_than_s=-1, limit=10, sweep_id="other") == []


def test_a_message_is_overtaken_where_a_later_one_no_more_urgent_runs(farm: Store) -> None:
    farm.mark_published(unpublished(farm, 2))
    waits = [JobMessage(job=job_id(0), attempt=0, queue="any"), JobMessage(job=job_id(1), attempt=0, queue="any")]
    assert claim(farm, job_id(1)) is not None
    assert farm.overtaken_messages(older_than_s=-60, limit=10) == [], "both were sent at once"
    farm.submit(record("other"), [new_job(n, "other", queue=queue) for n, queue in enumerate(("any", "farm.hw.small"))])
    farm.mark_published(unpublished(farm, 10, "other"))
    assert claim(farm, "other-1") is not None
    assert farm.overtaken_messages(older_than_s=-60, limit=10) == [], "on another queue"
    assert claim(farm, "other-0") is not None
    assert farm.overtaken_messages(older_than_s=-60, limit=10) == waits[:1]
    assert farm.overtaken_messages(older_than_s=-60, limit=10, sweep_id="other") == []
    assert farm.overtaken_messages(older_than_s=60, limit=10) == []


def test_a_claim_between_sending_and_recording_is_not_recorded_as_published(farm: Store) -> None:
    messages = unpublished(farm, 10)
    claim(farm, job_id(0), lease_s=NO_LEASE_S)
    farm.expire_leases()
    farm.mark_published(messages)
    assert [message.job for message in unpublished(farm, 10)] == [job_id(0)]


def test_unpublish_publishes_all_that_waits_again(farm: Store) -> None:
    farm.mark_published(unpublished(farm, 10))
    claim(farm, job_id(1))
    farm.unpublish(SWEEP)
    assert [message.job for message in unpublished(farm, 10)] == [job_id(0), job_id(2)]
