"""Repeat a study: judge its claims by what was measured here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from farm.analysis.aggregate import Sample
from farm.analysis.samples import WORK, samples
from farm.analysis.statistics.libraries import library
from farm.errors import InputError
from farm.kinds.serving.live.trials import Served as ServedLive
from farm.kinds.serving.live.trials import served as served_live
from farm.kinds.serving.simulated.batches import served
from farm.kinds.tuning import results as tuning
from farm.load.policy import Policy
from farm.model import SweepRecord
from farm.report import html
from farm.report.selection import Selection
from farm.store import Store
from farm.studies.claims import batching, searches, serving, training
from farm.studies.claims.finding import Finding, Paper, Times, Trials, apart
from farm.studies.claims.searches import Searches
from farm.studies.claims.serving import Answers, Source

PAPERS: Mapping[str, Paper] = {paper.name: paper for paper in (batching.PAPER, searches.PAPER)}
#: The sweep that has networks of most papers.
OF_DECADE = "timeline"
#: Factors that only some sweeps of a study have: those of live requests, and those of a search.
_OF_REQUESTS, _OF_SEARCH = "policy", "strategy"


@dataclass(frozen=True, slots=True)
class Reproduction:
    """All claims of a study."""

    paper: Paper
    sweeps: Sequence[SweepRecord]
    missing: Sequence[str]  #: sweeps that were never measured
    open: Mapping[str, int]  #: jobs to go of a sweep, by its name
    findings: Sequence[Finding]


def find(name: str) -> Paper:
    """A study by its name; raises InputError."""
    if name not in PAPERS:
        raise InputError(f"expected a study, {' or '.join(PAPERS)}, got {name!r}")
    return PAPERS[name]


def check(is_page: bool) -> None:
    """Raise InputError where a library is missing: before anybody measures for hours."""
    library("statsmodels.formula.api")
    if is_page:
        html.check()


def sweeps_of(paper: Paper, is_quick: bool) -> list[str]:
    """The ready-made sweeps that repeat it."""
    return list(paper.quick if is_quick else paper.sweeps)


def reproduction(
    store: Store, paper: Paper, sweeps: Sequence[SweepRecord], missing: Sequence[str], include_flagged: bool
) -> Reproduction:
    """Read the sweeps of a study and judge its claims."""
    judge = _of_batching if paper is batching.PAPER else _of_training
    to_go = {sweep.name: store.progress(sweep.id).to_go for sweep in sweeps}
    found = judge(store, sweeps, include_flagged)
    return Reproduction(paper, sweeps, missing, {name: count for name, count in to_go.items() if count}, found)


def _parted(store: Store, sweeps: Sequence[SweepRecord], factor: str) -> tuple[list[SweepRecord], list[SweepRecord]]:
    """Sweeps whose trials have a factor, and the others."""
    have = [sweep for sweep in sweeps if any(factor in row.factors for row in store.trial_rows(sweep.id))]
    return have, [sweep for sweep in sweeps if sweep not in have]


def _of_batching(store: Store, sweeps: Sequence[SweepRecord], include_flagged: bool) -> list[Finding]:
    live, timed = _parted(store, sweeps, _OF_REQUESTS)
    of_decade = [sweep for sweep in timed if sweep.name == OF_DECADE]
    inference = [sweep for sweep in timed if sweep not in of_decade]
    measured = Trials(_samples(store, inference), include_flagged)
    years = Trials(_samples(store, of_decade), include_flagged) if of_decade else None
    requests = Trials(_samples(store, live), include_flagged)
    simulated = [answers for sweep in inference for answers in _simulated(store, sweep, include_flagged)]
    nothing = "no network was timed at two batch sizes, or served requests under two policies"
    sources = [
        Source(_live(store, live, requests), requests.basis(Times.LIVE, of_energy=False)),
        Source(simulated, measured.basis(Times.SIMULATED, of_energy=False)),
    ]
    answered = serving.findings(sources, measured.nothing(nothing, of_energy=False))
    return [*batching.findings(measured, years), *answered, serving.thrift(requests)]


def _of_training(store: Store, sweeps: Sequence[SweepRecord], include_flagged: bool) -> list[Finding]:
    searched, trained = _parted(store, sweeps, _OF_SEARCH)
    rows = [row for sweep in trained for row in store.trial_rows(sweep.id)]
    accuracy = {row.trial: row.epochs[-1].validation_accuracy for row in rows if row.epochs}
    measured = Trials(_samples(store, trained), include_flagged)
    return [*searches.findings(_searches(store, searched)), *training.findings(measured, accuracy)]


def _samples(store: Store, sweeps: Sequence[SweepRecord]) -> list[Sample]:
    return [
        sample
        for sweep in sweeps
        for sample in samples(store.trial_rows(sweep.id), store.measurement_rows(sweep.id, kinds=WORK))
    ]


def _simulated(store: Store, sweep: SweepRecord, include_flagged: bool) -> list[Answers]:
    try:
        services = served(store, sweep, Selection(include_flagged=include_flagged)).services
    except InputError:  # nothing is measured, or all is flagged: the trials' basis says so
        return []
    return [
        serving.simulated(service, ", ".join(str(value) for _, value in service.key if value is not None))
        for service in services
        if service.by_trial
    ]


def _live(store: Store, sweeps: Sequence[SweepRecord], trials: Trials) -> list[Answers]:
    """By network, place and rate; policies that cannot keep up have no response times."""
    windows = {trial: own for sweep in sweeps for trial, own in store.requests(sweep.id).items()}
    found = []
    for name, group in apart(trials.counted, serving.LOADS):
        rate = group[0].labels.get("rate_per_s")
        by_policy: dict[Policy, list[ServedLive]] = {}
        for sample in group:
            one = served_live(windows.get(str(sample.labels["trial"]), ()), None if rate is None else float(rate))
            if one is not None and len(one.response_s):
                by_policy.setdefault(Policy.parse(str(sample.labels["policy"])), []).append(one)
        rate_per_s = _rate_per_s([one for own in by_policy.values() for one in own])
        kept = {p: own for p, own in by_policy.items() if rate_per_s < fmean(one.capacity_per_s for one in own)}
        mean_s = {policy: [fmean(one.response_s) for one in own] for policy, own in kept.items()}
        of = serving.called(str(group[0].labels["model"]), name)
        found += [Answers(of, rate_per_s, Times.LIVE, mean_s)] if mean_s else []
    return found


def _rate_per_s(trials: Sequence[ServedLive]) -> float:
    """Mean over those that tell; 0 where none does."""
    known = [one.rate_per_s for one in trials if one.rate_per_s is not None]
    return fmean(known) if known else 0.0


def _searches(store: Store, sweeps: Sequence[SweepRecord]) -> Searches:
    views = [tuning.results(store, sweep, Selection()) for sweep in sweeps]
    studies = [study for view in views for study in view.found.studies]
    every = Trials([sample for view in views for sample in view.selected.samples], include_flagged=True)
    return Searches(studies, every.basis())
