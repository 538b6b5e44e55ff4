"""Fair share: the order in which jobs are published, and how many at once.

A queue of the broker is first come, first served: messages on it can no longer be shared fairly. So only a limited
number of messages (a window) waits on a queue, and the other jobs wait in the store, where submitters take turns.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from farm.store import AtWork

#: The smallest window: a new submitter waits for at most this many jobs of others.
SMALLEST = 20
#: The largest window, however short the jobs of a queue are.
LARGEST = 10_000
Job = TypeVar("Job")


@dataclass(frozen=True, slots=True)
class Window:
    """The number of messages that may wait on a queue.

    A window doubles where the queue ran empty, or loses half of its messages in a round, while more jobs wait. So it
    soon holds the jobs of a few seconds. It halves where most of its messages stay.
    """

    size: int = SMALLEST
    filled: int = 0  #: messages on the queue after it was last topped up

    def after(self, left: int, rounds: float) -> "Window":
        """Return the next window, where `left` messages still wait `rounds` rounds after the queue was filled."""
        taken = self.filled - left
        runs_short = left == 0 or (taken >= self.size / 8 and taken / rounds >= self.size / 2)
        if self.filled >= self.size and runs_short:
            return Window(min(2 * self.size, LARGEST), left)
        if taken / rounds < self.size / 16:
            return Window(max(self.size // 2, SMALLEST), left)
        return Window(self.size, left)


@dataclass(frozen=True, slots=True)
class Share(Generic[Job]):
    """The jobs of one sweep that wait for a queue."""

    submitter: str
    priority: int  #: 0 is the highest
    jobs: Callable[[], Iterable[Job]]  #: the jobs in the order of the plan; called when the sweep's turn comes


def choose_jobs(shares: Sequence[Share[Job]], at_work: Sequence[AtWork], size: int, turn: int = 0) -> list[Job]:
    """Return the jobs to publish on one queue, in order: the most urgent first, then by turns between submitters.

    The next job is of the submitter with the fewest running or published jobs; `turn`, which a caller increases with
    each call, decides between equals. The sweeps of a submitter keep the order of `shares`, and their jobs keep the
    order of the plan. At most `size` messages of a priority and of higher ones wait, so an urgent job finds room.
    """
    found: list[Job] = []
    has: Counter[str] = Counter()
    for line in at_work:
        has[line.submitter] += line.jobs
    for priority in sorted({share.priority for share in shares}):
        published = sum(line.jobs for line in at_work if not line.is_running and line.priority <= priority)
        jobs = _jobs_by_submitter([share for share in shares if share.priority == priority], turn)
        while jobs and published + len(found) < size:
            submitter = min(jobs, key=lambda name: has[name])
            try:
                found.append(next(jobs[submitter]))
            except StopIteration:
                del jobs[submitter]
            else:
                has[submitter] += 1
    return found


def _jobs_by_submitter(shares: Iterable[Share[Job]], turn: int) -> dict[str, Iterator[Job]]:
    """Return the jobs of each submitter, sweep after sweep; the submitter whose turn it is comes first."""
    own: dict[str, list[Share[Job]]] = {}
    for share in shares:
        own.setdefault(share.submitter, []).append(share)
    names = list(own)
    first = turn % len(names)
    return {name: (job for share in own[name] for job in share.jobs()) for name in names[first:] + names[:first]}
