"""The farm's queues, and the jobs that wait in them; for `farm status`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from farm.model import MachineState, Waiting, queue_for
from farm.model.conditions import is_capability
from farm.report.document import Block, Column, Form, Paragraph, Row, Table
from farm.scheduling import routing
from farm.scheduling.routing import Route
from farm.scheduling.status.machines import SHORT_STATES, ObservedMachine

#: Machines that a row names.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Queue:
    """The jobs and messages that wait for one target and what their points need, and the machines that fit."""

    name: str  #: what the jobs wait for; for a queue that holds messages only, the queue's name
    route: Route | None  #: None: it holds messages only
    jobs: int
    messages: int | None  #: messages on the broker; None: unknown, or the broker has no queue of that target
    machines: tuple[ObservedMachine, ...]  #: the machines that fit, in any state

    @property
    def available(self) -> tuple[ObservedMachine, ...]:
        """The machines that are present and take jobs."""
        return tuple(m for m in self.machines if not _obstacles(m))


def names(waiting: Sequence[Waiting], machines: Sequence[ObservedMachine]) -> list[str]:
    """List every queue of the broker that jobs wait in or that a machine serves."""
    served = {queue for machine in machines for queue in machine.status.machine.queues}
    return sorted(served | {queue_for(w.target) for w in waiting if not is_capability(w.target)})


def queues(
    waiting: Sequence[Waiting], machines: Sequence[ObservedMachine], depths: Mapping[str, int] | None
) -> list[Queue]:
    """List the targets that jobs wait for, then the queues that hold messages only."""
    left = dict(depths or {})
    jobs: Counter[Route] = Counter()
    for w in waiting:
        jobs[Route(w.target, w.capability)] += w.jobs
    found = [
        Queue(
            str(route),
            route,
            number,
            left.pop(route.queue, None),
            tuple(m for m in machines if route.fits(m.status.machine)),
        )
        for route, number in sorted(jobs.items())
    ]
    for name, messages in left.items():
        if messages:
            found.append(Queue(name, None, 0, messages, tuple(m for m in machines if name in m.status.machine.queues)))
    return found


def blocks(found: Sequence[Queue], machines: Sequence[ObservedMachine], now: datetime, note: str) -> list[Block]:
    """Show one row for each target, and why jobs wait in vain; `note` describes a problem with the broker."""
    if not found:
        return [Paragraph(note)] if note else []
    has_messages = any(queue.messages is not None for queue in found)
    columns = [
        Column("target", "wait for", Form.TEXT),
        Column("jobs", "jobs", Form.COUNT),
        *([Column("messages", "messages", Form.COUNT)] if has_messages else []),
        Column("served_by", "served by", Form.TEXT),
    ]
    rows = [Row({"target": q.name, "jobs": q.jobs, "messages": q.messages, "served_by": _servers(q)}) for q in found]
    known = [machine.status for machine in machines]
    lines = [*routing.waiting({queue.route: queue.jobs for queue in found if queue.route}, known, now), note]
    return [Table(columns, rows), *(Paragraph(line) for line in lines if line)]


def records(found: Sequence[Queue], waiting: Sequence[Waiting], sweep: str) -> list[dict[str, Any]]:
    """Return the targets that the jobs of one sweep wait for as plain records."""
    by_route = {queue.route: queue for queue in found}
    return [
        {
            "target": w.target,
            "needs": [str(need) for need in queue.route.needs] if queue.route else [],
            "jobs": w.jobs,
            "messages": queue.messages,
            "machines": [m.status.machine.name for m in queue.available],
        }
        for w in waiting
        if w.sweep == sweep and (queue := by_route[Route(w.target, w.capability)])
    ]


def _servers(queue: Queue) -> str:
    """Name the machines, available ones first; each with the reason why it takes no jobs."""
    machines = sorted(queue.machines, key=lambda m: bool(_obstacles(m)))
    shown = [f"{m.status.machine.name}{_obstacles(m)}" for m in machines]
    listed = ", ".join(shown[:_NAMED]) + (f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else "")
    return listed if queue.available else f"nobody: {listed}" if listed else "nobody"


def _obstacles(machine: ObservedMachine) -> str:
    marks = ["silent"] if machine.is_silent else []
    marks += [] if machine.status.wanted_state == MachineState.ACTIVE else [SHORT_STATES[machine.status.wanted_state]]
    return f" ({', '.join(marks)})" if marks else ""
