"""Holds: jobs wait until the carbon intensity is low, or their deadline has come."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pydantic import SecretStr

from farm.model import Hold, SweepRecord
from farm.model.errors import InputError
from farm.scheduling.holds import CarbonNow, described, parse_hold, require_source, review
from farm.scheduling.status.live import live
from farm.scheduling.status.progress import held_lines
from farm.settings import Settings
from farm.store import Store
from tests.contract.store_records import SWEEP, UTC_NOON, new_job, record, unpublished

NOON = UTC_NOON.replace(microsecond=0)
UNTIL = NOON + timedelta(hours=24)
FILE = "Datetime (UTC),Carbon intensity gCO2eq/kWh (Life cycle)\n2026-11-21 12:00,310\n2026-11-21 13:00,180\n"


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Service:
    """An address that answers as electricityMaps does; the answers were recorded."""

    answer: bytes = b""
    tokens: list[str | None] = field(default_factory=list)
    url: str = ""

    @contextmanager
    def running(self) -> Iterator["Service"]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.tokens.append(self.headers["auth-token"])
                self.send_response(200)
                self.end_headers()
                self.wfile.write(service.answer)

            def log_message(self, *_: object) -> None: ...

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_address[1]}/v3/carbon-intensity/latest?zone=NL"
            thread = Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield self
            server.shutdown()
            thread.join()

    def says(self, g_per_kwh: float, at: str) -> None:
        recorded = {"zone": "NL", "carbonIntensity": g_per_kwh, "datetime": at, "updatedAt": at, "isEstimated": False}
        self.answer = json.dumps(recorded).encode()


@pytest.fixture
def service() -> Iterator[Service]:
    with Service().running() as running:
        yield running


@pytest.fixture
def held(store: Store) -> Store:
    hold = {"hold_below_g_per_kwh": 200.0, "hold_until": UNTIL}
    store.submit(record().model_copy(update=hold), [new_job(n) for n in range(12)])
    return store


def carbon_now(source: object, clock: Clock, **settings: object) -> CarbonNow:
    return CarbonNow(Settings(carbon_now=str(source), **settings), clock)  # type: ignore[arg-type]


def released(store: Store, carbon: CarbonNow) -> list[str]:
    return [why for sweep in store.held() if isinstance(sweep, SweepRecord) and (why := review(store, carbon, sweep))]


def test_a_condition_and_a_deadline_are_read() -> None:
    assert parse_hold(None, None, NOON) is None
    assert parse_hold("carbon<200", None, NOON) == Hold(200.0, UNTIL)
    assert parse_hold(" carbon  <  99.5 ", "90min", NOON) == Hold(99.5, NOON + timedelta(minutes=90))


@pytest.mark.parametrize("when", ["carbon > 200", "carbon < 200 g", "price < 3", "carbon < -1", "", "carbon < 1e9"])
def test_any_other_condition_is_refused(when: str) -> None:
    with pytest.raises(InputError, match="--when: expected 'carbon < NUMBER' in grams of CO2e per kWh, got"):
        parse_hold(when, None, NOON)


def test_a_deadline_is_a_duration_and_needs_a_condition() -> None:
    with pytest.raises(InputError, match=r"--deadline: .* add --when 'carbon < 200'"):
        parse_hold(None, "1h", NOON)
    with pytest.raises(InputError, match="--deadline: expected a duration above 0"):
        parse_hold("carbon < 200", "tomorrow", NOON)
    with pytest.raises(InputError, match="--deadline: expected a duration above 0"):
        parse_hold("carbon < 200", "", NOON)
    with pytest.raises(InputError, match="--deadline: expected at most 8760h, got '99999999h'"):
        parse_hold("carbon < 200", "99999999h", NOON)
    with pytest.raises(InputError, match="--when: set FARM_CARBON_NOW"):
        require_source(Settings())


def test_a_file_releases_the_jobs_in_its_first_low_hour(held: Store, tmp_path: Path) -> None:
    path, clock = tmp_path / "nl.csv", Clock(NOON + timedelta(minutes=1))
    path.write_text(FILE)
    carbon = carbon_now(path, clock)
    assert released(held, carbon) == []
    assert held_lines(held.progress(SWEEP)) == [
        "12 held: carbon 310 g/kWh, waits for < 200, at the latest 2026-11-22 12:00 UTC"
    ]
    assert not unpublished(held, 99)
    clock.forward(hours=1)
    assert released(held, carbon) == ["carbon 180 g/kWh, below 200"]
    assert len(unpublished(held, 99)) == 12
    assert held_lines(held.progress(SWEEP)) == []
    assert released(held, carbon) == []


def test_an_address_is_asked_once_a_minute_with_its_token(held: Store, service: Service) -> None:
    clock = Clock()
    service.says(240, "2026-11-21T12:00:00.000Z")
    carbon = carbon_now(service.url, clock, carbon_now_token=SecretStr("sesame"))
    assert released(held, carbon) == []
    service.says(120, "2026-11-21T12:00:00.000Z")
    clock.forward(seconds=59)
    assert released(held, carbon) == []
    clock.forward(seconds=1)
    assert released(held, carbon) == ["carbon 120 g/kWh, below 200"]
    assert service.tokens == ["sesame", "sesame"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"<html>", "does not answer"),
        (b"[]", "expected JSON with carbonIntensity and datetime"),
        (b'{"carbonIntensity": null, "datetime": "2026-11-21T12:00:00.000Z"}', "expected JSON with carbonIntensity"),
        (b'{"carbonIntensity": 1, "datetime": "2026-11-21T09:59:00Z"}', "its value 1 is of 2026-11-21 09:59"),
        (b'{"carbonIntensity": -5, "datetime": "2026-11-21T12:00:00Z"}', "expected 0 or more g/kWh, got -5"),
        (b'{"carbonIntensity": Infinity, "datetime": "2026-11-21T12:00:00Z"}', "expected 0 or more g/kWh, got inf"),
        (b'{"carbonIntensity": 1' + b"0" * 400 + b', "datetime": "2026-11-21T12:00:00Z"}', "expected JSON"),
        (b"[" * 100_000, "does not answer"),
    ],
)
def test_an_answer_that_does_not_tell_holds_the_jobs_and_status_says_why(
    held: Store, service: Service, answer: bytes, why: str
) -> None:
    service.answer = answer
    assert released(held, carbon_now(service.url, Clock())) == []
    (line,) = held_lines(held.progress(SWEEP))
    assert line.startswith("12 held: carbon unknown: FARM_CARBON_NOW")
    assert why in line


@pytest.mark.parametrize(
    "source", ["http://127.0.0.1:9/none", "http://lab:port/", "/nowhere/nl.csv", "~nobody-of-here/nl.csv", "a\0b", ""]
)
def test_a_source_out_of_reach_holds_the_jobs_until_the_deadline(held: Store, source: str) -> None:
    clock = Clock()
    carbon = carbon_now(source, clock)
    assert released(held, carbon) == []
    assert "carbon unknown" in held_lines(held.progress(SWEEP))[0]
    clock.forward(hours=24)
    assert released(held, CarbonNow(Settings(carbon_now=source), clock)) == ["its deadline has come"]
    assert len(unpublished(held, 99)) == 12


def test_a_log_shows_once_what_held_jobs_wait_for(
    held: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, clock = tmp_path / "nl.csv", Clock()
    path.write_text(FILE)
    carbon = carbon_now(path, clock)
    with live("batching") as show:
        for _ in range(3):
            assert released(held, carbon) == []
            show(held.progress(SWEEP), "")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("batching: 0/12 done, 12 held: carbon 310 g/kWh, waits for < 200")


def greet(server: socket.socket) -> None:
    with server.accept()[0] as client:
        client.sendall(b"SSH-2.0-server\r\n")


def test_what_does_not_speak_http_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answers = Thread(target=greet, args=(server,), daemon=True)
        answers.start()
        value, note = carbon_now(f"HTTP://127.0.0.1:{server.getsockname()[1]}/", Clock()).read()
        answers.join()
    assert value is None
    assert note.startswith("carbon unknown: FARM_CARBON_NOW does not answer")


def test_what_is_held_is_described_before_anything_was_looked_up() -> None:
    assert described(Hold(99.5, datetime(2026, 12, 1, 10, tzinfo=UTC)), 3) == (
        "3 held: carbon not looked up yet, waits for < 99.5, at the latest 2026-12-01 10:00 UTC"
    )
