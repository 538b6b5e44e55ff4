"""The progress of sweeps and the condition of machines, as the store knows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from farm.model.jobs import SweepRecord
from farm.model.live import Live, LiveTrial
from farm.model.machines import Machine
from farm.model.words import Domain, FailureKind, Flag, JobState, MachineState, Point, Quality


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """A machine and the worker that was last seen on it."""

    machine: Machine
    owner: str
    version: str  #: the version of the worker's program
    last_seen_at: datetime
    running_job: str | None
    wanted_state: MachineState
    spooled: int  #: reports that wait on the machine's disk
    rejected: int  #: messages that the worker rejected since it started
    live: Live = field(default_factory=Live)  #: what the worker sent with its last heartbeat


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that runs: on which machine, and since when."""

    job: str
    attempt: int
    sweep: str
    sweep_name: str
    point: Point
    repetition: int
    machine_id: str
    machine: str  #: the machine's name
    hardware_class: str
    since: datetime
    live: LiveTrial | None = None  #: what its trial does now; None: its worker sent nothing, or is silent


@dataclass(frozen=True, slots=True)
class EndedTrial:
    """A trial that ended a moment ago, with the figures of its work in the domain of its device; unknown is None."""

    trial: str
    point: Point
    repetition: int
    machine: str
    finished_at: datetime
    failure: FailureKind | None  #: None: it measured
    flags: tuple[Flag, ...]  #: of the trial and of the windows of its work
    notes: tuple[str, ...]
    unit: str | None = None
    units: int | None = None
    duration_s: float | None = None  #: of the windows of its work
    gross_j: float | None = None
    quality: Quality | None = None

    @property
    def is_valid(self) -> bool:
        """Whether analysis counts the trial: it measured, and has no flag but notes."""
        return self.failure is None and all(flag.is_note for flag in self.flags)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Jobs of one sweep that wait for one target."""

    sweep: str
    target: str
    jobs: int
    capability: str = ""  #: what a machine must have for them; empty: their target says it all


@dataclass(frozen=True, slots=True)
class Hold:
    """The condition and the deadline until which the waiting jobs of a sweep are held."""

    below_g_per_kwh: float
    until: datetime
    note: str | None = None  #: what the controller saw last


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a sweep; a state without jobs is left out of the counts."""

    counts: Mapping[JobState, int]
    running: tuple[RunningJob, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    available: tuple[Machine, ...] = ()  #: machines that run the sweep, or are idle
    #: The durations of the sweep's last trials on available machines, by hardware class.
    recent_s: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    priority: int | None = None  #: 0 is the highest; None: the sweep has no job yet
    settled: bool = True  #: False: the controller may still add jobs
    planned: int = 0  #: jobs that the sweep will have in all; 0: unknown
    hold: Hold | None = None  #: None: waiting jobs are not held
    #: What will disturb or delay trials on available machines: the name of each machine, and its note.
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def total(self) -> int:
        """The number of all jobs, with those that will be added as far as that is known."""
        there = sum(self.counts.values())
        return there if self.settled else max(there, self.planned)

    @property
    def open(self) -> int:
        """The number of jobs that wait or run."""
        return self.counts.get(JobState.QUEUED, 0) + self.counts.get(JobState.RUNNING, 0)

    @property
    def closed(self) -> int:
        """The number of jobs that are done, failed or cancelled."""
        return sum(self.counts.values()) - self.open

    @property
    def to_go(self) -> int:
        """The number of jobs that are not closed, with those that will be added as far as that is known."""
        return self.total - self.closed

    @property
    def is_over(self) -> bool:
        """Whether no job waits or runs, and none will be added."""
        return self.open == 0 and self.settled


@dataclass(frozen=True, slots=True)
class SweepOverview:
    """A sweep, the states of its jobs, and the machines that ran them."""

    record: SweepRecord
    progress: Progress
    machines: tuple[str, ...]  #: their names


@dataclass(frozen=True, slots=True)
class Deleted:
    """The numbers of jobs and trials that were deleted with their sweep."""

    jobs: int
    trials: int


@dataclass(frozen=True, slots=True)
class Temperature:
    """The last temperature that a trial measured."""

    domain: Domain
    celsius: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Condition:
    """The running job of a machine, and the outcome of its last trials."""

    running: RunningJob | None
    trials: int  #: the last trials, at most RECENT
    failed: int  #: those of them that failed
    flagged: int  #: those of them with flags of the whole trial
    flags: Mapping[str, int]  #: the number of trials with each flag, those of newer programs too
    temperature: Temperature | None


@dataclass(frozen=True, slots=True)
class TrialCount:
    """The number of trials of one machine with the same end and flags."""

    machine: str | None  #: the machine's name
    failure: str | None  #: a FailureKind, perhaps of a newer program; None: the trials measured
    flags: tuple[str, ...]
    trials: int
    seconds: float  #: the sum of all durations
    within: tuple[int, ...]  #: trials no longer than each of the bounds


@dataclass(frozen=True, slots=True)
class WaitCount:
    """The waits of jobs for their first attempt."""

    target: str
    jobs: int
    seconds: float  #: the sum of all waits
    within: tuple[int, ...]  #: jobs that waited no longer than each of the bounds
