"""The farm's words: what may be one of a few things, and what values that cross a border have in common."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

Scalar = str | int | float | bool | None
#: One combination of a sweep's factors: every parameter of the workload by name.
Point = dict[str, Scalar]
#: What a point of a tuning sweep names besides: factors of the search, of which the workload knows nothing.
SEARCH_FACTORS = ("strategy", "tuning_seed", "configuration")
#: The class of a machine that an import tells nothing of: two of them may be anything.
UNKNOWN_HARDWARE = "unknown"


#: Squares and sums of larger numbers have no room in a float: such a number is a mistake.
LARGEST_VALUE = 1e100


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


class MachineState(StrEnum):
    """The state that users want a machine in; a running trial always goes on to its end."""

    ACTIVE = "active"
    PAUSED = "paused"  #: takes no new job, and its worker stays
    DRAINING = "draining"  #: takes no new job, and its worker leaves; a worker that starts stays and takes none


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


class Stopped(StrEnum):
    """Why a training ended before its last epoch."""

    EARLY = "early"  #: no better accuracy for as many epochs as its patience
    PRUNED = "pruned"  #: below the accuracy that its rung wants
    DIVERGED = "diverged"  #: the loss is no number
