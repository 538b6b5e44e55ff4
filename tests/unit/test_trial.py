"""The trial's loops, with a workload that does nothing and a supervisor that listens."""

import contextlib
import gc
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar

import pytest
import torch
from pydantic import JsonValue

from farm.model import FailureKind, Flag, MeasureSettings, Point, Window, WindowKind
from tests.factories import TINY, install_workload, job_spec
from workers.trial import loops, protocol
from workers.trial import main as trial
from workers.trial.stage import Stage
from workers.trial.workload import InvalidWorkload

MEASURE = TINY.model_copy(
    update={"window_s": 0.05, "windows": 2, "min_iterations": 3, "idle_s": 0.05, "context_idle_s": 0.05}
    | {"warmup_s": 0.05, "warmup_max_s": 0.1, "latency_s": 0.05, "latency_max_batches": 1000, "guard_s": 0.05}
)
UNITS = 2


class Fake:
    """Sleeps, and keeps count."""

    unit: ClassVar[str] = "nap"
    last: ClassVar["Fake"]
    on_setup: ClassVar[Callable[[], None]]
    on_step: ClassVar[Callable[["Fake"], None]]

    def __init__(self) -> None:
        type(self).last = self
        self.steps = self.pending = self.synchronized = 0
        self.given: tuple[Point, str, int] | None = None
        self.is_closed = False
        self.collects_garbage: set[bool] = set()

    def setup(self, point: Point, device: str, seed: int) -> None:
        self.given = (point, device, seed)
        type(self).on_setup()

    def run(self, stage: Stage) -> None:
        loops.run_windows(stage, self)

    def step(self) -> int:
        self.steps += 1
        self.pending += 1
        self.collects_garbage.add(gc.isenabled())
        type(self).on_step(self)
        return UNITS

    def synchronize(self) -> None:
        self.synchronized += 1
        self.pending = 0

    def facts(self) -> Mapping[str, JsonValue]:
        return {"model": "fake"}

    def close(self) -> None:
        self.is_closed = True


@dataclass
class TrialEvents:
    """What a trial said, and when it stood still."""

    events: list[protocol.Event] = field(default_factory=list)
    stood_ns: list[tuple[int, int]] = field(default_factory=list)  #: from Edge events to Go sent
    steps_at_edges: list[int] = field(default_factory=list)
    pending_at_edges: list[int] = field(default_factory=list)
    exit_status: int | None = None

    @property
    def windows(self) -> list[Window]:
        return [event.window for event in self.events if isinstance(event, protocol.Closed)]

    @property
    def failure(self) -> tuple[FailureKind, str]:
        last = self.events[-1]
        assert isinstance(last, protocol.Failed)
        return last.failure.kind, last.failure.message

    @property
    def latencies_s(self) -> tuple[float, ...]:
        (found,) = [event for event in self.events if isinstance(event, protocol.Latencies)]
        return found.values_s


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    install_workload(monkeypatch, "inference", f"{__name__}:Fake")
    monkeypatch.setattr(Fake, "on_setup", lambda: None, raising=False)
    monkeypatch.setattr(Fake, "on_step", lambda _: time.sleep(0.001), raising=False)


@contextlib.contextmanager
def running(
    measure: MeasureSettings, point: Point, sensor_period_s: float | None = None, jitter: bool | None = None
) -> Iterator[tuple[protocol.Channel, TrialEvents]]:
    """A trial in a thread, started, and the supervisor's end of its line; joined at the end."""
    spec = job_spec(point=point, measure=measure, seed=7)
    ours, theirs = socket.socketpair()
    events = TrialEvents()

    def run() -> None:
        with theirs:
            events.exit_status = trial.main(theirs)

    thread = threading.Thread(target=run)
    thread.start()
    with ours:
        channel = protocol.Channel(ours)
        channel.send(
            protocol.Start(spec=spec, meter_period_s=sensor_period_s, sensor_period_s=sensor_period_s, jitter=jitter)
        )
        yield channel, events
    thread.join(30)
    assert not thread.is_alive()


def run_trial(
    measure: MeasureSettings = MEASURE,
    sensor_period_s: float | None = None,
    jitter: bool | None = None,
    **point: str | int,
) -> TrialEvents:
    """Answer a trial to its end."""
    trial_of = running(measure, {"device": "cpu", **point}, sensor_period_s, jitter)
    with trial_of as (channel, events), contextlib.suppress(EOFError):
        while True:
            for line in channel.feed():
                event = protocol.EVENT.validate_json(line)
                events.events.append(event)
                if isinstance(event, protocol.Settle):
                    channel.send(protocol.Go())
                elif isinstance(event, protocol.Edge):
                    heard_ns = time.monotonic_ns()
                    events.steps_at_edges.append(Fake.last.steps)
                    events.pending_at_edges.append(Fake.last.pending)
                    events.stood_ns.append((heard_ns, time.monotonic_ns()))
                    channel.send(protocol.Go())
    return events


