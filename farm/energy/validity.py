"""Doubts about a trial that the machine causes: other programs, stolen CPU time, slow clocks, meters. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import or_

from farm.energy.aliasing import UPDATES_IN_WINDOW
from farm.model import Flag, MeasureSettings, Reading, Trace, Window, WindowKind

#: Other programs may use this share of one core.
OTHER_CPU_SHARE = 0.05
#: The hypervisor may take this share of the machine's time.
STEAL_SHARE = 0.01
#: While the machine should idle, runnable tasks may wait for this share of the time (PSI).
PRESSURE_SHARE = 0.05
#: NVML's clock event reasons: hardware slowdown, software and hardware thermal slowdown, power brake; power cap.
_REASONS = {Flag.THROTTLED: 0x8 | 0x20 | 0x40 | 0x80, Flag.POWER_CAPPED: 0x4}
#: A counter has stopped when it stood still for so long and for so many updates: no machine draws 0 W.
STILL_S, STILL_UPDATES = 1.0, 10
#: The kernel counts CPU time in ticks: differences below a few of them are noise.
TICKS_S = 0.03

_IDLE = frozenset({WindowKind.IDLE_BEFORE, WindowKind.IDLE_AFTER})
_TIMED = frozenset(kind for kind in WindowKind if kind.is_work or kind == WindowKind.LATENCY)
_WATCHED = _IDLE | {WindowKind.CONTEXT_IDLE} | _TIMED


@dataclass(frozen=True, slots=True)
class Glance:
    """The use of this machine, by its own trial and by others, up to one moment."""

    at_ns: int  #: monotonic
    cores: int
    busy_s: float  #: CPU time of all programs
    own_s: float  #: CPU time of the worker, its helpers and its trial
    stolen_s: float  #: CPU time that the hypervisor gave to others
    waited_s: float | None  #: time in which some task waited for a CPU
    gpu_pids: frozenset[int] = frozenset()  #: processes on the metered GPU


def of_clocks(window: Window, readings: Iterable[Reading]) -> list[Flag]:
    """Return the flags of a board that was slowed down in a window."""
    if window.kind not in _TIMED:
        return []
    reasons = reduce(or_, (r.throttle_reasons or 0 for r in readings), 0)
    return [flag for flag, bits in _REASONS.items() if reasons & bits]


def of_length(window: Window, trace: Trace, settings: MeasureSettings) -> list[Flag]:
    """Return the flag of a measure window that is too short for its meter.

    Windows of a training are as long as its epochs; a short one has a large uncertainty instead of the flag.
    """
    is_short = window.duration_s < UPDATES_IN_WINDOW[settings.profile] * trace.update_period_s
    return [Flag.TOO_SHORT] if window.kind is WindowKind.MEASURE and is_short else []


def stands_still(trace: Trace) -> bool:
    """Return whether an energy counter stopped at any time: it missed joules, or its steps are too coarse."""
    longest_s, since_ns, last_j = 0.0, 0, None
    for reading in trace.readings:
        if reading.energy_j is not None and reading.energy_j != last_j:
            since_ns, last_j = reading.at_ns, reading.energy_j
        elif reading.energy_j is not None:
            longest_s = max(longest_s, (reading.at_ns - since_ns) / 1e9)
    return longest_s > max(STILL_S, STILL_UPDATES * trace.update_period_s)


def stopped_counters(traces: Iterable[Trace]) -> list[str]:
    """Return a line for each counter that stood still."""
    return [f"{t.source}: the {t.domain} energy counter stood still, it is not used" for t in traces if stands_still(t)]


def contaminations(windows: Sequence[Window], glances: Sequence[Glance]) -> list[str]:
    """Return a line for each window in which others used the machine; it needs a glance at both ends of the window."""
    lines = []
    for window in windows:
        before = [g for g in glances if g.at_ns <= window.begin_at_ns]
        after = [g for g in glances if g.at_ns >= window.end_at_ns]
        if window.kind in _WATCHED and before and after:
            lines += [f"{window.kind}: {use}" for use in _describe_use(window.kind, before[-1], after[0])]
    return lines + _foreign(glances)


def _describe_use(kind: WindowKind, before: Glance, after: Glance) -> Iterator[str]:
    duration_s, cores = (after.at_ns - before.at_ns) / 1e9, used_by_others(before, after)
    if cores * duration_s > OTHER_CPU_SHARE * duration_s + TICKS_S:
        yield f"other programs used {cores:.0%} of a core"
    stolen_s = after.stolen_s - before.stolen_s
    if stolen_s > STEAL_SHARE * duration_s * after.cores + TICKS_S:
        yield f"the hypervisor took {stolen_s / duration_s / after.cores:.0%} of the time"
    if kind in _IDLE and before.waited_s is not None and after.waited_s is not None:
        share = (after.waited_s - before.waited_s) / duration_s
        if share > PRESSURE_SHARE:
            yield f"programs waited for a CPU {share:.0%} of the time"


def used_by_others(before: Glance, after: Glance) -> float:
    """Return how many cores other programs used between two glances, on average."""
    other_s = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
    return other_s / (after.at_ns - before.at_ns) * 1e9


def _foreign(glances: Sequence[Glance]) -> list[str]:
    """Return a line for each GPU process that was there before the trial, or came after the trial's own.

    A process is the trial's own when it came first: a worker in a container does not know it by its number.
    """
    foreign: set[int] = set(glances[0].gpu_pids) if glances else set()
    own: set[int] = set()
    for previous, glance in pairwise(glances):
        new = glance.gpu_pids - previous.gpu_pids - own - foreign
        if own:
            foreign |= new
        else:
            own |= new
    return [f"process {pid} used the GPU too" for pid in sorted(foreign)]
