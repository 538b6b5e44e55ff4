"""Tie processes to their parents, and kill those that a dead worker has left over."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1
#: A variable in the environment of all processes of a worker's trials: the worker, as `pid.start`.
MARK = "WATTFARM_WORKER"
_PROC = Path("/proc")


def die_with_parent(parent_pid: int | None = None) -> None:
    """Have the kernel kill this process when the thread that started it ends; on Linux only.

    Given the parent's pid, a parent that died before this call is noticed too.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if parent_pid is not None and os.getppid() != parent_pid:
            os._exit(1)


def mark() -> dict[str, str]:
    """Return the variable for the environment of processes that must not outlive this one."""
    return {MARK: f"{os.getpid()}.{_started_at(os.getpid())}"}


def kill_left_overs() -> list[int]:
    """Kill the processes that trials of dead workers have left; returns their pids. Only Linux is supported.

    A trial dies with its worker; processes that the trial started do not.
    """
    killed: list[int] = []
    while left := [pid for pid in _marked() if pid not in killed]:  # again, for one of them may just have forked
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed += left
    return killed


def _marked() -> Iterator[int]:
    """Find processes of this user whose worker is gone, except those in containers: their pids have other meanings."""
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            for entry in (folder / "environ").read_bytes().split(b"\0"):
                name, _, value = entry.decode(errors="replace").partition("=")
                pid, _, start = value.partition(".")
                if name == MARK and start and _started_at(pid) != start and _is_of_this_namespace(folder):
                    yield int(folder.name)


def _is_of_this_namespace(process: Path) -> bool:
    return (process / "ns/pid").readlink() == (_PROC / "self/ns/pid").readlink()


def is_alive(pid: int) -> bool:
    """Return whether a process still runs; one that has ended counts as gone although nobody has waited for it."""
    try:
        state = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _started_at(pid: int | str) -> str:
    """Return when a process started, in ticks since boot, or an empty text where there is none.

    The pid and the start together identify a process.
    """
    try:
        after_name = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2]
    except OSError:
        return ""
    return after_name.split()[19]
