"""Requests that arrive independently of the server, from a process of their own.

The two processes share a table with the planned and the real arrival of each request, and a pipe that wakes the server.
The pipe may be full; the table is the truth. The process runs this file as a script that imports only the standard
library, so it starts in hundredths of a second. It sleeps until the next request, and exits when the server has gone.
"""

import mmap
import os
import select
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Self

#: A time in the table: nanoseconds in 64 bits.
_TIME: Final = "q"
_TIME_BYTES = 8
_READY_WITHIN_S = 60.0
_LEAVE_WITHIN_S = 10.0


class ArrivalsLost(Exception):
    """The process that lets requests arrive has died."""


class Queue:
    """The server's end. Requests are numbered in the order in which they come."""

    def __init__(self, offsets_ns: Sequence[int]) -> None:
        """Start the process; `offsets_ns` are the planned arrivals, counted from `open`, in order."""
        self._count = len(offsets_ns)
        self._arrived = 0
        self._wake, theirs = os.pipe()
        with tempfile.TemporaryFile() as file:
            file.write(bytes(2 * _TIME_BYTES * self._count))  # a full disk raises here, instead of a signal later
            file.flush()
            self._table = mmap.mmap(file.fileno(), 0)
            self._times = memoryview(self._table).cast(_TIME)
            self._times[: self._count] = memoryview(array(_TIME, offsets_ns))
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__, str(file.fileno()), str(theirs)],
                stdin=subprocess.PIPE,
                pass_fds=[file.fileno(), theirs],
            )
        os.close(theirs)

    def __enter__(self) -> Self:
        self._await_wake(_READY_WITHIN_S)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(_LEAVE_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._wake)
        self._times.release()
        self._table.close()

    def open(self) -> int:
        """Start the arrivals; returns the monotonic ns from which their times count."""
        begin_ns = time.monotonic_ns()
        if self._process.stdin is not None:
            self._process.stdin.write(f"{begin_ns}\n".encode())
            self._process.stdin.flush()
        return begin_ns

    def wait(self, count: int, until_ns: int | None = None) -> int:
        """Wait until so many requests have arrived, or until the time (monotonic); returns how many have arrived.

        Raises ArrivalsLost.
        """
        while self._look() < count:
            left_s = None if until_ns is None else (until_ns - time.monotonic_ns()) / 1e9
            if left_s is not None and left_s <= 0:
                break
            self._await_wake(left_s)
        return self._arrived

    def arrived_ns(self, request: int) -> int:
        """Return when the request arrived, in monotonic ns; 0 where it has not arrived."""
        return self._times[self._count + request]

    def _look(self) -> int:
        while self._arrived < self._count and self.arrived_ns(self._arrived):
            self._arrived += 1
        return self._arrived

    def _await_wake(self, timeout_s: float | None) -> None:
        """Wait until the pipe wakes the server; raises ArrivalsLost where the other process has died."""
        if select.select([self._wake], [], [], timeout_s)[0] and not os.read(self._wake, 1 << 16):
            raise ArrivalsLost(f"the process that lets requests arrive has died after {self._look()} requests")


def main(table_fd: int, wake_fd: int) -> None:
    """Run the other process: report that it is ready, read when to begin, let one request after another arrive."""
    os.set_blocking(wake_fd, False)
    with mmap.mmap(table_fd, 0) as table, memoryview(table) as raw, raw.cast(_TIME) as times:
        count = len(times) // 2
        os.write(wake_fd, b"!")
        begin = sys.stdin.readline()
        for request in range(count if begin else 0):
            if not _sleep_until(int(begin) + times[request]):
                return
            times[count + request] = time.monotonic_ns()
            with suppress(BlockingIOError):
                os.write(wake_fd, b"!")
        sys.stdin.read()


def _sleep_until(at_ns: int) -> bool:
    """Sleep until a moment; returns False where the server has exited meanwhile."""
    while (left_ns := at_ns - time.monotonic_ns()) > 0:
        if select.select([sys.stdin], [], [], left_ns / 1e9)[0]:
            return False
    return True


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        main(*map(int, sys.argv[1:]))
