import selectors
import threading
from collections.abc import Iterator

import pytest

from farm.model import FailureKind
from workers.supervisor.stop import Stop


@pytest.fixture
def stop() -> Iterator[Stop]:
    stop = Stop()
    yield stop
    stop.close()


def test_waiting_ends_by_itself_where_nobody_asks(stop: Stop) -> None:
    assert not stop.wait(0.01)
    assert not stop.wait(-1)
    assert stop.failure is None


def test_a_request_ends_the_wait_and_every_later_one(stop: Stop) -> None:
    threading.Timer(0.02, stop.request, [FailureKind.CANCELLED]).start()
    assert stop.wait(60)
    assert stop.wait(60)
    assert stop.failure is not None
    assert stop.failure.kind == FailureKind.CANCELLED


def test_the_first_reason_counts(stop: Stop) -> None:
    stop.request(FailureKind.LOST)
    stop.request(FailureKind.CANCELLED)
    assert stop.failure is not None
    assert stop.failure.kind == FailureKind.LOST


def test_a_request_wakes_a_selector(stop: Stop) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(stop, selectors.EVENT_READ)
        assert not selector.select(0)
        stop.request(FailureKind.INTERRUPTED)
        assert selector.select(60)


def test_a_request_that_comes_too_late_does_no_harm() -> None:
    """A heartbeat may be under way when the trial ends."""
    stop = Stop()
    stop.close()
    stop.request(FailureKind.CANCELLED)
    assert stop.failure is not None
    stop.close()