def test_the_order_of_events() -> None:
    events = run_trial()
    said = [e.window.kind.value if isinstance(e, protocol.Closed) else e.type for e in events.events]
    window = ["edge", "edge"]
    assert [word for word in said if word != "doubt"] == [
        *(*window, "setup"),
        "facts",
        *(*window, "context_idle"),
        *(*window, "warmup"),
        *(*window, "measure"),
        *(*window, "measure"),
        *(*window, "latency"),
        "latencies",
        "done",
    ]
    assert events.exit_status == 0


def test_windows_lie_between_their_edges_with_guards() -> None:
    events = run_trial()
    windows = events.windows
    assert len(events.stood_ns) == 2 * len(windows)
    for window, (_, go_ns), (edge_ns, _) in zip(windows, events.stood_ns[::2], events.stood_ns[1::2], strict=True):
        guard_ns = MEASURE.guard_s * 1e9 if window.kind == WindowKind.MEASURE else 0
        assert go_ns + guard_ns <= window.begin_at_ns <= window.end_at_ns <= edge_ns - guard_ns
        assert window.started_at_utc.utcoffset() is not None
    assert [w.index for w in windows if w.kind == WindowKind.MEASURE] == [0, 1]


def test_stretches_last_as_long_as_they_must() -> None:
    durations_s = {window.kind: window.duration_s for window in run_trial().windows}
    for kind in (WindowKind.CONTEXT_IDLE, WindowKind.WARMUP, WindowKind.MEASURE, WindowKind.LATENCY):
        assert durations_s[kind] >= 0.05


def test_units_are_those_of_the_steps_in_the_window() -> None:
    events = run_trial()
    steps = [
        after - before for before, after in zip(events.steps_at_edges[::2], events.steps_at_edges[1::2], strict=True)
    ]
    units = [window.units for window in events.windows]
    assert units == [None, None, *(UNITS * n for n in steps[2:])]
    assert sum(steps) == Fake.last.steps
    assert len(events.latencies_s) == steps[-1]
    assert all(value_s >= 0.001 for value_s in events.latencies_s)


def test_a_window_has_at_least_its_iterations() -> None:
    events = run_trial(MEASURE.model_copy(update={"window_s": 1e-6, "min_iterations": 40}))
    measured = [window for window in events.windows if window.kind == WindowKind.MEASURE]
    assert [window.units for window in measured] == [UNITS * 40] * 2
    assert [window.batches for window in measured] == [40] * 2
    assert len(events.latencies_s) >= 40


def test_the_device_is_settled_at_every_edge() -> None:
    assert set(run_trial().pending_at_edges) == {0}


def test_a_window_does_not_synchronize_each_batch() -> None:
    synchronized: list[int] = []
    Fake.on_step = lambda self: synchronized.append(self.synchronized)
    events = run_trial(MEASURE.model_copy(update={"latency_s": 1e-6}))
    begin, end = events.steps_at_edges[6:8]
    assert len(set(synchronized[begin:end])) < (end - begin) / 10
    latencies = synchronized[events.steps_at_edges[-2] :]
    assert len(set(latencies)) == len(latencies) == MEASURE.min_iterations


