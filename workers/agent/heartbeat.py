"""The worker's second thread: it sends heartbeats, and checks that the worker still receives messages."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from farm.model.errors import BrokerUnavailable, StoreUnavailable
from farm.settings import Settings

log = logging.getLogger(__name__)

#: A change is told at once, but not more often.
LEAST_PERIOD_S = 1.0
#: The watchdog asks the broker so often within its time limit; each time costs a connection.
CHECKS = 2


class HeartbeatThread:
    """Calls a function periodically, and goes on after errors: a worker without heartbeats loses its job.

    Where the worker may rest, the next call is later; after `hasten` it comes at once.
    """

    def __init__(self, settings: Settings, send: Callable[[], None], may_rest: Callable[[], bool]) -> None:
        self._least_s = min(LEAST_PERIOD_S, settings.heartbeat_s)
        self._period_s = settings.heartbeat_s
        self._rest_s = settings.idle_heartbeat_s - settings.heartbeat_s
        self._send = send
        self._may_rest = may_rest
        self._over = threading.Event()
        self._hastened = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def hasten(self) -> None:
        """Call soon: the worker has something to do, or to tell."""
        self._hastened.set()

    def close(self) -> None:
        """Stop the thread."""
        self._over.set()
        self.hasten()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._least_s):
            if not self._hastened.wait(self._period_s - self._least_s) and self._may_rest():  # which never raises
                self._hastened.wait(self._rest_s)
            self._hastened.clear()  # before the call, so that no later change is missed
            if self._over.is_set():
                return
            try:
                self._send()
            except StoreUnavailable as error:
                log.warning("heartbeat: %s", error)
            except Exception:
                log.exception("heartbeat")


class Queues(Protocol):
    """The queues of the broker: the publisher."""

    def depths(self, queues: Iterable[str]) -> Mapping[str, int]: ...


class Watchdog:
    """Detects a worker that receives nothing although messages have been waiting for it for a given time."""

    def __init__(self, broker: Queues, queues: Sequence[str], within_s: float) -> None:
        self._broker = broker
        self._queues = queues
        self._within_s = within_s
        self._next_check_s = 0.0  #: monotonic
        self.reset()

    def reset(self) -> None:
        """Record that the worker has just received a message."""
        self._fine_at_s = time.monotonic()

    def is_stuck(self) -> bool:
        """Check the queues where it is time to; an unreachable broker counts as empty queues."""
        now_s = time.monotonic()
        if now_s >= self._next_check_s:
            self._next_check_s = now_s + self._within_s / CHECKS
            if not self._messages_wait():
                self._fine_at_s = now_s
        return now_s - self._fine_at_s >= self._within_s

    def _messages_wait(self) -> bool:
        try:
            return any(self._broker.depths(self._queues).values())
        except BrokerUnavailable:
            return False
