"""Batches are timed inside a window: by the clock, or by the events of a GPU."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from workers.trial import timing
from workers.trial.timing import Clock, Events, make_timer


class Event:
    """An event of a GPU whose clock moves 5 ms from one stamp to the next."""

    now_ms = 0.0

    def __init__(self, *, enable_timing: bool) -> None:
        assert enable_timing
        self.at_ms = -1.0

    def record(self) -> None:
        Event.now_ms += 5.0
        self.at_ms = Event.now_ms

    def elapsed_time(self, end: "Event") -> float:
        return end.at_ms - self.at_ms


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda: Any = SimpleNamespace(Event=Event, is_available=lambda: True)
    monkeypatch.setattr(timing, "torch", SimpleNamespace(cuda=cuda))


def test_a_clock_times_each_batch_from_the_end_of_the_last_one() -> None:
    clock = Clock(2)
    clock.begin()
    time.sleep(0.002)
    clock.mark()
    time.sleep(0.001)
    clock.begin()
    clock.mark()
    clock.mark()  # one more than it keeps
    first_s, second_s = clock.durations_s()
    assert first_s >= 0.002
    assert second_s < 0.001


@pytest.mark.usefixtures("gpu")
def test_events_time_each_batch_on_the_device() -> None:
    events = Events(5)
    events.begin()
    events.mark()
    events.mark()
    events.begin()  # after a pause
    events.mark()
    assert list(events.durations_s()) == pytest.approx([0.005] * 3)


@pytest.mark.usefixtures("gpu")
def test_events_that_are_used_up_time_no_further_batch() -> None:
    events = Events(2)
    events.begin()
    for _ in range(5):
        events.mark()
    events.begin()
    events.mark()
    assert len(events.durations_s()) == 2


@pytest.mark.usefixtures("gpu")
def test_a_gpu_has_events_and_a_cpu_a_clock() -> None:
    assert isinstance(make_timer("cuda:0", 3), Events)
    assert isinstance(make_timer("cpu", 3), Clock)


def test_a_device_that_cannot_stamp_has_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda: Any = SimpleNamespace(is_available=lambda: False)
    monkeypatch.setattr(timing, "torch", SimpleNamespace(cuda=cuda))
    assert make_timer("cuda:0", 3) is None
