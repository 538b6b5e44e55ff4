"""Requests that come by themselves: a process of its own lets them arrive, whatever the server does meanwhile.

The two processes share a table, of when each request is to come and when it came, and a pipe that wakes the server.
The pipe may be full: the table is the truth. The process runs this file as a script that imports Python's own modules
alone, so it is there in hundredths of a second; it sleeps until the next request, and leaves when the server has gone.
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
        """`offsets_ns`: when each request is to come, after `open`; in order."""
        self._count = len(offsets_ns)
        self._arrived = 0
        self._wake, theirs = os.pipe()
        with tempfile.TemporaryFile() as file:
            file.write(bytes(2 * _TIME_BYTES * self._count))  # a disk that is full says so now, not by a signal later
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
        self._listen(_READY_WITHIN_S)
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
        """Let requests arrive from now on; returns the monotonic ns from which their times count."""
        begin_ns = time.monotonic_ns()
        if self._process.stdin is not None:
            self._process.stdin.write(f"{begin_ns}\n".encode())
            self._process.stdin.flush()
        return begin_ns

    def wait(self, count: int, until_ns: int | None = None) -> int:
        """How many requests have arrived, as soon as that many have or the time (monotonic) has come.

        Sleeps meanwhile. Raises ArrivalsLost.
        """
        while self._look() < count:
            left_s = None if until_ns is None else (until_ns - time.monotonic_ns()) / 1e9
            if left_s is not None and left_s <= 0:
                break
            self._listen(left_s)
        return self._arrived

    def arrived_ns(self, request: int) -> int:
        """When it came (monotonic); 0: it has not."""
        return self._times[self._count + request]

    def _look(self) -> int:
        while self._arrived < self._count and self.arrived_ns(self._arrived):
            self._arrived += 1
        return self._arrived

    def _listen(self, timeout_s: float | None) -> None:
        """Wait for the wake; raises ArrivalsLost where nobody can message it any more."""
        if select.select([self._wake], [], [], timeout_s)[0] and not os.read(self._wake, 1 << 16):
            raise ArrivalsLost(f"the process that lets requests arrive has died after {self._look()} requests")


def main(table_fd: int, wake_fd: int) -> None:
    """The other end: say that it is there, learn when to begin, let one request after the other arrive."""
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
    """False where the server has gone meanwhile."""
    while (left_ns := at_ns - time.monotonic_ns()) > 0:
        if select.select([sys.stdin], [], [], left_ns / 1e9)[0]:
            return False
    return True


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        main(*map(int, sys.argv[1:]))
