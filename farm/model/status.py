"""How sweeps progress and what machines do, as the store tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from farm.model.lab import Machine
from farm.model.words import Domain, FailureKind, Flag, JobState, MachineState, Point


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """A machine and the worker that was last seen on it."""

    machine: Machine
    owner: str
    version: str  #: of the worker's program
    last_seen_at: datetime
    running_job: str | None
    wanted_state: MachineState
    spooled: int  #: reports that wait on its disk
    rejected: int  #: messages that its worker refused, since it started


@dataclass(frozen=True, slots=True)
class RunningJob:
    """What runs where, since when."""

    job: str
    attempt: int
    sweep: str
    sweep_name: str
    point: Point
    repetition: int
    machine_id: str
    machine: str  #: its name
    hardware_class: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """Jobs of one sweep that wait for one target."""

    sweep: str
    target: str
    jobs: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How a sweep stands; a state without jobs is left out."""

    counts: Mapping[JobState, int]
    running: tuple[RunningJob, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    available: tuple[Machine, ...] = ()  #: machines at hand: they run it, or they are idle
    recent_s: Mapping[str, tuple[float, ...]] = field(
        default_factory=dict
    )  #: the available's last trials of it, by class
    priority: int | None = None  #: 0 is the highest; None: no job yet
    settled: bool = True  #: False: the controller may still add jobs
    planned: int = 0  #: jobs that it will have in all; 0: nobody knows

    @property
    def total(self) -> int:
        """All jobs of the sweep, with those that will be added as far as that is known."""
        there = sum(self.counts.values())
        return there if self.settled else max(there, self.planned)

    @property
    def open(self) -> int:
        """Jobs that wait or run."""
        return self.counts.get(JobState.QUEUED, 0) + self.counts.get(JobState.RUNNING, 0)

    @property
    def closed(self) -> int:
        """Jobs that are done, failed or cancelled."""
        return sum(self.counts.values()) - self.open

    @property
    def to_go(self) -> int:
        """Jobs that are not closed, with those that will be added as far as that is known."""
        return self.total - self.closed

    @property
    def is_over(self) -> bool:
        """Nothing waits, nothing runs, nothing will be added."""
        return self.open == 0 and self.settled


@dataclass(frozen=True, slots=True)
class Temperature:
    """What a trial saw last."""

    domain: Domain
    celsius: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Condition:
    """What a machine does, and how its last trials went; a machine without trials has none."""

    running: RunningJob | None
    trials: int  #: its last ones, at most RECENT
    failed: int  #: of them
    flagged: int  #: of them, with flags of the whole trial
    flags: Mapping[Flag, int]  #: trials that carry it
    temperature: Temperature | None


@dataclass(frozen=True, slots=True)
class TrialCount:
    """Trials of one machine that ended alike."""

    machine: str | None  #: its name
    failure: FailureKind | None  #: None: they measured
    flags: tuple[Flag, ...]
    trials: int
    seconds: float  #: all durations together
    within: tuple[int, ...]  #: trials no longer than each of the bounds


@dataclass(frozen=True, slots=True)
class WaitCount:
    """First attempts by how long their jobs had waited."""

    target: str
    jobs: int
    seconds: float  #: all waits together
    within: tuple[int, ...]  #: jobs that waited no longer than each of the bounds
