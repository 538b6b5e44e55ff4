"""Rows of results: one for each failed trial, each trial, and each window and domain."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from farm.model.carbon import CarbonFactor
from farm.model.jobs import Asked
from farm.model.trials import Budget, Epoch, Failure
from farm.model.words import Component, Domain, FailureKind, Flag, JobState, Point, Quality, Stopped, WindowKind


@dataclass(frozen=True, slots=True)
class FailedTrial:
    """A failed trial, and the state of its job now: another attempt may have measured."""

    job: str  #: the job that made the attempt
    point: Point
    repetition: int
    attempt: int
    failure: Failure
    state: JobState


@dataclass(frozen=True, slots=True)
class Spent:
    """The gross joules of some windows of a sweep in one domain; a window that trials share counts once."""

    domain: Domain
    quality: Quality | None  #: None: the joules are unknown
    is_work: bool  #: the work of trials that measured; False: what measuring it cost besides
    carbon: CarbonFactor
    windows: int
    gross_j: float | None


@dataclass(frozen=True, slots=True)
class MeasurementRow:
    """One window x domain with its identity: a row of the export, in the order of its columns."""

    sweep: str
    job: str
    trial: str
    attempt: int
    machine: str  #: the machine's name
    hardware_class: str
    environment: str | None
    kind: str
    factors: Point
    repetition: int
    window: WindowKind
    window_index: int
    begin_at_ns: int | None  #: None, like the next two fields, where the window was imported
    end_at_ns: int | None
    started_at_utc: datetime | None
    duration_s: float | None  #: None: the window was imported, and the file has no duration
    units: int | None
    domain: Domain
    quality: Quality | None
    source: str | None
    gross_j: float | None
    gross_u_j: float | None
    baseline_w: float | None
    baseline_bare_w: float | None
    baseline_context_w: float | None
    net_j: float | None
    net_j_low: float | None
    net_j_high: float | None
    mean_w: float | None
    temperature_c: float | None
    clock_hz: float | None
    flags: tuple[Flag, ...]  #: the flags of the measurement and of its trial
    simulated: bool
    imported: bool
    sweep_name: str
    machine_id: str
    failure: FailureKind | None  #: why the trial failed: then these joules are of a part of its work
    net_u_random_j: float | None  #: the part of net's standard uncertainty that repetitions reduce
    net_u_shared_j: float | None  #: the part that all trials of the machine share
    budget: Budget

    @property
    def gross_budget(self) -> Mapping[Component, float]:
        """The components of the standard uncertainty of gross_j, in J; empty where they are unknown."""
        return self.budget.gross

    @property
    def net_budget(self) -> Mapping[Component, float]:
        """The components of the standard uncertainty of net_j, in J; empty where they are unknown."""
        return self.budget.net


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial with its identity, and how it ended."""

    sweep: str
    sweep_name: str
    job: str
    trial: str
    attempt: int
    machine: str | None
    machine_id: str | None
    hardware_class: str | None
    environment: str | None
    kind: str
    factors: Point
    target: str
    block: int
    repetition: int
    started_at_utc: datetime | None
    finished_at_utc: datetime
    duration_s: float | None
    overhead_s: float | None
    failure: Failure | None  #: None: it measured
    facts: Mapping[str, JsonValue]
    carbon: CarbonFactor
    flags: tuple[Flag, ...]
    notes: tuple[str, ...]
    log_tail: str
    stopped: Stopped | None
    simulated: bool
    imported: bool
    asked: Asked | None  #: None: the sweep is no tuning sweep
    epochs: tuple[Epoch, ...]
