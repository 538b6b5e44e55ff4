"""Measurements, from a meter's reading to the report of a trial."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, JsonValue, model_validator

from farm.model.bounds import Count, Index, LongLine, Nanoseconds
from farm.model.carbon import TrialCarbon
from farm.model.words import LARGEST_VALUE, Component, Domain, FailureKind, Flag, Frozen, Quality, Stopped, WindowKind


@dataclass(frozen=True, slots=True)
class Reading:
    """A meter's reading of one domain at one moment; unknown is None."""

    at_ns: int  #: monotonic
    energy_j: float | None = None  #: counted from any fixed moment
    power_w: float | None = None
    temperature_c: float | None = None
    clock_hz: float | None = None
    throttle_reasons: int | None = None  #: NVML's clock event reasons, one bit each
    #: The value was published within half of this time of `at_ns`, as polling saw it change; None: it is of any age.
    tick_step_s: float | None = None

    @property
    def is_tick(self) -> bool:
        """Whether the value was published at `at_ns`, to within half the polling step: it has no age."""
        return self.tick_step_s is not None


@dataclass(frozen=True, slots=True)
class Trace:
    """One meter's readings of one domain, in order of time."""

    domain: Domain
    source: str  #: the meter's name
    quality: Quality
    update_period_s: float
    readings: tuple[Reading, ...]
    update_period_u_s: float | None = None  #: standard uncertainty of the period; None: the period is nominal
    averaging_window_s: float | None = None  #: the part of each period that the sensor sees; None: unknown
    update_jitter_s: float | None = None  #: the mean difference in lateness between two updates; None: unknown
    class_u_share: float | None = None  #: relative standard uncertainty that the meter's maker states; None: unknown

    @property
    def unseen(self) -> float:
        """The largest share of time that the sensor may not see."""
        return max(1 - (self.averaging_window_s or 0.0) / self.update_period_s, 0.0)


class Window(Frozen):
    """One stretch of a trial, with the trial's time stamps."""

    kind: WindowKind
    index: Index = 0  #: counts the windows of one kind in a trial
    begin_at_ns: Nanoseconds  #: monotonic
    end_at_ns: Nanoseconds
    started_at_utc: AwareDatetime
    units: Count | None = None  #: units of work done in the window
    batches: Count | None = None  #: the steps of work that followed each other in the window, each like the last

    @property
    def duration_s(self) -> float:
        """The seconds from begin to end."""
        return (self.end_at_ns - self.begin_at_ns) / 1e9


#: A number whose square, and whose sums, are finite too: what is larger is no measurement.
Bounded = Annotated[float, Field(ge=-LARGEST_VALUE, le=LARGEST_VALUE)]


class Budget(Frozen):
    """The standard uncertainties in J that an energy is made of, by component; empty where they are unknown."""

    gross: dict[Component, float] = Field(default_factory=dict)
    net: dict[Component, float] = Field(default_factory=dict)


class Measurement(Frozen):
    """The gross, baseline and net energy of one window x domain. Without a meter these are null, never 0."""

    window_kind: WindowKind
    window_index: Index
    domain: Domain
    quality: Quality | None
    source: str | None  #: the meter's name
    gross_j: Bounded | None
    gross_u_j: Bounded | None = None  #: standard uncertainty
    baseline_w: Bounded | None = None  #: the baseline that net subtracts
    baseline_bare_w: Bounded | None = None
    baseline_context_w: Bounded | None = None
    net_j: Bounded | None = None
    net_j_low: Bounded | None = None  #: 95 % interval
    net_j_high: Bounded | None = None
    mean_w: Bounded | None = None
    temperature_c: Bounded | None = None
    clock_hz: Bounded | None = None
    flags: tuple[Flag, ...] = ()
    budget: Budget = Budget()

    @property
    def gross_budget(self) -> Mapping[Component, float]:
        """The components of the standard uncertainty of gross_j, in J; empty where they are unknown."""
        return self.budget.gross

    @property
    def net_budget(self) -> Mapping[Component, float]:
        """The components of the standard uncertainty of net_j, in J; empty where they are unknown."""
        return self.budget.net


