"""The sources of a wall meter's samples: a Prometheus server, or any address that answers in JSON."""

import base64
import json
import time
from collections import deque
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Protocol
from urllib.parse import SplitResult, quote, unquote, urlsplit

from farm.model.errors import InputError, MeterLost, MeterUnavailable, MeterUnset
from farm.settings import Settings
from farm.settings.credentials import read_secret

#: The estimate of a server's clock uses this many of the last requests.
MEMORY = 60
MAX_ANSWER_BYTES = 1 << 20
#: A query returns the value, and under this label the moment at which it was scraped.
SCRAPED = "wattfarm"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request."""

    body: Any  #: parsed JSON
    date_ns: int | None  #: the server's UTC, to the second
    sent_ns: int  #: monotonic
    received_ns: int

    @property
    def middle_ns(self) -> int:
        """The best estimate of when the server answered."""
        return (self.sent_ns + self.received_ns) // 2


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of a source, in the source's own unit."""

    at_ns: int  #: monotonic
    value: float


class Endpoint:
    """An address that is asked again and again: directly, never through a proxy, and no redirect is followed.

    A request is timed from after the connection is made, which no HTTP client offers: it bounds the server's clock.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = _parsed(settings.wall_url)
        self._timeout_s = settings.wall_timeout_s
        self._headers = {"Accept": "application/json", "Connection": "close", **_authorization(self._url, settings)}
        self.path = self._url.path
        self.query = self._url.query
        self.shown = f"{self._url.scheme}://{self._url.netloc.rpartition('@')[2]}"  #: the address without its secrets

    def ask(self, target: str) -> Answer:
        """Make one request; raises MeterLost with the remedy."""
        kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
        connection = kind(self._url.hostname or "", self._url.port, timeout=self._timeout_s)
        try:
            connection.connect()
            sent_ns = time.monotonic_ns()
            connection.request("GET", target, headers=self._headers)
            response = connection.getresponse()
            received_ns = time.monotonic_ns()
            raw = response.read(MAX_ANSWER_BYTES)
        except (OSError, HTTPException, UnicodeError) as error:
            reason = _line(getattr(error, "strerror", None) or str(error) or type(error).__name__)
            raise MeterLost(f"no answer ({reason}): start it, or correct FARM_WALL_URL") from None
        finally:
            connection.close()
        body = _json(raw)
        _check(response.status, response.reason, body)
        return Answer(body, _date_ns(response.headers.get("Date")), sent_ns, received_ns)


def _parsed(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        is_url = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        is_url = False
    if not is_url or not text.isascii() or not text.isprintable() or " " in text:
        raise MeterUnavailable("FARM_WALL_URL: expected http://HOST[:PORT][/PATH] or https://..., percent-encoded")
    return url


def _authorization(url: SplitResult, settings: Settings) -> dict[str, str]:
    """Build the header that authorizes us: basic where the URL names a user, else a bearer token, else none."""
    secret = settings.wall_secret.get_secret_value()
    if settings.wall_secret_file is not None:
        try:
            secret = read_secret("FARM_WALL_SECRET_FILE", str(settings.wall_secret_file))
        except InputError as error:
            raise MeterUnavailable(str(error)) from None
    if url.username:
        pair = f"{unquote(url.username)}:{unquote(url.password or '') or secret}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    if not (secret.isascii() and secret.isprintable()):
        raise MeterUnavailable("the secret of the wall meter is not a token: expected one line of plain letters")
    return {"Authorization": f"Bearer {secret}"} if secret else {}


def _json(raw: bytes) -> Any:
    """Parse the answer; None where it is not JSON."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _check(status: int, reason: str, body: Any) -> None:
    """Raise MeterLost unless this is a valid answer; only the complaint of Prometheus about a query is quoted."""
    match body:
        case {"status": "error", "error": str(complaint)} if status in (400, 422):
            raise MeterLost(f"it rejects the query ({_line(complaint)}): correct FARM_WALL_QUERY")
    if status in (401, 403):
        raise MeterLost(f"it refuses us (HTTP {status}): set FARM_WALL_SECRET or FARM_WALL_SECRET_FILE")
    if status != 200:
        raise MeterLost(f"it answers HTTP {status} {_line(reason)}: correct FARM_WALL_URL, or look at its log")
    if body is None:
        raise MeterLost("its answer is not JSON: correct FARM_WALL_URL")


def _line(text: object) -> str:
    return " ".join(str(text).split())[:200]


def _date_ns(header: str | None) -> int | None:
    try:
        date = parsedate_to_datetime(header or "")
    except ValueError:
        return None
    return round(date.timestamp()) * 10**9 if date.tzinfo else None


@dataclass(frozen=True, slots=True)
class Offset:
    """Bounds on a server's UTC minus our monotonic clock."""

    low_ns: int
    high_ns: int

    @property
    def middle_ns(self) -> int:
        """The best estimate."""
        return (self.low_ns + self.high_ns) // 2

    @property
    def u_ns(self) -> float:
        """Half of the interval: half the shortest round trip, or less."""
        return (self.high_ns - self.low_ns) / 2


