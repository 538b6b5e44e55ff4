"""What was measured: from a meter's reading to the report of a trial."""

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import AwareDatetime, Field, JsonValue, model_validator

from farm.model.words import Domain, FailureKind, Flag, Frozen, Quality, Stopped, WindowKind


@dataclass(frozen=True, slots=True)
class Reading:
    """What a meter said of one domain at one moment; what it does not know is None."""

    at_ns: int  #: monotonic
    energy_j: float | None = None  #: since any fixed moment
    power_w: float | None = None
    temperature_c: float | None = None
    clock_hz: float | None = None
    throttle_reasons: int | None = None  #: NVML's clock event reasons, a bit each


@dataclass(frozen=True, slots=True)
class Trace:
    """What one meter said of one domain, in order of time."""

    domain: Domain
    source: str  #: the meter's name
    quality: Quality
    update_period_s: float
    readings: tuple[Reading, ...]
    update_period_u_s: float | None = None  #: standard uncertainty of the period; None: it is a nominal one
    averaging_window_s: float | None = None  #: so much of each period the sensor sees; None: unknown
    update_jitter_s: float | None = None  #: two updates differ so much in how late they are, on average; None: unknown

    @property
    def unseen(self) -> float:
        """The largest share of time that the sensor may not see."""
        return max(1 - (self.averaging_window_s or 0.0) / self.update_period_s, 0.0)


class Window(Frozen):
    """One stretch of a trial; the trial stamps it."""

    kind: WindowKind
    index: int = 0  #: counts the windows of one kind in a trial
    begin_at_ns: int  #: monotonic
    end_at_ns: int
    started_at_utc: AwareDatetime
    units: int | None = None  #: images done in it

    @property
    def duration_s(self) -> float:
        """Seconds from begin to end."""
        return (self.end_at_ns - self.begin_at_ns) / 1e9


class Measurement(Frozen):
    """One window x domain: gross, baseline, net. A window that was not metered has nulls, never zeros."""

    window_kind: WindowKind
    window_index: int
    domain: Domain
    quality: Quality | None
    source: str | None  #: the meter's name
    gross_j: float | None
    gross_u_j: float | None = None  #: standard uncertainty
    baseline_w: float | None = None  #: the one that net subtracts
    baseline_bare_w: float | None = None
    baseline_context_w: float | None = None
    net_j: float | None = None
    net_j_low: float | None = None  #: 95 % interval
    net_j_high: float | None = None
    mean_w: float | None = None
    temperature_c: float | None = None
    clock_hz: float | None = None
    flags: tuple[Flag, ...] = ()


class Epoch(Frozen):
    """One pass over the training images; what is not finite is None."""

    index: int = Field(ge=0)
    window: int | None  #: index of the training window that it ran in, and of its validation; None: not in this trial
    train_loss: float | None  #: mean over its images
    validation_loss: float | None
    validation_accuracy: float = Field(ge=0, le=1)  #: in evaluation mode
    train_s: float


class Requests(Frozen):
    """The requests of one measure window, in order; each time in seconds since the first moment one might arrive.

    Those of one batch were dequeued, begun and done together.
    """

    window: int  #: index of the measure window
    capacity_per_s: float = Field(gt=0)  #: of full batches, back to back: what the warm-up or a busy second served
    arrival_s: tuple[float, ...]  #: when each was to come: response times count from here
    enqueue_s: tuple[float, ...]  #: when it came
    dequeue_s: tuple[float, ...]  #: when it was taken off the queue
    start_s: tuple[float, ...]  #: when its batch was put together, and handed to the network
    done_s: tuple[float, ...]  #: when its batch was done, the device synchronised

    @model_validator(mode="after")
    def _are_complete(self) -> Self:
        lengths = {len(times) for times in (self.arrival_s, self.enqueue_s, self.dequeue_s, self.start_s, self.done_s)}
        if len(lengths) > 1:
            raise ValueError(f"expected five times of each request, got {sorted(lengths)}")
        return self


class TraceReport(Frozen):
    """The readings of one meter in one domain, column by column, as the store keeps them."""

    domain: Domain
    source: str
    quality: Quality
    t0_ns: int  #: monotonic
    offset_s: tuple[float, ...]  #: of each reading, from t0
    power_w: tuple[float | None, ...]
    energy_j: tuple[float | None, ...]
    temperature_c: tuple[float | None, ...]
    clock_hz: tuple[float | None, ...]


class Failure(Frozen):
    """Why a trial gave no result."""

    kind: FailureKind
    message: str  #: one line
    signal: int | None = None


class TrialReport(Frozen):
    """All that one attempt at a job brought; what the spool holds and the store keeps."""

    version: Literal[1] = 1
    job: str
    attempt: int = Field(ge=1)
    machine: str  #: id of the machine
    started_at_utc: AwareDatetime
    finished_at_utc: AwareDatetime
    duration_s: float
    overhead_s: float | None = None  #: spent outside idle, context, warm-up, measure and latency windows
    failure: Failure | None = None  #: None: it measured
    windows: tuple[Window, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    traces: tuple[TraceReport, ...] = ()
    latencies_s: tuple[float, ...] = ()  #: of every batch of the latency pass
    requests: tuple[Requests, ...] = ()  #: that a live trial served
    epochs: tuple[Epoch, ...] = ()  #: of a training
    stopped: Stopped | None = None  #: None: it ran to its last epoch, or was no training
    environment: dict[str, JsonValue] = Field(default_factory=dict)  #: software, as the trial saw it
    facts: dict[str, JsonValue] = Field(default_factory=dict)  #: of the workload: parameters, accuracy, unit, ...
    carbon_g_per_kwh: float | None = None  #: of the sweep's country
    flags: tuple[Flag, ...] = ()  #: of the whole trial; each measurement has its own besides
    notes: tuple[str, ...] = ()  #: what a reader should know: a meter that is missing, and its remedy
    log_tail: str = ""  #: last lines of the trial's stdout and stderr
    simulated: bool = False
