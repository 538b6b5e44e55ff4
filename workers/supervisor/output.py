"""The output of a trial: a pipe for its stdout and stderr, of which a bounded part is kept, in memory.

A trial that prints without end fills no disk, and a full disk takes no trial its words. A thread drains the pipe. It
sleeps in the kernel while nothing is printed, and wakes up a few times a second at most unless the pipe fills up.
"""

import os
import select
from collections.abc import Sequence
from threading import Thread
from typing import Self

#: The first and the last bytes of the output are kept.
HEAD_BYTES, TAIL_BYTES = 1000, 4000
#: More is read at once than a pipe holds.
CHUNK_BYTES = 1 << 20
#: After a read the pipe may fill for so long, unless it was half full: lines that come one by one wake nobody up.
PAUSE_S, HALF_FULL_BYTES = 0.1, 1 << 15
#: A trial that prints more has spent time on it that a reader should know of.
NOTABLE_BYTES = 1_000_000


class Output:
    """The output of one trial; `fileno` is the end that its processes write to."""

    def __init__(self) -> None:
        self._head = self._tail = b""
        self._bytes = 0
        self._reader, self._writer = os.pipe()
        self._woken, self._waker = os.pipe()
        self._thread = Thread(target=self._drain, name="output of a trial", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the pipe: whoever still prints gets an error."""
        self.finish()
        for descriptor in (self._reader, self._writer, self._woken, self._waker):
            os.close(descriptor)

    def fileno(self) -> int:
        """Return the descriptor to print to."""
        return self._writer

    def finish(self) -> None:
        """Take what the pipe holds, and nothing after it: a process that still holds the pipe delays nobody."""
        if self._thread.is_alive():
            os.write(self._waker, b"!")
            self._thread.join()

    @property
    def text(self) -> str:
        """The beginning and the end of what was printed, and between them how much is left out."""
        left_out = self._bytes - len(self._head) - len(self._tail)
        between = f"\n[{left_out:,} bytes of output are left out here]\n" if left_out else ""
        return self._head.decode(errors="replace") + between + self._tail.decode(errors="replace")

    @property
    def notes(self) -> Sequence[str]:
        """What a reader of the trial should know of its output."""
        if self._bytes < NOTABLE_BYTES:
            return ()
        return (f"the trial printed {self._bytes / 1e6:.0f} MB, which took time: its log keeps the first and last kB",)

    def _drain(self) -> None:
        is_open = True
        while is_open:
            ready, _, _ = select.select([self._reader, self._woken], [], [])
            is_open = self._woken not in ready
            taken = self._take() if self._reader in ready else 0
            if is_open and taken < HALF_FULL_BYTES:
                select.select([self._woken], [], [], PAUSE_S)

    def _take(self) -> int:
        """Read all that the pipe holds; returns how much it was."""
        chunk = os.read(self._reader, CHUNK_BYTES)
        missing = HEAD_BYTES - len(self._head)
        self._head += chunk[:missing]
        self._tail = (self._tail + chunk[missing:])[-TAIL_BYTES:]
        self._bytes += len(chunk)
        return len(chunk)
