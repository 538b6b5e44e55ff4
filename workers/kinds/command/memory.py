"""The memory of a program and of all that it has started, as the kernel shows it in /proc."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: Seconds between the first two looks, and the most between any two; each wait is twice as long as the one before.
FIRST_S, LONGEST_S = 0.02, 1.0
_PROC = Path("/proc")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Peak:
    """The largest resident memory of a process and its descendants together, at the moments when somebody looked."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._wait_s = FIRST_S
        self.rss_bytes: int | None = None  #: None: nothing is known

    def look(self) -> float:
        """Look now; returns the seconds until the next look is due."""
        now_bytes = sum(_rss_bytes(pid) for pid in _tree(self._pid))
        if now_bytes:
            self.rss_bytes = max(now_bytes, self.rss_bytes or 0)
        self._wait_s = min(2 * self._wait_s, LONGEST_S)
        return self._wait_s


def _tree(pid: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield pid
    with suppress(OSError):
        for task in (_PROC / str(pid) / "task").iterdir():
            with suppress(OSError):
                for child in (task / "children").read_text().split():
                    yield from _tree(int(child))


def _rss_bytes(pid: int) -> int:
    with suppress(OSError, IndexError):
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE_BYTES
    return 0