def test_without_a_latency_pass_each_batch_is_timed_in_the_measure_windows() -> None:
    events = run_trial(MEASURE.model_copy(update={"latency_s": 0.0}))
    assert WindowKind.LATENCY not in [window.kind for window in events.windows]
    measured = [window for window in events.windows if window.kind is WindowKind.MEASURE]
    assert len(events.latencies_s) == sum((window.units or 0) // UNITS for window in measured)
    assert min(events.latencies_s) >= 0.001  # the sleep of a batch
    assert sum(events.latencies_s) <= sum(window.duration_s for window in measured)
    assert _notes(events) == []


def _notes(events: TrialEvents) -> list[str]:
    """What the trial noted, apart from a warm-up that other work on this machine disturbed."""
    doubts = [event for event in events.events if isinstance(event, protocol.Doubt)]
    return [doubt.note for doubt in doubts if doubt.flag is not Flag.NO_STEADY_STATE]


def test_the_times_of_the_first_batches_are_kept_and_a_note_says_so() -> None:
    events = run_trial(MEASURE.model_copy(update={"latency_s": 0.0, "latency_max_batches": 5}))
    assert len(events.latencies_s) == 5
    (note,) = _notes(events)
    assert note.startswith("not all batches were timed: the first 5 are (latency_max_batches)")


def test_batches_that_are_too_short_are_timed_in_a_pass_only() -> None:
    Fake.on_step = lambda _: None
    events = run_trial(MEASURE.model_copy(update={"latency_s": 0.0}))
    assert not [event for event in events.events if isinstance(event, protocol.Latencies)]
    (doubt,) = [e for e in events.events if isinstance(e, protocol.Doubt) and e.flag is None]
    assert doubt.note.startswith("no batch was timed: ")
    assert "latency_s adds a pass that times them" in doubt.note


@pytest.mark.slow
def test_the_latency_pass_ends_at_its_limit() -> None:
    events = run_trial(MEASURE.model_copy(update={"latency_s": 60.0, "latency_max_batches": 4}))
    assert len(events.latencies_s) == 4


@pytest.mark.slow
def test_a_workload_that_never_settles_is_doubted_and_measured() -> None:
    Fake.on_step = lambda self: time.sleep(0.002 * 1.2 ** min(self.steps, 20))
    events = run_trial(MEASURE.model_copy(update={"warmup_max_s": 0.06}))
    assert [event.flag for event in events.events if isinstance(event, protocol.Doubt)] == [Flag.NO_STEADY_STATE]
    assert isinstance(events.events[-1], protocol.Done)


@dataclass
class Batches:
    """What was done with each batch: whether it was waited for, and the pauses."""

    events: TrialEvents
    synchronized: list[int]
    pauses_s: list[float]

    @property
    def were_waited_for(self) -> bool:
        """Whether each batch of the first measure window was, before the next."""
        begin, end = self.events.steps_at_edges[6:8]
        window = self.synchronized[begin:end]
        return len(set(window)) == len(window) > 1

    @property
    def doubts(self) -> list[str]:
        """That batches may run in step with the sensor."""
        doubts = [event for event in self.events.events if isinstance(event, protocol.Doubt)]
        return [doubt.note for doubt in doubts if doubt.flag == Flag.ALIAS_RISK]


@pytest.fixture
def run_batches(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Batches]:
    """Run a trial on a device that there need not be."""

    def run(device: str = "cpu", *, is_risk: bool = False, jitter: bool | None = None) -> Batches:
        synchronized: list[int] = []
        pauses_s: list[float] = []

        def on_step(fake: Fake) -> None:
            synchronized.append(fake.synchronized)
            time.sleep(0.001)

        def drawn_s(batch_s: float, _: Random) -> float:
            pauses_s.append(batch_s / 10)
            return pauses_s[-1]

        Fake.on_step = on_step
        monkeypatch.setattr(trial, "choose_device", lambda _: device)
        monkeypatch.setattr(loops, "has_alias_risk", lambda *_: is_risk)
        monkeypatch.setattr(loops, "draw_pause_s", drawn_s)
        return Batches(run_trial(sensor_period_s=0.01, jitter=jitter), synchronized, pauses_s)

    return run


@pytest.mark.slow
def test_batches_that_may_run_in_step_with_the_sensor_are_followed_by_pauses(
    run_batches: Callable[..., Batches],
) -> None:
    batches = run_batches("cuda:0", is_risk=True)
    (note,) = batches.doubts
    assert re.fullmatch(r"batches of [\d.e-]+ s may run in step with .* 0.01 s: random pauses were added", note)
    assert batches.were_waited_for
    begin, end = batches.events.steps_at_edges[6], batches.events.steps_at_edges[-2]
    assert len(batches.pauses_s) == end - begin  # every batch of the measure windows, and no other


@pytest.mark.slow
def test_a_trial_that_must_pause_does_so_whatever_its_batches_last(run_batches: Callable[..., Batches]) -> None:
    batches = run_batches("cuda:0", jitter=True)
    (note,) = batches.doubts
    assert note.startswith("the first trial of this point paused")
    assert batches.were_waited_for
    assert batches.pauses_s


@pytest.mark.parametrize(
    ("device", "is_risk", "jitter"), [("cuda:0", False, None), ("cpu", True, None), ("cuda:0", True, False)]
)
@pytest.mark.slow
def test_off_the_step_or_off_the_gpu_or_after_a_trial_that_did_not_nothing_pauses(
    device: str, is_risk: bool, jitter: bool | None, run_batches: Callable[..., Batches]
) -> None:
    batches = run_batches(device, is_risk=is_risk, jitter=jitter)
    assert (batches.doubts, batches.pauses_s) == ([], [])


def test_garbage_is_not_collected_in_the_loops() -> None:
    run_trial()
    assert Fake.last.collects_garbage == {False}
    assert gc.isenabled()


def test_facts_show_what_ran_where() -> None:
    events = run_trial(model="fake", batch_size=2)
    (facts,) = [event for event in events.events if isinstance(event, protocol.Facts)]
    assert (facts.device, facts.unit, facts.workload) == ("cpu", "nap", {"model": "fake"})
    assert facts.environment
    assert Fake.last.given == ({"model": "fake", "batch_size": 2}, "cpu", 7)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (InvalidWorkload("weights: no such file"), FailureKind.INVALID, "weights: no such file"),
        (torch.OutOfMemoryError("CUDA out of memory."), FailureKind.OOM, "alexnet.*64"),
        (MemoryError(), FailureKind.OOM, "alexnet.*64"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), FailureKind.OOM, "alexnet.*64"),
        (ValueError("first\nsecond"), FailureKind.ERROR, "^ValueError: first$"),
        (EOFError("truncated"), FailureKind.ERROR, "^EOFError: truncated$"),
        (ValueError("x" * 10_000), FailureKind.ERROR, "^ValueError: x{500} ...$"),
        (OSError(28, "No space left on device"), FailureKind.INVALID, "^/tmp/ours: No space left.*: free space on"),
        (OSError(28, "No space left on device", "/data/x"), FailureKind.INVALID, "^/data/x: No space left.*: free"),
        (
            FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"),
            FailureKind.INVALID,
            "^/tmp/ours: no temporary file can be written: free space on its disk, or set TMPDIR",
        ),
    ],
)
@pytest.mark.parametrize("moment", ["on_setup", "on_step"])
def test_an_exception_becomes_a_failure(
    error: Exception,
    kind: FailureKind,
    message: str,
    moment: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TMPDIR", "/tmp/ours")

    def fail(*_: object) -> None:
        raise error

    setattr(Fake, moment, staticmethod(fail))
    events = run_trial(model="alexnet", batch_size=64)
    said_kind, said = events.failure
    assert said_kind == kind
    assert re.search(message, said)
    assert "\n" not in said
    assert events.exit_status == 1
    assert Fake.last.is_closed
    assert ("Traceback" in capsys.readouterr().err) == (not isinstance(error, InvalidWorkload))


def test_a_kind_that_the_worker_does_not_know_is_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    install_workload(monkeypatch, "training", f"{__name__}:Fake")
    kind, message = run_trial().failure
    assert kind == FailureKind.INVALID
    assert "inference" in message


@pytest.mark.parametrize("edges", [0, 1, 5])
def test_a_supervisor_that_hangs_up_ends_the_trial_quietly(edges: int, capsys: pytest.CaptureFixture[str]) -> None:
    with running(MEASURE, {"device": "cpu"}) as (channel, events):
        while edges:
            for line in channel.feed():
                if isinstance(protocol.EVENT.validate_json(line), protocol.Edge | protocol.Settle):
                    edges -= 1
                    channel.send(protocol.Go())
    assert events.exit_status == 1
    assert Fake.last.is_closed
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("wanted", "gpus", "device"),
    [
        ("auto", 0, "cpu"),
        ("auto", 2, "cuda:0"),
        ("cpu", 2, "cpu"),
        ("cuda", 2, "cuda:0"),
        ("cuda:1", 2, "cuda:1"),
    ],
)
def test_the_device(wanted: str, gpus: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    give_gpus(gpus, monkeypatch)
    assert trial.choose_device(wanted) == device


@pytest.mark.parametrize(
    ("wanted", "gpus", "message"),
    [
        ("cuda", 0, "no usable NVIDIA GPU: use device: cpu or auto"),
        ("cuda:2", 2, "device cuda:2: the last GPU of this machine is cuda:1"),
        ("tpu", 2, "expected auto, cpu, cuda or cuda:N, got 'tpu'"),
        (None, 0, "expected auto, cpu, cuda or cuda:N, got None"),
    ],
)
def test_a_device_that_is_not_there(
    wanted: str | None, gpus: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_gpus(gpus, monkeypatch)
    with pytest.raises(InvalidWorkload, match=message):
        trial.choose_device(wanted)


def give_gpus(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
