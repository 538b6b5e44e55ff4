"""The windows of workloads that repeat a step: warm-up, measure windows, and a pass that times each batch if wanted.

**Loops are counted, not timed.** Launches run ahead of a GPU: a loop that reads the clock after each launch would
enqueue far more than fits into the window. So a stretch runs a number of batches that follows from the mean batch time
so far, synchronizes, and adds a smaller number where it was too short. `MARGIN` makes that rare; it costs one or two
drained queues (microseconds) in a window of seconds. Between two steps there is nothing but the loop.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from farm.energy.aliasing import draw_pause_s, has_alias_risk
from farm.model import Flag, WindowKind
from workers.trial import protocol
from workers.trial.stage import Stage
from workers.trial.timing import LEAST_BATCH_S, Timer, make_timer

#: A stretch is planned longer by this factor, so that it is seldom too short.
MARGIN = 1.02
#: At most so much work is enqueued at a time, so that a stretch does not grow far too long where batches turn slow.
CHUNK_S = 1.0
#: The warm-up ends when the mean batch times of its last two parts differ by less.
STEADY_WITHIN = 0.05
#: The warm-up's parts: one for the cold start, and the two halves of the last stretch.
WARMUP_PARTS = 3


#: A window is ready to time so many times the batches that it probably holds, in case they turn fast.
SPARE = 2.0


class Repeatable(Protocol):
    """A workload that repeats one step."""

    def step(self) -> int: ...  #: enqueues one batch; returns its units
    def synchronize(self) -> None: ...  #: waits for what is enqueued


class Part(Protocol):
    """A part of a workload that can run alone."""

    @property
    def index(self) -> int: ...


class Divisible(Repeatable, Protocol):
    """A workload whose `step` does the part that was selected last."""

    @property
    def parts(self) -> Sequence[Part]: ...
    def select(self, index: int) -> None: ...


def run_windows(stage: Stage, workload: Repeatable) -> None:
    """Warm up, run the measure windows that are wanted, and time each batch, in them or in a pass of its own."""
    loops = Loops(stage, workload)
    loops.warm_up()
    loops.beware_of_resonance(stage.start.jitter)
    has_pass = stage.measure.latency_s > 0
    for index in range(stage.measure.windows):
        loops.measure(index, stage.measure.windows, times_batches=not has_pass)
    if has_pass:
        loops.time_batches()
    loops.report_latencies()


def run_parts(stage: Stage, workload: Divisible) -> None:
    """Warm up each part of the workload in turn, and give it one measure window with the part's index."""
    for part in workload.parts:
        workload.select(part.index)
        workload.synchronize()
        loops = Loops(stage, workload)
        loops.warm_up(part.index)
        loops.beware_of_resonance()
        loops.measure(part.index, len(workload.parts))


@dataclass(frozen=True)
class Stretch:
    """Batches run back to back, from a synchronized start to a synchronized end."""

    batches: int
    units: int
    duration_s: float

    @property
    def batch_s(self) -> float:
        """The mean time of a batch."""
        return self.duration_s / self.batches


