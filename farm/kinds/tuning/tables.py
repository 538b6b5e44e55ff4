"""Tables of searches: accuracy and joules of strategies, the Pareto front, importances, and all configurations."""

from collections.abc import Iterable, Sequence
from math import inf, isfinite
from statistics import median

from farm.analysis.aggregate import Key
from farm.kinds.tuning.comparison import BASELINE, StrategyComparison
from farm.kinds.tuning.importance import importance
from farm.kinds.tuning.searches import StrategySummary, front
from farm.kinds.tuning.space import Space
from farm.kinds.tuning.workloads import Workload
from farm.model import Point
from farm.report.document import Column, Form, Row, Table, Value, key
from farm.report.numbers import label, number, percent

#: Largest number of configurations of the Pareto front in a table; the rows by configuration have all of them.
_FRONT = 8
_STRATEGY = key("strategy")
_REACHED = (
    _STRATEGY,
    Column("seeds", "seeds", Form.COUNT),
    Column("best_accuracy", "best accuracy\n% (95%)", Form.PERCENT_INTERVAL),
    Column("total_j", "J in\nall", Form.NET_MEAN),
    Column("reached", "reach\ntarget", Form.TEXT),
    Column("trials_until", "trials\nuntil", Form.COUNT),
    Column("ratio", "J until\n/ random's", Form.TEXT),
)
_SPENT = (
    _STRATEGY,
    Column("trials", "trials", Form.COUNT),
    Column("failed_share", "share of J\nfailed", Form.PERCENT),
    Column("pruned_share", "\npruned", Form.PERCENT),
    Column("dominated_share", "\ndominated", Form.PERCENT),
    Column("saved_by_pruning_j_estimate", "saved by\npruning, J"),
    Column("sampler_s", "ask\ns"),
    Column("sampler_cpu_s", "ask\nCPU s"),
)
_FILES = (
    *(Column(name) for name in ("strategy", "seeds", "trials", "failed", "pruned", "dominated", "unknown_energy")),
    Column("best_accuracy", form=Form.INTERVAL),
    Column("total_j", form=Form.INTERVAL),
    *(Column(f"{name}_share") for name in ("failed", "pruned", "dominated")),
    *(Column(name) for name in ("saved_by_pruning_j_estimate", "sampler_s", "sampler_cpu_s")),
    *(Column(name) for name in ("seeds_compared", "reached_target", "cheaper_than_random")),
    Column("j_until_over_random", form=Form.MEDIAN),
    *(Column(name) for name in ("p", "verdict")),
)
#: Fields of a summary that are columns too.
_FIELDS = (
    *("strategy", "seeds", "trials", "failed", "pruned", "dominated", "best_accuracy", "total_j"),
    *("failed_share", "pruned_share", "dominated_share", "sampler_s", "sampler_cpu_s"),
)
_UNTIL = (
    _STRATEGY,
    key("until"),
    Column("seeds", "seeds", Form.TEXT),
    Column("trials", "trials\n(median)", Form.COUNT),
    Column("j", "J\n(median)"),
)
_SEED = Column("tuning_seed", "seed", Form.TEXT)
_ACCURACY = Column("accuracy", "accuracy %", scale=100)
_JOULES = Column("energy_j", "J")
_PARAMS = Column("hyperparameters", "hyperparameters", Form.TEXT, in_files=False)


def strategies(workload: Workload) -> Table:
    """Return a table for files with all figures of each strategy."""
    rows = [
        Row(dict(strategy.workload) | _values(strategy, workload.comparison(strategy.strategy)))
        for strategy in workload.strategies
    ]
    return Table([*_keys(strategy.workload for strategy in workload.strategies), *_FILES], rows)


def reached(workload: Workload) -> Table:
    """Return the best accuracy of each strategy, and how soon it reached the target of the comparison."""
    rows = []
    for strategy in workload.strategies:
        comparison = workload.comparison(strategy.strategy)
        values = _values(strategy, comparison)
        if comparison is not None:
            values["reached"] = f"{comparison.reached} of {len(comparison.pairs)}"
            values["trials_until"] = _finite(comparison.trials)
            values["ratio"] = None if comparison.strategy == BASELINE else ratio(comparison)
        rows.append(Row(values))
    return Table(_REACHED, rows)


def spent(workload: Workload) -> Table:
    """Return what share of the joules of each strategy was wasted, and what pruning saved."""
    return Table(_SPENT, [Row(_values(strategy, None)) for strategy in workload.strategies])


