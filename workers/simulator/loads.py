"""Loads of a simulated board: functions of time, and the CPU use of real processes."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from workers.simulator.physics import Board

#: The time between two searches for new processes; rare enough not to disturb the trials.
SCAN_S = 0.5


class Load(Protocol):
    """Load over time, from 0 to 1."""

    @property
    def pids(self) -> Sequence[int]:
        """The processes that hold a context on the board."""
        ...

    def until(self, begin_ns: int, end_ns: int) -> Iterator[tuple[int, float]]:
        """Yield stretches of constant load that fill the time between two moments: (end, load)."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """A load that is always the same."""

    level: float = 0.0
    pids: tuple[int, ...] = ()

    def until(self, begin_ns: int, end_ns: int) -> Iterator[tuple[int, float]]:
        if begin_ns < end_ns:
            yield end_ns, self.level


#: No load, and no context.
IDLE = Constant()


@dataclass(frozen=True, slots=True)
class Square:
    """A load that is high for a share of each period, and then low; its edges are exact to the ns."""

    period_s: float = 2.0
    high: float = 1.0
    low: float = 0.0
    high_share: float = 0.5
    origin_ns: int = 0
    pids: tuple[int, ...] = ()

    def until(self, begin_ns: int, end_ns: int) -> Iterator[tuple[int, float]]:
        period_ns = round(self.period_s * 1e9)
        high_ns = round(self.period_s * self.high_share * 1e9)
        while begin_ns < end_ns:
            start_ns = begin_ns - (begin_ns - self.origin_ns) % period_ns
            is_high = begin_ns < start_ns + high_ns
            begin_ns = min(end_ns, start_ns + (high_ns if is_high else period_ns))
            yield begin_ns, self.high if is_high else self.low


@dataclass(frozen=True, slots=True)
class Sampled:
    """A load by a function of the monotonic time in s, evaluated in the middle of short steps."""

    function: Callable[[float], float]
    step_s: float = 0.001
    pids: tuple[int, ...] = ()

    def until(self, begin_ns: int, end_ns: int) -> Iterator[tuple[int, float]]:
        step_ns = round(self.step_s * 1e9)
        while begin_ns < end_ns:
            stop_ns = min(begin_ns + step_ns, end_ns)
            yield stop_ns, self.function((begin_ns + stop_ns) / 2e9)
            begin_ns = stop_ns


@dataclass(slots=True)
class CpuUse:
    """The CPU use of a process and all that descends from it, as a share of the machine's cores. Linux only.

    `below` restricts it to descendants of processes whose command line contains that text: the trials of a worker are
    below `workers.supervisor.zygote`. Root 0 is the whole machine. A process is found within `SCAN_S` of its start; its
    use before that is not counted.
    """

    root_pid: int
    below: str = ""
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    pids: tuple[int, ...] = field(default=(), init=False)
    _used_ns: dict[int, int] = field(default_factory=dict, init=False)
    _next_scan_ns: int = field(default=0, init=False)

    def until(self, begin_ns: int, end_ns: int) -> Iterator[tuple[int, float]]:
        """Yield one stretch; must be called at its end."""
        used_ns = 0
        for pid in self.pids:
            try:
                now_ns = _cpu_ns(pid)
            except OSError:  # it has ended
                self._next_scan_ns = end_ns
            else:
                used_ns += now_ns - self._used_ns[pid]
                self._used_ns[pid] = now_ns
        if end_ns >= self._next_scan_ns:
            self._next_scan_ns = end_ns + round(SCAN_S * 1e9)
            self._find()
        if begin_ns < end_ns:
            yield end_ns, min(used_ns / (end_ns - begin_ns) / self.cores, 1.0)

    def _find(self) -> None:
        known, self._used_ns = self._used_ns, {}
        for pid in _descendants(self.root_pid, self.below):
            with suppress(OSError):
                self._used_ns[pid] = known[pid] if pid in known else _cpu_ns(pid)
        self.pids = tuple(self._used_ns)


def as_load(source: "Load | int | str | Callable[[float], float]") -> Load:
    """Build a load from a short form: a pid, "square wave", or a function of the monotonic time in s."""
    if isinstance(source, int):
        return CpuUse(source)
    if source == "square wave":
        return Square()
    if isinstance(source, str):
        raise ValueError(f'no load is called {source!r}: "square wave" is')
    if callable(source):
        return Sampled(source)
    return source


def drive(board: Board, load: Load, duration_s: float) -> None:
    """Let time pass for a board under a load."""
    board.context_held = bool(load.pids)
    for end_ns, level in load.until(board.now_ns, board.now_ns + round(duration_s * 1e9)):
        board.advance_to(end_ns, level)


def _cpu_ns(pid: int) -> int:
    """Return the CPU time of all threads of a process, ended ones too; the kernel keeps a clock for each process."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def _descendants(root_pid: int, below: str) -> Iterator[int]:
    """Yield the root and its descendants, or only the descendants of a process whose command line contains a text."""
    parents = dict(_parents())
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found = [(root_pid, below == "")] if root_pid in parents or root_pid == 0 else []
    while found:
        pid, counts = found.pop()
        if counts and pid:
            yield pid
        deeper = counts or below in _command_line(pid)
        found.extend((child, deeper) for child in children.get(pid, ()))


def _parents() -> Iterator[tuple[int, int]]:
    """Yield (pid, parent's pid) of every process that still runs."""
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with suppress(OSError):
                state, parent = _read(f"{entry.path}/stat").rpartition(b")")[2].split(maxsplit=2)[:2]
                if state != b"Z":
                    yield int(entry.name), int(parent)


def _read(path: str) -> bytes:
    """Read a small file of the kernel as cheaply as possible, because there are hundreds."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, 4096)
    finally:
        os.close(file)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""
