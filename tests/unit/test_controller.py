"""The controller's rounds: what is rung for, and what is taken back."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from farm import submission, tuner
from farm.controller import Controller
from farm.errors import BrokerUnavailable, InputError, StoreUnavailable
from farm.model import FailureKind, JobState, Ring, StoppingRule, SweepRecord
from farm.queue import Bell
from farm.settings import Settings
from farm.spec import sweep_id
from farm.store import Store
from tests.contract.store_records import (
    ANNE,
    BERT,
    MACHINE,
    NO_LEASE_S,
    SWEEP,
    claim,
    counts,
    job_id,
    new_job,
    record,
    report,
)
from tests.searches import train, training_report, tuning_sweep

OTHER = "fedcba543210"


class FakeBell(Bell):
    """Keeps what is rung; can be out of reach."""

    def __init__(self) -> None:
        self.rung: list[Ring] = []
        self.depths: dict[str, int] = {}
        self.is_away = False

    def ring(self, rings: Sequence[Ring]) -> None:
        self._reach()
        self.rung += rings

    def depth(self, queue: str) -> int:
        self._reach()
        return self.depths.get(queue, 0)

    def _reach(self) -> None:
        if self.is_away:
            raise BrokerUnavailable("broker redis://lab: it does not answer: start it")

    def take(self) -> list[tuple[str, int]]:
        """What was rung since the last time."""
        taken, self.rung = self.rung, []
        return [(ring.job, ring.attempt) for ring in taken]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'farm.db'}", create=True) as opened:
        opened.register_machine(MACHINE, ANNE, "0.1.0")
        opened.submit(record(), [new_job(n) for n in range(3)])
        yield opened


@pytest.fixture
def bell() -> FakeBell:
    return FakeBell()


def controller(store: Store, bell: FakeBell, sweep: str | None = None, grace_s: float = 60) -> Controller:
    return Controller(store, bell, Settings(grace_s=grace_s), sweep)


ALL = [(job_id(n), 0) for n in range(3)]


def test_every_job_is_rung_for_once_in_the_order_of_the_plan(store: Store, bell: FakeBell) -> None:
    assert controller(store, bell).publish() == 3
    assert bell.take() == ALL
    assert controller(store, bell).publish() == 0
    assert bell.take() == []


def test_a_large_outbox_goes_in_parts(store: Store, bell: FakeBell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.controller.PUBLISH_AT_ONCE", 2)
    assert [controller(store, bell).publish() for _ in range(3)] == [2, 1, 0]
    assert bell.take() == ALL


def test_a_controller_may_ring_for_one_sweep_only(store: Store, bell: FakeBell) -> None:
    store.submit(record(OTHER), [new_job(0, OTHER)])
    controller(store, bell, OTHER).round()
    assert bell.take() == [(f"{OTHER}-0", 0)]
    controller(store, bell).round()
    assert bell.take() == ALL


def test_what_could_not_be_rung_is_rung_later(store: Store, bell: FakeBell, caplog: pytest.LogCaptureFixture) -> None:
    bell.is_away = True
    with pytest.raises(BrokerUnavailable):
        controller(store, bell).publish()
    controller(store, bell).round()
    assert "does not answer" in caplog.text
    bell.is_away = False
    controller(store, bell).round()
    assert bell.take() == ALL


def test_a_lost_message_is_rung_again_where_the_queue_is_empty(store: Store, bell: FakeBell) -> None:
    ringing = controller(store, bell, grace_s=1e-9)
    ringing.publish()
    bell.take()
    bell.depths["any"] = 1
    assert ringing.ring_again() == 0
    bell.depths["any"] = 0
    assert ringing.ring_again() == 3
    assert bell.take() == ALL


def test_a_message_is_given_its_time(store: Store, bell: FakeBell) -> None:
    ringing = controller(store, bell, grace_s=3600)
    ringing.publish()
    assert ringing.ring_again() == 0


def test_each_queue_is_looked_at_by_itself(store: Store, bell: FakeBell) -> None:
    store.submit(record(OTHER), [new_job(0, OTHER, queue="machine.lab2")])
    ringing = controller(store, bell, grace_s=1e-9)
    ringing.publish()
    bell.take()
    bell.depths["any"] = 2
    ringing.ring_again()
    assert bell.take() == [(f"{OTHER}-0", 0)]


def test_a_job_that_runs_is_not_rung_for(store: Store, bell: FakeBell) -> None:
    ringing = controller(store, bell, grace_s=1e-9)
    ringing.publish()
    assert claim(store, job_id(1)) is not None
    bell.take()
    ringing.round()
    assert bell.take() == [ALL[0], ALL[2]]


def test_a_silent_worker_loses_its_job_which_is_rung_for_anew(
    store: Store, bell: FakeBell, caplog: pytest.LogCaptureFixture
) -> None:
    ringing = controller(store, bell)
    ringing.publish()
    bell.take()
    assert claim(store, job_id(0), lease_s=NO_LEASE_S) is not None
    ringing.round()
    assert bell.take() == [(job_id(0), 1)]
    assert job_id(0) in caplog.text
    (lost,) = store.failures(SWEEP)
    assert (lost.failure.kind, lost.attempt, lost.state) == (FailureKind.LOST, 1, JobState.QUEUED)
    assert claim(store, job_id(0), 1, BERT) is not None
    assert store.complete(report(job_id(0), 2))
    ringing.round()
    assert bell.take() == []


def test_a_broker_that_is_away_does_not_keep_leases_from_running_out(store: Store, bell: FakeBell) -> None:
    assert claim(store, job_id(0), lease_s=NO_LEASE_S) is not None
    bell.is_away = True
    controller(store, bell).round()
    assert counts(store) == {JobState.QUEUED: 3}


def test_two_controllers_do_no_harm(store: Store, bell: FakeBell) -> None:
    """At worst a job is rung for twice, and the second ring is stale."""
    one, two = controller(store, bell), controller(store, bell)
    one.round()
    two.round()
    assert bell.take() == ALL


# Repetitions


def test_a_point_that_is_not_sure_enough_is_repeated_as_often_as_it_may(store: Store, bell: FakeBell) -> None:
    rule = StoppingRule(min=1, max=2, target=0.02)
    store.submit(record(OTHER).model_copy(update={"rule": rule, "settled": False}), [new_job(0, OTHER)])
    ringing = controller(store, bell, OTHER)
    measured = []
    for _ in range(2):
        ringing.round()
        ((job, _),) = bell.take()
        assert claim(store, job) is not None
        assert store.complete(report(job, 1))
        measured.append(job)
    ringing.round()
    assert bell.take() == []
    assert store.progress(OTHER).is_over
    jobs = store.jobs(OTHER)
    assert [(job.id, job.block, job.spec.repetition) for job in jobs] == [(measured[0], 0, 0), (measured[1], 1, 1)]
    assert {(job.priority, job.max_attempts) for job in jobs} == {(jobs[0].priority, jobs[0].max_attempts)}


# Searches

SEARCH = tuning_sweep()
SEARCH_ID = sweep_id(SEARCH)


@pytest.fixture
def searching(store: Store) -> Store:
    """With a tuning sweep of four studies beside the other sweep."""
    store.cancel(SWEEP)
    text = "name: search"
    assert submission.enqueue(SEARCH, text, store, Settings()).added == 4
    return store


def test_a_trial_that_is_over_makes_the_next_and_the_last_settles_the_sweep(searching: Store, bell: FakeBell) -> None:
    ringing = controller(searching, bell)
    trained = 0
    while True:
        ringing.round()
        rings, bell.rung = bell.rung, []
        if not rings:
            break
        trained += len(train(searching, rings))
    assert trained == 20
    assert searching.progress(SEARCH_ID).is_over


def test_a_search_without_news_is_not_looked_at(
    searching: Store, bell: FakeBell, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    advance = tuner.advance

    def look(store: Store, search: SweepRecord, attempts: int) -> tuner.Advance:
        looks.append(search.id)
        return advance(store, search, attempts)

    monkeypatch.setattr("farm.tuner.advance", look)
    ringing = controller(searching, bell)
    assert [ringing.search() for _ in range(3)] == [0, 0, 0]
    assert len(looks) == 1
    train(searching, searching.unpublished(1, SEARCH_ID))
    assert [ringing.search() for _ in range(3)] == [1, 0, 0]
    assert len(looks) == 2


def test_a_look_that_met_an_outage_is_taken_again(
    searching: Store, bell: FakeBell, monkeypatch: pytest.MonkeyPatch
) -> None:
    ringing = controller(searching, bell)
    train(searching, searching.unpublished(1, SEARCH_ID))
    with monkeypatch.context() as outage:
        outage.setattr("farm.store.Store.extend", unavailable)
        with pytest.raises(StoreUnavailable):
            ringing.search()
    assert ringing.search() == 1


def unavailable(*_: object) -> int:
    raise StoreUnavailable("it does not answer: start it")


def test_two_controllers_ask_for_each_configuration_once(searching: Store, bell: FakeBell) -> None:
    one, two = controller(searching, bell), controller(searching, bell)
    train(searching, searching.unpublished(10, SEARCH_ID))
    assert [one.search(), two.search()] == [4, 0]


def test_a_missing_library_costs_a_line_and_not_the_sweep(
    searching: Store, bell: FakeBell, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    train(searching, searching.unpublished(10, SEARCH_ID))
    with monkeypatch.context() as bare:
        bare.setattr("farm.tuning.strategies.find_spec", lambda name: None)
        ringing = controller(searching, bell)
        assert [ringing.search(), ringing.search()] == [0, 0]
        (line,) = caplog.messages
        assert SEARCH_ID in line
        assert "pip install 'wattfarm[tuning]'" in line
        with pytest.raises(InputError, match="optuna"):
            controller(searching, bell, SEARCH_ID).search()
    assert not searching.progress(SEARCH_ID).is_over
    assert controller(searching, bell).search() == 4


def test_a_controller_of_one_sweep_asks_for_no_other(searching: Store, bell: FakeBell) -> None:
    train(searching, searching.unpublished(10, SEARCH_ID))
    assert controller(searching, bell, SWEEP).search() == 0
    assert controller(searching, bell, SEARCH_ID).search() == 4


def test_joules_that_nobody_knows_are_told_of_once(
    store: Store, bell: FakeBell, caplog: pytest.LogCaptureFixture
) -> None:
    greedy = tuning_sweep(tuning={"objectives": ["energy"]})
    own = submission.enqueue(greedy, "", store, Settings()).sweep_id
    ringing = controller(store, bell)
    for ring in store.unpublished(2, own):
        won = claim(store, ring.job)
        assert won is not None
        assert store.complete(training_report(won.spec, measurements=()))
        assert ringing.search() == 1
    (line,) = caplog.messages
    assert "no meter knows the joules" in line


def test_a_cancelled_search_is_taken_up_again_where_it_was(searching: Store, bell: FakeBell) -> None:
    ringing = controller(searching, bell)
    train(searching, searching.unpublished(10, SEARCH_ID))
    assert ringing.search() == 4
    train(searching, searching.unpublished(1, SEARCH_ID))
    before = [job.id for job in searching.jobs(SEARCH_ID)]
    assert searching.cancel(SEARCH_ID) == (3, 0)
    ringing.round()
    assert searching.progress(SEARCH_ID).is_over
    again = submission.enqueue(SEARCH, "", searching, Settings())
    assert (again.jobs, again.added, again.total) == (9, 4, 20), "three that were cancelled, and the next of one study"
    assert before == [job.id for job in searching.jobs(SEARCH_ID)][:8]
    assert submission.enqueue(SEARCH, "", searching, Settings()).added == 0


def test_a_search_may_be_measured_afresh(searching: Store) -> None:
    again = submission.enqueue(SEARCH, "", searching, Settings(), fresh=True)
    assert (again.sweep_id, again.added) == (f"{SEARCH_ID}.2", 4)
    assert {job.point["lr"] for job in searching.asked_jobs(again.sweep_id)} == {
        job.point["lr"] for job in searching.asked_jobs(SEARCH_ID)
    }


def test_serving_goes_on_through_outages_until_told_to_stop(
    store: Store, bell: FakeBell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.controller.PERIOD_S", 0.001)
    stop = threading.Event()
    ringing = controller(store, bell)
    rounds = 0
    true_round = ringing.round

    def round_() -> None:
        nonlocal rounds
        rounds += 1
        if rounds < 3:
            raise StoreUnavailable("it does not answer: start it")
        true_round()
        stop.set()

    monkeypatch.setattr(ringing, "round", round_)
    ringing.serve(stop)
    assert rounds == 3
    assert bell.take() == ALL
