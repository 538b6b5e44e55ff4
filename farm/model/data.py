"""The data of one sweep from which its results are computed, read once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

from pydantic import JsonValue

from farm.model.carbon import CarbonFactor
from farm.model.jobs import MeasureSettings, Plan, SweepRecord
from farm.model.results import FailedTrial, MeasurementRow, Spent, TrialRow
from farm.model.samples import Sample
from farm.model.status import MachineStatus, Progress
from farm.model.trials import Requests
from farm.model.words import Domain, Quality


class Need(StrEnum):
    """A kind of data that a view needs besides the sweep's record and its samples; the rest is not read."""

    PARTS = "parts"
    TRIALS = "trials"
    STAGES = "stages"
    WORK = "work"
    REQUESTS = "requests"
    LATENCIES = "latencies"
    ACCURACY = "accuracy"
    LAST_ACCURACY = "last_accuracy"
    PLAN = "plan"
    FAILURES = "failures"
    PROGRESS = "progress"
    ENVIRONMENTS = "environments"
    MACHINES = "machines"
    METERS = "meters"
    MEASURES = "measures"
    SPENT = "spent"


@dataclass(frozen=True, slots=True)
class SweepData:
    """The data of one sweep. A field after the first three is empty unless its `Need` was named on loading."""

    record: SweepRecord
    domain: Domain | None  #: the domain of the samples; None: the domain of each trial's own device
    samples: Sequence[Sample]  #: one for each trial that measured, in the order of the plan
    parts: Sequence[Sample] = ()  #: one for each trial and part, where a kind has parts
    trials: Sequence[TrialRow] = ()  #: all trials with their epochs, failed ones too
    stages: Sequence[MeasurementRow] = ()  #: the windows of setup, training and validation
    work: Sequence[MeasurementRow] = ()  #: the windows of work that samples rest on
    requests: Mapping[str, Sequence[Requests]] = field(default_factory=dict)  #: by trial, window by window
    latencies_s: Mapping[str, Sequence[float]] = field(default_factory=dict)  #: the duration of each batch, by trial
    accuracy: Mapping[str, float] = field(default_factory=dict)  #: published ImageNet top-1 in %, by model
    last_accuracy: Mapping[str, float] = field(default_factory=dict)  #: after the last epoch, by trial
    plan: Plan | None = None
    failures: Sequence[FailedTrial] = ()
    progress: Progress = field(default_factory=lambda: Progress({}))
    environments: Mapping[str, Mapping[str, JsonValue]] = field(
        default_factory=dict
    )  #: software, by its hash; always loaded
    machines: Sequence[MachineStatus] = ()  #: all machines of the farm
    meters: Mapping[tuple[Domain, str | None, Quality | None], int] = field(default_factory=dict)  #: their measurements
    measures: Sequence[MeasureSettings] = ()  #: the different settings by which its jobs measure
    spent: Sequence[Spent] = ()  #: what all windows of all trials took

    def with_carbon(self, stated: CarbonFactor) -> Self:
        """Return the data with this intensity instead of all others; the PUE stays that of the machine or the sweep."""
        return replace(
            self,
            samples=[replace(one, carbon=stated.at(one.carbon.pue)) for one in self.samples],
            parts=[replace(one, carbon=stated.at(one.carbon.pue)) for one in self.parts],
            trials=[replace(one, carbon=stated.at(one.carbon.pue)) for one in self.trials],
            spent=[replace(one, carbon=stated.at(one.carbon.pue)) for one in self.spent],
        )
