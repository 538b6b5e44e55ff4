"""All that the results of one sweep are made from, read once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import JsonValue

from farm.model.jobs import JobSpec, SweepRecord
from farm.model.results import FailedTrial, MeasurementRow, TrialRow
from farm.model.samples import Sample
from farm.model.status import MachineStatus, Progress
from farm.model.trials import Requests
from farm.model.words import Domain, Quality


class Need(StrEnum):
    """What a view needs besides the sweep's record and its samples; the rest is not read."""

    PARTS = "parts"
    TRIALS = "trials"
    STAGES = "stages"
    REQUESTS = "requests"
    LATENCIES = "latencies"
    ACCURACY = "accuracy"
    SPECS = "specs"
    FAILURES = "failures"
    PROGRESS = "progress"
    ENVIRONMENTS = "environments"
    MACHINES = "machines"
    METERS = "meters"


@dataclass(frozen=True, slots=True)
class SweepData:
    """One sweep. Each field but the first three is empty unless its `Need` was named when the data was loaded."""

    record: SweepRecord
    domain: Domain | None  #: of the samples; None: of each trial its own device's
    samples: Sequence[Sample]  #: one a trial that measured, in the order of the plan
    parts: Sequence[Sample] = ()  #: one a trial and part, of kinds that have parts
    trials: Sequence[TrialRow] = ()  #: failed ones too, with their epochs
    stages: Sequence[MeasurementRow] = ()  #: the windows of setup, training and validation
    requests: Mapping[str, Sequence[Requests]] = field(default_factory=dict)  #: by trial, window by window
    latencies_s: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  #: of each batch, by trial
    accuracy: Mapping[str, float] = field(default_factory=dict)  #: published ImageNet top-1 in %, by model
    specs: Sequence[JobSpec] = ()  #: of the jobs, in the order of the plan
    failures: Sequence[FailedTrial] = ()
    progress: Progress = field(default_factory=lambda: Progress({}))
    environments: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)  #: software, by its hash
    machines: Sequence[MachineStatus] = ()  #: all machines of the farm
    meters: Mapping[tuple[Domain, str | None, Quality | None], int] = field(default_factory=dict)  #: measurements each
