"""What is to be metered and is not there: a driver with one GPU, a powercap tree, a plug in the wall."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from math import floor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pynvml as real


@dataclass
class FakeDriver:
    """An NVIDIA driver as the binding shows it, in NVML's units; set a field and the world has changed."""

    uuids: list[str] = field(default_factory=lambda: ["GPU-aaaa-0001", "GPU-bbbb-0002"])
    energy_mj: int = 5_000_000
    power_mw: int = 123_456
    smoothed_mw: int = 100_000
    temperature_c: int = 41
    clock_mhz: int = 1980
    event_reasons: int = 0x4
    split: set[int] = field(default_factory=set)  #: GPUs with MIG on
    fails: dict[str, int] = field(default_factory=dict)  #: function -> NVML error; field 186 is "instant"
    sessions: int = 0
    asked: list[int] = field(default_factory=list)  #: GPUs whose energy or power was read

    def module(self) -> ModuleType:
        """A stand-in for pynvml, with the constants and exceptions of the real one."""
        module = ModuleType("pynvml")
        vars(module).update({k: v for k, v in vars(real).items() if k.startswith(("NVML_", "NVMLError"))})
        for name, function in self._functions().items():
            setattr(module, name, self._guarded(name, function))
        return module

    def _guarded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            if name in self.fails:
                raise real.NVMLError(self.fails[name])
            if self.sessions == 0 and name != "nvmlInit":
                raise real.NVMLError(real.NVML_ERROR_UNINITIALIZED)
            return function(*args)

        return call

    def _functions(self) -> dict[str, Callable[..., Any]]:
        return {
            "nvmlInit": lambda: self._add_session(1),
            "nvmlShutdown": lambda: self._add_session(-1),
            "nvmlDeviceGetCount": lambda: len(self.uuids),
            "nvmlDeviceGetHandleByIndex": self._handle,
            "nvmlDeviceGetUUID": lambda gpu: self.uuids[gpu],
            "nvmlDeviceGetMigMode": lambda gpu: [int(gpu in self.split)] * 2,
            "nvmlDeviceGetTotalEnergyConsumption": lambda gpu: self._read(gpu, self.energy_mj),
            "nvmlDeviceGetPowerUsage": lambda gpu: self._read(gpu, self.smoothed_mw),
            "nvmlDeviceGetFieldValues": lambda gpu, fields: [self._field(gpu, f) for f in fields],
            "nvmlDeviceGetTemperatureV": lambda _gpu, _sensor: self.temperature_c,
            "nvmlDeviceGetTemperature": lambda _gpu, _sensor: self.temperature_c,
            "nvmlDeviceGetClockInfo": lambda _gpu, _clock: self.clock_mhz,
            "nvmlDeviceGetCurrentClocksEventReasons": lambda _: self.event_reasons,
            "nvmlDeviceGetCurrentClocksThrottleReasons": lambda _: self.event_reasons,
            "nvmlDeviceGetComputeRunningProcesses": lambda _: [],
            "nvmlDeviceGetName": lambda _: "NVIDIA H200",
            "nvmlDeviceGetVbiosVersion": lambda _: "96.00.A5.00.01",
            "nvmlSystemGetDriverVersion": lambda: "580.65.06",
            "nvmlDeviceGetCudaComputeCapability": lambda _: (9, 0),
            "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(total=150_754_820_096),
            "nvmlDeviceGetEnforcedPowerLimit": lambda _: 700_000,
            "nvmlDeviceGetPowerManagementDefaultLimit": lambda _: 700_000,
            "nvmlDeviceGetMaxClockInfo": lambda _gpu, _clock: 1980,
            "nvmlDeviceGetEccMode": lambda _: [1, 1],
            "nvmlDeviceGetPersistenceMode": lambda _: 1,
            "nvmlDeviceGetMaxPcieLinkGeneration": lambda _: 5,
            "nvmlDeviceGetMaxPcieLinkWidth": lambda _: 16,
            "nvmlDeviceGetPciInfo": lambda _: SimpleNamespace(busId="00000000:19:00.0"),
        }

    def _add_session(self, change: int) -> None:
        self.sessions += change

    def _handle(self, index: int) -> int:
        if not 0 <= index < len(self.uuids):
            raise real.NVMLError(real.NVML_ERROR_INVALID_ARGUMENT)
        return index

    def _read(self, gpu: int, value: int) -> int:
        self.asked.append(gpu)
        return value

    def _field(self, gpu: int, field_id: int) -> SimpleNamespace:
        assert field_id == real.NVML_FI_DEV_POWER_INSTANT
        value = SimpleNamespace(uiVal=self._read(gpu, self.power_mw))
        return SimpleNamespace(nvmlReturn=self.fails.get("instant", real.NVML_SUCCESS), value=value)


