"""What goes on beside the worker's main thread: its heartbeat, and a look at whether it still hears."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from farm.errors import BrokerUnavailable, StoreUnavailable

log = logging.getLogger(__name__)

#: Looks at the queues in the time after which a worker is deaf: each asks the broker.
LOOKS = 10


class Beat:
    """A thread that does the same every so often, whatever comes of it: a worker whose heart stops loses every job."""

    def __init__(self, period_s: float, once: Callable[[], None]) -> None:
        self._period_s = period_s
        self._once = once
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="beat", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def close(self) -> None:
        """Stop beating."""
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(self._period_s):
            try:
                self._once()
            except StoreUnavailable as error:
                log.warning("heartbeat: %s", error)
            except Exception:
                log.exception("heartbeat")


class Queues(Protocol):
    """Where messages wait: the publisher."""

    def depths(self, queues: Iterable[str]) -> Mapping[str, int]: ...


class Watchdog:
    """Finds out that a worker is deaf: at every look for so long messages waited for it, and it heard none of them."""

    def __init__(self, broker: Queues, queues: Sequence[str], within_s: float) -> None:
        self._broker = broker
        self._queues = queues
        self._within_s = within_s
        self._look_at_s = 0.0  #: monotonic
        self.heard()

    def heard(self) -> None:
        """It is not deaf."""
        self._fine_at_s = time.monotonic()

    def is_stuck(self) -> bool:
        """Look, if it is time to; a broker that is away has nothing to say."""
        now_s = time.monotonic()
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + self._within_s / LOOKS
            if not self._somebody_rings():
                self._fine_at_s = now_s
        return now_s - self._fine_at_s >= self._within_s

    def _somebody_rings(self) -> bool:
        try:
            return any(self._broker.depths(self._queues).values())
        except BrokerUnavailable:
            return False
