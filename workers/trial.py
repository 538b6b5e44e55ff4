"""What happens inside a trial's process: the loops, the warm-up and the timing of any workload. It knows no meter.

The order is that of one trial in the farm's measuring rules: setup, context idle, warm-up, measure windows, latency
pass. Every window lies between two edges at which the trial stands still, its device settled, until the supervisor
has read the meters.

**Loops are counted, not timed.** Launching runs ahead of a GPU: a loop that asks the clock after each launch would
enqueue far more than the window holds. So a stretch runs a number of batches that follows from the mean batch time so
far, synchronizes, and adds a smaller count where it came out short. `MARGIN` makes that rare, and what is left of it
is one or two drained queues (microseconds) in a window of seconds. Nothing stands between two steps but the loop.
"""

import gc
import math
import re
import socket
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import torch

from farm.aliasing import alias_risk, jitter_s
from farm.model import Failure, FailureKind, Flag, Frozen, JobSpec, Scalar, Window, WindowKind
from workers import protocol, workloads
from workers.fingerprint import environment
from workers.workloads import InvalidWorkload, Workload

#: A stretch is planned this much too long, so that it seldom comes out short.
MARGIN = 1.02
#: Batches are enqueued for so long at a time: where they turn slow, a stretch does not run away.
CHUNK_S = 1.0
#: The warm-up ends when the mean batch times of its last two parts differ by less.
STEADY_WITHIN = 0.05
#: The warm-up's parts: one for the cold start, and the two halves of the last stretch.
WARMUP_PARTS = 3
#: How allocators say that memory ran out, where they raise a bare RuntimeError.
OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "_ALLOC_FAILED")


class SupervisorGone(Exception):
    """Nobody listens any more."""


@dataclass(frozen=True)
class Stretch:
    """Batches run back to back, from a synchronized start to a synchronized end."""

    batches: int
    units: int
    duration_s: float

    @property
    def batch_s(self) -> float:
        """Mean time of a batch."""
        return self.duration_s / self.batches


@dataclass
class Tally:
    """Units done in a window; None where it does no work."""

    units: int | None = None


class Line:
    """The trial's end of the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._channel = protocol.Channel(sock)

    def receive(self) -> protocol.Order:
        """Wait for the supervisor."""
        try:
            return protocol.ORDER.validate_json(self._channel.receive())
        except (EOFError, OSError):
            raise SupervisorGone from None

    def send(self, event: Frozen) -> None:
        """Tell the supervisor."""
        try:
            self._channel.send(event)
        except OSError:
            raise SupervisorGone from None

    def edge(self) -> None:
        """Stand still until the meters are read."""
        self.send(protocol.Edge())
        self.receive()


def main(sock: socket.socket) -> int:
    """Run one trial over a socket; returns the process's exit status. Quiet when the supervisor is gone."""
    line = Line(sock)
    try:
        order = line.receive()
        if not isinstance(order, protocol.Start):
            raise TypeError(f"a trial begins with Start, got {order!r}")
        failure = _run(line, order)
        line.send(protocol.Failed(failure=failure) if failure else protocol.Done())
    except SupervisorGone:
        return 1
    return 1 if failure else 0


def _run(line: Line, start: protocol.Start) -> Failure | None:
    spec = start.spec
    try:
        device = choose_device(spec.point.get("device", "auto"))
        workload = _load(spec.kind)
        try:
            Trial(line, start, workload, device).run()
        finally:
            workload.close()
    except SupervisorGone:
        raise
    except Exception as error:
        if not isinstance(error, InvalidWorkload):
            traceback.print_exc()
        return _failure(error, spec)
    return None


def choose_device(wanted: Scalar) -> str:
    """`cpu` or `cuda:N` for what a sweep may say; raises InvalidWorkload for what this machine does not have."""
    count = torch.cuda.device_count() if wanted != "cpu" and torch.cuda.is_available() else 0
    if wanted == "auto":
        return "cuda:0" if count else "cpu"
    if wanted == "cpu":
        return "cpu"
    found = re.fullmatch(r"cuda(?::(\d+))?", str(wanted))
    if found is None:
        raise InvalidWorkload(f"device: expected auto, cpu, cuda or cuda:N, got {wanted!r}")
    if count == 0:
        raise InvalidWorkload(f"device {wanted}: this machine has no usable NVIDIA GPU: use device: cpu or auto")
    if int(found[1] or 0) >= count:
        raise InvalidWorkload(f"device {wanted}: the last GPU of this machine is cuda:{count - 1}")
    return f"cuda:{int(found[1] or 0)}"


