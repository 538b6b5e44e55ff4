"""A study's claims beside what was found here, claim by claim: for `farm reproduce`."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import isinf
from statistics import fmean
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.analysis.aggregate import Sample
from farm.analysis.samples import WORK, samples
from farm.analysis.statistics.libraries import library
from farm.errors import InputError
from farm.kinds.serving.live.trials import Served as ServedLive
from farm.kinds.serving.live.trials import served as served_live
from farm.kinds.serving.simulated.batches import served
from farm.kinds.tuning import results as tuning
from farm.load.policy import Policy
from farm.model import Quality, SweepRecord
from farm.report import html
from farm.report.conclusions import change, probability
from farm.report.document import Alert, Block, Facts, Findings, Heading, Note, Paragraph, Section, text_table
from farm.report.numbers import UNKNOWN, number, several
from farm.report.results import ends
from farm.report.selection import Selection
from farm.store import Store
from farm.studies.claims import batching, searches, serving, training
from farm.studies.claims.finding import Basis, Figure, Finding, Paper, Scale, Times, Trials, Verdict, apart
from farm.studies.claims.searches import Searches
from farm.studies.claims.serving import Answers, Source

PAPERS: Mapping[str, Paper] = {paper.name: paper for paper in (batching.PAPER, searches.PAPER)}
#: The sweep that has networks of most papers.
OF_DECADE = "timeline"
MODELLED = (
    "MODELLED joules: estimates from load and rated power. Verdicts on energy rest on them where they say so; they are "
    "about the model, and say nothing of the hardware."
)
SIMULATED = "SIMULATED hardware: these are no real joules, and no verdict is about real hardware."
IMPORTED = "IMPORTED: measured elsewhere, by means that this farm does not know."


@dataclass(frozen=True, slots=True)
class Reproduction:
    """All claims of a study."""

    paper: Paper
    sweeps: Sequence[SweepRecord]
    missing: Sequence[str]  #: sweeps that were never measured
    open: Mapping[str, int]  #: jobs to go of a sweep, by its name
    findings: Sequence[Finding]

    @property
    def headline(self) -> str:
        """How many claims hold, and on what."""
        found = Counter(finding.verdict for finding in self.findings)
        counts = {verdict: f"{found[verdict]} {verdict.of(found[verdict])}" for verdict in Verdict if found[verdict]}
        parts = [f"{count}{self._worth(verdict)}" for verdict, count in counts.items()]
        return f"Of {several(len(self.findings), 'claim')} {', '.join(parts)}."

    def _worth(self, verdict: Verdict) -> str:
        own = [finding for finding in self.findings if finding.verdict is verdict]
        kinds = {
            "of modelled joules": sum(finding.is_modelled for finding in own),
            "on simulated hardware": sum(finding.basis.simulated for finding in own),
        }
        said = [_share(count, len(own)) + kind for kind, count in kinds.items() if count]
        return f" ({', '.join(said)})" if said and verdict is not Verdict.UNCLEAR else ""

    @property
    def alerts(self) -> list[str]:
        """What nobody may miss."""
        of_energy = [finding for finding in self.findings if finding.claim.of_energy]
        found = [SIMULATED] if any(f.basis.simulated for f in self.findings) else []
        found += [IMPORTED] if any(f.basis.imported for f in self.findings) else []
        return found + ([MODELLED] if any(f.is_modelled for f in of_energy) else [])

    @property
    def notes(self) -> list[str]:
        """What a reader must know of all verdicts."""
        devices = {device for finding in self.findings for device in finding.basis.devices}
        own = self.paper.device
        elsewhere = sorted(device for device in devices if own and not device.startswith(own))
        found = [f"The study measured a GPU, this ran on {', '.join(elsewhere)}."] if elsewhere else []
        found += [f"{name} was never measured: its claims have no answer yet." for name in self.missing]
        found += [f"{name}: {several(to_go, 'job')} still to go." for name, to_go in self.open.items()]
        if any(finding.basis.left_out for finding in self.findings):
            found.append("Flagged trials are left out: --include-flagged counts them too.")
        return found

    def rendered(self) -> RenderableType:
        """For a terminal of 80 columns."""
        title = Text(self.paper.title, style="bold")
        about = "\n".join((self.paper.source, _of(self.sweeps), "", *self.alerts, *([""] if self.alerts else [])))
        footnotes = [Text(note, style="dim") for note in self.notes]
        parts = [part for finding in self.findings for part in _shown(finding)]
        return Group(title, Text(about), Text(self.headline), Text(), *parts, *footnotes)

    def record(self) -> dict[str, Any]:
        """For json."""
        return {
            "study": self.paper.name,
            "title": self.paper.title,
            "source": self.paper.source,
            "sweeps": [sweep.id for sweep in self.sweeps],
            "missing": list(self.missing),
            "to_go": dict(self.open),
            "conclusion": self.headline,
            "alerts": self.alerts,
            "notes": self.notes,
            "claims": [_record(finding) for finding in self.findings],
        }

    def section(self) -> Section:
        """For a report."""
        rows = [[f"{place}. {f.claim.says}", _verdict(f), _rests(f.basis)] for place, f in self._numbered()]
        grid = text_table("Claims", ("the study says", "verdict", "rests on"), rows)
        each = [block for place, finding in self._numbered() for block in _blocks(place, finding)]
        blocks: list[Block] = [
            *(Alert(alert) for alert in self.alerts),
            Paragraph(f"{self.paper.title} ({self.paper.source}). {self.headline}"),
            grid,
            *(Note(note) for note in self.notes),
            *each,
        ]
        return Section("claims", "Claims of the study", blocks)

    def _numbered(self) -> Iterator[tuple[int, Finding]]:
        return enumerate(self.findings, start=1)


def find(name: str) -> Paper:
    """A study by its name; raises InputError."""
    if name not in PAPERS:
        raise InputError(f"expected a study, {' or '.join(PAPERS)}, got {name!r}")
    return PAPERS[name]


def _share(count: int, of: int) -> str:
    """Before what so many of them are; nothing where there is but one."""
    return "" if of == 1 else "all " if count == of else f"{count} "


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
    """Read the sweeps and judge."""
    by_kind: dict[str, list[SweepRecord]] = {}
    for sweep in sweeps:
        by_kind.setdefault(sweep.kind, []).append(sweep)
    judge = _of_batching if paper is batching.PAPER else _of_training
    to_go = {sweep.name: store.progress(sweep.id).to_go for sweep in sweeps}
    found = judge(store, by_kind, include_flagged)
    return Reproduction(paper, sweeps, missing, {name: count for name, count in to_go.items() if count}, found)


def _of_batching(store: Store, by_kind: Mapping[str, Sequence[SweepRecord]], include_flagged: bool) -> list[Finding]:
    live, of_decade = by_kind.get("serving", []), [s for s in by_kind.get("inference", []) if s.name == OF_DECADE]
    inference = [sweep for sweep in by_kind.get("inference", []) if sweep not in of_decade]
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


def _of_training(store: Store, by_kind: Mapping[str, Sequence[SweepRecord]], include_flagged: bool) -> list[Finding]:
    trained = by_kind.get("training", [])
    rows = [row for sweep in trained for row in store.trial_rows(sweep.id)]
    accuracy = {row.trial: row.epochs[-1].validation_accuracy for row in rows if row.epochs}
    measured = Trials(_samples(store, trained), include_flagged)
    return [*searches.findings(_searches(store, by_kind.get("tuning", []))), *training.findings(measured, accuracy)]


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


def _of(sweeps: Sequence[SweepRecord]) -> str:
    return f"sweeps: {', '.join(f'{sweep.name} ({sweep.id})' for sweep in sweeps)}"


def _shown(finding: Finding) -> list[RenderableType]:
    """The verdict and the claim; then what is said for it, and on what it rests."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=2)
    grid.add_column(width=8, style="dim")
    grid.add_column(overflow="fold")
    grid.add_row("", "study", finding.claim.figures)
    for name, line in zip_longest(("here",), lines(finding), fillvalue=""):
        grid.add_row("", name, line)
    grid.add_row("", "rests on", _rests(finding.basis))
    return [Text(f"{_verdict(finding).upper()}: {finding.claim.says}", style="bold"), grid, Text()]


