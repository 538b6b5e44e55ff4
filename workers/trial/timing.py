"""The time of each batch within a measure window, where that changes nothing: no batch is waited for.

On a CPU a batch is over when its call returns, and reading the clock takes a fraction of a microsecond. On a GPU the
device stamps an event after each batch; the events are made before the window and read after it.
"""

import time
from collections.abc import Sequence
from typing import Any, Protocol

import torch

#: Shorter batches are not timed one by one: that would take a notable share of their time.
LEAST_BATCH_S = 1e-4


class Timer(Protocol):
    """Times the batches of a stretch."""

    def begin(self) -> None:
        """Note that the next batch begins now."""
        ...

    def mark(self) -> None:
        """Note that a batch was done, or enqueued, and that the next one begins."""
        ...

    def durations_s(self) -> Sequence[float]:
        """Return the time of each batch in s; the device must be synchronized."""
        ...


def make_timer(device: str, most: int) -> Timer | None:
    """Return a timer for at most so many batches; None where the device has none."""
    if device == "cpu":
        return Clock(most)
    return Events(most) if torch.cuda.is_available() else None


class Clock:
    """Times batches by the clock."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._begin_ns = 0
        self._durations_ns: list[int] = []

    def begin(self) -> None:
        """Read the clock."""
        self._begin_ns = time.perf_counter_ns()

    def mark(self) -> None:
        """Read the clock, unless enough batches were timed."""
        if self._left:
            now_ns = time.perf_counter_ns()
            self._durations_ns.append(now_ns - self._begin_ns)
            self._begin_ns = now_ns
            self._left -= 1

    def durations_s(self) -> Sequence[float]:
        """Return the time from each begin or mark to the next mark."""
        return [duration_ns / 1e9 for duration_ns in self._durations_ns]


class Events:
    """Times batches by the stamps of a GPU, in the current stream."""

    def __init__(self, most: int) -> None:
        cuda: Any = torch.cuda  # its events have no types
        self._free: list[Any] = [cuda.Event(enable_timing=True) for _ in range(most + 1)]
        for event in self._free:
            event.record()  # the first record makes the event
        self._last: Any = None
        self._pairs: list[tuple[Any, Any]] = []

    def begin(self) -> None:
        """Enqueue a stamp."""
        self._last = self._stamp()

    def mark(self) -> None:
        """Enqueue a stamp, unless the events are used up."""
        event = self._stamp()
        if event is not None and self._last is not None:
            self._pairs.append((self._last, event))
        self._last = event

    def durations_s(self) -> Sequence[float]:
        """Return the time on the device from each begin or mark to the next mark."""
        return [begin.elapsed_time(end) / 1e3 for begin, end in self._pairs]

    def _stamp(self) -> Any:
        if not self._free:
            return None
        event = self._free.pop()
        event.record()
        return event
