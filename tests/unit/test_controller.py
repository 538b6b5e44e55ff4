"""The controller's rounds: what is published, and what is taken back."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue

from farm.model import FailureKind, JobState, Machine, MachineState
from farm.model.errors import BrokerUnavailable, StoreUnavailable
from farm.scheduling.controller import Controller
from farm.scheduling.fair_share import SMALLEST
from farm.settings import Settings
from farm.store import Store
from tests.contract.store_records import (
    ANNE,
    BERT,
    NO_LEASE_S,
    SWEEP,
    UTC_NOON,
    claim,
    counts,
    job_id,
    new_job,
    record,
    report,
)
from tests.controllers import FakePublisher, controller, waiting_store

OTHER = "fedcba543210"
ALL = [(job_id(n), 0) for n in range(3)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with waiting_store(tmp_path) as opened:
        yield opened


@pytest.fixture
def publisher() -> FakePublisher:
    return FakePublisher()


def test_every_job_is_published_once_in_the_order_of_the_plan(store: Store, publisher: FakePublisher) -> None:
    assert controller(store, publisher).publish() == 3
    assert publisher.take() == ALL
    assert controller(store, publisher).publish() == 0
    assert publisher.take() == []


def test_no_more_is_published_than_the_window_takes(store: Store, publisher: FakePublisher) -> None:
    store.submit(record(OTHER), [new_job(n, OTHER) for n in range(100)])
    publishing = controller(store, publisher, OTHER)
    assert [publishing.publish() for _ in range(3)] == [SMALLEST, 0, 0]
    taken = publisher.take()
    assert taken == [(f"{OTHER}-{n}", 0) for n in range(SMALLEST)]
    for job, _ in taken[:2]:
        assert claim(store, job) is not None
    assert publishing.publish() == 2
    assert publisher.take() == [(f"{OTHER}-{SMALLEST + n}", 0) for n in range(2)]


def test_two_controllers_share_one_window(store: Store, publisher: FakePublisher) -> None:
    store.submit(record(OTHER), [new_job(n, OTHER) for n in range(100)])
    one, two = controller(store, publisher, OTHER), controller(store, publisher, OTHER)
    assert [one.publish(), two.publish(), one.publish()] == [SMALLEST, 0, 0]


def test_a_queue_that_runs_empty_gets_more_each_time(store: Store, publisher: FakePublisher) -> None:
    store.submit(record(OTHER), [new_job(n, OTHER) for n in range(8 * SMALLEST)])
    publishing = controller(store, publisher, OTHER)
    published = []
    while number := publishing.publish():
        published.append(number)
        for job, _ in publisher.take():
            assert claim(store, job) is not None
    assert published == [SMALLEST, 2 * SMALLEST, 4 * SMALLEST, SMALLEST]


def test_a_broker_that_is_away_does_not_widen_the_window(store: Store, publisher: FakePublisher) -> None:
    store.submit(record(OTHER), [new_job(n, OTHER) for n in range(100)])
    publishing = controller(store, publisher, OTHER)
    publisher.is_away = True
    for _ in range(5):
        publishing.make_round()
    publisher.is_away = False
    assert publishing.publish() == SMALLEST


def test_a_window_is_for_one_queue(store: Store, publisher: FakePublisher) -> None:
    jobs = [new_job(n, OTHER, queue=f"farm.machine.lab{n // 50}") for n in range(100)]
    store.submit(record(OTHER), jobs)
    assert controller(store, publisher, OTHER).publish() == 2 * SMALLEST
    expected = [*range(SMALLEST), *range(50, 50 + SMALLEST)]
    assert publisher.take() == [(f"{OTHER}-{n}", 0) for n in expected]


def test_submitters_take_turns(store: Store, publisher: FakePublisher) -> None:
    bert = record(OTHER, at=UTC_NOON + timedelta(hours=1)).model_copy(update={"submitter": "bert"})
    store.submit(bert, [new_job(n, OTHER) for n in range(3)])
    assert claim(store, job_id(0)) is not None
    controller(store, publisher).publish()
    expected = [f"{OTHER}-0", job_id(1), f"{OTHER}-1", job_id(2), f"{OTHER}-2"]
    assert [job for job, _ in publisher.take()] == expected, "anne has one that runs"


def test_what_is_urgent_finds_room(store: Store, publisher: FakePublisher) -> None:
    store.submit(record("many"), [new_job(n, "many") for n in range(100)])
    publishing = controller(store, publisher)
    assert publishing.publish() == SMALLEST
    publisher.take()
    store.submit(record(OTHER), [new_job(0, OTHER, priority=0)])
    assert publishing.publish() == 1
    (message,) = publisher.published
    assert (message.job, message.priority) == (f"{OTHER}-0", 0)


# Capabilities

BIG = "gpu.memory_gib >= 40"


def join(store: Store, name: str, gib: int) -> None:
    hardware: dict[str, JsonValue] = {"gpu": {"memory_bytes": gib * 2**30}}
    store.register_machine(Machine(id=name, name=name, hardware_class="gpu", hardware=hardware), ANNE, "0.1.0")


@pytest.fixture
def asking(store: Store) -> Store:
    """With a sweep of two jobs for a machine with enough memory."""
    store.cancel(SWEEP)
    store.submit(record(OTHER), [new_job(n, OTHER, queue=BIG) for n in range(2)])
    return store


def heard(publisher: FakePublisher) -> list[tuple[str, str]]:
    taken, publisher.published = publisher.published, []
    return [(message.job, message.queue) for message in taken]


def test_a_capability_is_published_on_every_machine_that_has_it(asking: Store, publisher: FakePublisher) -> None:
    for name, gib in (("lab1", 80), ("lab2", 24), ("lab3", 40), ("lab4", 80)):
        join(asking, name, gib)
    asking.assign("lab4", MachineState.PAUSED)
    assert controller(asking, publisher).publish() == 2
    ways = ("farm.machine.lab1", "farm.machine.lab3")
    assert heard(publisher) == [(f"{OTHER}-{n}", queue) for n in range(2) for queue in ways]


def test_a_capability_that_no_machine_has_waits_until_one_joins(asking: Store, publisher: FakePublisher) -> None:
    publishing = controller(asking, publisher, grace_s=1e-9)
    join(asking, "lab1", 24)
    assert [publishing.publish(), publishing.publish_again()] == [0, 0]
    assert {part.queue for part in asking.outbox()} == {BIG}
    join(asking, "lab2", 48)
    assert publishing.publish() == 2
    assert heard(publisher) == [(f"{OTHER}-{n}", "farm.machine.lab2") for n in range(2)]


def test_a_capability_is_published_again_where_a_fitting_machine_has_nothing(
    asking: Store, publisher: FakePublisher
) -> None:
    join(asking, "lab1", 80)
    publishing = controller(asking, publisher, grace_s=1e-9)
    publishing.publish()
    heard(publisher)
    publisher.waiting["farm.machine.lab1"] = 2
    assert publishing.publish_again() == 0
    join(asking, "lab2", 80)
    assert publishing.publish_again() == 2
    assert heard(publisher) == [(f"{OTHER}-{n}", "farm.machine.lab2") for n in range(2)]


def test_what_a_machine_lacks_of_a_target_and_a_point_is_not_sent_to_it(store: Store, publisher: FakePublisher) -> None:
    store.cancel(SWEEP)
    own = "worker.models = nets:Net"
    queues = (own, f"machine.name = lab1 and {own}", f"machine.class = gpu and {own}")
    store.submit(record(OTHER), [new_job(n, OTHER, queue=queue) for n, queue in enumerate(queues)])
    for name, models in (("lab1", []), ("lab2", ["nets.*"])):
        machine = Machine(id=name, name=name, hardware_class="gpu", hardware={}, abilities={"models": [*models]})
        store.register_machine(machine, ANNE, "0.1.0")
    assert controller(store, publisher).publish() == 2
    assert sorted(heard(publisher)) == [(f"{OTHER}-{n}", "farm.machine.lab2") for n in (0, 2)]


def test_the_only_machine_of_a_farm_gets_every_job(asking: Store, publisher: FakePublisher) -> None:
    alone = Controller(asking, publisher, Settings(), OTHER, is_alone=True)
    assert alone.publish() == 2
    assert heard(publisher) == [(f"{OTHER}-{n}", "farm.any") for n in range(2)]


def test_of_a_capability_the_first_claim_wins_and_the_other_message_is_stale(
    asking: Store, publisher: FakePublisher
) -> None:
    join(asking, "lab1", 80)
    join(asking, "lab2", 80)
    controller(asking, publisher).publish()
    first, second = publisher.published[:2]
    assert (first.job, first.attempt) == (second.job, second.attempt)
    assert asking.claim(first.job, first.attempt, ANNE, "lab1", 60) is not None
    assert asking.claim(second.job, second.attempt, BERT, "lab2", 60) is None


def test_a_controller_may_publish_one_sweep_only(store: Store, publisher: FakePublisher) -> None:
    store.submit(record(OTHER), [new_job(0, OTHER)])
    controller(store, publisher, OTHER).make_round()
    assert publisher.take() == [(f"{OTHER}-0", 0)]
    controller(store, publisher).make_round()
    assert publisher.take() == ALL


def test_what_could_not_be_published_is_published_later(
    store: Store, publisher: FakePublisher, caplog: pytest.LogCaptureFixture
) -> None:
    publisher.is_away = True
    with pytest.raises(BrokerUnavailable):
        controller(store, publisher).publish()
    controller(store, publisher).make_round()
    assert "does not answer" in caplog.text
    publisher.is_away = False
    controller(store, publisher).make_round()
    assert publisher.take() == ALL


def test_a_lost_message_is_published_again_where_the_queue_is_empty(store: Store, publisher: FakePublisher) -> None:
    publishing = controller(store, publisher, grace_s=1e-9)
    publishing.publish()
    publisher.take()
    publisher.waiting["any"] = 1
    assert publishing.publish_again() == 0
    publisher.waiting["any"] = 0
    assert publishing.publish_again() == 3
    assert publisher.take() == ALL


def test_a_message_is_given_its_time(store: Store, publisher: FakePublisher) -> None:
    publishing = controller(store, publisher, grace_s=3600)
    publishing.publish()
    assert publishing.publish_again() == 0


def test_a_lost_message_is_published_again_where_later_ones_were_consumed(
    store: Store, publisher: FakePublisher
) -> None:
    """The queue need not be empty: that may take days."""
    publishing = controller(store, publisher, grace_s=1e-9)
    publishing.publish()
    publisher.waiting["any"] = 20
    later = [new_job(n, OTHER, priority=priority) for n, priority in enumerate((4, 5, 6))]
    store.submit(record(OTHER), later)
    publishing.publish()
    publisher.take()
    assert claim(store, f"{OTHER}-0") is not None
    assert publishing.publish_again() == 0, "the urgent may overtake"
    assert claim(store, f"{OTHER}-1") is not None
    assert publishing.publish_again() == 3
    assert publisher.take() == ALL
    assert publishing.publish_again() == 0


def test_each_queue_is_looked_at_by_itself(store: Store, publisher: FakePublisher) -> None:
    store.submit(record(OTHER), [new_job(0, OTHER, queue="machine.lab2")])
    publishing = controller(store, publisher, grace_s=1e-9)
    publishing.publish()
    publisher.take()
    publisher.waiting["any"] = 2
    publishing.publish_again()
    assert publisher.take() == [(f"{OTHER}-0", 0)]


def test_a_job_that_runs_is_not_published(store: Store, publisher: FakePublisher) -> None:
    publishing = controller(store, publisher, grace_s=1e-9)
    publishing.publish()
    assert claim(store, job_id(1)) is not None
    publisher.take()
    publishing.make_round()
    assert publisher.take() == [ALL[0], ALL[2]]


def test_a_silent_worker_loses_its_job_which_is_published_anew(
    store: Store, publisher: FakePublisher, caplog: pytest.LogCaptureFixture
) -> None:
    publishing = controller(store, publisher)
    publishing.publish()
    publisher.take()
    assert claim(store, job_id(0), lease_s=NO_LEASE_S) is not None
    publishing.make_round()
    assert publisher.take() == [(job_id(0), 1)]
    assert job_id(0) in caplog.text
    (lost,) = store.failures(SWEEP)
    assert (lost.failure.kind, lost.attempt, lost.state) == (FailureKind.LOST, 1, JobState.QUEUED)
    assert claim(store, job_id(0), 1, BERT) is not None
    assert store.complete(report(job_id(0), 2))
    publishing.make_round()
    assert publisher.take() == []


def test_a_broker_that_is_away_does_not_keep_leases_from_running_out(store: Store, publisher: FakePublisher) -> None:
    assert claim(store, job_id(0), lease_s=NO_LEASE_S) is not None
    publisher.is_away = True
    controller(store, publisher).make_round()
    assert counts(store) == {JobState.QUEUED: 3}


def test_two_controllers_do_no_harm(store: Store, publisher: FakePublisher) -> None:
    """At worst a job is published twice, and the second message is stale."""
    one, two = controller(store, publisher), controller(store, publisher)
    one.make_round()
    two.make_round()
    assert publisher.take() == ALL


def test_while_a_queue_runs_empty_rounds_follow_one_another_sooner(
    store: Store, publisher: FakePublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an hour between rounds, only haste brings the second."""
    monkeypatch.setattr("farm.scheduling.controller.PERIOD_S", 3600.0)
    store.submit(record(OTHER), [new_job(n, OTHER) for n in range(SMALLEST + 1)])
    publishing, stop = controller(store, publisher, OTHER), threading.Event()
    true_publish, published = publishing.publish, []

    def publish() -> int:
        published.append(true_publish())
        for job, _ in publisher.take():
            assert claim(store, job) is not None
        if len(published) == 2:
            stop.set()
        return published[-1]

    monkeypatch.setattr(publishing, "publish", publish)
    publishing.serve(stop)
    assert published == [SMALLEST, 1]


