"""The process that lets requests arrive, and the queue that it fills."""

import subprocess
import sys
import time
from collections.abc import Sequence

import psutil
import pytest

from workers.kinds.serving.arrivals import ArrivalsLost, Queue

MS = 10**6
HOUR = 3600 * 10**9


def came_ns(queue: Queue, count: int) -> list[int]:
    return [queue.arrived_ns(request) for request in range(count)]


def test_requests_come_in_their_order_and_none_too_early() -> None:
    offsets_ns = [5 * MS, 10 * MS, 10 * MS, 60 * MS]
    with Queue(offsets_ns) as queue:
        begin_ns = queue.open()
        assert queue.wait(len(offsets_ns)) == len(offsets_ns)
        came = came_ns(queue, len(offsets_ns))
    assert came == sorted(came)
    assert all(at_ns >= begin_ns + due_ns for at_ns, due_ns in zip(came, offsets_ns, strict=True))
    assert came[-1] <= time.monotonic_ns()


def test_nothing_comes_before_the_queue_is_opened() -> None:
    with Queue([0, 0]) as queue:
        assert queue.wait(1, time.monotonic_ns() + 50 * MS) == 0
        queue.open()
        assert queue.wait(2) == 2


def test_waiting_ends_with_the_request_or_with_the_time() -> None:
    with Queue([0, HOUR]) as queue:
        queue.open()
        assert queue.wait(1) == 1
        until_ns = time.monotonic_ns() + 30 * MS
        assert queue.wait(2, until_ns) == 1
        assert time.monotonic_ns() >= until_ns
        assert queue.wait(1, time.monotonic_ns() - HOUR) == 1


def test_they_come_whether_or_not_the_server_looks() -> None:
    offsets_ns = [number * 10 * MS for number in range(10)]
    with Queue(offsets_ns) as queue:
        begin_ns = queue.open()
        while time.monotonic_ns() < begin_ns + 2000 * MS and not queue.arrived_ns(9):
            time.sleep(0.2)
        looked_ns = time.monotonic_ns()
        assert queue.wait(10, looked_ns) == 10
        assert max(came_ns(queue, 10)) < looked_ns


def test_a_pipe_that_is_full_stops_nobody() -> None:
    count = 100_000  # bytes in the pipe: 65,536 on Linux
    with Queue([0] * count) as queue:
        queue.open()
        deadline_s = time.monotonic() + 60
        while not queue.arrived_ns(count - 1) and time.monotonic() < deadline_s:
            time.sleep(0.1)
        assert queue.wait(count, time.monotonic_ns()) == count


def test_a_process_that_dies_is_noticed() -> None:
    with Queue([0, HOUR]) as queue:
        queue.open()
        queue.wait(1)
        queue._process.kill()
        with pytest.raises(ArrivalsLost, match="died after 1 requests"):
            queue.wait(2)


@pytest.mark.parametrize("offsets_ns", [[HOUR], [0]])
@pytest.mark.parametrize("is_opened", [True, False])
def test_the_process_leaves_with_its_server(offsets_ns: Sequence[int], is_opened: bool) -> None:
    with Queue(offsets_ns) as queue:
        if is_opened:
            queue.open()
    assert queue._process.returncode == 0


_SERVER = """
from time import sleep
from workers.kinds.serving.arrivals import Queue
with Queue([3600 * 10**9]) as queue:
    queue.open()
    print(queue._process.pid, flush=True)
    sleep(3600)
"""


@pytest.mark.slow
def test_the_process_does_not_outlive_a_server_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        arrivals = psutil.Process(int(server.stdout.readline()))
        server.kill()
        arrivals.wait(30)
