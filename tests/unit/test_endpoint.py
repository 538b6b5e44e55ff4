"""The web server of the metrics: many or slow clients take no more than its places."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.request import ProxyHandler, build_opener

import pytest
from prometheus_client import CollectorRegistry, make_wsgi_app

from farm.scheduling import endpoint
from farm.scheduling.endpoint import MOST_CLIENTS, Endpoint

SOON_S = 10.0


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with Endpoint("127.0.0.1", 0, make_wsgi_app(CollectorRegistry())) as opened:
        opened.start()
        yield opened
        opened.shutdown()


def connect(server: Endpoint) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_port), SOON_S)


def scrape(server: Endpoint) -> int:
    with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{server.server_port}/metrics", timeout=SOON_S) as got:
        return int(got.status)


def is_closed(client: socket.socket) -> bool:
    """Wait until the server closes the connection."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_client_beyond_the_places_is_turned_away(server: Endpoint) -> None:
    with ExitStack() as open_:
        clients = [open_.enter_context(connect(server)) for _ in range(MOST_CLIENTS + 20)]
        assert all(is_closed(client) for client in clients[MOST_CLIENTS:])
        assert len(server._since_s) == MOST_CLIENTS


def test_a_client_that_asks_nothing_is_disconnected(server: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint._Handler, "timeout", 0.05)
    with ExitStack() as open_:
        clients = [open_.enter_context(connect(server)) for _ in range(MOST_CLIENTS)]
        assert all(is_closed(client) for client in clients)
    assert scrape(server) == 200


def test_a_client_that_is_slow_for_too_long_gives_its_place(server: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "LONGEST_S", 0.0)
    with ExitStack() as open_:
        clients = [open_.enter_context(connect(server)) for _ in range(MOST_CLIENTS)]
        clients[0].sendall(b"GET /met")
        open_.enter_context(connect(server))
        assert is_closed(clients[0])


def test_no_free_descriptor_ends_nothing(server: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "REST_S", 0.01)
    failures = iter([OSError(24, "Too many open files")] * 3)
    accept = socket.socket.accept

    def refuse(own: socket.socket) -> tuple[socket.socket, object]:
        if failure := next(failures, None):
            raise failure
        return accept(own)

    monkeypatch.setattr(socket.socket, "accept", refuse)
    assert scrape(server) == 200
