"""Who waits for what: the farm's queues, for `farm status`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.model import MachineState, Waiting, queue_for
from farm.report.numbers import UNKNOWN
from farm.scheduling import routing
from farm.scheduling.routing import fits
from farm.scheduling.status.machines import SHORT_STATES, Seen
from farm.spec.capability import is_capability, queue_of

#: Machines that a row names.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits for one target, and the machines that could take it."""

    target: str  #: as the jobs name it; of a queue that holds nothing but messages, its name
    jobs: int
    messages: int | None  #: on the broker; None: it was not asked, did not answer, or has no queue of that target
    machines: tuple[Seen, ...]  #: that fit, in whatever condition

    @property
    def at_hand(self) -> tuple[Seen, ...]:
        """Those of them that are there and take jobs."""
        return tuple(m for m in self.machines if not _in_the_way(m))


def names(waiting: Sequence[Waiting], machines: Sequence[Seen]) -> list[str]:
    """Every queue of the broker that jobs wait in or that a machine serves."""
    served = {queue for machine in machines for queue in machine.status.machine.queues}
    return sorted(served | {queue_for(w.target) for w in waiting if not is_capability(w.target)})


def queues(waiting: Sequence[Waiting], machines: Sequence[Seen], depths: Mapping[str, int] | None) -> list[Queue]:
    """The targets that jobs wait for, then the queues that hold nothing but messages."""
    left = dict(depths or {})
    jobs: Counter[str] = Counter()
    for w in waiting:
        jobs[w.target] += w.jobs
    found = [
        Queue(
            target,
            number,
            left.pop(queue_of(target), None),
            tuple(m for m in machines if fits(target, m.status.machine)),
        )
        for target, number in sorted(jobs.items())
    ]
    for name, messages in left.items():
        if messages:
            found.append(Queue(name, 0, messages, tuple(m for m in machines if name in m.status.machine.queues)))
    return found


def below(
    view: RenderableType, found: Sequence[Queue], machines: Sequence[Seen], now: datetime, note: str
) -> RenderableType:
    """Below the sweeps: one row a target, and what jobs wait for in vain; `note` says what is to know of the broker."""
    if not found:
        return Group(view, Text(note)) if note else view
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    out.add_column("wait for", overflow="fold", ratio=2)
    out.add_column("jobs", justify="right", no_wrap=True)
    has_messages = any(queue.messages is not None for queue in found)
    if has_messages:
        out.add_column("messages", justify="right", no_wrap=True)
    out.add_column("served by", overflow="fold", ratio=3)
    for queue in found:
        messages = [UNKNOWN if queue.messages is None else str(queue.messages)] if has_messages else []
        out.add_row(queue.target, str(queue.jobs), *messages, _servers(queue))
    known = [machine.status for machine in machines]
    lines = [*routing.waiting({queue.target: queue.jobs for queue in found if queue.jobs}, known, now), note]
    return Group(view, Text(), out, *(Text(line) for line in lines if line))


def records(found: Sequence[Queue], waiting: Sequence[Waiting], sweep: str) -> list[dict[str, Any]]:
    """What the jobs of one sweep wait for, as plain records."""
    by_target = {queue.target: queue for queue in found}
    return [
        {
            "target": w.target,
            "jobs": w.jobs,
            "messages": by_target[w.target].messages,
            "machines": [m.status.machine.name for m in by_target[w.target].at_hand],
        }
        for w in waiting
        if w.sweep == sweep
    ]


def _servers(queue: Queue) -> str:
    """The machines, those at hand first, each with what is in the way."""
    shown = [
        f"{m.status.machine.name}{_in_the_way(m)}" for m in sorted(queue.machines, key=lambda m: bool(_in_the_way(m)))
    ]
    listed = ", ".join(shown[:_NAMED]) + (f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else "")
    return listed if queue.at_hand else f"nobody: {listed}" if listed else "nobody"


def _in_the_way(machine: Seen) -> str:
    marks = ["silent"] if machine.is_silent else []
    marks += [] if machine.status.wanted_state == MachineState.ACTIVE else [SHORT_STATES[machine.status.wanted_state]]
    return f" ({', '.join(marks)})" if marks else ""