def test_serving_goes_on_through_outages_until_it_is_stopped(
    store: Store, publisher: FakePublisher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("farm.scheduling.controller.PERIOD_S", 0.001)
    stop = threading.Event()
    publishing = controller(store, publisher)
    rounds = 0
    true_round = publishing.make_round

    def round_() -> None:
        nonlocal rounds
        rounds += 1
        if rounds < 3:
            raise StoreUnavailable("it does not answer: start it")
        true_round()
        stop.set()

    monkeypatch.setattr(publishing, "make_round", round_)
    publishing.serve(stop)
    assert rounds == 3
    assert publisher.take() == ALL
    assert caplog.messages == ["it does not answer: start it"], "said once"


def test_an_error_that_nobody_foresaw_ends_no_controller(
    store: Store, publisher: FakePublisher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop, serving = threading.Event(), controller(store, publisher)
    rounds = iter([OSError(24, "Too many open files")] * 2)

    def make_round() -> None:
        if failure := next(rounds, None):
            raise failure
        stop.set()

    monkeypatch.setattr(serving, "make_round", make_round)
    monkeypatch.setattr("farm.scheduling.controller.PERIOD_S", 0.0)
    serving.serve(stop)
    assert serving.last_round_at is not None
    assert [line for line in caplog.messages if "Too many open files" in line] == [
        "a round ends early: [Errno 24] Too many open files: please report it"
    ]