class Epoch(Frozen):
    """One pass over the training images; a value that is not finite is None."""

    index: Index
    window: Index | None  #: index of its training and validation windows; None: it ran in an earlier attempt
    train_loss: float | None  #: mean over the training images
    validation_loss: float | None
    validation_accuracy: float = Field(ge=0, le=1)  #: in evaluation mode
    train_s: float


#: An endless process starts with an empty queue; this share of its requests is not counted.
WARM_UP = 0.05


def skipped(requests: int, is_endless: bool) -> int:
    """Return how many of the first requests are not counted."""
    return round(requests * WARM_UP) if is_endless else 0


class Requests(Frozen):
    """The requests of one measure window, in order, with times in seconds since the queue was opened.

    The requests of one batch were dequeued, started and done together.
    """

    window: Index  #: index of the measure window
    capacity_per_s: float = Field(gt=0)  #: requests served in a busy second, or in the warm-up with full batches
    arrival_s: tuple[float, ...]  #: planned arrivals: response times count from here
    enqueue_s: tuple[float, ...]  #: real arrivals
    dequeue_s: tuple[float, ...]  #: when the request was taken off the queue
    start_s: tuple[float, ...]  #: when its batch was complete, and given to the network
    done_s: tuple[float, ...]  #: when its batch was done, with the device synchronised

    @model_validator(mode="after")
    def _are_complete(self) -> Self:
        lengths = {len(times) for times in (self.arrival_s, self.enqueue_s, self.dequeue_s, self.start_s, self.done_s)}
        if len(lengths) > 1:
            raise ValueError(f"expected five times of each request, got {sorted(lengths)}")
        return self

    def response_s(self, is_endless: bool) -> list[float]:
        """Return the sorted times from the planned arrival to the end, of the requests that are counted."""
        first = skipped(len(self.done_s), is_endless)
        return sorted(done - arrival for arrival, done in zip(self.arrival_s[first:], self.done_s[first:], strict=True))


class TraceReport(Frozen):
    """The readings of one meter in one domain, one tuple for each quantity."""

    domain: Domain
    source: str
    quality: Quality
    t0_ns: Nanoseconds  #: monotonic
    offset_s: tuple[float, ...]  #: the time of each reading, from t0
    power_w: tuple[float | None, ...]
    energy_j: tuple[float | None, ...]
    temperature_c: tuple[float | None, ...]
    clock_hz: tuple[float | None, ...]


class Failure(Frozen):
    """The reason why a trial gave no result."""

    kind: FailureKind
    message: LongLine
    signal: Index | None = None


class TrialReport(Frozen):
    """The report of one attempt at a job, for the spool and the store."""

    version: Literal[1] = 1
    job: str
    attempt: Index = Field(ge=1)
    machine: str  #: id of the machine
    started_at_utc: AwareDatetime
    finished_at_utc: AwareDatetime
    duration_s: float
    overhead_s: float | None = None  #: time outside idle, context, warm-up, measure and latency windows
    failure: Failure | None = None  #: None: the trial measured
    windows: tuple[Window, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    traces: tuple[TraceReport, ...] = ()
    latencies_s: tuple[float, ...] = ()  #: the duration of each batch that was timed
    requests: tuple[Requests, ...] = ()  #: the requests that a live trial served
    epochs: tuple[Epoch, ...] = ()  #: the epochs of a training
    stopped: Stopped | None = None  #: None: the training ran to its last epoch, or the trial was no training
    environment: dict[str, JsonValue] = Field(default_factory=dict)  #: the trial's software
    facts: dict[str, JsonValue] = Field(default_factory=dict)  #: facts of the workload: parameters, unit, ...
    carbon: TrialCarbon = TrialCarbon()  #: what the machine states about its electricity
    flags: tuple[Flag, ...] = ()  #: flags of the whole trial; each measurement has others of its own
    notes: tuple[LongLine, ...] = ()  #: notes for readers, such as a missing meter and its remedy
    log_tail: str = ""  #: the last lines of the trial's stdout and stderr
    simulated: bool = False
