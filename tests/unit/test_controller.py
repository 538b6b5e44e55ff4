"""The controller's rounds: what is rung for, and what is taken back."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from farm.controller import Controller
from farm.errors import BrokerUnavailable, StoreUnavailable
from farm.model import FailureKind, JobState, Ring
from farm.queue import Bell
from farm.settings import Settings
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
