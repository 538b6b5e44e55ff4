"""The words of the farm as frozen values: units in the names, unknown is None, times are monotonic ns or aware UTC.

Types that cross a process, a disk or the database are pydantic models and refuse unknown fields;
types of the inner loops are dataclasses.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

Scalar = str | int | float | bool | None
#: One combination of a sweep's factors: every parameter of the workload by name.
Point = dict[str, Scalar]
#: What a point of a tuning sweep names besides: factors of the search, of which the workload knows nothing.
SEARCH_FACTORS = ("strategy", "tuning_seed", "configuration")
#: The class of a machine that an import tells nothing of: two of them may be anything.
UNKNOWN_HARDWARE = "unknown"


class Frozen(BaseModel):
    """A value that crosses a border: immutable, closed, finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Domain(StrEnum):
    """What part of a machine the joules belong to."""

    GPU = "gpu"
    CPU = "cpu"
    DRAM = "dram"
    WALL = "wall"

    @classmethod
    def of_device(cls, device: str) -> "Domain":
        """Where a device, cpu or cuda:N, draws its power."""
        return cls.GPU if device.startswith("cuda") else cls.CPU


class Quality(StrEnum):
    """How joules were obtained, best first; a sum takes the worst of its parts."""

    COUNTER = "counter"
    SAMPLED = "sampled"
    MODELLED = "modelled"

    @property
    def rank(self) -> int:
        """0 is the best."""
        return list(Quality).index(self)


class WindowKind(StrEnum):
    """A stretch of monotonic time in which a trial did one thing."""

    IDLE_BEFORE = "idle_before"
    SETUP = "setup"
    CONTEXT_IDLE = "context_idle"
    WARMUP = "warmup"
    MEASURE = "measure"
    LATENCY = "latency"
    TRAINING = "training"  #: one epoch, or as many as fill a window
    VALIDATION = "validation"  #: of the networks that those epochs left
    IDLE_AFTER = "idle_after"

    @property
    def is_work(self) -> bool:
        """Whether the window holds the work that a trial is about: it stands between guards, and makes the sample."""
        return self in {WindowKind.MEASURE, WindowKind.TRAINING, WindowKind.VALIDATION}


class Flag(StrEnum):
    """A reason to doubt a trial."""

    ALIAS_RISK = "alias_risk"  #: batches may run in step with the sensor: random pauses are added, if need be later
    BASELINE_DRIFT = "baseline_drift"  #: the idle before and after differ
    BELOW_NOISE = "below_noise"  #: the net energy is within its uncertainty: a bound, not a value
    CONTAMINATED = "contaminated"  #: other programs ran
    COUNTER_RESET = "counter_reset"  #: the energy counter went backwards
    COUNTER_UNTRUSTED = "counter_untrusted"  #: the probe found it wrong, or it stood still: power was integrated
    METER_LOST = "meter_lost"
    NO_STEADY_STATE = "no_steady_state"  #: the warm-up never settled
    POWER_CAPPED = "power_capped"  #: the board ran at its power limit
    RESUMED = "resumed"  #: from a checkpoint: the joules of what ran before the cut are in no window
    SATURATED = "saturated"  #: requests came faster than they can be served: the queue grew without bound
    THROTTLED = "throttled"  #: the clock was lowered: heat, power brake or hardware
    TOO_SHORT = "too_short"  #: for the meter's update period

    @property
    def is_note(self) -> bool:
        """Whether a reader should know but the figure stands; the others leave a trial out of analysis."""
        return self in {
            Flag.ALIAS_RISK, Flag.BELOW_NOISE, Flag.COUNTER_UNTRUSTED, Flag.POWER_CAPPED, Flag.SATURATED,
        }  # fmt: skip


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Duty(StrEnum):
    """What a machine's users want of its worker; a running trial always goes on to its end."""

    WORK = "work"
    PAUSE = "pause"  #: take no new job, and stay
    DRAIN = "drain"  #: take no new job, and leave; one that starts stays and takes none


