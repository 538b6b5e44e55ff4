"""Who waits for what: the farm's queues, for `farm status`."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.model import Duty
from farm.report.machines import Seen
from farm.report.numbers import UNKNOWN
from farm.store import Waiting

#: Machines that a row names.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Queue:
    """Jobs that wait, their messages, and the machines that could take them."""

    name: str
    target: str | None  #: as sweeps name it; None: only messages are there
    jobs: int
    messages: int | None  #: on the broker; None: it was not asked, or did not answer
    machines: tuple[Seen, ...]  #: that serve it, in whatever condition

    @property
    def at_hand(self) -> tuple[Seen, ...]:
        """Those of them that are there and take jobs."""
        return tuple(m for m in self.machines if not m.is_silent and m.status.duty == Duty.WORK)


def names(waiting: Sequence[Waiting], machines: Sequence[Seen]) -> list[str]:
    """Every queue that jobs wait in or that a machine serves."""
    served = (queue for machine in machines for queue in machine.status.machine.queues)
    return sorted({*(w.queue for w in waiting), *served})


def queues(waiting: Sequence[Waiting], machines: Sequence[Seen], depths: Mapping[str, int] | None) -> list[Queue]:
    """The queues in which something waits."""
    jobs: Counter[str] = Counter()
    for w in waiting:
        jobs[w.queue] += w.jobs
    targets = {w.queue: w.target for w in waiting}
    return [
        Queue(
            name=name,
            target=targets.get(name),
            jobs=jobs[name],
            messages=None if depths is None else depths.get(name),
            machines=tuple(m for m in machines if name in m.status.machine.queues),
        )
        for name in names(waiting, machines)
        if jobs[name] or (depths or {}).get(name)
    ]


def below(view: RenderableType, found: Sequence[Queue], note: str) -> RenderableType:
    """Below the sweeps: one row a queue; `note` says what is to be known of the broker."""
    parts: list[RenderableType] = [view]
    if found:
        out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        out.add_column("queue", overflow="fold", ratio=2)
        out.add_column("jobs", justify="right", no_wrap=True)
        has_messages = any(queue.messages is not None for queue in found)
        if has_messages:
            out.add_column("messages", justify="right", no_wrap=True)
        out.add_column("served by", overflow="fold", ratio=3)
        for queue in found:
            messages = [UNKNOWN if queue.messages is None else str(queue.messages)] if has_messages else []
            out.add_row(queue.name, str(queue.jobs), *messages, _servers(queue))
        parts += [Text(), out]
    return Group(*parts, Text(note)) if note else Group(*parts)


def records(found: Sequence[Queue], waiting: Sequence[Waiting], sweep: str) -> list[dict[str, Any]]:
    """Where the jobs of one sweep wait, as plain records."""
    by_name = {queue.name: queue for queue in found}
    return [
        {
            "queue": w.queue,
            "target": w.target,
            "jobs": w.jobs,
            "messages": by_name[w.queue].messages,
            "machines": [m.status.machine.name for m in by_name[w.queue].at_hand],
        }
        for w in waiting
        if w.sweep == sweep
    ]


def _servers(queue: Queue) -> str:
    """The machines; where none takes jobs, what the jobs wait for."""
    shown = [f"{m.status.machine.name}{_in_the_way(m)}" for m in sorted(queue.machines, key=_is_away)]
    listed = ", ".join(shown[:_NAMED]) + (f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else "")
    if queue.at_hand:
        return listed
    return f"nobody: {listed}" if listed else f"nobody: {_remedy(queue.target or '')}"


def _is_away(machine: Seen) -> bool:
    return bool(_in_the_way(machine))


def _in_the_way(machine: Seen) -> str:
    marks = list(_marks(machine))
    return f" ({', '.join(marks)})" if marks else ""


def _marks(machine: Seen) -> Iterator[str]:
    if machine.is_silent:
        yield "silent"
    if machine.status.duty != Duty.WORK:
        yield "paused" if machine.status.duty == Duty.PAUSE else "drained"


def _remedy(target: str) -> str:
    kind, _, what = target.partition(":")
    match kind:
        case "machine":
            return f"waits for {what}, which has not joined: `farm worker` there"
        case "hw":
            return f"waits for a machine of class {what}"
        case _:
            return "waits for `farm worker` on a machine"
