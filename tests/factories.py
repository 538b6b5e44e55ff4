"""Claims, meters and trials that do as they are told, for tests of the worker."""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import EntryPoint
from typing import Any, Self

import pytest

from farm.model import (
    Claim,
    Domain,
    Frozen,
    JobSpec,
    MeasureSettings,
    Quality,
    Reading,
    Window,
    WindowKind,
)
from farm.model.errors import MeterLost
from workers.supervisor.zygote import ExitStatus, TrialProcess
from workers.trial import protocol, workload
from workers.trial.protocol import Channel

#: Of what a scripted meter says the machine draws.
POWER_W = 10.0
TINY = MeasureSettings(
    profile="quick", window_s=0.02, windows=1, min_iterations=1, idle_s=0.02, cool_down_max_s=0,
    context_idle_s=0.02, warmup_s=0.02,
    warmup_max_s=0.04, latency_s=0.02, latency_max_batches=10, guard_s=0, poll_period_s=0.01,
)  # fmt: skip


def job_spec(**changes: Any) -> JobSpec:
    spec = JobSpec(
        job="job",
        sweep="sweep",
        kind="inference",
        point={"model": "alexnet", "batch_size": 1},
        repetition=0,
        target="any",
        measure=TINY,
        seed=1,
        time_limit_s=60,
    )
    return spec.model_copy(update=changes)


def install_workload(monkeypatch: pytest.MonkeyPatch, name: str, place: str) -> None:
    """Let the machine have this workload alone; `place` is its "module:Class"."""
    entry = EntryPoint(name, place, workload.GROUP)
    monkeypatch.setattr(workload, "installed", lambda: {name: entry})


def claim(attempt: int = 1, **changes: Any) -> Claim:
    return Claim(spec=job_spec(**changes), attempt=attempt)


class ConstantMeter:
    """A counter of a machine that always draws the same; it is lost at the reading that it is told."""

    name = "constant"
    domains = frozenset({Domain.CPU})
    quality = Quality.COUNTER
    priority = 10
    update_period_s = 0.001
    poll_period_s: float | None = None

    def __init__(self, lost_at: int | None = None) -> None:
        self.lost_at = lost_at
        self.reads = 0
        self.is_open = False

    def __enter__(self) -> Self:
        self.is_open = True
        return self

    def __exit__(self, *exc: object) -> None:
        self.is_open = False

    def read(self) -> Mapping[Domain, Reading]:
        self.reads += 1
        if self.reads == self.lost_at:
            raise MeterLost("it fell off the bus")
        at_ns = time.monotonic_ns()
        return {Domain.CPU: Reading(at_ns, energy_j=POWER_W * at_ns / 1e9)}


class TrialEnd:
    """The trial's end of the line."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._channel = Channel(sock)

    def receive(self) -> protocol.Order:
        return protocol.ORDER.validate_json(self._channel.receive())

    def send(self, *events: Frozen) -> None:
        for event in events:
            self._channel.send(event)

    def edge(self) -> None:
        self.send(protocol.Edge())
        assert isinstance(self.receive(), protocol.Go)

    def windows(self, kinds: Iterable[WindowKind]) -> None:
        """Open and close a window of each kind, as a trial does."""
        for kind in kinds:
            self.edge()
            started, begin_ns = datetime.now(UTC), time.monotonic_ns()
            time.sleep(0.01)
            end_ns = time.monotonic_ns()
            self.edge()
            self.send(
                protocol.Closed(
                    window=Window(kind=kind, begin_at_ns=begin_ns, end_at_ns=end_ns, started_at_utc=started, units=4)
                )
            )

    def hang(self) -> None:
        """Do nothing until killed."""
        self.sock.recv(1)


Script = Callable[[TrialEnd], ExitStatus]
KINDS = (WindowKind.SETUP, WindowKind.CONTEXT_IDLE, WindowKind.WARMUP, WindowKind.MEASURE, WindowKind.LATENCY)
FACTS = protocol.Facts(device="cpu", unit="image", workload={"parameters": 7}, environment={"torch": "2.14"})


def measured(end: TrialEnd) -> ExitStatus:
    """A trial that does all that is asked of it."""
    assert isinstance(end.receive(), protocol.Start)
    end.send(FACTS)
    end.windows(KINDS)
    end.send(protocol.Latencies(values_s=(0.01, 0.02)), protocol.Done())
    return ExitStatus(code=0)


class ScriptedTrial(TrialProcess):
    """A trial in a thread: it says what its script says, and ends as that says."""

    def __init__(self, script: Script) -> None:
        ours, self._theirs = socket.socketpair()
        self.channel = Channel(ours)
        self.is_killed = False
        self._script = script
        self._exit: ExitStatus | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._exit = self._script(TrialEnd(self._theirs))
        except (OSError, EOFError):
            self._exit = ExitStatus(code=1)
        finally:
            self._theirs.close()
            self._over.set()

    def kill(self) -> None:
        if not self._over.is_set():
            self.is_killed = True
            self._theirs.shutdown(socket.SHUT_RDWR)

    def wait(self, timeout_s: float | None = None) -> ExitStatus | None:
        if not self._over.wait(timeout_s):
            return None
        self.channel.sock.close()
        return ExitStatus(signal=9) if self.is_killed else self._exit