class FailureKind(StrEnum):
    """How a trial failed."""

    OOM = "oom"  #: the device or the host had not enough memory
    TIMEOUT = "timeout"  #: the trial outlived its time limit
    CRASHED = "crashed"  #: the trial's process died; `signal` says of what
    INVALID = "invalid"  #: the job cannot run here: no such device, unreadable images, weights not to be had
    CANCELLED = "cancelled"  #: somebody cancelled the job while it ran
    INTERRUPTED = "interrupted"  #: the worker was told to stop at once
    LOST = "lost"  #: the worker died or fell silent, and the lease ran out
    ERROR = "error"  #: the workload raised an exception


class Baseline(StrEnum):
    """Which idle power the net energy subtracts."""

    BARE = "bare"  #: no trial process alive
    CONTEXT = "context"  #: model loaded, nothing running


class MeasureSettings(Frozen):
    """How one trial measures; every number is stored with the result."""

    profile: Literal["quick", "screening", "full"]
    window_s: float = Field(gt=0)  #: shortest measure window
    windows: int = Field(ge=1)  #: measure windows in a trial
    min_iterations: int = Field(ge=1)  #: fewest batches in a measure window
    idle_s: float = Field(gt=0)  #: length of idle_before and idle_after
    cool_down_max_s: float = Field(ge=0)  #: longest wait for the GPU's resting temperature before an idle
    context_idle_s: float = Field(gt=0)
    warmup_s: float = Field(gt=0)  #: shortest warm-up
    warmup_max_s: float = Field(gt=0)  #: longest, then the flag no_steady_state
    latency_s: float = Field(gt=0)  #: length of the latency pass
    latency_max_batches: int = Field(ge=1)  #: the latency pass ends early here
    guard_s: float = Field(ge=0)  #: settled idle either side of a measure window
    poll_period_s: float = Field(gt=0)  #: period of the power trace
    baseline: Baseline = Baseline.CONTEXT


class Asked(Frozen):
    """Which study of a tuning sweep asked for a job, and what the asking took."""

    study: str  #: id: hash of sweep, workload, strategy, seed and target
    number: int = Field(ge=0)  #: of the configuration in the study
    sampler_s: float
    sampler_cpu_s: float


class Rung(Frozen):
    """After so many epochs a training goes on only if it is good enough."""

    epoch: int = Field(ge=1)  #: epochs done; less than all
    least_accuracy: float
    judges: Literal["best", "last"]  #: the best validation accuracy so far, or that of this epoch

    def lets_on(self, accuracies: Sequence[float]) -> bool:
        """Whether a training goes on that has these validation accuracies, one for each epoch up to this."""
        judged = max(accuracies) if self.judges == "best" else accuracies[-1]
        return judged >= self.least_accuracy


class JobSpec(Frozen):
    """All that a worker needs to run one job."""

    version: Literal[1] = 1
    job: str  #: id: hash of sweep, point, target and repetition
    sweep: str  #: id of the sweep
    kind: Literal["inference", "serving", "training", "layers", "burn"]  #: burn: the probe's load, in no sweep
    point: Point
    repetition: int = Field(ge=0)
    target: str  #: any, hw:CLASS, machine:NAME, or what a machine must have: gpu.memory_gib >= 40
    measure: MeasureSettings
    seed: int
    time_limit_s: float = Field(gt=0)
    carbon_country: str | None = None  #: ISO 3166 alpha-3
    asked: Asked | None = None  #: None: planned when the sweep was submitted
    rungs: tuple[Rung, ...] = ()  #: in order of their epochs


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
    capacity_per_s: float = Field(gt=0)  #: of full batches, back to back, in the fastest part of the warm-up
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


class Stopped(StrEnum):
    """Why a training ended before its last epoch."""

    EARLY = "early"  #: no better accuracy for as many epochs as its patience
    PRUNED = "pruned"  #: below the accuracy that its rung wants
    DIVERGED = "diverged"  #: the loss is no number


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


