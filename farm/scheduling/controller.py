"""The controller's loop: it publishes jobs, takes back jobs of silent workers, and plans more jobs.

It remembers only when it last filled each queue, and how many messages it found there: restarts, or two controllers at
once, do no harm.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from threading import Event

from farm import kinds
from farm.analysis.samples import per_unit
from farm.analysis.stopping import statuses
from farm.model import JobMessage, SweepRecord, queue_for
from farm.model.conditions import is_capability
from farm.model.errors import BrokerUnavailable, ServiceError
from farm.model.reading import reading
from farm.scheduling import holds, tuner
from farm.scheduling.broker import Publisher
from farm.scheduling.fair_share import LARGEST, Share, Window, choose_jobs
from farm.scheduling.isolation import Isolation
from farm.scheduling.plan import plan_block
from farm.scheduling.routing import own_queue
from farm.settings import Settings
from farm.store import PRESENT_S, AtWork, ControllerStore, Search, UnpublishedJobs

log = logging.getLogger(__name__)

#: Seconds between two rounds.
PERIOD_S = 1.0
#: Seconds between two rounds while a queue runs empty and more jobs wait, so that short jobs are not held back.
HASTE_S = 0.1


@dataclass(frozen=True, slots=True)
class _QueueState:
    """The state of a queue after the controller filled it."""

    at_s: float  #: monotonic
    window: Window
    turn: int = 0  #: how often the queue was filled before
    ran_empty: bool = False  #: it was empty, or will be before the next round, and more jobs wait than it takes


class Controller:
    """The controller, which works in rounds over the store and the publisher."""

    def __init__(
        self,
        store: ControllerStore,
        publisher: Publisher,
        settings: Settings,
        sweep_id: str | None = None,
        is_alone: bool = False,
    ) -> None:
        """Restrict the publishing and the searching to one sweep where `sweep_id` is given.

        `is_alone`: the farm has one machine, which gets every job: nobody would wait for another one to join.
        """
        self._sweep_id = sweep_id
        self._is_alone = is_alone
        self._store = store
        self._publisher = publisher
        self._settings = settings
        self._carbon = holds.CarbonNow(settings)
        self.last_round_at: float | None = None  #: Unix time
        self._publish_again_at_s = 0.0  #: monotonic
        self._queue_states: dict[str, _QueueState] = {}  #: by queue
        self._hurries = False  #: a queue ran empty while more jobs wait
        self._over_jobs: dict[str, int] = {}  #: jobs that were over when a search was last advanced, by sweep
        self._outage = ""  #: the error of an unreachable service
        self._isolation = Isolation(sweep_id)

    def publish(self) -> int:
        """Fill the queues with jobs that wait in the store; returns how many jobs. Raises BrokerUnavailable."""
        unpublished = sorted(self._store.outbox(self._sweep_id), key=lambda part: part.queue)
        if not unpublished:
            return 0
        at_work = self._store.at_work(self._sweep_id)
        consumed_by = self._broker_queues({part.queue for part in unpublished})
        messages: list[JobMessage] = []
        filled: dict[str, _QueueState] = {}
        for queue, parts in groupby(unpublished, key=lambda part: part.queue):
            if consumed_by[queue]:
                own, filled[queue] = self._choose_jobs(list(parts), [line for line in at_work if line.queue == queue])
                messages += own
        self._publish(messages, consumed_by)
        self._queue_states |= filled
        self._hurries = any(state.ran_empty for state in filled.values())
        return len(messages)

    def _choose_jobs(
        self, parts: Sequence[UnpublishedJobs], at_work: Sequence[AtWork]
    ) -> tuple[list[JobMessage], _QueueState]:
        """Return the jobs to publish on one queue, and the state of the queue after that."""
        queue, now_s = parts[0].queue, time.monotonic()
        last = self._queue_states.get(queue, _QueueState(now_s, Window()))
        left = sum(line.jobs for line in at_work if not line.is_running)
        window = last.window.after(left, max(now_s - last.at_s, HASTE_S) / PERIOD_S)

        def share(part: UnpublishedJobs) -> Share[JobMessage]:
            return Share(
                part.submitter, part.priority, lambda: self._store.unpublished(part.sweep_id, queue, window.size)
            )

        messages = choose_jobs([share(part) for part in parts], at_work, window.size, last.turn)
        filled = replace(window, filled=left + len(messages))
        was_short = left == 0 or window.size > last.window.size
        ran_empty = was_short and filled.filled >= window.size
        return messages, _QueueState(now_s, filled, last.turn + 1, ran_empty)

    def _broker_queues(self, queues: set[str]) -> dict[str, list[str]]:
        """Return, for each queue of jobs, the broker's queues on which its messages are published.

        A capability stands for the own queues of all present machines that have it: the first claim wins, and the other
        messages are stale. Without such a machine its jobs wait in the store.
        """
        if self._is_alone:
            return {queue: [queue_for("any")] for queue in queues}
        asked = any(map(is_capability, queues))
        machines = list(self._isolation.readable(self._store.present(PRESENT_S))) if asked else []
        return {
            queue: [own_queue(machine) for machine in machines if machine.takes(queue)]
            if is_capability(queue)
            else [queue]
            for queue in queues
        }

    def _publish(self, messages: Sequence[JobMessage], consumed_by: Mapping[str, Sequence[str]]) -> None:
        sent = [own.model_copy(update={"queue": queue}) for own in messages for queue in consumed_by[own.queue]]
        if sent:
            self._publisher.publish(sent)
            self._store.mark_published([message for message in messages if consumed_by[message.queue]])

    def publish_again(self) -> int:
        """Publish jobs again whose message was lost: a later message was consumed, or the queue is empty."""
        grace_s = self._settings.grace_s
        overtaken = self._store.overtaken_messages(older_than_s=grace_s, limit=LARGEST, sweep_id=self._sweep_id)
        self._publish(overtaken, self._broker_queues({message.queue for message in overtaken}))
        stale = self._store.stale_messages(older_than_s=grace_s, limit=LARGEST, sweep_id=self._sweep_id)
        consumed_by = self._broker_queues({message.queue for message in stale})
        depths = self._publisher.depths({queue for queues in consumed_by.values() for queue in queues}) if stale else {}
        empty = {queue: [own for own in queues if depths[own] == 0] for queue, queues in consumed_by.items()}
        lost = [message for message in stale if empty[message.queue]]
        self._publish(lost, empty)
        return len(overtaken) + len(lost)

    def repeat(self) -> int:
        """Plan one more block for the points that need more repetitions; returns how many jobs."""
        undecided = self._isolation.readable(self._store.undecided())
        return sum(self._isolation.turn(sweep, partial(self._repeat, sweep)) for sweep in undecided)

    def _repeat(self, sweep: SweepRecord) -> int:
        with reading("sweep", sweep.id, sweep.name):
            planned = self._store.repetitions(sweep.id)
            found = per_unit(self._store.samples([sweep.id]))
            unsure = [s.last.job for s in statuses(planned, found, sweep.rule) if s.is_open]
            jobs = self._store.jobs(sweep.id, unsure)
        if not jobs:
            self._store.settle(sweep.id)
            return 0
        # Points that were measured before may have more repetitions than others: the next is new to all of these.
        following = max(job.spec.repetition for job in jobs) + 1, max(one.ordinal for one in planned) + 1
        block = plan_block(kinds.get(sweep.kind), [job.spec for job in jobs], *following)
        return self._store.extend(sweep.id, [job.new(jobs[0].priority, jobs[0].max_attempts) for job in block])

    def search(self) -> int:
        """Ask the strategies of tuning sweeps for configurations after the trials that are over; returns how many jobs.

        Raises InputError where a farm of one sweep cannot go on; a farm of many leaves that sweep as it is.
        """
        added = 0
        for search in self._isolation.readable(self._store.searches(self._sweep_id)):
            if self._over_jobs.get(search.sweep.id) != search.over:
                added += self._isolation.turn(search.sweep, partial(self._advance, search))
        return added

    def _advance(self, search: Search) -> int:
        added, note = tuner.advance(self._store, search.sweep, self._settings.max_attempts)
        self._over_jobs[search.sweep.id] = search.over
        if note:
            self._isolation.note(search.sweep, note)
        return added

    def release(self) -> None:
        """End the holds whose condition or deadline has come: their jobs are in the outbox from now on."""
        for sweep in self._isolation.readable(self._store.held(self._sweep_id)):
            self._isolation.turn(sweep, partial(self._release, sweep))

    def _release(self, sweep: SweepRecord) -> int:
        if why := holds.review(self._store, self._carbon, sweep):
            log.warning("sweep %s (%s): released: %s", sweep.name, sweep.id, why, extra={"sweep": sweep.id})
        return 0

    def make_round(self) -> None:
        """Make one round; an unreachable broker is logged, and tried again in the next round."""
        self._hurries = False
        for job in self._store.expire_leases():
            log.warning("job %s: its worker fell silent, the lease has run out", job, extra={"job": job})
        self.repeat()
        self.search()
        self.release()
        try:
            self.publish()
            if time.monotonic() >= self._publish_again_at_s:  # not in each round: it reads every job that waits
                self.publish_again()
                self._publish_again_at_s = time.monotonic() + self._settings.grace_s / 6
        except BrokerUnavailable as error:
            self._log_outage(error)
        else:
            self._outage = ""

    def _log_outage(self, error: Exception, is_known: bool = True) -> None:
        """Log what stops a round once, until the message changes; an error that nobody foresaw with its traceback."""
        self._hurries = False
        if str(error) != self._outage and is_known:
            log.warning("%s", error)
        elif str(error) != self._outage:
            log.error("a round ends early: %s: please report it", error, exc_info=error)
        self._outage = str(error)

    def serve(self, stop: Event) -> None:
        """Make rounds until `stop` is set; no outage of the broker or the database, and no other error, ends it."""
        while not stop.is_set():
            try:
                self.make_round()
                self.last_round_at = time.time()
            except ServiceError as error:
                self._log_outage(error)
            except Exception as error:
                self._log_outage(error, is_known=False)
            stop.wait(HASTE_S if self._hurries else PERIOD_S)