class FakePowercap:
    """A powercap tree as Linux lays it out: every zone a link in one flat folder."""

    RANGE_UJ = 262_143_328_850

    def __init__(self, folder: Path, zones: Iterable[tuple[str, str]]) -> None:
        self.root = folder / "class"
        self.root.mkdir()
        for zone, name in zones:
            home = folder / "devices" / zone
            home.mkdir(parents=True)
            (home / "name").write_text(f"{name}\n")
            (home / "max_energy_range_uj").write_text(f"{self.RANGE_UJ}\n")
            (self.root / zone).symlink_to(home)
            self.set(zone, 1000)

    def counter(self, zone: str) -> Path:
        """The file of a zone's counter."""
        return self.root / zone / "energy_uj"

    def set(self, zone: str, energy_uj: int) -> None:
        """Let a zone's counter stand at so many µJ."""
        self.counter(zone).write_text(f"{energy_uj}\n")

    def consume(self, zone: str, energy_uj: int) -> None:
        """Count on, as the hardware does: past the range it starts again at 0."""
        self.set(zone, (int(self.counter(zone).read_text()) + energy_uj) % (self.RANGE_UJ + 1))


#: Two sockets with memory, what must not be added to them, and the mirror that newer processors have.
TWO_SOCKETS = (
    ("intel-rapl:0", "package-0"),
    ("intel-rapl:0:0", "core"),
    ("intel-rapl:0:1", "uncore"),
    ("intel-rapl:0:2", "dram"),
    ("intel-rapl:1", "package-1"),
    ("intel-rapl:1:0", "dram"),
    ("intel-rapl:2", "psys"),
    ("intel-rapl-mmio:0", "package-0"),
    ("intel-rapl-mmio:0:0", "dram"),
)


