"""The request by which other threads stop a running trial."""

import selectors
import socket
from contextlib import suppress

from farm.model import Failure, FailureKind

_MESSAGES = {
    FailureKind.CANCELLED: "cancelled while it ran",
    FailureKind.INTERRUPTED: "the worker was stopped while the trial ran",
    FailureKind.LOST: "the lease was lost to another attempt",
}


class Stop:
    """A request that wakes a selector, with the reason for the report."""

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self.failure: Failure | None = None  #: the failure for the report, once a stop is requested

    def request(self, kind: FailureKind) -> None:
        """Stop the running trial. The first reason counts; a request after the end of the trial has no effect."""
        if self.failure is None:
            self.failure = Failure(kind=kind, message=_MESSAGES[kind])
            with suppress(OSError):  # closed: the trial has just ended by itself
                self._sender.send(b"!")

    def fileno(self) -> int:
        """Return a descriptor for a selector: it becomes readable when a stop is requested."""
        return self._receiver.fileno()

    def wait(self, seconds: float) -> bool:
        """Wait; returns True as soon as a stop is requested."""
        with selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_READ)
            return bool(selector.select(max(seconds, 0.0)))

    def close(self) -> None:
        """Close the sockets."""
        self._receiver.close()
        self._sender.close()
