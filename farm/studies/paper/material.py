"""All that a report shows, read from the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from farm.analysis.aggregate import UnitSample
from farm.analysis.samples import unit_samples
from farm.kinds import views
from farm.model import (
    UNKNOWN_HARDWARE,
    Domain,
    FailedTrial,
    JobState,
    Machine,
    MachineStatus,
    MeasureSettings,
    Need,
    Point,
    Progress,
    Quality,
    SweepData,
    SweepRecord,
    TraceReport,
    TrialRow,
    Window,
)
from farm.model.errors import InputError
from farm.report import across, observations
from farm.report.across import Across
from farm.report.analyses import Method, Options, analysis
from farm.report.document import Document
from farm.report.selection import KINDS_OF_JOULES, Labels, Selection

#: What a report needs besides what the results of a sweep's kind need.
NEEDS = frozenset(
    {
        *observations.NEEDS, Need.SPECS, Need.FAILURES, Need.PROGRESS, Need.ENVIRONMENTS, Need.MACHINES, Need.METERS,
    }
)  # fmt: skip
#: What is tested of each sweep; pairs only of so many cells, and of what differs only so many factors.
_METHODS = (Method.ANOVA, Method.PAIRS)
_MOST_CELLS, _MOST_FACTORS = 8, 3
_NO_FACTORS = frozenset(
    {"machine", "hardware_class", "environment", "sweep", "repetition", "job", "trial", "device", *KINDS_OF_JOULES}
)

#: A domain, the meter that read it, and what its joules are worth.
Metered = tuple[Domain, str | None, Quality | None]


@dataclass(frozen=True, slots=True)
class Studied:
    """One sweep and what came of it."""

    record: SweepRecord
    progress: Progress
    points: Sequence[Point]  #: of its jobs
    targets: Sequence[str]
    measure: MeasureSettings | None  #: None: imported
    seed: int | None
    country: str | None
    trials: Sequence[TrialRow]
    failures: Sequence[FailedTrial]
    meters: Mapping[Metered, int]  #: windows of work
    environments: Mapping[str, Mapping[str, JsonValue]]
    machines: Sequence[MachineStatus]
    results: Document
    samples: Sequence[UnitSample]  #: that the results rest on
    analyses: Sequence[Document]
    untested: Sequence[str]  #: why something was not tested


@dataclass(frozen=True, slots=True)
class Traced:
    """A trial as its meters saw it."""

    trial: TrialRow
    windows: Sequence[Window]
    traces: Sequence[TraceReport]


@dataclass(frozen=True, slots=True)
class Material:
    """Everything, at one moment."""

    studies: Sequence[Studied]
    across: Sequence[Across]  #: of sweeps of a kind, where there are several of them, or several machines
    traced: Sequence[Traced]
    made_at: datetime
    database: str  #: its URL, without a password


def gather(data: Sequence[SweepData], traced: Sequence[Traced], database: str, now: datetime) -> Material:
    """Make the material of a report from what was loaded; `traced` are the trials whose power traces are shown."""
    studies = [_studied(one) for one in data]
    return Material(studies, _across(data), [t for t in traced if t.traces], now, database)


def _studied(data: SweepData) -> Studied:
    took_part = {trial.machine_id for trial in data.trials}
    analyses, untested = _analysed(data)
    specs = data.specs
    return Studied(
        record=data.record,
        progress=data.progress,
        points=[spec.point for spec in specs] or [trial.factors for trial in data.trials],
        targets=list(dict.fromkeys(spec.target for spec in specs)),
        measure=specs[0].measure if specs else None,
        seed=specs[0].seed if specs else None,
        country=specs[0].carbon_country if specs else None,
        trials=data.trials,
        failures=data.failures,
        meters=data.meters,
        environments=data.environments,
        machines=[status for status in data.machines if status.machine.id in took_part],
        results=views.view(data, Selection()),
        samples=unit_samples(data),
        analyses=analyses,
        untested=untested,
    )


def _analysed(data: SweepData) -> tuple[list[Document], list[str]]:
    """What tests say of the factors that differ; searches have tests of their own."""
    if data.record.is_search:
        return [], []
    done, why = [], []
    try:
        factors = _differing(data)
        seen = observations.of_sweep(data, observations.ENERGY, factors, Selection())
    except InputError as error:
        return [], [str(error)]
    if not factors:
        return [], ["there is one point only, and nothing to compare it with"]
    for method in _METHODS:
        if method is Method.PAIRS and len(seen.data.cells(factors)) > _MOST_CELLS:
            continue
        try:
            done.append(analysis(method, seen, factors, Options()))
        except InputError as error:
            why.append(f"{method}: {error}")
    return done, why


def _differing(data: SweepData) -> tuple[str, ...]:
    chosen = observations.choose_trials(data, (), Selection())
    labels = [trial.labels for trial in chosen.trials]
    names = [name for name in labels[0] if name not in _NO_FACTORS and len({own.get(name) for own in labels}) > 1]
    return tuple([*_hardware(labels), *names][:_MOST_FACTORS])


def _hardware(labels: Sequence[Labels]) -> list[str]:
    """What keeps different hardware apart, where there is some."""
    try:
        observations.check_hardware(labels, ())
    except InputError:
        is_unknown = any(own.get("hardware_class") == UNKNOWN_HARDWARE for own in labels)
        return ["machine" if is_unknown else "hardware_class"]
    return []


def _across(data: Sequence[SweepData]) -> list[Across]:
    """A search spends as its strategy likes, so it is compared with nothing."""
    found = []
    for kind in dict.fromkeys(one.record.kind for one in data if not one.record.is_search):
        alike = [one for one in data if one.record.kind == kind]
        machines = {trial.machine_id for one in alike for trial in one.trials if trial.failure is None}
        if len(alike) > 1 or len(machines) > 1:
            found.append(across.view(alike, Selection()))
    return [view for view in found if view.cells]


def typical(known: Sequence[TrialRow]) -> list[TrialRow]:
    """One a machine and device that measured: with as few flags as there are, the first of its plan."""
    best: dict[tuple[str | None, JsonValue], TrialRow] = {}
    for trial in known:
        place = (trial.machine_id, trial.facts.get("device"))
        if trial.failure is None and not trial.imported:
            held = best.setdefault(place, trial)
            if len(trial.flags) < len(held.flags):
                best[place] = trial
    return list(best.values())


def count(study: Studied, state: JobState) -> int:
    """Its jobs that stand so."""
    return study.progress.counts.get(state, 0)


def machines(material: Material) -> list[tuple[Machine, str]]:
    """Each that took part, with the version of its worker."""
    each = {s.machine.id: (s.machine, s.version) for study in material.studies for s in study.machines}
    return list(each.values())