@dataclass
class FakePlug:
    """A plug in the wall that tells what it draws as a Prometheus server does, and as a Shelly does.

    It knows the true power at every moment, so what it told can be held against it. Its clock is `ahead_s` of ours.
    """

    IDLE_W, LOAD_W = 10.0, 110.0
    QUESTION = re.compile(r'label_replace\(timestamp\((.+)\), "wattfarm", "at", "", ""\) or \(\1\)')

    ahead_s: float = 0.0
    scrape_s: float = 0.01  #: Prometheus has samples of these moments only
    step_j: float = 0.001  #: the counter moves in such steps
    sends_date: bool = True
    authorization: str | None = None  #: the header that it wants to see
    status: int = 200
    body: str | None = None  #: said instead of the truth
    port: int = 0
    asked: list[str] = field(default_factory=list)  #: every path
    answers: threading.Event = field(default_factory=threading.Event)  #: not set: questions wait
    waits: threading.Event = field(default_factory=threading.Event)  #: a question waits
    _switched_ns: list[int] = field(default_factory=lambda: [time.monotonic_ns() - 3600 * 10**9])

    def __post_init__(self) -> None:
        self.answers.set()
        self.utc_less_monotonic_ns = time.time_ns() - time.monotonic_ns() + round(self.ahead_s * 1e9)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def switch(self) -> int:
        """From idle to load and back; returns when, on the monotonic clock."""
        self._switched_ns.append(time.monotonic_ns())
        return self._switched_ns[-1]

    def power_w(self, at_ns: int) -> float:
        """The true power at a moment."""
        return self.IDLE_W if sum(t <= at_ns for t in self._switched_ns) % 2 else self.LOAD_W

    def energy_j(self, at_ns: int) -> float:
        """The true energy up to a moment."""
        edges = [*(t for t in self._switched_ns if t < at_ns), at_ns]
        return sum(self.power_w(a) * (b - a) / 1e9 for a, b in pairwise(edges))

    @contextmanager
    def listening(self) -> Iterator["FakePlug"]:
        """Answer until the end of the context, again on the same port the second time."""
        plug = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                plug._reply(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        with ThreadingHTTPServer(("127.0.0.1", self.port), Handler) as server:
            server.daemon_threads = True
            self.port = server.server_port
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield self
            finally:
                self.answers.set()
                server.shutdown()
                thread.join()

    def _reply(self, request: BaseHTTPRequestHandler) -> None:
        if not self.answers.is_set():
            self.waits.set()
            self.answers.wait(60)
        self.asked.append(request.path)
        status, body = self.status, self.body
        if self.authorization not in (None, request.headers.get("Authorization")):
            status, body = 401, "{}"
        if body is None:
            body = json.dumps(self._truth(request.path))
        try:
            request.send_response_only(status)
            if self.sends_date:
                request.send_header("Date", formatdate(self._utc_ns() // 10**9, usegmt=True))
            request.send_header("Location", "/rpc/Switch.GetStatus")
            request.send_header("Content-Length", str(len(body.encode())))
            request.end_headers()
            request.wfile.write(body.encode())
        except OSError:  # the meter did not wait
            request.close_connection = True

    def _utc_ns(self) -> int:
        return time.monotonic_ns() + self.utc_less_monotonic_ns

    def _truth(self, path: str) -> object:
        url = urlsplit(path)
        if url.path == "/api/v1/query":
            return self._prometheus(parse_qs(url.query)["query"][0])
        at_ns = time.monotonic_ns()
        counted_wh = self._counted_j(at_ns) / 3600
        return {
            "switch:0": {"id": 0, "output": True, "apower": self.power_w(at_ns), "aenergy": {"total": counted_wh}},
            "StatusSNS": {"ENERGY": {"Power": str(self.power_w(at_ns) / 1000)}},
            "psu": [{"w": self.power_w(at_ns) / 4}, {"w": self.power_w(at_ns) * 3 / 4}],
            "none": None,
        }

    def _counted_j(self, at_ns: int) -> float:
        return floor(self.energy_j(at_ns) / self.step_j) * self.step_j

    def _prometheus(self, query: str) -> object:
        question = self.QUESTION.fullmatch(query)
        assert question, query
        now_s = self._utc_ns() // 10**6 / 1000
        scraped_s = floor(now_s / self.scrape_s) * self.scrape_s
        at_ns = round(scraped_s * 1e9) - self.utc_less_monotonic_ns
        values = {
            "plug_power_watts": [self.power_w(at_ns)],
            "plug_energy_kwh": [self._counted_j(at_ns) / 3.6e6],
            "plug_phases_watts": [self.power_w(at_ns) / 2] * 2,
            "sum(plug_phases_watts)": [self.power_w(at_ns)],
        }.get(question[1], [])
        scrapes_s = [] if question[1].startswith("sum") else [scraped_s] * len(values)
        rows = [({"wattfarm": "at"}, s) for s in scrapes_s] + [({"plug": str(i)}, v) for i, v in enumerate(values)]
        result = [{"metric": metric, "value": [now_s, repr(value)]} for metric, value in rows]
        return {"status": "success", "data": {"resultType": "vector", "result": result}}


class FakeTimes(NamedTuple):
    """The times in s that psutil returns for all processors together."""

    user: float
    idle: float
    steal: float
    nice: float = 0.0
    system: float = 0.0
    iowait: float = 0.0
    irq: float = 0.0
    softirq: float = 0.0
    guest: float = 0.0
    guest_nice: float = 0.0


@dataclass
class FakeProcessor:
    """The clock and the processor times of a machine with four threads."""

    now_s: float = 1000.0
    busy_s: float = 500.0
    steal_s: float = 0.0

    def work(self, load: float, duration_s: float) -> None:
        """Let time pass while a share of all threads works."""
        self.now_s += duration_s
        self.busy_s += 4 * load * duration_s

    def times(self) -> FakeTimes:
        """Return the processor times as psutil does."""
        return FakeTimes(user=self.busy_s, idle=4 * self.now_s - self.busy_s - self.steal_s, steal=self.steal_s)