def _verdict(finding: Finding) -> str:
    """With what it is worth."""
    basis = finding.basis
    worth = ["modelled joules"] if finding.is_modelled else []
    worth += ["simulated hardware"] if basis.simulated else []
    worth += ["imported"] if basis.imported else []
    worth += ["simulated response times"] if basis.times is Times.SIMULATED and finding.figures else []
    return f"{finding.verdict} ({', '.join(worth)})" if worth else finding.verdict.value


def lines(finding: Finding) -> list[str]:
    """A line for each figure, and one that sums them up."""
    return [*map(spelt, finding.figures), f"{finding.because[:1].upper()}{finding.because[1:]}."]


def spelt(figure: Figure) -> str:
    """A figure: its size first, then how sure that is, and what it says."""
    value = figure.value
    low, high = (_value(figure.scale, end) for end in (value.low, value.high))
    span = "" if value.low is None else f"{figure.level}: {low} to {high}"
    size = change(value.mean) if figure.scale is Scale.RATIO else _value(figure.scale, value.mean)
    ratio = f"ratio {number(value.mean)}" if figure.scale is Scale.RATIO else ""
    counted = several(figure.trials, "trial") if figure.trials else ""
    p = probability(figure.p) if figure.p is not None else ""
    details = ", ".join(filter(None, (ratio, span, p, counted)))
    says = "" if figure.verdict is None else f": {figure.verdict}"
    return f"{figure.of}: {size} ({details}){says}"


