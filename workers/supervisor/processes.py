"""Tie processes to their parents, and kill those that a trial or a dead worker has left over."""

import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

log = logging.getLogger(__name__)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
#: Variables in the environment of all processes of a worker's trials: the worker, as `pid.start`, and its helper.
MARK, HELPER_MARK = "WATTFARM_WORKER", "WATTFARM_HELPER"
#: When to give up on processes that start others faster than they are killed.
_GONE_WITHIN_S, _MOST_LOOKS = 5.0, 100
_marks = count()
_PROC = Path("/proc")


def die_with_parent(parent_pid: int | None = None) -> None:
    """Have the kernel kill this process when the thread that started it ends; on Linux only.

    Given the parent's pid, a parent that died before this call is noticed too.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if parent_pid is not None and os.getppid() != parent_pid:
            os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent ends; on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_children(within_s: float) -> list[int]:
    """Kill all children of this process, and wait for them.

    For a process that adopts orphans these are all descendants, whatever they did to leave their parents: the children
    of a killed one are the next to be killed. A process group is killed at once, so that none of it can fork meanwhile.

    Returns:
        The processes that the kernel could not end in this time.
    """
    deadline_s = time.monotonic() + within_s
    while _reap_children():
        left = _children()
        for pid in left:
            _kill_with_group(pid)
        if time.monotonic() > deadline_s:
            return left
        time.sleep(0.001)
    return []


def _reap_children() -> bool:
    """Wait for the children that have ended; returns whether others are left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _children() -> list[int]:
    found: list[int] = []
    for task in (_PROC / "self/task").glob("*"):
        found += map(int, (task / "children").read_text().split())
    return found


def _kill_with_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if (group := os.getpgid(pid)) != os.getpgrp():
            os.killpg(group, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)


def mark() -> dict[str, str]:
    """Return new variables for the environment of processes that must not outlive this one."""
    worker = f"{os.getpid()}.{_started_at(os.getpid())}"
    return {MARK: worker, HELPER_MARK: f"{worker}.{next(_marks)}"}


def kill_left_overs() -> list[int]:
    """Kill the processes that trials of this user's dead workers have left; returns their pids. Linux only.

    A trial dies with its worker; processes that the trial started do not.
    """
    return _kill_where(MARK, _is_of_dead_worker)


def kill_marked(marked: Mapping[str, str]) -> list[int]:
    """Kill the processes whose environment has this `mark`; returns their pids. Only Linux is supported."""
    return _kill_where(HELPER_MARK, lambda value: value == marked[HELPER_MARK])


def _kill_where(variable: str, is_left: Callable[[str], bool]) -> list[int]:
    """Kill all processes with such a mark, and look again, for one may just have forked; gives up on a fork bomb."""
    killed: set[int] = set()
    deadline_s = time.monotonic() + _GONE_WITHIN_S
    for _ in range(_MOST_LOOKS):
        left = set(_marked(variable, is_left)) - killed
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed |= left
        if not left or time.monotonic() > deadline_s:
            break
    if left:
        log.warning("killed %d processes that trials left, and still more appear: end them", len(killed))
    return sorted(killed)


def _is_of_dead_worker(value: str) -> bool:
    pid, _, start = value.partition(".")
    return bool(start) and _started_at(pid) != start


def _marked(variable: str, is_left: Callable[[str], bool]) -> Iterator[int]:
    """Find processes of this user by their mark, except those in containers: their pids have other meanings."""
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            if folder.stat().st_uid != os.geteuid():  # root can read and kill those of others too
                continue
            for entry in (folder / "environ").read_bytes().split(b"\0"):
                name, _, value = entry.decode(errors="replace").partition("=")
                if name == variable and is_left(value) and _is_of_this_namespace(folder):
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