class ServerClock:
    """A server's clock against ours.

    The time in an answer was true at some moment between our request and the answer. So each request gives bounds, and
    their intersection is the estimate. Bounds that contradict each other mean that a clock was set: the newest counts.
    """

    def __init__(self) -> None:
        self._bounds: deque[Offset] = deque(maxlen=MEMORY)
        self.offset: Offset | None = None

    def update(self, answer: Answer, now_ns: int, resolution_ns: int) -> Offset:
        """Add the bounds of an answer in which the server's UTC was `now_ns`, cut to its resolution."""
        self._bounds.append(Offset(now_ns - answer.received_ns, now_ns + resolution_ns - answer.sent_ns))
        common = Offset(max(b.low_ns for b in self._bounds), min(b.high_ns for b in self._bounds))
        if common.low_ns > common.high_ns:
            common = self._bounds[-1]
            self._bounds.clear()
            self._bounds.append(common)
        self.offset = common
        return common


class Source(Protocol):
    """A source of samples."""

    name: str
    clock: ServerClock
    endpoint: Endpoint

    def sample(self) -> Sample | None:
        """Ask once: a sample, or None where the last one is still the newest; raises MeterLost."""
        ...


class Prometheus:
    """One series of a Prometheus-compatible server, by an instant query.

    The time in an answer is that of the query, and the value may be a whole scrape older, so the same query asks for
    the time of the scrape as well. An expression has no scrape; its value is of the time of the query.
    """

    name = "prometheus"

    def __init__(self, endpoint: Endpoint, query: str) -> None:
        self.endpoint = endpoint
        self.clock = ServerClock()
        both = f'label_replace(timestamp({query}), "{SCRAPED}", "at", "", "") or ({query})'
        base = endpoint.path.removesuffix("/api/v1/query").rstrip("/")
        self._target = f"{base}/api/v1/query?query={quote(both, safe='')}"
        self._last_scrape_s = 0.0

    def sample(self) -> Sample | None:
        """Read the newest scrape, stamped with its time."""
        answer = self.endpoint.ask(self._target)
        try:
            rows = [
                (SCRAPED in row["metric"], float(row["value"][0]), float(row["value"][1]))
                for row in answer.body["data"]["result"]
            ]
        except (LookupError, TypeError, ValueError, OverflowError):
            raise MeterLost("it does not answer as Prometheus does: correct FARM_WALL_URL") from None
        values = [(now_s, value) for is_scrape, now_s, value in rows if not is_scrape]
        scrapes_s = [value for is_scrape, _, value in rows if is_scrape]
        if len(values) != 1:
            raise MeterLost(f"FARM_WALL_QUERY finds {len(values)} series, expected one: name it, or sum them")
        now_s, value = values[0]
        offset = self.clock.update(answer, _ns(now_s), 10**9 if now_s.is_integer() else 10**6)
        if not scrapes_s:
            return Sample(answer.middle_ns, value)
        if scrapes_s[0] == self._last_scrape_s:
            return None
        self._last_scrape_s = scrapes_s[0]
        return Sample(min(_ns(self._last_scrape_s) - offset.middle_ns, answer.received_ns), value)


def _ns(utc_s: float) -> int:
    """Convert the time of a server's clock; raises MeterLost where that is no time."""
    if not 0 <= utc_s < 1e11:
        raise MeterLost(f"its clock shows {utc_s}: look at its log")
    return round(utc_s * 1e9)


class HttpJson:
    """A number in a JSON answer: `apower`, `aenergy.total`, `emeters.0.power`; several, joined by +, are added.

    A sample is stamped in the middle between request and answer, because the age of a device's value is unknown.
    """

    name = "http-json"

    def __init__(self, endpoint: Endpoint, paths: str) -> None:
        self.endpoint = endpoint
        self.clock = ServerClock()
        self._paths = [path.strip() for path in paths.split("+")]
        self._target = (endpoint.path or "/") + (f"?{endpoint.query}" if endpoint.query else "")

    def sample(self) -> Sample:
        """Ask the device for its value."""
        answer = self.endpoint.ask(self._target)
        if answer.date_ns is not None:
            self.clock.update(answer, answer.date_ns, 10**9)
        return Sample(answer.middle_ns, sum(_number(answer.body, path) for path in self._paths))


def _number(body: Any, path: str) -> float:
    """Return the number at a path: keys and positions in lists, joined by dots."""
    found = body
    for step in path.split("."):
        try:
            found = found[int(step) if isinstance(found, list) else step]
        except (LookupError, TypeError, ValueError):
            there = f", there is {_line(', '.join(found))}" if isinstance(found, dict) else ""
            raise MeterLost(f"no {step!r} of {path!r} in the answer{there}: correct FARM_WALL_PATH") from None
    try:
        if isinstance(found, bool):
            raise TypeError
        return float(found)
    except (TypeError, ValueError, OverflowError):
        raise MeterLost(f"{path!r} in the answer is not a number: correct FARM_WALL_PATH") from None


def configured(settings: Settings) -> Source:
    """Build the source that the settings name; raises MeterUnavailable where they name none, or two."""
    if not (settings.wall_url or settings.wall_query or settings.wall_path):
        raise MeterUnset(
            "no wall meter is set up: FARM_WALL_URL names one, with FARM_WALL_QUERY (Prometheus) "
            "or FARM_WALL_PATH (JSON)"
        )
    if bool(settings.wall_query) == bool(settings.wall_path):
        raise MeterUnavailable("wall meter: set one of FARM_WALL_QUERY (Prometheus) and FARM_WALL_PATH (JSON)")
    endpoint = Endpoint(settings)
    return Prometheus(endpoint, settings.wall_query) if settings.wall_query else HttpJson(endpoint, settings.wall_path)