def _load(kind: str) -> Workload:
    if kind not in workloads.REGISTRY:
        raise InvalidWorkload(f"kind: this worker knows {', '.join(workloads.REGISTRY)}, not {kind}: update it")
    return workloads.load(kind)()


def _failure(error: Exception, spec: JobSpec) -> Failure:
    """The exception as data, on one line."""
    text = str(error)
    if isinstance(error, InvalidWorkload):
        return Failure(kind=FailureKind.INVALID, message=text)
    is_out = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if is_out or (isinstance(error, RuntimeError) and any(sign in text for sign in OUT_OF_MEMORY)):
        what = " ".join(f"{name} {spec.point[name]}" for name in ("model", "batch_size") if name in spec.point)
        return Failure(
            kind=FailureKind.OOM, message=f"out of memory with {what or spec.kind}: use a smaller batch_size"
        )
    first_line = text.strip().partition("\n")[0]
    return Failure(kind=FailureKind.ERROR, message=f"{type(error).__name__}: {first_line}")


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Collect before the loops rather than in them."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


class Trial:
    """One workload led through its windows."""

    def __init__(self, line: Line, start: protocol.Start, workload: Workload, device: str) -> None:
        self._line = line
        self._start = start
        self._spec = start.spec
        self._measure = start.spec.measure
        self._jitter: Random | None = None  #: draws a pause after each batch that may run in step with the sensor
        self._workload = workload
        self._device = device
        self._batch_s: float | None = None  #: mean of the last stretch

    def run(self) -> None:
        """All windows in order."""
        with self._window(WindowKind.SETUP):
            self._set_up()
        self._tell_facts()
        with _no_garbage_collection():
            self._settle()
            with self._window(WindowKind.CONTEXT_IDLE):
                time.sleep(self._measure.context_idle_s)
            self._warm_up()
            self._beware_of_resonance()
            for index in range(self._measure.windows):
                self._settle()
                with self._window(WindowKind.MEASURE, index, self._measure.guard_s) as tally:
                    tally.units = self._stretch(self._measure.window_s, self._measure.min_iterations).units
            self._time_batches()

    @contextmanager
    def _window(self, kind: WindowKind, index: int = 0, guard_s: float = 0.0) -> Iterator[Tally]:
        """Stamp a window between two edges and two guards; the block ends synchronized and tallies its units."""
        tally = Tally()
        self._line.edge()
        read_ns = time.monotonic_ns()
        time.sleep(guard_s)
        started, begin_ns = datetime.now(UTC), time.monotonic_ns()
        yield tally
        end_ns = time.monotonic_ns()
        time.sleep(guard_s + (self._out_of_step_s(read_ns, guard_s) if guard_s else 0.0))
        self._line.edge()
        window = Window(
            kind=kind,
            index=index,
            begin_at_ns=begin_ns,
            end_at_ns=end_ns,
            started_at_utc=started,
            units=tally.units,
        )
        self._line.send(protocol.Closed(window=window))

    def _settle(self) -> None:
        """Wait until the GPU's meters have published what ran before: the next edge reads idle alone."""
        if self._start.sensor_period_s is not None:
            time.sleep(self._measure.guard_s)

    def _out_of_step_s(self, read_ns: int, guard_s: float) -> float:
        """What is missing to a whole number of the sensor's periods since the meters were read, a guard from now.

        Readings so far apart are of the same age: their difference has no error from it.
        """
        period_s = self._start.sensor_period_s
        if period_s is None:
            return 0.0
        return -((time.monotonic_ns() - read_ns) / 1e9 + guard_s) % period_s

    def _set_up(self) -> None:
        point = {name: value for name, value in self._spec.point.items() if name != "device"}
        self._workload.setup(point, self._device, self._spec.seed)
        self._workload.synchronize()

    def _tell_facts(self) -> None:
        facts = protocol.Facts(
            device=self._device,
            unit=self._workload.unit,
            workload=dict(self._workload.facts()),
            environment=environment(),
        )
        self._line.send(facts)

    def _warm_up(self) -> None:
        """Run until two parts in a row take the same time a batch, within the limits of the settings."""
        part_s, limit_s = self._measure.warmup_s / WARMUP_PARTS, self._measure.warmup_max_s
        parts: list[Stretch] = []
        is_steady = False
        with self._window(WindowKind.WARMUP) as tally:
            while not is_steady and sum(part.duration_s for part in parts) < limit_s:
                parts.append(self._stretch(part_s))
                is_steady = len(parts) >= WARMUP_PARTS and _agree(parts[-2], parts[-1])
            tally.units = sum(part.units for part in parts)
        if not is_steady:
            note = f"no steady state within {limit_s:g} s of warm-up: the batch time still changed by over 5 %"
            self._line.send(protocol.Doubt(flag=Flag.NO_STEADY_STATE, note=note))

    def _beware_of_resonance(self) -> None:
        """From here on, pause at random between batches that may run in step with the GPU's power sensor."""
        earlier = "an earlier trial of this point may have run in step with the power sensor"
        risk = earlier if self._start.jitter else self._risk_of_resonance()
        if risk is not None:
            self._jitter = Random(self._spec.seed)  # noqa: S311 - a pause, not a secret
            self._line.send(protocol.Doubt(flag=Flag.ALIAS_RISK, note=f"{risk}: random pauses were added"))

    def _risk_of_resonance(self) -> str | None:
        """What may happen, as far as the batch time tells; the sensor sees nothing of what runs on the CPU."""
        period_s, window_s = self._start.sensor_period_s, self._start.sensor_window_s
        if period_s is None or self._batch_s is None or not self._device.startswith("cuda"):
            return None
        if not alias_risk(self._batch_s, period_s, window_s):
            return None
        return f"batches of {self._batch_s:.4g} s may run in step with the power sensor's {period_s:.3g} s"

    def _pause(self, batch_s: float, random: Random) -> None:
        self._workload.synchronize()
        time.sleep(jitter_s(batch_s, random))

    def _stretch(self, at_least_s: float, min_batches: int = 1) -> Stretch:
        """Run batches back to back for a time and a number; synchronized at the end."""
        step, synchronize = self._workload.step, self._workload.synchronize
        batches = units = 0
        duration_s = 0.0
        batch_s = self._batch_s
        begin_ns = time.monotonic_ns()
        while batches < min_batches or duration_s < at_least_s:
            missing = math.ceil(MARGIN * min(at_least_s - duration_s, CHUNK_S) / batch_s) if batch_s else 1
            chunk = max(missing, min_batches - batches, 1)
            for _ in range(chunk):
                units += step()
                if self._jitter is not None and batch_s is not None:
                    self._pause(batch_s, self._jitter)
            synchronize()
            batches += chunk
            duration_s = (time.monotonic_ns() - begin_ns) / 1e9
            batch_s = duration_s / batches
        self._batch_s = batch_s
        return Stretch(batches, units, duration_s)

    def _time_batches(self) -> None:
        """Time each batch by itself, synchronized; the pass is apart from the measure windows."""
        step, synchronize, measure = self._workload.step, self._workload.synchronize, self._measure
        values_s: list[float] = []
        units, passed_s = 0, 0.0
        with self._window(WindowKind.LATENCY) as tally:
            begin_ns = time.perf_counter_ns()
            while len(values_s) < measure.latency_max_batches and (
                passed_s < measure.latency_s or len(values_s) < measure.min_iterations
            ):
                batch_ns = time.perf_counter_ns()
                units += step()
                synchronize()
                end_ns = time.perf_counter_ns()
                values_s.append((end_ns - batch_ns) / 1e9)
                passed_s = (end_ns - begin_ns) / 1e9
            tally.units = units
        self._line.send(protocol.Latencies(values_s=tuple(values_s)))


def _agree(first: Stretch, second: Stretch) -> bool:
    return abs(second.batch_s - first.batch_s) < STEADY_WITHIN * first.batch_s
