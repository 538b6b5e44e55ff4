"""Whose job is published next, and for how many at once.

A queue of the broker is first come, first served, so what is on it can no longer be shared fairly. Only a window of
messages waits there therefore; the rest waits in the store, where turns are taken.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from farm.store import AtWork

#: Messages that wait on a queue while trials are slow: whoever comes next waits for as many at most.
SMALLEST = 20
#: Messages that wait on a queue at most, however short its jobs are.
LARGEST = 10_000
Job = TypeVar("Job")


@dataclass(frozen=True, slots=True)
class Window:
    """How many messages may wait on a queue.

    While more is waiting, it doubles where the queue ran empty or half of it goes in a round: soon it holds what goes
    in a few seconds. It halves where most of it lies still.
    """

    size: int = SMALLEST
    filled: int = 0  #: messages on the queue after it was last topped up

    def after(self, left: int, rounds: float) -> "Window":
        """As it is to be where `left` messages still wait, so many rounds after it was topped up."""
        taken = self.filled - left
        runs_short = left == 0 or (taken >= self.size / 8 and taken / rounds >= self.size / 2)
        if self.filled >= self.size and runs_short:
            return Window(min(2 * self.size, LARGEST), left)
        if taken / rounds < self.size / 16:
            return Window(max(self.size // 2, SMALLEST), left)
        return Window(self.size, left)


@dataclass(frozen=True, slots=True)
class Share(Generic[Job]):
    """What of one sweep waits for a queue."""

    submitter: str
    priority: int  #: 0 is the highest
    jobs: Callable[[], Iterable[Job]]  #: in the order of the plan; called when its turn comes


def chosen(shares: Sequence[Share[Job]], at_work: Sequence[AtWork], size: int, turn: int = 0) -> list[Job]:
    """The jobs to publish on one queue, in order: the most urgent first, then by turns between submitters.

    The next job is of the submitter that has the fewest running or published; among several their turn decides, which
    a caller moves on from look to look. A submitter's sweeps keep the order of `shares`, and their jobs that of the
    plan. At most `size` messages of a priority and of higher ones wait, so that what is urgent waits for no room.
    """
    found: list[Job] = []
    has: Counter[str] = Counter()
    for line in at_work:
        has[line.submitter] += line.jobs
    for priority in sorted({share.priority for share in shares}):
        published = sum(line.jobs for line in at_work if not line.is_running and line.priority <= priority)
        jobs = _jobs([share for share in shares if share.priority == priority], turn)
        while jobs and published + len(found) < size:
            submitter = min(jobs, key=lambda name: has[name])
            try:
                found.append(next(jobs[submitter]))
            except StopIteration:
                del jobs[submitter]
            else:
                has[submitter] += 1
    return found


def _jobs(shares: Iterable[Share[Job]], turn: int) -> dict[str, Iterator[Job]]:
    """The jobs of each submitter, one sweep after the other; first the submitter whose turn it is."""
    of: dict[str, list[Share[Job]]] = {}
    for share in shares:
        of.setdefault(share.submitter, []).append(share)
    names = list(of)
    first = turn % len(names)
    return {name: (job for share in of[name] for job in share.jobs()) for name in names[first:] + names[:first]}