def _value(scale: Scale, value: float | None) -> str:
    if value is None:
        return UNKNOWN
    if isinf(value):
        return "never"
    match scale:
        case Scale.RATIO:
            return number(value)
        case Scale.SHARE:
            return f"{number(value * 100)}%"
        case Scale.GROWTH:
            return f"{'+' if value > 0 else ''}{number(value * 100, 2)}%"


def _rests(basis: Basis) -> str:
    """Trials, machines, joules."""
    if not basis.trials:
        return "nothing" + (f"; {several(basis.left_out, 'flagged trial')} left out" if basis.left_out else "")
    parts = [f"{several(basis.trials, 'trial')} on {', '.join(basis.machines) or 'unknown machines'}"]
    parts[0] += f" ({', '.join(basis.devices)})" if basis.devices else ""
    parts += [f"{basis.left_out} flagged ones left out"] if basis.left_out else []
    parts += [f"{basis.flagged} of them flagged"] if basis.flagged else []
    parts += [f"joules {', '.join(_QUALITIES[quality] for quality in basis.qualities)}"] if basis.qualities else []
    parts += [f"response times {_TIMES[basis.times]}"] if basis.times else []
    return "; ".join(parts)


_QUALITIES = {
    Quality.COUNTER: "counted by the hardware",
    Quality.SAMPLED: "integrated from power readings",
    Quality.MODELLED: "MODELLED",
}
_TIMES = {Times.LIVE: "of live requests", Times.SIMULATED: "simulated over measured service times"}


def _blocks(place: int, finding: Finding) -> list[Block]:
    facts = [
        ("study", finding.claim.figures),
        ("rests on", _rests(finding.basis)),
        ("rule", finding.claim.rule),
    ]
    heading = f"{place}. {finding.claim.says.removesuffix('.')}: {_verdict(finding)}"
    return [Heading(heading), Facts(facts), Findings(lines(finding))]


def _record(finding: Finding) -> dict[str, Any]:
    claim, basis = finding.claim, finding.basis
    return {
        "id": claim.id,
        "claim": claim.says,
        "study": claim.figures,
        "rule": claim.rule,
        "verdict": finding.verdict.value,
        "because": finding.because,
        "evidence": lines(finding),
        "trials": basis.trials,
        "left_out": basis.left_out,
        "flagged": basis.flagged,
        "machines": list(basis.machines),
        "devices": list(basis.devices),
        "joules": [quality.value for quality in basis.qualities],
        "simulated": basis.simulated,
        "imported": basis.imported,
        "response_times": basis.times.value if basis.times else None,
        "figures": [
            {
                "of": figure.of,
                "is": figure.scale.value,
                **ends("value", figure.value),
                "p": figure.p,
                "trials": figure.trials,
                "verdict": figure.verdict.value if figure.verdict else None,
            }
            for figure in finding.figures
        ],
    }
