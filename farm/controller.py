"""The controller's loop: it rings for jobs, takes back those whose worker fell silent, and plans what follows.

It remembers nothing but when it looked last: any number of restarts, or two controllers at once, do no harm.
"""

import logging
import time
from threading import Event

from farm import tuner
from farm.analysis.samples import samples
from farm.analysis.stopping import standings
from farm.errors import BrokerUnavailable, InputError, ServiceError
from farm.model import SweepRecord
from farm.plan import block_of
from farm.queue import Bell
from farm.settings import Settings
from farm.store import Store

log = logging.getLogger(__name__)

#: Rings sent in one go; the rest of the outbox waits for the next.
PUBLISH_AT_ONCE = 10_000
#: Seconds between two rounds.
PERIOD_S = 1.0


class Controller:
    """One round after another over the store and the bell."""

    def __init__(self, store: Store, bell: Bell, settings: Settings, sweep_id: str | None = None) -> None:
        """A `sweep_id` restricts the ringing and the searching to that sweep."""
        self._sweep_id = sweep_id
        self._store = store
        self._bell = bell
        self._settings = settings
        self.last_round_at: float | None = None  #: Unix time
        self._ring_again_at_s = 0.0  #: monotonic
        self._looked_at: dict[str, int] = {}  #: jobs that were over at the last look, by tuning sweep
        self._said: set[tuple[str, str]] = set()  #: id of a sweep, and what its user should know

    def publish(self) -> int:
        """Ring for every queued job that no message was sent for; raises BrokerUnavailable. Returns how many."""
        rings = self._store.unpublished(PUBLISH_AT_ONCE, self._sweep_id)
        if rings:
            self._bell.ring(rings)
            self._store.mark_published(rings)
        return len(rings)

    def ring_again(self) -> int:
        """Ring for jobs that wait although their queue is empty: their message was lost with its worker."""
        stale = self._store.stale_rings(
            older_than_s=self._settings.grace_s, limit=PUBLISH_AT_ONCE, sweep_id=self._sweep_id
        )
        empty = {queue for queue in {ring.queue for ring in stale} if self._bell.depth(queue) == 0}
        rings = [ring for ring in stale if ring.queue in empty]
        if rings:
            self._bell.ring(rings)
            self._store.mark_published(rings)
        return len(rings)

    def repeat(self) -> int:
        """Plan one more block for the points that are not sure enough yet; returns how many jobs."""
        added = 0
        for sweep in self._store.undecided():
            jobs = self._store.jobs(sweep.id)
            found = samples(self._store.trial_rows(sweep.id), self._store.measurement_rows(sweep.id))
            unsure = [s.spec for s in standings([j.spec for j in jobs], found, sweep.rule) if s.is_open]
            block = block_of(unsure, max(j.block for j in jobs) + 1, max(j.ordinal for j in jobs) + 1)
            if block:
                new = [job.new(jobs[0].priority, jobs[0].max_attempts) for job in block]
                added += self._store.extend(sweep.id, new)
            else:
                self._store.settle(sweep.id)
        return added

    def search(self) -> int:
        """Ask the strategies of tuning sweeps for what comes after the trials that are over; returns how many jobs.

        Raises InputError where a farm of one sweep cannot go on; a farm of many leaves that sweep as it is.
        """
        added = 0
        for search in self._store.searches(self._sweep_id):
            if self._looked_at.get(search.sweep.id) != search.over:
                added += self._advance(search.sweep)
                self._looked_at[search.sweep.id] = search.over
        return added

    def _advance(self, sweep: SweepRecord) -> int:
        try:
            step = tuner.advance(self._store, sweep, self._settings.max_attempts)
        except InputError as error:
            if self._sweep_id is not None:
                raise
            self._say(sweep, f"{error}: it waits until `farm serve` is started anew")
            return 0
        if step.note:
            self._say(sweep, step.note)
        return step.added

    def _say(self, sweep: SweepRecord, note: str) -> None:
        """Once is enough."""
        if (sweep.id, note) not in self._said:
            self._said.add((sweep.id, note))
            log.warning("sweep %s (%s): %s", sweep.name, sweep.id, note)

    def round(self) -> None:
        """One round; a broker that is away is noted and tried again in the next."""
        for job in self._store.expire_leases():
            log.warning("job %s: its worker fell silent, the lease has run out", job)
        self.repeat()
        self.search()
        try:
            self.publish()
            if time.monotonic() >= self._ring_again_at_s:  # it looks at every job that waits
                self.ring_again()
                self._ring_again_at_s = time.monotonic() + self._settings.grace_s / 6
        except BrokerUnavailable as error:
            log.warning("%s", error)

    def serve(self, stop: Event) -> None:
        """Rounds until told to stop, through every outage of broker and database."""
        while not stop.is_set():
            try:
                self.round()
                self.last_round_at = time.time()
            except ServiceError as error:
                log.warning("%s", error)
            stop.wait(PERIOD_S)