class Probe(Frozen):
    """What a machine's meters are worth, found out by watching them closely; what could not be told is None."""

    version: Literal[1] = 1
    probed_at: AwareDatetime
    sensor: Literal["instant", "smoothed"] | None = None  #: the GPU's power: NVML's field 186, or its average
    sensor_update_period_s: float | None = None  #: between two values that the sensor publishes
    averaging_window_s: float | None = None  #: each of them is the mean power over so long
    counter_update_period_s: float | None = None  #: of the GPU's energy counter
    counter_update_period_u_s: float | None = None  #: its standard uncertainty
    counter_update_jitter_s: float | None = None  #: two of its updates differ so much in how late they are, on average
    counter_over_power_idle: float | None = None  #: counted joules / integrated power, both read often, idle
    counter_over_power_load: float | None = None  #: the same under a steady load
    counter_trusted: bool | None = None  #: whether the two agree under load
    rapl_update_period_s: float | None = None  #: of the CPU packages' energy counters
    notes: tuple[str, ...] = ()  #: why something could not be told


class Machine(Frozen):
    """Comparable hardware: what a worker registers."""

    id: str  #: hash of name and hardware
    name: str
    hardware_class: str  #: machines of one class are interchangeable in a comparison
    hardware: dict[str, JsonValue]
    simulated: bool = False
    probe: Probe | None = None  #: what its meters are worth

    @property
    def queues(self) -> tuple[str, ...]:
        """The broker's queues that it serves."""
        return tuple(queue_for(target) for target in ("any", f"hw:{self.hardware_class}", f"machine:{self.name}"))


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
    environment: dict[str, JsonValue] = {}  #: software, as the trial saw it
    facts: dict[str, JsonValue] = {}  #: of the workload: parameters, published accuracy, unit, ...
    carbon_g_per_kwh: float | None = None  #: of the sweep's country
    flags: tuple[Flag, ...] = ()  #: of the whole trial; each measurement has its own besides
    notes: tuple[str, ...] = ()  #: what a reader should know: a meter that is missing, and its remedy
    log_tail: str = ""  #: last lines of the trial's stdout and stderr
    simulated: bool = False


class Claim(Frozen):
    """A job that a worker won: its spec and the attempt that fences it."""

    spec: JobSpec
    attempt: int


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a lease: a name may be used again after a reboot, so the boot id is in it."""

    host: str
    pid: int
    boot_id: str

    def __str__(self) -> str:
        return f"{self.host}/{self.pid}/{self.boot_id}"


class Heartbeat(Frozen):
    """What the store answers to a worker's beat."""

    held: bool  #: False: the lease was lost to another attempt
    cancel: bool  #: somebody wants the job stopped


class Ring(Frozen):
    """A message on the broker: the job that waits, and the attempts seen when it was sent."""

    job: str
    attempt: int
    queue: str
    priority: int = 5


#: How a machine may be called, so that sweeps can name it as a target.
MACHINE_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"


def queue_for(target: str) -> str:
    """The broker's queue for a target: any, hw:CLASS or machine:NAME."""
    return ".".join(["farm", *(re.sub(r"[^A-Za-z0-9._-]", "-", part) for part in target.split(":", 1))])


class StoppingRule(Frozen):
    """How often each point is repeated."""

    min: int = Field(ge=1)
    max: int = Field(ge=1)
    target: float = Field(gt=0)  #: stop where the 95 % interval's half-width is below this share of the mean

    @property
    def is_fixed(self) -> bool:
        """Whether there is nothing to decide."""
        return self.min == self.max


class SweepRecord(Frozen):
    """A submitted sweep."""

    id: str
    name: str
    kind: str
    submitted_at: datetime
    text: str  #: the YAML as written
    meaning: str  #: what was given in it, as understood, in JSON: paths are absolute
    rule: StoppingRule
    settled: bool  #: False: the controller may still plan more repetitions
    submitter: str  #: who submitted it
    imported: bool = False  #: its measurements were made elsewhere


class Check(Frozen):
    """One finding of `farm doctor`."""

    name: str
    state: Literal["ok", "note", "bad"]  #: note: works, but a reader should know
    detail: str  #: what was found, and the remedy where one is needed
