"""The results of a sweep of kind tuning: what each strategy found, what that took, and what may be claimed of it."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from statistics import median

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farm.analysis.aggregate import Key
from farm.analysis.samples import labels, unit_samples
from farm.errors import InputError
from farm.kinds.tuning.comparison import BASELINE, LEAST_SEEDS, SIGNIFICANCE, StrategyComparison, comparisons
from farm.kinds.tuning.importance import importance
from farm.kinds.tuning.searches import Configuration, Found, StrategySummary, Study, front, studies, summarise
from farm.kinds.tuning.space import Space
from farm.model import Flag, Point, Quality, Scalar, SweepData
from farm.report import notes
from farm.report import results as inference
from farm.report.columns import Columns
from farm.report.grids import Row, grids, listed, named
from farm.report.numbers import UNKNOWN, count, label, number, percent, percent_interval, several
from farm.report.selection import Selected, Selection, fitting, select

COLUMNS = Columns(always=(), context=("machine", "device", "model", "dataset", "epochs", "batch_size", "optimizer"))
BY_STRATEGY, BY_CONFIGURATION = "strategy", "configuration"
#: Configurations of the Pareto front in the table; all of them are among the records by configuration.
_FRONT = 8
_NOTHING_COMPARED = "Nothing is compared: that takes random search and another strategy, with accuracy and joules."
_REACHED = ("seeds", "best accuracy\n% (95%)", "J in\nall", "reach\nrandom's", "trials\nuntil", "J until\n/ random's J")
_SPENT = ("trials", "share of J\nfailed", "\npruned", "\ndominated", "saved by\npruning, J", "ask\ns", "ask\nCPU s")


@dataclass(frozen=True, slots=True)
class Workload:
    """All that a sweep brought on one workload."""

    key: Key  #: what tells it from the other workloads of the sweep
    studies: tuple[Study, ...]
    strategies: tuple[StrategySummary, ...]
    comparisons: tuple[StrategyComparison, ...]

    def comparison(self, strategy: str) -> StrategyComparison | None:
        """Of a strategy; None where there was nothing to compare."""
        return next((comparison for comparison in self.comparisons if comparison.strategy == strategy), None)


@dataclass(frozen=True, slots=True)
class Results:
    """Searches, summed up."""

    selected: Selected
    found: Found
    workloads: tuple[Workload, ...]
    space: Space
    flags: Counter[Flag]
    machines: int
    by: str
    targets: tuple[float, ...]  #: accuracies, of which the energy until they are reached is shown

    def rendered(self) -> RenderableType:
        """Caption, then for each workload its tables and sentences, and footnotes."""
        if not self.selected.samples:
            return Text(self.selected.nothing())
        energy = f"J: {'net' if self.found.is_net else 'gross'}, of setup, training and validation of every trial"
        caption = Text("\n".join((*self.selected.caption(), energy, "")))
        show = _configurations if self.by == BY_CONFIGURATION else self._workload
        footnotes = [Text(note, style="dim") for note in self._footnotes()]
        return Group(caption, *(show(workload) for workload in self.workloads), *footnotes)

    def records(self) -> list[dict[str, Scalar]]:
        """For csv, json and parquet: one a strategy and workload, or one a configuration."""
        make = _configuration_records if self.by == BY_CONFIGURATION else _strategy_records
        own: dict[str, Scalar] = {"sweep": self.selected.sweep.id, "is_net": self.found.is_net}
        return [own | record for workload in self.workloads for record in make(workload)]

    def _workload(self, workload: Workload) -> RenderableType:
        sentences = Table.grid(padding=(0, 1))
        for sentence in self._sentences(workload):
            sentences.add_row("•", sentence)
        heading = [Text(named(dict(workload.key)), style="bold")] if workload.key else []
        tables = (
            _reached(workload),
            _until(workload, self.targets),
            _spent(workload),
            _front(workload),
            self._importance(workload),
        )
        return Group(*heading, *(table for table in tables if table is not None), sentences, Text())

    def _importance(self, workload: Workload) -> RenderableType | None:
        tried = [configuration for study in workload.studies for configuration in study.configurations]
        figures = {"accuracy": [(c, c.accuracy) for c in tried], "J": [(c, c.energy_j) for c in tried]}
        try:
            shares = {name: importance(self.space, pairs) for name, pairs in figures.items()}
        except InputError as error:
            return Text(f"{error}\n", style="dim")
        names = list(dict.fromkeys(name for share in shares.values() for name in share or {}))
        rows = [
            Row((("matters for", name),), [percent(share[name]) if share else UNKNOWN for share in shares.values()])
            for name in names
        ]
        return grids(rows, tuple(shares)) if rows else None

    def _sentences(self, workload: Workload) -> list[str]:
        compared = [comparison for comparison in workload.comparisons if comparison.strategy != BASELINE]
        is_modelled = any(sample.quality is Quality.MODELLED for sample in self.selected.samples)
        return [
            *(claim(comparison, is_modelled) for comparison in compared),
            *([] if compared else [_NOTHING_COMPARED]),
        ]

    def _footnotes(self) -> list[str]:
        strategies = [strategy for workload in self.workloads for strategy in workload.strategies]
        unknown, pruned = sum(s.unknown for s in strategies), sum(s.pruned for s in strategies)
        own = []
        if self.by == BY_STRATEGY:
            own.append("reach random's: seeds with which it has at least random's best accuracy; medians over seeds.")
            own.append("dominated: another configuration of the study is no less accurate, for no more J.")
            own.append("matters: share of the variance that each hyperparameter explains alone (fANOVA).")
        if self.found.is_mixed:
            own.append("Modelled and measured joules, or simulated and real ones, are never added: choose by --where.")
        elif unknown:
            own.append(f"The joules of {unknown} trials are unknown, and in no sum.")
        if pruned and self.by == BY_STRATEGY:
            own.append("saved by pruning: an estimate, of the epochs left at each trial's own J per epoch.")
        if self.machines > 1:
            own.append(f"{self.machines} machines took part: their joules differ for the same work.")
        if self.flags:
            own.append("Flagged trials count all the same: a search without them never took place.")
        return [*own, *notes.flagged(self.flags)]


def results(data: SweepData, selection: Selection) -> Results:
    """Filter and sum up, study by study; raises InputError for a choice that does not fit."""
    if selection.by not in {(), (BY_STRATEGY,), (BY_CONFIGURATION,)}:
        raise InputError(f"--by: a tuning sweep is shown by {BY_STRATEGY} or by {BY_CONFIGURATION}; --where filters it")
    trials = fitting(data.trials, labels, selection.where)
    wanted = {trial.trial for trial in trials}
    space = Space.model_validate(json.loads(data.record.meaning)["tuning"]["space"])
    found = studies(trials, data.stages, [name for name, _ in space.items()], data.domain)
    samples = [sample for sample in unit_samples(data) if sample.labels["trial"] in wanted]
    selected = select(data.record, samples, Selection(domain=data.domain), COLUMNS)
    return Results(
        selected=replace(selected, averaged={}),  # what differs names the workloads
        found=found,
        workloads=tuple(_workloads(found.studies)),
        space=space,
        flags=Counter(flag for trial in trials for flag in trial.flags),
        machines=len({trial.machine for trial in trials if trial.machine is not None}),
        by=selection.by[0] if selection.by else BY_STRATEGY,
        targets=selection.targets,
    )


def claim(comparison: StrategyComparison, is_modelled: bool) -> str:
    """What may be said of a strategy and random search: no more than the seeds show."""
    seeds, strategy = len(comparison.races), comparison.strategy
    joules = "modelled energy" if is_modelled else "energy"
    if comparison.verdict == "never":
        return f"{strategy} reaches random's best accuracy with none of {several(seeds, 'seed')}."
    figures = f"{comparison.reached} of {several(seeds, 'seed')} reach it"
    if isfinite(comparison.ratio):
        figures += f", after {_ratio(comparison)} of what random spends in all (median)"
    if comparison.verdict == "less":
        test = f"Wilcoxon signed-rank, one-sided, Holm: p = {number(comparison.p, 2)}"
        return f"{strategy} reaches random's best accuracy with less {joules}: {figures}; {test}."
    if seeds < LEAST_SEEDS:
        why = f"a claim needs at least {LEAST_SEEDS} seeds"
    elif comparison.least_p > SIGNIFICANCE:
        why = f"so few seeds cannot give a p below {number(comparison.least_p, 2)}: use more"
    else:
        why = f"p = {number(comparison.p, 2)}"
    return f"{strategy} against random: cannot tell whether it needs less {joules}. {figures}; {why}."


def _workloads(found: Sequence[Study]) -> Iterable[Workload]:
    """Each named by what tells it from the others."""
    keys = list(dict.fromkeys(study.workload for study in found))
    levels = {name: {dict(key).get(name) for key in keys} for key in keys for name, _ in key}
    every, races = summarise(found), comparisons(found)
    for key in keys:
        yield Workload(
            key=tuple((name, value) for name, value in key if len(levels[name]) > 1),
            studies=tuple(study for study in found if study.workload == key),
            strategies=tuple(strategy for strategy in every if strategy.workload == key),
            comparisons=tuple(comparison for comparison in races if comparison.workload == key),
        )


def _reached(workload: Workload) -> RenderableType:
    rows = []
    for strategy in workload.strategies:
        comparison = workload.comparison(strategy.strategy)
        trials = [race.trials for race in comparison.races if race.trials is not None] if comparison else []
        cells = [
            str(strategy.seeds),
            percent_interval(strategy.best_accuracy),
            number(strategy.total_j.mean if strategy.total_j else None),
            f"{comparison.reached} of {len(comparison.races)}" if comparison else UNKNOWN,
            count(median(trials) if trials else None),
            _ratio(comparison) if comparison else UNKNOWN,
        ]
        rows.append(Row((("strategy", strategy.strategy),), cells))
    return grids(rows, _REACHED)


def _ratio(comparison: StrategyComparison) -> str:
    """The median with its interval, in percent; more than all where it is never reached."""
    if comparison.ratio_low is None or comparison.ratio_high is None or not isfinite(comparison.ratio):
        return _percent(comparison.ratio)
    return f"{_percent(comparison.ratio)} ({_percent(comparison.ratio_low)} to {_percent(comparison.ratio_high)})"


def _percent(ratio: float) -> str:
    return percent(ratio) if isfinite(ratio) else "never"


def _until(workload: Workload, targets: Sequence[float]) -> RenderableType | None:
    rows = []
    for strategy, target in ((s.strategy, target) for s in workload.strategies for target in targets):
        studies_of = [study for study in workload.studies if study.strategy == strategy]
        steps = [step for study in studies_of if (step := study.until(target)) is not None]
        is_metered = all(study.is_metered for study in studies_of)
        cells = [
            f"{len(steps)} of {len(studies_of)}",
            count(median(step.trials for step in steps) if steps else None),
            number(median(step.joules for step in steps) if steps and is_metered else None),
        ]
        rows.append(Row((("strategy", strategy), ("until", target)), cells))
    return grids(rows, ("seeds", "trials\n(median)", "J\n(median)")) if rows else None


def _spent(workload: Workload) -> RenderableType:
    return grids([Row((("strategy", s.strategy),), _spent_cells(s)) for s in workload.strategies], _SPENT)


def _spent_cells(strategy: StrategySummary) -> list[str]:
    shares = (strategy.failed_share, strategy.pruned_share, strategy.dominated_share)
    return [
        str(strategy.trials),
        *(UNKNOWN if share is None else percent(share) for share in shares),
        number(strategy.saved_j),
        number(strategy.sampler_s),
        number(strategy.sampler_cpu_s),
    ]


def _front(workload: Workload) -> RenderableType | None:
    unbeaten = front(workload.studies)
    rows = [
        [label(study.strategy), label(study.seed), _accuracy(c.accuracy), number(c.energy_j), _spelt(c.params)]
        for study, c in unbeaten[-_FRONT:]
    ]
    more = f", the {_FRONT} most accurate of {len(unbeaten)}" if len(unbeaten) > _FRONT else ""
    if not rows:
        return None
    heading = Text(f"Pareto front of accuracy and J of a training{more}")
    return Group(heading, listed(("strategy", "seed", "accuracy %", "J", "hyperparameters"), rows))


def _accuracy(share: float | None) -> str:
    return number(None if share is None else share * 100)


def _spelt(params: Point) -> str:
    return ", ".join(f"{name} {number(v) if isinstance(v, float) else label(v)}" for name, v in params.items())


def _strategy_records(workload: Workload) -> list[dict[str, Scalar]]:
    return [_strategy_record(strategy, workload.comparison(strategy.strategy)) for strategy in workload.strategies]


def _strategy_record(strategy: StrategySummary, comparison: StrategyComparison | None) -> dict[str, Scalar]:
    return {
        **dict(strategy.workload),
        "strategy": strategy.strategy,
        "seeds": strategy.seeds,
        "trials": strategy.trials,
        "failed": strategy.failed,
        "pruned": strategy.pruned,
        "dominated": strategy.dominated,
        "unknown_energy": strategy.unknown,
        **inference.ends("best_accuracy", strategy.best_accuracy),
        **inference.ends("total_j", strategy.total_j),
        "failed_share": strategy.failed_share,
        "pruned_share": strategy.pruned_share,
        "dominated_share": strategy.dominated_share,
        "saved_by_pruning_j_estimate": strategy.saved_j,
        "sampler_s": strategy.sampler_s,
        "sampler_cpu_s": strategy.sampler_cpu_s,
        "races": len(comparison.races) if comparison else 0,
        "reached_random_best": comparison.reached if comparison else None,
        "j_over_random": _finite(comparison.ratio) if comparison else None,
        "j_over_random_low": _finite(comparison.ratio_low) if comparison else None,
        "j_over_random_high": _finite(comparison.ratio_high) if comparison else None,
        "p": comparison.p if comparison else None,
        "verdict": comparison.verdict if comparison and comparison.strategy != BASELINE else None,
    }


def _finite(ratio: float | None) -> float | None:
    """A ratio that is never reached is none."""
    return ratio if ratio is not None and isfinite(ratio) else None


def _configurations(workload: Workload) -> RenderableType:
    rows = [
        [
            study.strategy,
            label(study.seed),
            str(c.number),
            _accuracy(c.accuracy),
            number(c.energy_j),
            _accuracy(step.accuracy),
            number(step.joules),
            _spelt(c.params),
        ]
        for study in workload.studies
        for c, step in zip(study.configurations, study.curve(), strict=True)
    ]
    heading = [Text(named(dict(workload.key)), style="bold")] if workload.key else []
    headings = ("strategy", "seed", "no.", "accuracy %", "J", "best so far", "J so far", "hyperparameters")
    return Group(*heading, listed(headings, rows))


def _every(workload: Workload) -> list[tuple[Study, Configuration]]:
    return [(study, configuration) for study in workload.studies for configuration in study.configurations]


def _configuration_records(workload: Workload) -> list[dict[str, Scalar]]:
    """The curve of every study, a record a step."""
    unbeaten = [c for _, c in front(workload.studies)]
    dominated = [c for study in workload.studies for c in study.dominated]
    steps = [step for study in workload.studies for step in study.curve()]
    return [
        {
            **dict(study.workload),
            "strategy": study.strategy,
            "tuning_seed": study.seed,
            "configuration": c.number,
            **c.params,
            "outcomes": ";".join(attempt.outcome for attempt in c.attempts),
            "accuracy": c.accuracy,
            "energy_j": c.energy_j,
            "trials_so_far": step.trials,
            "j_so_far": step.joules,
            "best_accuracy_so_far": step.accuracy,
            "is_dominated": any(c is other for other in dominated),
            "is_on_front": any(c is other for other in unbeaten),
        }
        for (study, c), step in zip(_every(workload), steps, strict=True)
    ]