def _values(strategy: StrategySummary, comparison: StrategyComparison | None) -> dict[str, Value]:
    own: dict[str, Value] = {name: getattr(strategy, name) for name in _FIELDS}
    own |= {"unknown_energy": strategy.unknown, "saved_by_pruning_j_estimate": strategy.saved_j, "seeds_compared": 0}
    if comparison is None:
        return own
    own |= {"seeds_compared": len(comparison.pairs), "reached_target": comparison.reached}
    if comparison.strategy == BASELINE:
        return own
    return own | {
        "cheaper_than_random": comparison.cheaper,
        "j_until_over_random": comparison.ratio,
        "p": comparison.p,
        "verdict": comparison.verdict,
    }


def ratio(comparison: StrategyComparison) -> str:
    """Return the median ratio of joules, with its interval if there are seeds enough for one."""
    found = comparison.ratio
    if found.low is None or found.high is None:
        return percent(found.value)
    return f"{percent(found.value)} ({percent(found.low)} to {percent(found.high)})"


def _finite(value: float) -> float | None:
    """Return None for an infinite median: most searches never reach the accuracy."""
    return value if isfinite(value) else None


def until(workload: Workload, targets: Sequence[float]) -> Table:
    """Return the medians of trials and joules until each accuracy; unknown if most seeds never reach it."""
    rows = []
    for strategy, target in ((s.strategy, target) for s in workload.strategies for target in targets):
        studies = [study for study in workload.studies if study.strategy == strategy]
        steps = [study.until(target) for study in studies]
        is_metered = all(study.is_metered for study in studies)
        values: dict[str, Value] = {
            "strategy": strategy,
            "until": target,
            "seeds": f"{sum(step is not None for step in steps)} of {len(studies)}",
            "trials": _finite(median(inf if step is None else step.trials for step in steps)),
            "j": _finite(median(inf if step is None else step.joules for step in steps)) if is_metered else None,
        }
        rows.append(Row(values))
    return Table(_UNTIL, rows)


def front_of(workload: Workload) -> Table:
    """Return the configurations that no other one beats, or the most accurate of them."""
    unbeaten = front(workload.studies)
    more = f", the {_FRONT} most accurate of {len(unbeaten)}" if len(unbeaten) > _FRONT else ""
    rows = [
        Row(
            {
                "strategy": study.strategy,
                "tuning_seed": study.seed,
                "accuracy": c.accuracy,
                "energy_j": c.energy_j,
                "hyperparameters": spelt(c.params),
            }
        )
        for study, c in unbeaten[-_FRONT:]
    ]
    caption = f"Pareto front of accuracy and J of a training{more}"
    return Table((_STRATEGY, _SEED, _ACCURACY, _JOULES, _PARAMS), rows, caption, is_flat=True)


def importances(workload: Workload, space: Space) -> Table:
    """Return how much each hyperparameter explains of accuracy and joules; raises InputError without Optuna."""
    tried = [configuration for _, configuration in workload.configurations]
    accuracy = importance(space, [(c, c.accuracy) for c in tried]) or {}
    joules = importance(space, [(c, c.energy_j) for c in tried]) or {}
    rows = [
        Row({"hyperparameter": name, "accuracy": accuracy.get(name), "j": joules.get(name)})
        for name in dict.fromkeys((*accuracy, *joules))
    ]
    shares = (Column("accuracy", "accuracy", Form.PERCENT), Column("j", "J", Form.PERCENT))
    return Table((key("hyperparameter", "matters for"), *shares), rows)


def configurations(workload: Workload) -> Table:
    """Return every configuration, with the state of its study after it."""
    unbeaten = {id(c) for _, c in front(workload.studies)}
    dominated = {id(c) for study in workload.studies for c in study.dominated}
    steps = [step for study in workload.studies for step in study.curve()]
    rows = [
        Row(
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
                "is_dominated": id(c) in dominated,
                "is_on_front": id(c) in unbeaten,
                "hyperparameters": spelt(c.params),
            }
        )
        for (study, c), step in zip(workload.configurations, steps, strict=True)
    ]
    columns = (
        *_keys(study.workload for study in workload.studies),
        *(_STRATEGY, _SEED, Column("configuration", "no.", Form.COUNT)),
        *map(Column, dict.fromkeys(name for _, c in workload.configurations for name in c.params)),
        *(Column("outcomes"), _ACCURACY, _JOULES, Column("trials_so_far"), Column("j_so_far", "J so far")),
        Column("best_accuracy_so_far", "best so far", scale=100),
        *(Column("is_dominated"), Column("is_on_front"), _PARAMS),
    )
    return Table(columns, rows, is_flat=True)


def _keys(workloads: Iterable[Key]) -> list[Column]:
    """Return the columns for files that name the workload."""
    return [Column(name) for name in dict.fromkeys(name for workload in workloads for name, _ in workload)]


def spelt(params: Point) -> str:
    """Return hyperparameters with their values."""
    return ", ".join(f"{name} {number(v) if isinstance(v, float) else label(v)}" for name, v in params.items())
