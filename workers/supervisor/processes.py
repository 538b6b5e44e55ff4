"""What the kernel can be asked to do with processes."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1
#: In the environment of all that a worker's trials start: the worker, as `pid.start`.
MARK = "WATTFARM_WORKER"
_PROC = Path("/proc")


def die_with_parent(parent_pid: int | None = None) -> None:
    """Have this process killed when the thread that started it ends; Linux only, elsewhere nothing happens.

    Given the parent's pid, a parent that died before this call is noticed too.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if parent_pid is not None and os.getppid() != parent_pid:
            os._exit(1)


def mark() -> dict[str, str]:
    """What to put into the environment of a process that shall not outlive this one, nor its children."""
    return {MARK: f"{os.getpid()}.{_started_at(os.getpid())}"}


def kill_left_overs() -> list[int]:
    """Kill what the trials of workers that are dead have left; returns the pids. Linux only, elsewhere nothing happens.

    A trial dies with its worker; what it has started itself, in whatever session, does not.
    """
    killed: list[int] = []
    while left := [pid for pid in _marked() if pid not in killed]:  # one that is about to fork is met again
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed += left
    return killed


def _marked() -> Iterator[int]:
    """Processes of this user whose worker is gone; a container's are left alone: its pids are no pids here."""
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            for entry in (folder / "environ").read_bytes().split(b"\0"):
                name, _, value = entry.decode(errors="replace").partition("=")
                pid, _, start = value.partition(".")
                if name == MARK and start and _started_at(pid) != start and _is_of_this_namespace(folder):
                    yield int(folder.name)


def _is_of_this_namespace(process: Path) -> bool:
    return (process / "ns/pid").readlink() == (_PROC / "self/ns/pid").readlink()


def _started_at(pid: int | str) -> str:
    """When a process started, in ticks since boot: with its pid it names one process. Empty where there is none."""
    try:
        after_name = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2]
    except OSError:
        return ""
    return after_name.split()[19]
