"""The farm's enumerations, and the base class of values that cross a process, a disk or the database."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

Scalar = str | int | float | bool | None
#: One combination of a sweep's factors: every parameter of the workload by name.
Point = dict[str, Scalar]
#: The factors of a search in a point of a tuning sweep; the workload does not get them.
SEARCH_FACTORS = ("strategy", "tuning_seed", "configuration")
#: Values of factors that go without saying, whatever the factor.
USUAL_VALUES = (None, False, "fp32", "auto", "random", "sample")
#: The hardware class of imported machines of unknown hardware: two of them may differ in any way.
UNKNOWN_HARDWARE = "unknown"
#: The fact of a trial that says from which rated power its CPU joules were modelled, and who knows it.
CPU_RATING = "cpu_rating"
#: A larger number is a mistake: its square, or a sum of such numbers, may exceed a float.
LARGEST_VALUE = 1e100


class Frozen(BaseModel):
    """A value that leaves the process: immutable, without unknown fields, with finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Domain(StrEnum):
    """The part of a machine that the joules belong to."""

    GPU = "gpu"
    CPU = "cpu"
    DRAM = "dram"
    WALL = "wall"

    @classmethod
    def of_device(cls, device: str) -> "Domain":
        """Return the domain in which a device, cpu or cuda:N, draws its power."""
        return cls.GPU if device.startswith("cuda") else cls.CPU


class Quality(StrEnum):
    """The way in which joules were obtained, best first; a sum has the worst quality of its parts."""

    COUNTER = "counter"
    SAMPLED = "sampled"
    MODELLED = "modelled"

    @property
    def rank(self) -> int:
        """The place of the quality; 0 is the best."""
        return list(Quality).index(self)


class Component(StrEnum):
    """A source of the uncertainty of an energy."""

    AGE = "age"  #: the readings at the two ends of a window are of different age
    STEP = "step"  #: a sensor places the step of the power at an end of the window within its period
    SAMPLING = "sampling"  #: a sensor sees part of the time, or at moments
    BEAT = "beat"  #: batches may run in step with a sensor that sees part of the time
    WARM = "warm"  #: the guards draw more than the idle for a while after the work
    IDLE = "idle"  #: the mean power of the idle windows that the baseline rests on
    WANDER = "wander"  #: the idle power moves between the idle windows and the work
    STATED = "stated"  #: a file that was imported states an interval, and nothing more
    CLOCK = "clock"  #: the stamps of a window are taken beside its events
    SMEAR = "smear"  #: a power reading averages over a longer time than the guards last
    IDLE_MODEL = "idle_model"  #: the model of the machine's idle power, where no idle is measured beside the trial
    CLASS = "class"  #: the accuracy that the meter's maker states
    MODEL = "model"  #: modelled joules: the model itself

    @property
    def is_shared(self) -> bool:
        """Whether the error is the same in all trials of a machine, so that repetitions do not reduce it."""
        return self in _SHARED

    @property
    def adds_up(self) -> bool:
        """Whether the error is the same in all windows of a trial, and adds up; otherwise its squares do."""
        return self not in _OF_ONE_WINDOW


_SHARED = frozenset({Component.CLOCK, Component.SMEAR, Component.IDLE_MODEL, Component.CLASS, Component.MODEL})
_OF_ONE_WINDOW = frozenset({Component.AGE, Component.STEP, Component.SAMPLING})


class WindowKind(StrEnum):
    """A stretch of monotonic time in which a trial did one thing."""

    IDLE_BEFORE = "idle_before"
    SETUP = "setup"
    CONTEXT_IDLE = "context_idle"
    WARMUP = "warmup"
    MEASURE = "measure"
    LATENCY = "latency"
    MARKED = "marked"  #: a part of a program's run, between two moments that the program marks
    TRAINING = "training"  #: one epoch, or as many as fill a window
    VALIDATION = "validation"  #: the validation of the networks that these epochs left
    TAIL = "tail"  #: after the work: the board's power falls back to its rest
    IDLE_AFTER = "idle_after"

    @property
    def is_work(self) -> bool:
        """Whether the window holds the work that a trial measures; such a window has guards on both sides."""
        return self in {WindowKind.MEASURE, WindowKind.TRAINING, WindowKind.VALIDATION}


class Flag(StrEnum):
    """A reason to doubt a trial."""

    ALIAS_RISK = "alias_risk"  #: batches may run in step with the sensor: so it pauses at random
    BASELINE_DRIFT = "baseline_drift"  #: the idle before and after differ
    BELOW_NOISE = "below_noise"  #: the net energy is within its uncertainty: a bound, not a value
    CONTAMINATED = "contaminated"  #: other programs used the machine
    COUNTER_RESET = "counter_reset"  #: the energy counter went backwards
    COUNTER_UNTRUSTED = "counter_untrusted"  #: the probe found it wrong, or it stood still: power was integrated
    METER_LOST = "meter_lost"  #: no meter covers the window
    NO_STEADY_STATE = "no_steady_state"  #: the warm-up never settled
    POWER_CAPPED = "power_capped"  #: the board ran at its power limit
    RESUMED = "resumed"  #: the training continued from a checkpoint: the joules before it are in no window
    SATURATED = "saturated"  #: requests came faster than they can be served: the queue grew without bound
    THROTTLED = "throttled"  #: heat, a power brake or the hardware lowered the clock
    TOO_SHORT = "too_short"  #: the window is too short for the meter's update period, or its guards for its average

    @property
    def is_note(self) -> bool:
        """Whether the flag only informs a reader; the other flags leave a trial out of analysis."""
        return self in {
            Flag.ALIAS_RISK, Flag.BELOW_NOISE, Flag.COUNTER_UNTRUSTED, Flag.POWER_CAPPED, Flag.SATURATED,
        }  # fmt: skip


class JobState(StrEnum):
    """The state of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class MachineState(StrEnum):
    """The state that users want a machine to be in; a running trial always runs to its end."""

    ACTIVE = "active"
    PAUSED = "paused"  #: the machine takes no new job, and its worker stays
    DRAINING = "draining"  #: the machine takes no new job, and its worker leaves; a worker started later waits


class FailureKind(StrEnum):
    """The way in which a trial failed."""

    OOM = "oom"  #: the device or the host had not enough memory
    TIMEOUT = "timeout"  #: the trial outlived its time limit
    CRASHED = "crashed"  #: the trial's process died; `signal` is the signal that killed it
    INVALID = "invalid"  #: the job cannot run here: a missing device, unreadable images, unavailable weights
    CANCELLED = "cancelled"  #: a user cancelled the job while it ran
    INTERRUPTED = "interrupted"  #: the worker was stopped during the trial
    LOST = "lost"  #: the worker died or fell silent, and the lease ran out
    ERROR = "error"  #: the workload raised an exception


class Baseline(StrEnum):
    """The idle power that the net energy subtracts."""

    BARE = "bare"  #: no trial process alive
    CONTEXT = "context"  #: model loaded, nothing running


class Stopped(StrEnum):
    """The reason why a training ended before its last epoch."""

    EARLY = "early"  #: the accuracy did not improve for as many epochs as its patience
    PRUNED = "pruned"  #: the accuracy was below that of its rung
    DIVERGED = "diverged"  #: the loss is not a number
