"""The results of a sweep of kind tuning: accuracy and energy of each strategy, and what may be claimed about it."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from farm.analysis.rules import may_rank_energy
from farm.analysis.samples import labels, unit_samples
from farm.kinds.tuning import tables
from farm.kinds.tuning.charts import charts, importance
from farm.kinds.tuning.comparison import BASELINE, StrategyComparison
from farm.kinds.tuning.searches import Found, studies
from farm.kinds.tuning.space import Space
from farm.kinds.tuning.workloads import Workload, workloads
from farm.model import Flag, SweepData
from farm.model.errors import InputError
from farm.report import notes
from farm.report.charts import origin
from farm.report.columns import Columns
from farm.report.document import Block, Document, Figure, Findings, Heading, Note, Paragraph, Record
from farm.report.layout import named
from farm.report.numbers import number, several
from farm.report.selection import Selected, Selection, fitting, select

COLUMNS = Columns(always=(), context=("machine", "device", "model", "dataset", "epochs", "batch_size", "optimizer"))
BY_STRATEGY, BY_CONFIGURATION = "strategy", "configuration"
NOTHING_COMPARED = (
    "Nothing is compared: a comparison needs random search with two seeds or more, and another strategy, both with "
    "known accuracy and joules."
)
#: Modelled joules rank nothing; the seconds of a search depend on its trials and their epochs.
MODELLED = f"Strategies are not compared: {notes.MODELLED}. The tables count trials."


@dataclass(frozen=True, slots=True)
class Results:
    """Results of searches."""

    selected: Selected
    found: Found
    workloads: tuple[Workload, ...]
    space: Space
    flags: Counter[Flag]
    flagged: int  #: trials that other commands leave out
    machines: int
    by: str
    targets: tuple[float, ...]  #: wanted accuracies, for each of which the energy until then is shown


def results(data: SweepData, selection: Selection) -> Results:
    """Group the trials of a sweep by study and workload; raises InputError if the selection does not fit the sweep."""
    if selection.by not in {(), (BY_STRATEGY,), (BY_CONFIGURATION,)}:
        raise InputError(f"--by: a tuning sweep is shown by {BY_STRATEGY} or by {BY_CONFIGURATION}; --where filters it")
    trials = fitting(data.trials, lambda trial: labels(trial, data.environments), selection.where)
    wanted = {trial.trial for trial in trials}
    space = Space.model_validate(json.loads(data.record.meaning)["tuning"]["space"])
    found = studies(trials, data.stages, [name for name, _ in space.items()], data.domain)
    samples = [sample for sample in unit_samples(data) if sample.labels["trial"] in wanted]
    selected = select(data.record, samples, Selection(domain=data.domain), COLUMNS)
    return Results(
        selected=replace(selected, averaged={}),  # factors that differ name the workloads
        found=found,
        workloads=tuple(workloads(found.studies)),
        space=space,
        flags=Counter(flag for trial in trials for flag in trial.flags),
        flagged=sum(any(not flag.is_note for flag in trial.flags) for trial in trials),
        machines=len({trial.machine for trial in trials if trial.machine is not None}),
        by=selection.by[0] if selection.by else BY_STRATEGY,
        targets=selection.targets,
    )


def document(found: Results) -> Document:
    """Return caption, then the tables and findings of each workload, notes and charts."""
    samples_of, is_net = found.selected.samples, found.found.is_net
    if not samples_of:
        return replace(found.selected.unmeasured(), rows=_records(found))
    energy = f"J: {'net' if is_net else 'gross'}, of setup, training and validation of every trial"
    blocks = [block for workload in found.workloads for block in _workload(found, workload)]
    importances = [block for block in blocks if isinstance(block, Figure)]
    drawn = [] if found.found.is_mixed else charts(found.workloads, origin(samples_of[0]), is_net, _is_ranked(found))
    document = Document(
        [
            Paragraph(found.selected.title),
            *found.selected.about(),
            Paragraph(energy),
            *(block for block in blocks if block not in importances),
            *map(Note, _footnotes(found)),
            *drawn,
            *importances,
        ],
        rows=_records(found),
    )
    return found.selected.with_context(document)


def _records(found: Results) -> list[Record]:
    """Return a row for each strategy and workload, or for each configuration."""
    of = tables.configurations if found.by == BY_CONFIGURATION else tables.strategies
    own: Record = {"sweep": found.selected.sweep.id, "is_net": found.found.is_net}
    return [own | record for workload in found.workloads for record in of(workload).records()]


def _workload(found: Results, workload: Workload) -> Iterator[Block]:
    if workload.key:
        yield Heading(named(dict(workload.key)))
    if found.by == BY_CONFIGURATION:
        yield tables.configurations(workload)
        return
    shown = (
        tables.reached(workload),
        tables.until(workload, found.targets),
        tables.spent(workload),
        tables.front_of(workload),
    )
    yield from (table for table in shown if table.rows)
    try:
        matters = tables.importances(workload, found.space)
    except InputError as error:
        yield Note(str(error))
    else:
        if matters.rows:
            yield matters
            yield from importance(matters)
    compared = [comparison for comparison in workload.comparisons if comparison.strategy != BASELINE]
    if not _is_ranked(found):
        yield Findings([MODELLED])
        return
    yield Findings([claim(one) for one in compared] or [NOTHING_COMPARED])


def _is_ranked(found: Results) -> bool:
    """Return True if joules may decide which strategy is better."""
    return all(may_rank_energy(sample.quality) for sample in found.selected.samples)


def claim(comparison: StrategyComparison) -> str:
    """Return what the seeds show about a strategy compared with random search."""
    seeds, strategy = len(comparison.pairs), comparison.strategy
    figures = (
        f"{tables.ratio(comparison)} of random's (median); {comparison.cheaper} of {several(seeds, 'seed')} need less"
    )
    test = f"signed-rank, Holm: p = {number(comparison.p, 2)}"
    if comparison.verdict != "unclear":
        return f"{strategy} needs {comparison.verdict} energy than random until the target: {figures}; {test}."
    if seeds < comparison.needed:
        test = f"a verdict needs {comparison.needed} seeds, has {seeds}"
    elif comparison.decided < comparison.needed:
        test = f"a verdict needs {comparison.needed} seeds that differ, has {comparison.decided}: add seeds or trials"
    return f"{strategy} against random: cannot tell which needs less energy until the target: {figures}; {test}."


def _footnotes(found: Results) -> list[str]:
    strategies = [strategy for workload in found.workloads for strategy in workload.strategies]
    unknown, pruned = sum(s.unknown for s in strategies), sum(s.pruned for s in strategies)
    own = []
    if found.by == BY_STRATEGY:
        own += notes.spread(s.best_accuracy for s in strategies)
        own.append("target: for each seed the median of the best accuracies that random reaches with the other seeds.")
        own.append("until: medians over seeds, unknown where most never get there.")
        own.append("J until / random's: with the same seed, each counted up to the joules that both spent.")
        own.append("dominated: another configuration of the study is as accurate or better, and takes no more J.")
        own.append("matters: share of the variance that each hyperparameter explains alone (fANOVA).")
    if found.found.is_mixed:
        own.append("Modelled and measured joules, or simulated and real ones, are never added: choose with --where.")
    elif unknown:
        own.append(f"The joules of {several(unknown, 'trial')} are unknown, and are in no sum.")
    if pruned and found.by == BY_STRATEGY:
        own.append("saved by pruning: an estimate, from the remaining epochs and each trial's J per epoch.")
    if found.machines > 1:
        own.append(f"{found.machines} machines took part: their joules differ for the same work.")
    if found.flagged:
        count = several(found.flagged, "flagged trial")
        own.append(f"{count} counted too: their joules were spent, and the strategies chose their points with them.")
    return [*own, *notes.flagged(found.flags)]
