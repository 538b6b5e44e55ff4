"""What is to be measured: sweeps and jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from farm.model.words import Baseline, Frozen, Point


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


#: The name of an entry point of group `wattfarm.workloads`.
WorkloadName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,59}$")]


class JobSpec(Frozen):
    """All that a worker needs to run one job."""

    version: Literal[1] = 1
    job: str  #: id: hash of sweep, point, target and repetition
    sweep: str  #: id of the sweep
    kind: WorkloadName  #: of the workload that runs; `burn`, the load of the probe, is in no sweep
    point: Point
    repetition: int = Field(ge=0)
    target: str  #: any, hw:CLASS, machine:NAME, or what a machine must have: gpu.memory_gib >= 40
    measure: MeasureSettings
    seed: int
    time_limit_s: float = Field(gt=0)
    carbon_country: str | None = None  #: ISO 3166 alpha-3
    asked: Asked | None = None  #: None: planned when the sweep was submitted
    rungs: tuple[Rung, ...] = ()  #: in order of their epochs
    resumable: bool = False  #: the trial saves checkpoints, from which the next attempt goes on


class Claim(Frozen):
    """A job that a worker won: its spec and the attempt that fences it."""

    spec: JobSpec
    attempt: int


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
    is_search: bool = False  #: the controller asks strategies for its jobs
    imported: bool = False  #: its measurements were made elsewhere
