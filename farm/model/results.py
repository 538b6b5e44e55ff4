"""What the store hands out of what was measured: one value a trial, one a window and domain."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from farm.model.jobs import Asked
from farm.model.trials import Epoch, Failure
from farm.model.words import Domain, FailureKind, Flag, JobState, Point, Quality, Stopped, WindowKind


@dataclass(frozen=True, slots=True)
class FailedTrial:
    """A trial that gave no result, and where its job stands now: another attempt may have measured."""

    job: str
    point: Point
    repetition: int
    attempt: int
    failure: Failure
    state: JobState


@dataclass(frozen=True, slots=True)
class MeasurementRow:
    """One window x domain with all that identifies it: a row of the export, in the order of its columns."""

    sweep: str
    job: str
    trial: str
    attempt: int
    machine: str  #: its name
    hardware_class: str
    environment: str | None
    kind: str
    factors: Point
    repetition: int
    window: WindowKind
    window_index: int
    begin_at_ns: int | None  #: None, as the next two: imported, nobody here stamped it
    end_at_ns: int | None
    started_at_utc: datetime | None
    duration_s: float | None  #: None: imported, and not told
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
    flags: tuple[Flag, ...]  #: of the measurement and of its trial
    simulated: bool
    imported: bool
    sweep_name: str
    machine_id: str
    failure: FailureKind | None  #: of the trial: these joules are of a part of it


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial with all that identifies it, its latencies, and how it ended."""

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
    carbon_g_per_kwh: float | None
    flags: tuple[Flag, ...]
    notes: tuple[str, ...]
    latencies_s: tuple[float, ...]
    log_tail: str
    stopped: Stopped | None
    simulated: bool
    imported: bool
    asked: Asked | None  #: None: not of a tuning sweep
    epochs: tuple[Epoch, ...]
