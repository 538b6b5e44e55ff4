"""The controller's loop: it rings for jobs and takes back jobs whose worker fell silent.

It holds no state: any number of restarts, or two controllers at once, do no harm.
"""

import logging
from threading import Event

from farm.errors import BrokerUnavailable, ServiceError
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
        """A `sweep_id` restricts the ringing to that sweep."""
        self._sweep_id = sweep_id
        self._store = store
        self._bell = bell
        self._settings = settings

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

    def round(self) -> None:
        """One round; a broker that is away is noted and tried again in the next."""
        for job in self._store.expire_leases():
            log.warning("job %s: its worker fell silent, the lease has run out", job)
        try:
            self.publish()
            self.ring_again()
        except BrokerUnavailable as error:
            log.warning("%s", error)

    def serve(self, stop: Event) -> None:
        """Rounds until told to stop, through every outage of broker and database."""
        while not stop.is_set():
            try:
                self.round()
            except ServiceError as error:
                log.warning("%s", error)
            stop.wait(PERIOD_S)
