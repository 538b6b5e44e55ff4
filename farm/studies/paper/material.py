"""All that a report shows, read from the store."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from farm.analysis.aggregate import Sample
from farm.analysis.samples import WORK, samples
from farm.errors import InputError
from farm.kinds import views
from farm.model import (
    UNKNOWN_HARDWARE,
    Domain,
    FailedTrial,
    JobState,
    Machine,
    MachineStatus,
    MeasureSettings,
    Point,
    Progress,
    Quality,
    SweepRecord,
    TraceReport,
    TrialRow,
    Window,
)
from farm.report import across, observations
from farm.report.across import Across
from farm.report.analyses import Method, Options, analysis
from farm.report.document import Document
from farm.report.selection import KINDS_OF_JOULES, Labels, Selection
from farm.store import Store

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
    samples: Sequence[Sample]  #: that the results rest on
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


def gather(
    store: Store, sweeps: Sequence[SweepRecord], trials: Sequence[str], database: str, now: datetime
) -> Material:
    """Read the sweeps; `trials`: whose power traces are shown. Raises InputError for one that is not theirs."""
    studies = [_studied(store, sweep) for sweep in sweeps]
    known = [trial for study in studies for trial in study.trials]
    chosen = [_chosen(store, name, known) for name in trials] if trials else _typical(known)
    traced = [Traced(trial, store.windows(trial.trial), store.traces(trial.trial)) for trial in chosen]
    return Material(studies, _across(store, studies), [t for t in traced if t.traces], now, database)


def _studied(store: Store, sweep: SweepRecord) -> Studied:
    trials = list(store.trial_rows(sweep.id))
    jobs = [] if sweep.imported else store.jobs(sweep.id)
    rows = list(store.measurement_rows(sweep.id, kinds=WORK))
    took_part = {trial.machine_id for trial in trials}
    analyses, untested = _analysed(store, sweep)
    return Studied(
        record=sweep,
        progress=store.progress(sweep.id),
        points=[job.spec.point for job in jobs] or [trial.factors for trial in trials],
        targets=list(dict.fromkeys(job.spec.target for job in jobs)),
        measure=jobs[0].spec.measure if jobs else None,
        seed=jobs[0].spec.seed if jobs else None,
        country=jobs[0].spec.carbon_country if jobs else None,
        trials=trials,
        failures=store.failures(sweep.id),
        meters=Counter((row.domain, row.source, row.quality) for row in rows),
        environments=store.environments(sweep.id),
        machines=[status for status in store.machines() if status.machine.id in took_part],
        results=views.view(store, sweep, Selection()),
        samples=samples(trials, rows),
        analyses=analyses,
        untested=untested,
    )


def _analysed(store: Store, sweep: SweepRecord) -> tuple[list[Document], list[str]]:
    """What tests say of the factors that differ; searches have tests of their own."""
    if sweep.kind == "tuning":
        return [], []
    done, why = [], []
    try:
        factors = _differing(store, sweep)
        seen = observations.of_sweep(store, sweep, observations.ENERGY, factors, Selection())
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


def _differing(store: Store, sweep: SweepRecord) -> tuple[str, ...]:
    chosen = observations.chosen(store, sweep, (), Selection())
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


def _across(store: Store, studies: Sequence[Studied]) -> list[Across]:
    """A search spends as its strategy likes, so it is compared with nothing."""
    found = []
    for kind in dict.fromkeys(study.record.kind for study in studies if study.record.kind != "tuning"):
        alike = [study for study in studies if study.record.kind == kind]
        machines = {trial.machine_id for study in alike for trial in study.trials if trial.failure is None}
        if len(alike) > 1 or len(machines) > 1:
            found.append(across.view(store, [study.record for study in alike], Selection()))
    return [view for view in found if view.cells]


def _chosen(store: Store, name: str, known: Sequence[TrialRow]) -> TrialRow:
    trial = store.find_trial(name)
    if trial.trial not in {own.trial for own in known}:
        raise InputError(f"--trial: {trial.trial} is of sweep {trial.sweep_name}, which this report is not about")
    return trial


def _typical(known: Sequence[TrialRow]) -> list[TrialRow]:
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
