"""The material of a report: everything it shows, made from the loaded data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import JsonValue

from farm.analysis.aggregate import UnitSample
from farm.analysis.samples import per_unit
from farm.kinds import views
from farm.model import (
    UNKNOWN_HARDWARE,
    Domain,
    FailedTrial,
    JobState,
    Machine,
    MachineStatus,
    Need,
    Plan,
    Progress,
    Quality,
    Spent,
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
from farm.report.document import Block, Document
from farm.report.selection import KINDS_OF_JOULES, Selection

#: Data that a report needs besides the needs of the sweep's kind.
NEEDS = frozenset(observations.needs(observations.ENERGY)) | {
    *(Need.PLAN, Need.TRIALS, Need.FAILURES, Need.PROGRESS, Need.ENVIRONMENTS, Need.MACHINES, Need.METERS, Need.SPENT)
}
#: Tests of each sweep; pairs are compared only up to this number of cells, and only this number of factors is tested.
_METHODS = (Method.ANOVA, Method.PAIRS)
_MOST_CELLS, _MOST_FACTORS = 8, 3
_NO_FACTORS = frozenset(
    {"machine", "hardware_class", "environment", "sweep", "repetition", "job", "trial", "device", *KINDS_OF_JOULES}
)

_PLAIN = Selection()

#: A domain, the meter that read it, and the quality of its joules.
Metered = tuple[Domain, str | None, Quality | None]


@dataclass(frozen=True, slots=True)
class Studied:
    """One sweep with its trials, results and tests."""

    record: SweepRecord
    progress: Progress
    plan: Plan
    trials: Sequence[TrialRow]
    failures: Sequence[FailedTrial]
    meters: Mapping[Metered, int]  #: number of windows of work
    environments: Mapping[str, Mapping[str, JsonValue]]
    machines: Sequence[MachineStatus]
    findings: Sequence[Block]  #: what the sweep shows, in few words
    results: Document
    samples: Sequence[UnitSample]  #: samples on which the results rest, without times of batches
    spent: Sequence[Spent]  #: what all windows of all trials took
    analyses: Sequence[Document]
    untested: Sequence[str]  #: reasons why something was not tested

    def count(self, state: JobState) -> int:
        """Return the number of jobs in a state."""
        return self.progress.counts.get(state, 0)


@dataclass(frozen=True, slots=True)
class Traced:
    """Trial with its windows and the readings of its meters."""

    trial: TrialRow
    windows: Sequence[Window]
    traces: Sequence[TraceReport]


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that a report shows, at one moment."""

    studies: Sequence[Studied]
    across: Sequence[Across]  #: comparisons of several sweeps of a kind, or of several machines
    traced: Sequence[Traced]
    made_at: datetime
    database: str  #: URL of the database without a password
    include_flagged: bool  #: flagged trials are compared too

    @property
    def machines(self) -> list[tuple[Machine, str]]:
        """Return each machine that measured, with the version of its worker."""
        return list({s.machine.id: (s.machine, s.version) for study in self.studies for s in study.machines}.values())


def gather(
    data: Sequence[SweepData],
    traced: Sequence[Traced],
    database: str,
    now: datetime,
    selection: Selection = _PLAIN,
) -> Material:
    """Make the material of a report from loaded data; `traced` are the trials whose power traces are shown."""
    studies = [_study(one, selection) for one in data]
    shown = [one for one in traced if one.traces]
    return Material(studies, _compare(data, selection), shown, now, database, selection.include_flagged)


def _study(data: SweepData, selection: Selection) -> Studied:
    took_part = {trial.machine_id for trial in data.trials}
    analyses, untested = _analyse(data, selection)
    plan = data.plan or Plan((), (), None, None)
    return Studied(
        record=data.record,
        progress=data.progress,
        plan=plan,
        trials=data.trials,
        failures=data.failures,
        meters=data.meters,
        environments=data.environments,
        machines=[status for status in data.machines if status.machine.id in took_part],
        findings=views.findings(data, selection),
        results=views.view(data, selection),
        samples=per_unit(data.samples, environments=data.environments),
        spent=data.spent,
        analyses=analyses,
        untested=untested,
    )


def _analyse(data: SweepData, selection: Selection) -> tuple[list[Document], list[str]]:
    """Return the tests of the factors that differ, and why others are missing; searches have their own tests."""
    if data.record.is_search:
        return [], []
    done, why = [], []
    try:
        factors = _choose_factors(data, selection)
        seen = observations.of_sweep(data, observations.ENERGY, factors, selection)
    except InputError as error:
        return [], [str(error)]
    if not factors:
        return [], ["there is only one point, and nothing to compare it with"]
    for method in _METHODS:
        if method is Method.PAIRS and len(seen.data.cells(factors)) > _MOST_CELLS:
            continue
        try:
            done.append(analysis(method, seen, factors, Options()))
        except InputError as error:
            why.append(f"{method}: {error}")
    return done, why


def _choose_factors(data: SweepData, selection: Selection) -> tuple[str, ...]:
    """Return the factors that differ; the first one separates different hardware, if there is any."""
    chosen = observations.choose_trials(data, (), selection)
    labels = [trial.labels for trial in chosen.trials]
    names = [name for name in labels[0] if name not in _NO_FACTORS and len({own.get(name) for own in labels}) > 1]
    try:
        observations.check_hardware(labels, ())
    except InputError:
        is_unknown = any(own.get("hardware_class") == UNKNOWN_HARDWARE for own in labels)
        names.insert(0, "machine" if is_unknown else "hardware_class")
    return tuple(names[:_MOST_FACTORS])


def _compare(data: Sequence[SweepData], selection: Selection) -> list[Across]:
    """Compare machines and sweeps of each kind, without searches: their strategies decide what they spend.

    The comparison keeps its samples, so they have no times of batches, which it does not show.
    """
    found = []
    for kind in dict.fromkeys(one.record.kind for one in data if not one.record.is_search):
        alike = [replace(one, latencies_s={}) for one in data if one.record.kind == kind]
        machines = {trial.machine_id for one in alike for trial in one.trials if trial.failure is None}
        if len(alike) > 1 or len(machines) > 1:
            found.append(across.view(alike, selection))
    return [view for view in found if view.cells]


def choose_typical(known: Sequence[TrialRow]) -> list[TrialRow]:
    """Return for each machine and device that measured the first trial with the fewest flags."""
    best: dict[tuple[str | None, JsonValue], TrialRow] = {}
    for trial in known:
        place = (trial.machine_id, trial.facts.get("device"))
        if trial.failure is None and not trial.imported:
            held = best.setdefault(place, trial)
            if len(trial.flags) < len(held.flags):
                best[place] = trial
    return list(best.values())
