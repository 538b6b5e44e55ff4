"""Sweeps, their jobs, and how a job measures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from farm.model.carbon import StatedCarbon
from farm.model.words import Baseline, Frozen, Point


class MeasureSettings(Frozen):
    """The settings by which one trial measures; every number is stored with the result."""

    profile: Literal["quick", "screening", "full"]
    window_s: float = Field(gt=0)  #: length of the shortest measure window
    windows: int = Field(ge=1)  #: measure windows in a trial
    min_iterations: int = Field(ge=1)  #: fewest batches in a measure window
    idle_s: float = Field(gt=0)  #: length of idle_before and idle_after
    control_every: int = Field(default=10, ge=1)  #: trials for each idle before a trial; 1: around every trial
    cool_down_max_s: float = Field(ge=0)  #: longest wait for the GPU's power to fall back to rest after work
    context_idle_s: float = Field(gt=0)
    warmup_s: float = Field(gt=0)  #: length of the shortest warm-up
    warmup_max_s: float = Field(gt=0)  #: length of the longest warm-up; after it the flag no_steady_state is set
    latency_s: float = Field(ge=0)  #: length of a pass that times batches; 0: they are timed in the measure windows
    latency_max_batches: int = Field(ge=1)  #: the times of so many batches are kept; after them a pass ends early
    guard_s: float = Field(ge=0)  #: length of the settled idle on both sides of a measure window
    poll_period_s: float = Field(gt=0)  #: period of the power trace
    baseline: Baseline = Baseline.CONTEXT


class Asked(Frozen):
    """The study of a tuning sweep that asked for a job, and the time that its strategy took."""

    study: str  #: the study's id: hash of sweep, workload, strategy, seed and target
    number: int = Field(ge=0)  #: the number of the configuration in the study
    sampler_s: float
    sampler_cpu_s: float


class Rung(Frozen):
    """A condition on the accuracy after some epochs: a training that misses it is stopped."""

    epoch: int = Field(ge=1)  #: epochs done; fewer than all
    least_accuracy: float
    judges: Literal["best", "last"]  #: compare the best validation accuracy so far, or that of this epoch

    def is_passed(self, accuracies: Sequence[float]) -> bool:
        """Return whether a training with these validation accuracies, one for each epoch so far, may go on."""
        judged = max(accuracies) if self.judges == "best" else accuracies[-1]
        return judged >= self.least_accuracy


#: The name of an entry point of group `wattfarm.workloads`.
WorkloadName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,59}$")]


class JobSpec(Frozen):
    """The specification by which a worker runs one job."""

    version: Literal[1] = 1
    job: str  #: the job's id: hash of sweep, point, target and repetition
    sweep: str  #: the sweep's id
    kind: WorkloadName  #: the kind of the workload that runs; `burn`, the load of the probe, is in no sweep
    point: Point
    repetition: int = Field(ge=0)
    target: str  #: any, hw:CLASS, machine:NAME, or a condition on machines: gpu.memory_gib >= 40
    measure: MeasureSettings
    seed: int
    time_limit_s: float = Field(gt=0)
    asked: Asked | None = None  #: None: the job was planned when the sweep was submitted
    rungs: tuple[Rung, ...] = ()  #: the conditions on the accuracy, in order of their epochs
    resumable: bool = False  #: the trial saves checkpoints, and the next attempt continues from them


@dataclass(frozen=True, slots=True)
class Repetition:
    """The place of a job in its sweep: what the stopping rule needs to know of it, without its spec."""

    job: str
    target: str
    point: Point
    repetition: int
    ordinal: int  #: place in the plan


@dataclass(frozen=True, slots=True)
class Plan:
    """What the jobs of a sweep have in common, and what distinguishes them."""

    points: Sequence[Point]  #: the different points, in the order of the plan
    targets: Sequence[str]
    measure: MeasureSettings | None  #: None, like the seed: the sweep was imported
    seed: int | None


class Claim(Frozen):
    """A claimed job: its spec, the attempt that fences its reports, and the sweep's file of carbon intensities."""

    spec: JobSpec
    attempt: int
    sweep_name: str = ""  #: for people
    queue: str = ""  #: the queue of the job, which may be a capability
    intensity_file: str | None = None  #: hourly intensities, for a machine that does not state its own


class StoppingRule(Frozen):
    """The rule by which the repetitions of a point end."""

    min: int = Field(ge=1)
    max: int = Field(ge=1)
    target: float = Field(gt=0)  #: stop where the 95 % interval's half-width is below this share of the mean

    @property
    def is_fixed(self) -> bool:
        """Whether the number of repetitions is fixed."""
        return self.min == self.max

    def is_planned(self, repetition: object) -> bool:
        """Return whether a repetition, if known, was planned before any result was known."""
        return self.is_fixed or not isinstance(repetition, int) or repetition < self.min


class SweepRecord(Frozen):
    """A submitted sweep."""

    id: str
    name: str
    kind: str
    submitted_at: datetime
    text: str  #: the YAML as its user wrote it
    meaning: str  #: the fields that it sets, in JSON, with absolute paths
    rule: StoppingRule
    settled: bool  #: False: the controller may still plan more repetitions
    submitter: str  #: the name of the submitter
    is_search: bool = False  #: the controller asks strategies for the sweep's jobs
    imported: bool = False  #: the sweep's measurements were made elsewhere
    carbon: StatedCarbon = StatedCarbon()  #: of machines that do not state their own
    hold_below_g_per_kwh: float | None = None  #: its jobs wait until the carbon intensity is below that
    hold_until: datetime | None = None  #: its jobs wait no longer than that; None: they are not held
    hold_note: str | None = None  #: what the controller saw last
    fresh: bool = False  #: the sweep counts no trial from before its submission
    renewed_at: datetime | None = None  #: when it was submitted last; None: unknown
