"""A web server that answers a few clients at once, so that many or slow ones cannot take the descriptors of a process.

Every connection costs a descriptor and a thread. A client that does not ask in time is disconnected; where all places
are taken, a new client is turned away, or takes the place of one that holds it for too long.
"""

import logging
import socket
import time
from threading import Lock, Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import WSGIApplication

log = logging.getLogger(__name__)

#: Clients that are served at once; the next ones wait for a moment in the system's queue of the same length.
MOST_CLIENTS = 16
#: Seconds in which a client must send or take the next bytes.
PATIENCE_S = 5.0
#: Seconds after which a client that still sends or takes bytes gives its place to another one.
LONGEST_S = 20.0
#: Seconds of rest where the process has no descriptor for another client: the system would announce it again at once.
REST_S = 0.5


class _Handler(WSGIRequestHandler):
    """Answers one request."""

    timeout = PATIENCE_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Log no request."""


class Endpoint(WSGIServer):
    """Answers each request in a thread of its own, `MOST_CLIENTS` at once."""

    request_queue_size = MOST_CLIENTS

    def __init__(self, host: str, port: int, app: WSGIApplication) -> None:
        """Bind the address; raises OSError where it cannot be used."""
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        self.address_family = family
        self._since_s: dict[socket.socket, float] = {}  #: clients that are served, monotonic
        self._lock = Lock()
        super().__init__((str(address[0]), port), _Handler)
        self.set_app(app)

    def start(self) -> None:
        """Serve from a thread that ends with the process."""
        Thread(target=self.serve_forever, name="endpoint", daemon=True).start()

    def server_bind(self) -> None:
        """Bind without asking the name service for the name of the host, which may take a minute."""
        socket.socket.bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a client; after an error, such as no free descriptor, rest for a moment."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(REST_S)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, or turn the client away where no place is free."""
        if not self._take_place(request):
            self.shutdown_request(request)
            return
        try:
            Thread(target=self._answer, args=(request, client_address), name="endpoint", daemon=True).start()
        except RuntimeError:  # the system starts no more threads
            self._leave_place(request)
            self.shutdown_request(request)

    def _take_place(self, client: socket.socket) -> bool:
        now_s = time.monotonic()
        with self._lock:
            if len(self._since_s) >= MOST_CLIENTS:
                oldest = min(self._since_s, key=self._since_s.__getitem__)
                if now_s - self._since_s[oldest] >= LONGEST_S:
                    self.shutdown_request(oldest)  # its thread ends with an error, and leaves the place
                return False
            self._since_s[client] = now_s
            return True

    def _leave_place(self, client: socket.socket) -> None:
        with self._lock:
            self._since_s.pop(client, None)

    def _answer(self, client: socket.socket, address: Any) -> None:
        try:
            self.finish_request(client, address)
        except Exception as error:  # a client that is slow, or gone
            log.debug("a client of the endpoint: %s", error)
        finally:
            self._leave_place(client)
            self.shutdown_request(client)
