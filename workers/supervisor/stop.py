"""How other threads tell the supervisor to stop a running trial."""

import selectors
import socket
from contextlib import suppress

from farm.model import Failure, FailureKind

_MESSAGES = {
    FailureKind.CANCELLED: "cancelled while it ran",
    FailureKind.INTERRUPTED: "the worker was told to stop at once",
    FailureKind.LOST: "the lease was lost to another attempt",
}


class Stop:
    """A request that wakes a selector, with the reason for the report."""

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self.failure: Failure | None = None  #: what the report shall say, once a stop is requested

    def request(self, kind: FailureKind) -> None:
        """Ask for the end of the running trial; the first reason counts, and one that comes too late does no harm."""
        if self.failure is None:
            self.failure = Failure(kind=kind, message=_MESSAGES[kind])
            with suppress(OSError):  # closed: the trial has just ended by itself
                self._sender.send(b"!")

    def fileno(self) -> int:
        """For a selector: readable once a stop is requested."""
        return self._receiver.fileno()

    def wait(self, seconds: float) -> bool:
        """Sleep; True as soon as a stop is requested."""
        with selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_READ)
            return bool(selector.select(max(seconds, 0.0)))

    def close(self) -> None:
        """Free the sockets."""
        self._receiver.close()
        self._sender.close()
