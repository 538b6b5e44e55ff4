"""The farm's domain types, frozen: units in the names, unknown is None, times are monotonic ns or aware UTC.

Types that cross a process, a disk or the database are pydantic models and refuse unknown fields;
types of the inner loops are dataclasses.
"""

from farm.model.data import Need, SweepData
from farm.model.imports import Import, ImportedTrial, Mapped
from farm.model.jobs import Asked, Claim, JobSpec, MeasureSettings, Rung, StoppingRule, SweepRecord
from farm.model.machines import MACHINE_NAME, Check, Heartbeat, JobMessage, Machine, Owner, Probe, queue_for
from farm.model.results import FailedTrial, MeasurementRow, TrialRow
from farm.model.samples import OWN_LABELS, Labels, Sample, SampleFigures, distinct, values_of
from farm.model.status import (
    Condition,
    MachineStatus,
    Progress,
    RunningJob,
    Temperature,
    TrialCount,
    WaitCount,
    Waiting,
)
from farm.model.trials import Epoch, Failure, Measurement, Reading, Requests, Trace, TraceReport, TrialReport, Window
from farm.model.words import (
    CPU_RATING,
    SEARCH_FACTORS,
    UNKNOWN_HARDWARE,
    Baseline,
    Domain,
    FailureKind,
    Flag,
    Frozen,
    JobState,
    MachineState,
    Point,
    Quality,
    Scalar,
    Stopped,
    WindowKind,
)

__all__ = [
    "CPU_RATING",
    "MACHINE_NAME",
    "OWN_LABELS",
    "SEARCH_FACTORS",
    "UNKNOWN_HARDWARE",
    "Asked",
    "Baseline",
    "Check",
    "Claim",
    "Condition",
    "Domain",
    "Epoch",
    "FailedTrial",
    "Failure",
    "FailureKind",
    "Flag",
    "Frozen",
    "Heartbeat",
    "Import",
    "ImportedTrial",
    "JobMessage",
    "JobSpec",
    "JobState",
    "Labels",
    "Machine",
    "MachineState",
    "MachineStatus",
    "Mapped",
    "MeasureSettings",
    "Measurement",
    "MeasurementRow",
    "Need",
    "Owner",
    "Point",
    "Probe",
    "Progress",
    "Quality",
    "Reading",
    "Requests",
    "Rung",
    "RunningJob",
    "Sample",
    "SampleFigures",
    "Scalar",
    "Stopped",
    "StoppingRule",
    "SweepData",
    "SweepRecord",
    "Temperature",
    "Trace",
    "TraceReport",
    "TrialCount",
    "TrialReport",
    "TrialRow",
    "WaitCount",
    "Waiting",
    "Window",
    "WindowKind",
    "distinct",
    "queue_for",
    "values_of",
]
