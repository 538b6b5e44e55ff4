"""Comparison of strategies with random search: the energy until random's best accuracy, paired by seed. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, log
from statistics import median
from typing import Literal

from farm.analysis.aggregate import Key
from farm.analysis.intervals import CONFIDENCE, RESAMPLES
from farm.analysis.statistics.multiplicity import holm
from farm.kinds.tuning.searches import Study
from farm.model import Scalar

BASELINE = "random"
#: Least number of seeds for a claim about strategies.
LEAST_SEEDS = 5
SIGNIFICANCE = 1 - CONFIDENCE


@dataclass(frozen=True, slots=True)
class Race:
    """Trials and joules of a strategy until it has random's best accuracy, with the same seed."""

    seed: Scalar
    goal: float  #: random's best accuracy
    budget_j: float  #: all joules that random spent
    trials: int | None  #: trials until the goal; None: it is never reached
    joules: float | None  #: joules until the goal; None: it is never reached

    @property
    def ratio(self) -> float:
        """Return the joules until the goal over all joules of random; infinite if the goal is never reached."""
        return inf if self.joules is None else self.joules / self.budget_j


@dataclass(frozen=True, slots=True)
class StrategyComparison:
    """Comparison of one strategy with random search over seeds."""

    workload: Key
    strategy: str
    races: tuple[Race, ...]  #: one for each seed that both have, if all trainings were metered
    ratio: float  #: median over seeds; infinite: most seeds never reach the goal
    ratio_low: float | None  #: lower end of the 95 % interval of the median (bootstrap over seeds)
    ratio_high: float | None  #: upper end
    p: float | None  #: p value of less energy: one-sided Wilcoxon signed-rank test, Holm over a workload's strategies
    least_p: float  #: least p value that is possible with so few seeds

    @property
    def reached(self) -> int:
        """Return the number of seeds with which the strategy reaches the goal."""
        return sum(race.trials is not None for race in self.races)

    @property
    def verdict(self) -> Literal["less", "never", "unclear"]:
        """Return what may be claimed about the energy of the strategy."""
        if self.reached == 0:
            return "never"
        is_sure = self.p is not None and self.p < SIGNIFICANCE and (self.ratio_high or inf) < 1
        return "less" if is_sure and len(self.races) >= LEAST_SEEDS else "unclear"


def comparisons(studies: Iterable[Study]) -> list[StrategyComparison]:
    """Compare every strategy with random search on each workload that has both; random comes first, without a test."""
    groups: dict[Key, dict[str, dict[Scalar, Study]]] = defaultdict(lambda: defaultdict(dict))
    for study in studies:
        groups[study.workload][study.strategy][study.seed] = study
    return [
        comparison for workload, by_strategy in groups.items() for comparison in _comparisons(workload, by_strategy)
    ]


def race(study: Study, random: Study) -> Race | None:
    """Compare two studies of one seed.

    Returns:
        None if random has no accuracy, the energy of a training is unknown, or a sum of joules is not above 0.
    """
    goal, budget_j = random.best_accuracy, random.total_j
    if goal is None or budget_j is None or not (study.is_metered and random.is_metered):
        return None
    step = study.until(goal)
    if budget_j <= 0 or (step is not None and step.joules <= 0):
        return None
    return Race(study.seed, goal, budget_j, step.trials if step else None, step.joules if step else None)


def _comparisons(workload: Key, by_strategy: Mapping[str, Mapping[Scalar, Study]]) -> list[StrategyComparison]:
    random = by_strategy.get(BASELINE, {})
    races = {
        strategy: tuple(
            found for seed, study in own.items() if seed in random if (found := race(study, random[seed])) is not None
        )
        for strategy, own in sorted(by_strategy.items(), key=lambda item: item[0] != BASELINE)
    }
    run = {strategy: several for strategy, several in races.items() if several}
    tested = {strategy: p_less([r.ratio for r in several]) for strategy, several in run.items() if strategy != BASELINE}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [
        _comparison(workload, strategy, several, adjusted.get(strategy), len(tested))
        for strategy, several in run.items()
    ]


def _comparison(
    workload: Key, strategy: str, races: tuple[Race, ...], p: float | None, tests: int
) -> StrategyComparison:
    ratios = [r.ratio for r in races]
    low, high = median_interval(ratios)
    return StrategyComparison(
        workload, strategy, races, median(ratios), low, high, p, min(tests * 0.5 ** len(races), 1.0)
    )


def p_less(ratios: Sequence[float]) -> float:
    """Return the p value of a median below 1: one-sided Wilcoxon signed-rank test of the logarithms of ratios.

    An infinite ratio ranks above all others, to the disadvantage of the strategy.
    """
    logs = [log(ratio) for ratio in ratios if isfinite(ratio)]
    most = max(map(abs, logs), default=0.0) + 1
    differences = [x for x in (*logs, *[most] * (len(ratios) - len(logs))) if x != 0]
    if not differences:
        return 1.0
    from scipy.stats import wilcoxon  # noqa: PLC0415 - slow to import

    return float(wilcoxon(differences, alternative="less").pvalue)


def median_interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a median, which may be infinite, by a percentile bootstrap with a fixed seed."""
    if len(values) < LEAST_SEEDS:
        return None, None
    import numpy as np  # noqa: PLC0415

    picks = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    medians = np.sort(np.median(np.asarray(values)[picks], axis=1))
    tail = round(RESAMPLES * (1 - CONFIDENCE) / 2)
    return float(medians[tail]), float(medians[-1 - tail])