class Loops:
    """The loops over one workload; they remember how long its batches take."""

    def __init__(self, stage: Stage, workload: Repeatable) -> None:
        self._stage = stage
        self._measure = stage.measure
        self._workload = workload
        self._jitter: Random | None = None  #: draws a pause after each batch that may run in step with the sensor
        self._batch_s: float | None = None  #: mean of the last stretch
        self._latencies_s: list[float] = []  #: the time of each batch that was timed
        self._untimed = 0  #: batches that should have been

    def warm_up(self, index: int = 0) -> Sequence[Stretch]:
        """Run until two parts in a row take the same time a batch, within the limits of the settings.

        Returns its parts.
        """
        part_s, limit_s = self._measure.warmup_s / WARMUP_PARTS, self._measure.warmup_max_s
        parts: list[Stretch] = []
        is_steady = False
        with self._stage.window(WindowKind.WARMUP, index) as tally:
            while not is_steady and sum(part.duration_s for part in parts) < limit_s:
                parts.append(self.stretch(part_s))
                is_steady = len(parts) >= WARMUP_PARTS and _agree(parts[-2], parts[-1])
            tally.units = sum(part.units for part in parts)
        if not is_steady:
            note = f"no steady state within {limit_s:g} s of warm-up: the batch time still changed by over 5 %"
            self._stage.doubt(Flag.NO_STEADY_STATE, note)
        return parts

    def beware_of_resonance(self, earlier: bool | None = None) -> None:
        """Pause at random between batches from now on, where they may run in step with the GPU's power sensor.

        Where the first trial of the point is known to have paused or not, this one does the same: paused and unpaused
        trials are not mixed, and the uncertainty of either holds what batches in step may do.
        """
        risk = self._risk_of_resonance() if earlier is None else "the first trial of this point paused"
        if risk is not None and earlier is not False:
            self._jitter = Random(self._stage.spec.seed)  # noqa: S311 - a pause, not a secret
            self._stage.doubt(Flag.ALIAS_RISK, f"{risk}: random pauses were added")

    def _risk_of_resonance(self) -> str | None:
        """Return a note where the batch time may be in step with the sensor, which sees only work on a GPU."""
        period_s, averaging_s = self._stage.start.sensor_period_s, self._stage.start.sensor_window_s
        if period_s is None or self._batch_s is None or not self._stage.device.startswith("cuda"):
            return None
        if not has_alias_risk(self._batch_s, self._measure.window_s, period_s, averaging_s):
            return None
        return f"batches of {self._batch_s:.4g} s may run in step with the power sensor's {period_s:.3g} s"

    def _pause(self, batch_s: float, random: Random) -> None:
        self._workload.synchronize()
        time.sleep(draw_pause_s(batch_s, random))

    def measure(self, index: int, of: int, *, times_batches: bool = False) -> None:
        """Fill one of the measure windows with batches, and time each of them where that takes no notable time."""
        timer = self._timer() if times_batches else None
        self._stage.settle()
        with self._stage.window(WindowKind.MEASURE, index, self._measure.guard_s, of) as tally:
            stretch = self.stretch(self._measure.window_s, self._measure.min_iterations, timer)
            tally.units, tally.batches = stretch.units, stretch.batches
        timed_s = timer.durations_s() if timer else ()
        self._latencies_s += timed_s
        self._untimed += stretch.batches - len(timed_s) if times_batches else 0

    def _timer(self) -> Timer | None:
        """Prepare to time the batches of a window; None where they are too short."""
        if self._batch_s is None or self._batch_s < LEAST_BATCH_S:
            return None
        likely = math.ceil(SPARE * max(self._measure.window_s / self._batch_s, self._measure.min_iterations))
        return make_timer(self._stage.device, min(likely, self._measure.latency_max_batches - len(self._latencies_s)))

    def stretch(self, at_least_s: float, min_batches: int = 1, timer: Timer | None = None) -> Stretch:
        """Run batches back to back for a time and a number; synchronized at the end."""
        step, synchronize = self._workload.step, self._workload.synchronize
        batches = units = 0
        duration_s = 0.0
        batch_s = self._batch_s
        begin_ns = time.monotonic_ns()
        while batches < min_batches or duration_s < at_least_s:
            missing = math.ceil(MARGIN * min(at_least_s - duration_s, CHUNK_S) / batch_s) if batch_s else 1
            chunk = max(missing, min_batches - batches, 1)
            if timer is not None:
                timer.begin()
            for _ in range(chunk):
                units += step()
                if timer is not None:
                    timer.mark()
                if self._jitter is not None and batch_s is not None:
                    self._pause(batch_s, self._jitter)
                    if timer is not None:
                        timer.begin()
            synchronize()
            batches += chunk
            duration_s = (time.monotonic_ns() - begin_ns) / 1e9
            batch_s = duration_s / batches
        self._batch_s = batch_s
        return Stretch(batches, units, duration_s)

    def time_batches(self) -> None:
        """Time each batch by itself, synchronized, in a pass of its own."""
        step, synchronize, measure = self._workload.step, self._workload.synchronize, self._measure
        values_s = self._latencies_s
        units, passed_s = 0, 0.0
        with self._stage.window(WindowKind.LATENCY) as tally:
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

    def report_latencies(self) -> None:
        """Send the time of each batch that was timed, and say where some were not."""
        if self._latencies_s:
            self._stage.line.send(protocol.Latencies(values_s=tuple(self._latencies_s)))
        if self._untimed:
            what = "not all batches were timed" if self._latencies_s else "no batch was timed"
            most = self._measure.latency_max_batches
            why = f"the first {most} are (latency_max_batches), none below {LEAST_BATCH_S * 1e6:.0f} µs"
            self._stage.doubt(None, f"{what}: {why}; latency_s adds a pass that times them")


def _agree(first: Stretch, second: Stretch) -> bool:
    return abs(second.batch_s - first.batch_s) < STEADY_WITHIN * first.batch_s
