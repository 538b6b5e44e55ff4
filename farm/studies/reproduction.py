"""Judge the claims of a study by what was measured here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from farm.analysis.across import block_of
from farm.analysis.aggregate import UnitSample
from farm.analysis.ratios import blocked
from farm.analysis.samples import unit_samples
from farm.kinds.serving.simulated.batches import measured_services
from farm.kinds.tuning import results as tuning
from farm.load.policy import Policy
from farm.load.served import Served, served
from farm.model import SweepData, SweepRecord
from farm.model.errors import InputError
from farm.report import html
from farm.report.selection import Selection
from farm.studies.claims import batching, rules, searches, serving, training
from farm.studies.claims.finding import Finding, Paper, Times, Trials
from farm.studies.claims.searches import Searches
from farm.studies.claims.serving import Answers, Source

PAPERS: Mapping[str, Paper] = {paper.name: paper for paper in (batching.PAPER, searches.PAPER)}
#: The sweep that has networks of most papers.
_DECADE = "timeline"


@dataclass(frozen=True, slots=True)
class Reproduction:
    """Findings about all claims of a study."""

    paper: Paper
    sweeps: Sequence[SweepRecord]
    missing: Sequence[str]  #: sweeps that were never measured
    open: Mapping[str, int]  #: number of unfinished jobs, by the name of the sweep
    findings: Sequence[Finding]


def find(name: str) -> Paper:
    """Return a study by its name; raises InputError."""
    if name not in PAPERS:
        raise InputError(f"expected a study, {' or '.join(PAPERS)}, got {name!r}")
    return PAPERS[name]


def check(is_page: bool) -> None:
    """Raise InputError if a library of a page is missing, before a sweep is measured for hours."""
    if is_page:
        html.check()


def sweeps_of(paper: Paper, is_quick: bool) -> list[str]:
    """Return the names of the ready-made sweeps that repeat a study."""
    return list(paper.quick if is_quick else paper.sweeps)


def reproduction(
    paper: Paper, data: Sequence[SweepData], missing: Sequence[str], include_flagged: bool
) -> Reproduction:
    """Judge the claims of a paper by the sweeps that were measured."""
    judge = _judge_batching if paper is batching.PAPER else _judge_training
    to_go = {one.record.name: one.progress.to_go for one in data if one.progress.to_go}
    findings = [finding.ranked() for finding in judge(data, include_flagged)]
    return Reproduction(paper, [one.record for one in data], missing, to_go, findings)


def _split(data: Sequence[SweepData], factor: str) -> tuple[list[SweepData], list[SweepData]]:
    """Return the sweeps whose trials have a factor, and the others."""
    have: list[SweepData] = []
    others: list[SweepData] = []
    for one in data:
        (have if any(factor in trial.factors for trial in one.trials) else others).append(one)
    return have, others


def _judge_batching(data: Sequence[SweepData], include_flagged: bool) -> list[Finding]:
    live, timed = _split(data, "policy")
    of_decade = [one for one in timed if one.record.name == _DECADE]
    inference = [one for one in timed if one.record.name != _DECADE]
    measured = Trials(_samples(inference), include_flagged)
    years = Trials(_samples(of_decade), include_flagged) if of_decade else None
    requests = Trials(_samples(live), include_flagged)
    simulated = [answers for one in inference for answers in _simulate(one, include_flagged)]
    absent = "no network was timed at two batch sizes, or served requests under two policies"
    sources = [
        Source(_measured_answers(live, requests), requests.basis(Times.LIVE, of_energy=False)),
        Source(simulated, measured.basis(Times.SIMULATED, of_energy=False)),
    ]
    answered = serving.findings(sources, measured.why_nothing(absent, of_energy=False))
    return [*batching.findings(measured, years), *answered, serving.judge_energy(requests)]


def _judge_training(data: Sequence[SweepData], include_flagged: bool) -> list[Finding]:
    searched, trained = _split(data, "strategy")
    rows = [row for one in trained for row in one.trials]
    accuracy = {row.trial: row.epochs[-1].validation_accuracy for row in rows if row.epochs}
    measured = Trials(_samples(trained), include_flagged)
    rules_of = {one.record.id: one.record.rule for one in trained}
    return [*searches.findings(_searches(searched)), *training.findings(measured, accuracy, rules_of)]


def _samples(sweeps: Sequence[SweepData]) -> list[UnitSample]:
    return [sample for sweep in sweeps for sample in unit_samples(sweep)]


def _simulate(sweep: SweepData, include_flagged: bool) -> list[Answers]:
    try:
        services = measured_services(sweep, Selection(include_flagged=include_flagged)).services
    except InputError:  # nothing was measured, or every trial is flagged: `Trials.why_nothing` explains it
        return []
    return [
        serving.simulate(service, ", ".join(str(value) for _, value in service.key if value is not None))
        for service in services
        if service.by_trial(1)
    ]


def _measured_answers(sweeps: Sequence[SweepData], trials: Trials) -> list[Answers]:
    """Return live answers by network, place and rate, without policies that cannot keep up."""
    windows = {trial: own for sweep in sweeps for trial, own in sweep.requests.items()}
    found = []
    for name, group in rules.group_comparable(trials.counted, serving.LOADS):
        rate = group[0].labels.get("rate_per_s")
        by_policy: dict[Policy, list[tuple[UnitSample, Served]]] = {}
        for sample in group:
            one = served(windows.get(str(sample.labels["trial"]), ()), None if rate is None else float(rate))
            if one is not None and len(one.response_s):
                by_policy.setdefault(Policy.parse(str(sample.labels["policy"])), []).append((sample, one))
        rates = [one.rate_per_s for own in by_policy.values() for _, one in own if one.rate_per_s is not None]
        rate_per_s = fmean(rates) if rates else 0.0
        kept = {p: own for p, own in by_policy.items() if rate_per_s < fmean(one.capacity_per_s for _, one in own)}
        each = [(policy, block_of(s.labels), fmean(one.response_s)) for policy, own in kept.items() for s, one in own]
        of = serving.name_network(str(group[0].labels["model"]), name)
        found += [Answers(of, rate_per_s, Times.LIVE, blocked(each))] if each else []
    return found


def _searches(sweeps: Sequence[SweepData]) -> Searches:
    views = [tuning.results(sweep, Selection()) for sweep in sweeps]
    studies = [study for view in views for study in view.found.studies]
    every = Trials([sample for view in views for sample in view.selected.samples], include_flagged=True)
    return Searches(studies, every.basis())
